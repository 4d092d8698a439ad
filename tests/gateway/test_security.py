"""Who may ask, from where, and how much: keys, Host and Origin, CORS, the size of bodies."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from dragoman.settings import Key, Secret, Server
from tests.support.gateway import RunningGateway, provider
from tests.support.upstream import RunningUpstream

KEY, OTHER = "dgm-first-0123456789", "dgm-second-0123456789"
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
DEMO = {**HI, "model": "demo/echo"}


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked_gateway(chat_upstream: RunningUpstream, messages_upstream: RunningUpstream) -> Iterator[RunningGateway]:
    providers = {
        "chat": provider("openai-chat", chat_upstream.base_url, api_key=None),
        "messages": provider("anthropic-messages", messages_upstream.base_url, api_key=None),
    }
    with RunningGateway(providers, Server(port=0, keys=(Key(key=Secret(KEY)), Key(key=Secret(OTHER))))) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def locked(locked_gateway: RunningGateway) -> Iterator[httpx2.Client]:
    """A client of a gateway with two keys, whose upstreams have none configured."""
    with httpx2.Client(base_url=locked_gateway.url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("key", [KEY, OTHER])
@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "authorization", "Authorization"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"{MESSAGES}/count_tokens"])
def test_each_key_opens_in_each_header(locked: httpx2.Client, path: str, header: str, key: str) -> None:
    for value in [f"Bearer {key}", f"bearer {key}"] if header.lower() == "authorization" else [key]:
        assert locked.post(path, json=DEMO, headers={header: value}).status_code == 200
        assert locked.get("/v1/models", headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": KEY + "x"},
        {"x-api-key": KEY.upper()},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY} {OTHER}"},
        {"cookie": f"x-api-key={KEY}"},
    ],
    ids=str,
)
def test_nothing_else_opens(locked: httpx2.Client, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", MESSAGES),
        ("POST", CHAT),
        ("POST", f"{MESSAGES}/count_tokens"),
        ("GET", "/v1/models"),
    ):
        reply = locked.request(method, path, headers=headers, json=DEMO if method == "POST" else None)
        assert reply.status_code == 401
        assert reply.headers["x-should-retry"] == "false"
        assert reply.headers["x-dragoman-loss"] == "0"
        assert "x-dragoman-model" not in reply.headers
        assert "server.keys" in reply.json()["error"]["message"]
        assert KEY not in reply.text


def test_a_locked_gateway_says_that_it_is_there(locked: httpx2.Client) -> None:
    assert locked.get("/ping").text == "pong"
    assert locked.head("/api/hello").status_code == 200
    health = locked.get("/health")
    assert health.json()["needs_key"] is True
    assert KEY not in health.text
    assert locked.get("/openapi.json").json()["security"] == [{"bearer": []}, {"apiKey": []}]


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "authorization"])
@pytest.mark.parametrize("model", ["chat/x", "messages/x"])
def test_the_gateways_key_is_never_forwarded(
    locked: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    model: str,
    header: str,
    path: str,
) -> None:
    """Nor is a second key beside it."""
    headers = {"x-api-key": OTHER, "x-goog-api-key": OTHER, "authorization": f"Bearer {OTHER}"}
    headers[header] = f"Bearer {KEY}" if header == "authorization" else KEY
    assert locked.post(path, json={**HI, "model": model}, headers=headers).status_code == 200
    (seen,) = scripted_chat.seen + scripted_messages.seen
    everything = str(seen.headers) + seen.body.decode() + seen.query
    assert KEY not in everything
    assert OTHER not in everything


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_configured_key_takes_the_place_of_the_clients(
    client: httpx2.Client, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream, path: str
) -> None:
    for model in ("chat/x", "messages/x"):
        client.post(path, json={**HI, "model": model}, headers={"x-api-key": KEY})
    assert scripted_chat.last.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert scripted_messages.last.headers["x-api-key"] == "sk-upstream-0123456789"
    assert KEY not in str(scripted_chat.last.headers) + str(scripted_messages.last.headers)


def test_what_belongs_to_the_connection_stays_behind(client: httpx2.Client, scripted_messages: RunningUpstream) -> None:
    headers = {
        "cookie": "session=1",
        "x-forwarded-for": "10.0.0.1",
        "proxy-authorization": "Basic x",
        "sec-fetch-site": "none",
        "te": "trailers",
        "anthropic-beta": "some-2026",
        "x-own": "kept",
    }
    client.post(MESSAGES, json={**HI, "model": "messages/x"}, headers=headers)
    assert set(headers) & set(scripted_messages.last.headers) == {"anthropic-beta", "x-own"}


# --- Host and Origin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", MESSAGES, "/nothing"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:4747",
        "evil.example:4747",
        "[",
        "a@127.0.0.1.nip.io",
    ],
)
def test_a_foreign_host_is_refused_everywhere(client: httpx2.Client, path: str, host: str) -> None:
    method = "POST" if path == MESSAGES else "GET"
    reply = client.request(method, path, headers={"host": host}, json=DEMO if method == "POST" else None)
    assert reply.status_code == 403
    assert "server.allowed_hosts" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:4747", "[::1]:4747", "10.1.2.3", "a.localhost"]
)
def test_a_host_that_no_page_can_rebind_is_welcome(client: httpx2.Client, host: str) -> None:
    assert client.get("/ping", headers={"host": host}).status_code == 200


def test_a_request_without_a_host_is_refused(scripted_gateway: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", scripted_gateway.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.0\r\n\r\n")
        assert connection.recv(100).split(b" ", 2)[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "null", "http://[", "http://127.0.0.1@evil.example", ""],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", MESSAGES), ("POST", CHAT), ("GET", "/v1/models"), ("OPTIONS", CHAT)]
)
def test_a_foreign_page_is_refused(client: httpx2.Client, method: str, path: str, origin: str) -> None:
    reply = client.request(method, path, headers={"origin": origin}, json=DEMO if method == "POST" else None)
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers
    assert "server.cors_origins" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:80", "app://obsidian.md"]
)
def test_a_local_page_may_ask_and_read(client: httpx2.Client, origin: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    preflight = client.options(CHAT, headers={"origin": origin, **asked})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    for reply in (
        client.post(CHAT, json=DEMO, headers={"origin": origin}),
        client.get("/x", headers={"origin": origin}),
    ):
        assert reply.headers["access-control-allow-origin"] == origin
        assert reply.headers["access-control-expose-headers"] == "*"
        assert reply.headers["vary"] == "origin"


def test_a_preflight_needs_no_key(locked: httpx2.Client) -> None:
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    assert locked.options(MESSAGES, headers=headers).status_code == 204


def test_hosts_and_origins_can_be_configured() -> None:
    server = Server(port=0, allowed_hosts=("gateway.example",), cors_origins=("https://page.example/",))
    with RunningGateway(server=server) as gateway, httpx2.Client(base_url=gateway.url) as client:
        assert client.get("/ping", headers={"host": "Gateway.Example:443"}).status_code == 200
        assert client.get("/ping", headers={"host": "other.example"}).status_code == 403
        assert client.get("/ping", headers={"origin": "https://page.example"}).status_code == 200
        assert client.get("/ping", headers={"origin": "https://page.example.org"}).status_code == 403


# --- the size of bodies -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_gateway() -> Iterator[RunningGateway]:
    with RunningGateway(server=Server(port=0, max_body_mib=1)) as gateway:
        yield gateway


def body_of(size: int) -> bytes:
    """Return a valid request of exactly `size` bytes."""
    empty = b'{"model":"demo/echo","max_tokens":1,"messages":[{"role":"user","content":""}]}'
    return empty.replace(b'""', b'"%b"' % (b"a" * (size - len(empty))))


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"{MESSAGES}/count_tokens"])
def test_a_body_over_the_limit_is_a_413(small_gateway: RunningGateway, path: str, is_chunked: bool) -> None:
    for size, status in ((1024 * 1024, 200), (1024 * 1024 + 1, 413)):
        body = body_of(size)
        assert len(body) == size
        reply = httpx2.post(small_gateway.url + path, content=pieces(body) if is_chunked else body, timeout=20)
        assert reply.status_code == status
        if status == 413:
            error = reply.json()["error"]
            assert error["type"] == ("invalid_request_error" if path == CHAT else "request_too_large")
            assert "server.max_body_mib" in error["message"]


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(small_gateway: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", small_gateway.port), timeout=10) as connection:
        head = f"POST {MESSAGES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
