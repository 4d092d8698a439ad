"""What is lost is said in a header, refused, or only logged: as the server or the provider has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from dragoman.settings import Key, LossPolicy, Route, Routes, Secret, Server
from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.lanes import upstreams
from tests.support.upstream import RunningUpstream

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
RECORDINGS = Path(__file__).parents[1] / "recordings" / "anthropic_messages"
MEANT: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: ({"stop": [" "]},),
    MESSAGES: ({"stop_sequences": ["a", "b", "c", "d", "e"]}, {"tools": [SEARCH]}),
}
"""Fields whose loss changes the answer."""
NEEDED: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: ({"n": 2}, {"logprobs": True}, {"modalities": ["audio"]}),
    MESSAGES: ({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]},),
}
"""Fields without which there is no answer."""


@pytest.fixture(scope="module", params=["warn", "strict", "silent"])
def policy(request: pytest.FixtureRequest) -> LossPolicy:
    return cast("LossPolicy", request.param)


@pytest.fixture(scope="module")
def asked(
    policy: LossPolicy, chat_upstream: RunningUpstream, messages_upstream: RunningUpstream
) -> Iterator[httpx2.Client]:
    """A client of a gateway with the policy, whose providers `own-...` have each another one."""
    places = {"chat": chat_upstream, "messages": messages_upstream}
    providers = {name: provider(place.protocol, place.base_url) for name, place in places.items()}
    for name, place in places.items():
        for own in ("warn", "strict", "silent"):
            providers[f"{own}-{name}"] = provider(place.protocol, place.base_url, losses=own)
    server = Server(port=0, losses=policy, retries=0)
    with RunningGateway(providers, server) as gateway, httpx2.Client(base_url=gateway.url, timeout=20) as client:
        yield client


def said(policy: str, code: str) -> str:
    return "silent" if policy == "silent" else f"1; {code}"


@pytest.mark.parametrize("own", ["", "warn", "strict", "silent"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_harmless_loss_is_said_or_not(asked: httpx2.Client, policy: str, own: str, is_streamed: bool) -> None:
    model = f"{own}-chat/x" if own else "chat/x"
    reply = asked.post(MESSAGES, json={**HI, "model": model, "top_k": 5, "stream": is_streamed})
    assert reply.status_code == 200
    assert reply.headers["x-dragoman-loss"] == said(own or policy, "top_k")


@pytest.mark.parametrize("own", ["", "warn", "strict", "silent"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_loss_that_changes_the_answer_is_refused_by_the_strict(
    asked: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    policy: LossPolicy,
    own: str,
    path: str,
) -> None:
    provider_name = "messages" if path == CHAT else "chat"
    for field in MEANT[path]:
        model = f"{own}-{provider_name}/x" if own else f"{provider_name}/x"
        reply = asked.post(path, json={**HI, **field, "model": model})
        upstream = scripted_messages if path == CHAT else scripted_chat
        if (own or policy) == "strict":
            assert reply.status_code == 400
            message = reply.json()["error"]["message"]
            assert "strict" in message
            assert f"`{next(iter(field))}" in message  # as the client calls it
            assert not upstream.seen
        else:
            assert reply.status_code == 200
            assert reply.headers["x-dragoman-loss"] == "silent" or not reply.headers["x-dragoman-loss"].startswith("0")
        upstream.seen.clear()


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_what_the_answer_depends_on_is_refused_by_all(
    asked: httpx2.Client, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream, path: str
) -> None:
    for field in NEEDED[path]:
        reply = asked.post(path, json={**HI, **field, "model": "messages/x" if path == CHAT else "chat/x"})
        assert reply.status_code == 400
        (name,) = field
        error = reply.json()["error"]
        assert error.get("param") == name or f"`{name}`" in error["message"]
        assert not scripted_chat.seen + scripted_messages.seen


@pytest.fixture(scope="module")
def routed(chat_upstream: RunningUpstream) -> Iterator[RunningGateway]:
    """A gateway whose server, provider, route, alias and keys have each a policy of their own."""
    server = Server(
        port=0,
        losses="warn",
        keys=(Key(key=Secret("plain")), Key(key=Secret("careful"), name="ci", losses="strict")),
    )
    providers = {
        "chat": provider(chat_upstream.protocol, chat_upstream.base_url, models=["m"]),
        "quiet": provider(chat_upstream.protocol, chat_upstream.base_url, models=["n"], losses="silent"),
    }
    aliases: dict[str, str | Route] = {
        "exact": Route(to="quiet/n", losses="strict"),
        "loud": Route(to="quiet/n", losses="warn"),
        "same": "quiet/n",
    }
    routes = Routes(default=Route(to="chat/m", losses="silent"))
    with RunningGateway(providers, server, aliases=aliases, routes=routes) as gateway:
        yield gateway


WARNED, REFUSED, SILENT = "1; stop", "refused", "silent"


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "key", "asked", "outcome"),
    [
        ("chat/m", "plain", None, WARNED),  # the server's
        ("quiet/n", "plain", None, SILENT),  # the provider's
        ("same", "plain", None, SILENT),
        ("loud", "plain", None, WARNED),  # the alias's
        ("exact", "plain", None, REFUSED),
        ("nobody-knows-this", "plain", None, SILENT),  # the route's
        ("quiet/n", "careful", None, REFUSED),  # the key's
        ("loud", "careful", None, REFUSED),
        ("quiet/n", "careful", "warn", WARNED),  # the request's
        ("exact", "plain", "silent", SILENT),
        ("chat/m", "plain", "strict", REFUSED),
    ],
)
def test_the_most_particular_policy_counts(
    routed: RunningGateway, model: str, key: str, asked: str | None, outcome: str, is_streamed: bool
) -> None:
    headers = {"x-api-key": key} | ({"x-dragoman-losses": asked} if asked else {})
    body = {**HI, **MEANT[MESSAGES][0], "model": model, "stream": is_streamed}
    reply = httpx2.post(routed.url + MESSAGES, json=body, headers=headers, timeout=20)
    assert reply.status_code == (400 if outcome == REFUSED else 200)
    if outcome != REFUSED:
        assert reply.headers["x-dragoman-loss"] == outcome


def test_a_policy_that_there_is_not_is_a_400_in_the_clients_dialect(
    routed: RunningGateway, scripted_chat: RunningUpstream
) -> None:
    headers = {"x-api-key": "plain", "x-dragoman-losses": "loud"}
    reply = httpx2.post(routed.url + MESSAGES, json={**HI, "model": "chat/m"}, headers=headers, timeout=20)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert "`x-dragoman-losses` is `loud`" in reply.json()["error"]["message"]
    assert not scripted_chat.seen


def test_the_policy_stays_here_and_the_log_names_the_key(
    routed: RunningGateway, scripted_chat: RunningUpstream
) -> None:
    routed.forget_lines()
    headers = {"x-api-key": "careful", "x-dragoman-losses": "silent"}
    for path in (MESSAGES, CHAT):
        httpx2.post(routed.url + path, json={**HI, "model": "chat/m"}, headers=headers, timeout=20)
    assert [line.key for line in routed.wait_for_lines(2)] == ["ci", "ci"]
    assert len(scripted_chat.seen) == 2
    assert not any("x-dragoman-losses" in seen.headers for seen in scripted_chat.seen)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_a_reply_loses_is_in_the_log_and_in_the_header_of_a_whole_one(is_streamed: bool) -> None:
    """The head of a stream has gone out before anybody knows."""
    recording = RECORDINGS / ("server_tool.sse" if is_streamed else "server_tool.json")
    data = recording.read_bytes()
    with ExactUpstream() as server, RunningGateway(upstreams(server)) as gateway:
        server.answers(stream_answer(data) if is_streamed else json_answer(data))
        reply = httpx2.post(gateway.url + CHAT, json={**HI, "model": "messages/m", "stream": is_streamed}, timeout=20)
        assert reply.status_code == 200
        assert b"wikipedia" not in reply.content  # nobody cited it
        assert reply.headers["x-dragoman-loss"] == ("0" if is_streamed else "1; reply_search")
        (line,) = gateway.wait_for_lines(1)
        assert line.losses == ("reply_search:reply.content[1]",)
