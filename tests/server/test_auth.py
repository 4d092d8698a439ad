"""Who may ask: keys, hosts, origins."""

import hmac
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import DragomanError, RequestError
from dragoman.server.auth import OriginCheck, check_key, client_key, is_loopback, losses_for
from dragoman.settings import Key, LossPolicy, Secret


def keys(*texts: str) -> list[Key]:
    return [Key(key=Secret(text)) for text in texts]


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"x-api-key": "k"}, "k"),
        ({"x-goog-api-key": " k "}, "k"),
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bEARER   k "}, "k"),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Basic k"}, None),
        ({"authorization": "k"}, None),
        ({"x-api-key": "", "authorization": "Bearer k"}, "k"),
        ({"x-api-key": "  ", "authorization": "Bearer k"}, "k"),
        ({"x-api-key": "one", "authorization": "Bearer two"}, "one"),
    ],
)
def test_the_key_is_found_in_whichever_header_it_is(headers: dict[str, str], key: str | None) -> None:
    assert client_key(headers) == key


def test_every_key_is_compared_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither which key it is nor how much of it is right can be told by the time it takes."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    accepted = keys("first", "second", "third")
    assert check_key("first", accepted) is accepted[0]
    with pytest.raises(DragomanError):
        check_key("x", accepted)
    assert compared == [(key, other) for key in (b"first", b"x") for other in (b"first", b"second", b"third")]


@given(st.text() | st.none(), st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_only_a_key_of_the_gateways_is_let_in(key: str | None, accepted: list[str]) -> None:
    if key in accepted:
        found = check_key(key, keys(*accepted))
        assert found is not None
        assert found.key.reveal() == key
        return
    with pytest.raises(DragomanError) as caught:
        check_key(key, keys(*accepted))
    assert caught.value.failure.http_status == 401
    assert caught.value.failure.should_retry is False


def test_without_keys_everybody_is_let_in() -> None:
    assert check_key(None, ()) is None
    assert check_key("x", ()) is None


@pytest.mark.parametrize(
    ("asked", "of_key", "policy"),
    [
        (None, None, None),
        (None, "strict", "strict"),
        ("warn", "strict", "warn"),
        (" Silent ", None, "silent"),
    ],
)
def test_a_request_chooses_its_loss_policy_or_else_its_key_does(
    asked: str | None, of_key: LossPolicy | None, policy: LossPolicy | None
) -> None:
    headers = {} if asked is None else {"x-dragoman-losses": asked}
    assert losses_for(headers, Key(key=Secret("k"), losses=of_key)) == policy
    assert losses_for(headers, None) == (None if asked is None else policy)


@pytest.mark.parametrize("asked", ["", "loud", "strict, warn"])
def test_a_loss_policy_that_there_is_not_is_refused(asked: str) -> None:
    with pytest.raises(RequestError) as refused:
        losses_for({"x-dragoman-losses": asked}, None)
    assert refused.value.failure.param == "x-dragoman-losses"
    assert refused.value.failure.hint == "one of `warn`, `strict`, `silent`"


CHECK = OriginCheck("192.168.1.5", ("Gateway.example",), ("https://page.example/", "chrome-extension://trusted"))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:4747",
        "LOCALHOST",
        "127.0.0.1:1",
        "[::1]:1",
        "192.168.1.5",
        "10.0.0.1",
        "gateway.example:443",
        "gateway.example.",
        "x.localhost",
    ],
)
def test_a_host_nobody_can_rebind_passes(host: str) -> None:
    CHECK.check({"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "gateway.example.evil",
        "1.2.3",
        "[::1",
        "[]",
        "notlocalhost",
        "evil.example#localhost",
        "evil.example/localhost",
    ],
)
def test_any_other_host_does_not(host: str) -> None:
    with pytest.raises(DragomanError, match=r"are not allowed"):
        CHECK.check({"host": host})


@given(st.text(max_size=30), st.text(max_size=30) | st.none())
def test_no_header_is_a_mistake_of_ours(host: str, origin: str | None) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    with suppress(DragomanError):
        CHECK.check(headers)


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("http://localhost:5173", True),
        ("https://[::1]", True),
        ("https://page.example", True),
        ("HTTPS://PAGE.example", True),
        ("vscode-webview://abc", True),
        ("tauri://localhost", True),
        ("chrome-extension://abcdefghijklmnop", False),
        ("moz-extension://0a1b", False),
        ("SAFARI-web-extension://0a1b", False),
        ("chrome-extension://trusted", True),
        ("moz-extension://trusted", False),
        ("https://page.example:444", False),
        ("http://page.example", False),
        ("https://evil.example", False),
        ("https://localhost@evil.example", False),
        ("http://192.168.1.9", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_pages_and_extensions_may_ask_when_they_are_local_or_named(origin: str, is_welcome: bool) -> None:
    assert CHECK.allows(origin) is is_welcome


def test_a_star_lets_in_everybody() -> None:
    OriginCheck("127.0.0.1", ("*",), ("*",)).check({"host": "any.example", "origin": "https://any.example"})


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


def test_a_refused_extension_is_told_how_to_be_let_in() -> None:
    with pytest.raises(DragomanError, match="the browser extension `moz-extension://x` are not allowed") as refused:
        CHECK.check({"host": "localhost", "origin": "moz-extension://x"})
    assert refused.value.failure.hint == "add it to `server.cors_origins` if you trust it"
