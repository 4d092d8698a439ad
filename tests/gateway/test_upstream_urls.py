"""`x-upstream-url` and `x-upstream-format`: off by default, and no way to any place that was not listed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from dragoman.settings import Key, Secret, Server
from tests.support.gateway import RunningGateway
from tests.support.upstream import RunningUpstream

KEY = "sk-the-clients-own-0123456789"
HI: dict[str, Any] = {"model": "any/model", "max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"


@pytest.fixture(scope="module")
def open_gateway(chat_upstream: RunningUpstream, messages_upstream: RunningUpstream) -> Iterator[RunningGateway]:
    listed = (chat_upstream.origin, f"{messages_upstream.origin}/", "https://api.example.com")
    with RunningGateway(server=Server(port=0, allow_upstream_urls=listed, retries=0)) as gateway:
        yield gateway


def ask(
    gateway: RunningGateway, url: str, form: str | None, path: str = CHAT, headers: dict[str, str] | None = None
) -> httpx2.Response:
    named = {"x-upstream-url": url, "authorization": f"Bearer {KEY}", **(headers or {})}
    if form is not None:
        named["x-upstream-format"] = form
    return httpx2.post(gateway.url + path, json=HI, headers=named, timeout=20)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"/chat{CHAT}", "/messages"])
def test_it_is_off_by_default(scripted_gateway: RunningGateway, scripted_chat: RunningUpstream, path: str) -> None:
    reply = ask(scripted_gateway, scripted_chat.base_url, "openai", path)
    assert reply.status_code == 403
    assert "server.allow_upstream_urls" in reply.json()["error"]["message"]
    assert not scripted_chat.seen


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_listed_origin_is_asked_in_the_format_that_was_named(
    open_gateway: RunningGateway, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream, path: str
) -> None:
    chat = ask(open_gateway, scripted_chat.base_url, "openai", path)
    assert chat.status_code == 200
    assert chat.json()["model"] == "any/model"
    assert chat.headers["x-dragoman-provider"] == scripted_chat.origin.removeprefix("http://")
    assert scripted_chat.last.path == CHAT
    assert scripted_chat.last.headers["authorization"] == f"Bearer {KEY}"
    assert scripted_chat.last_json["model"] == "any/model"
    for url in (scripted_messages.origin, f"{scripted_messages.origin}/v1/"):
        assert ask(open_gateway, url, "anthropic", path).status_code == 200
        assert scripted_messages.last.path == MESSAGES
        assert scripted_messages.last.headers["x-api-key"] == KEY
    for seen in (scripted_chat.last, scripted_messages.last):
        assert not [name for name in seen.headers if name.startswith("x-upstream-")]


@pytest.mark.parametrize(
    "trick",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:1/v1",
        "https://127.0.0.1:{port}/v1",
        "http://127.1:{port}/v1",
        "http://2130706433:{port}/v1",
        "http://0x7f000001:{port}/v1",
        "http://0177.0.0.1:{port}/v1",
        "http://0:{port}/v1",
        "http://0.0.0.0:{port}/v1",
        "http://localhost:{port}/v1",
        "http://[::1]:{port}/v1",
        "http://[::ffff:127.0.0.1]:{port}/v1",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:{port}@evil.example/v1",
        "http://evil.example@127.0.0.1:{port}/v1",
        "http://127.0.0.1:{port}\\@evil.example/v1",
        "http://127.0.0.1:{port}%2f@evil.example/v1",
        "http://127.0.0.1.:{port}/v1",
        "http://127.0.0.1:{port}.evil.example/v1",
        "http://api.example.com/v1",
        "https://api.example.com.evil.example/v1",
        "https://api.example.com:444/v1",
        "https://evil.example/https://api.example.com",
        "https://evil.example#https://api.example.com",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "//127.0.0.1:{port}/v1",
        "127.0.0.1:{port}",
        "http://127.0.0.1:{port}/v1?x=1",
        "http://127.0.0.1:{port}/v1#x",
        "http://127.0.0.1:{port} /v1",
        "http:/127.0.0.1:{port}/v1",
        "http://",
        "http://[",
        "x",
        "",
    ],
)
def test_no_trick_leads_anywhere_else(open_gateway: RunningGateway, scripted_chat: RunningUpstream, trick: str) -> None:
    url = trick.replace("{port}", scripted_chat.origin.rpartition(":")[2])
    reply = ask(open_gateway, url, "openai")
    assert reply.status_code in (400, 403), reply.text
    assert reply.json()["error"]["param"] == "x-upstream-url"
    assert not scripted_chat.seen


def test_capitals_and_default_ports_are_the_same_origin(open_gateway: RunningGateway) -> None:
    for url in ("https://API.example.com:443/v1", "HTTPS://api.example.com/v1"):
        reply = httpx2.post(
            f"{open_gateway.url}{CHAT}", json=HI, headers={"x-upstream-url": url, "x-upstream-format": "gemini"}
        )
        assert reply.json()["error"]["param"] == "x-upstream-format"  # the origin was fine


@pytest.mark.parametrize(
    ("form", "said"), [(None, "without"), ("", "without"), ("gemini", "gemini"), ("OpenAI", "OpenAI")]
)
def test_a_missing_or_unknown_format_is_a_400(
    open_gateway: RunningGateway, scripted_chat: RunningUpstream, form: str | None, said: str
) -> None:
    reply = ask(open_gateway, scripted_chat.base_url, form)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "x-upstream-format"
    assert said in reply.json()["error"]["message"]


def test_a_format_alone_is_a_400(open_gateway: RunningGateway) -> None:
    reply = httpx2.post(f"{open_gateway.url}{CHAT}", json=HI, headers={"x-upstream-format": "openai"})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "x-upstream-format"


def test_the_gateways_key_does_not_go_there(chat_upstream: RunningUpstream, scripted_chat: RunningUpstream) -> None:
    server = Server(port=0, allow_upstream_urls=(chat_upstream.origin,), keys=(Key(key=Secret(KEY)),))
    with RunningGateway(server=server) as gateway:
        for path in (CHAT, MESSAGES):
            assert ask(gateway, chat_upstream.base_url, "openai", path).status_code == 200
            assert KEY not in str(scripted_chat.last.headers)


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    """Yield the URL of an upstream that sends everybody to `target`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("location", target)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_redirect_is_not_followed_and_not_passed_on(scripted_chat: RunningUpstream, path: str) -> None:
    with (
        redirecting(f"{scripted_chat.base_url}/chat/completions") as url,
        RunningGateway(server=Server(port=0, allow_upstream_urls=(url,), retries=0)) as gateway,
    ):
        reply = ask(gateway, f"{url}/v1", "openai", path)
        assert reply.status_code == 502
        assert "location" not in reply.headers
        assert reply.json()["error"]["message"]
        assert not scripted_chat.seen
