"""The small parts of settings: rows for the docs, lines of keys, origins of URLs, secrets."""

import pytest

from dragoman.settings import Secret, rows
from dragoman.settings.faults import line_of
from dragoman.settings.origins import origin_of, without_endpoint


def test_every_setting_is_described() -> None:
    table = list(rows())
    assert all(row.description.endswith(".") for row in table)
    by_name = {(row.section, row.name): row for row in table}
    port = by_name["server", "port"]
    assert (port.type, port.default, port.variable) == ("whole number", "4747", "DRAGOMAN_SERVER_PORT")
    assert by_name["providers.NAME", "base_url"].variable == "DRAGOMAN_PROVIDERS_NAME_BASE_URL"
    assert by_name["providers.NAME.models", "id"].variable == ""
    assert by_name["server", "losses"].type == "`warn`, `strict`, `silent`"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("server", "port"), 1),
        (("providers", "a.b", "base_url"), 4),
        (("providers", "a.b", "headers", "x"), 5),
        (("providers", "a.b", "models", 1, "vision"), 8),
        (("providers", "a.b", "models", 2, "context"), 6),
        (("providers", "a.b", "unheard"), 3),
        (("aliases", "x*"), 12),
        (("nothing",), None),
    ],
)
def test_the_line_of_a_key_is_found(path: tuple[str | int, ...], line: int | None) -> None:
    text = (
        "server.port = 1\n\n"
        '[providers."a.b"] # comment\nbase_url = "x"\nheaders.x = "y"\n'
        "models = [\n"
        '  {id = "a"},\n'
        '  {id = "b", vision = 3, context = 1},\n'
        '  {id = "b", context = 1}, # context =\n'
        "]\n"
        "[aliases]\n"
        "'x*' = 'y'\n"
    )
    assert line_of(text, path) == line


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example.com/v1", "https://api.example.com:443"),
        ("http://127.0.0.1:9101", "http://127.0.0.1:9101"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]:80"),
        ("http://2130706433/", "http://2130706433:80"),
        ("http://0177.0.0.1/", "http://0177.0.0.1:80"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]:80"),
    ],
)
def test_an_origin_is_scheme_host_and_port_and_nothing_is_reinterpreted(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://user@host",
        "http://user:pass@host",
        "http://listed@127.0.0.1",
        "http://host\\@evil",
        "http://ho st",
        "http://host\t.evil",
        "http://host:0",
        "http://host:99999",
        "http://host:x",
        "http://höst",
        "http://[::1",
        "http://[fe80::1%25eth0]",
        "http://%6c%6f",
        "//host",
    ],
)
def test_what_is_no_plain_url_has_no_origin(url: str) -> None:
    assert origin_of(url) is None


def test_a_secret_only_shows_when_asked() -> None:
    secret = Secret("text")
    assert "text" not in f"{secret} {secret!r} {secret!s}"
    assert secret.reveal() == "text"
    assert secret == Secret("text")
    assert secret != "text"
    assert hash(secret) == hash(Secret("text"))
    assert Secret("env:NAME").variable == "NAME"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://host/v1/chat/completions", "https://host/v1"),
        ("https://host/v1/chat/completions/", "https://host/v1"),
        ("https://host/v1/responses?api-version=1", "https://host/v1"),
        ("https://host/v1/messages", "https://host"),
        ("https://host/anthropic/v1/messages", "https://host/anthropic"),
        ("https://host/messages", "https://host"),
        ("https://host/v1beta/models/gemini-3-pro:generateContent", "https://host/v1beta"),
        ("https://host/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", "https://host/v1beta"),
        ("https://host/v1", None),
        ("https://messages/v1", None),
        ("https://host/my-responses", None),
        ("https://host/messages/v1", None),
    ],
)
def test_an_endpoint_is_told_from_its_base(url: str, base: str | None) -> None:
    assert without_endpoint(url) == base
