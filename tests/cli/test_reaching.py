"""What `dragoman doctor` says of a provider is what its answers show, and no more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dragoman.cli.reaching import reached
from dragoman.protocols import discover
from dragoman.routing.registry import Registry
from dragoman.settings import Settings
from tests.support.gateway import provider

KEY = "sk-reach-0123456789abcdef"
LIST = b'{"object": "list", "data": []}'
Say = Callable[[str, str], tuple[int, bytes]]
"""(path, key) -> status and body."""


@contextmanager
def server(say: Say) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.headers.get("x-goog-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
            status, body = say(self.path, key)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def said_of(base_url: str, protocol: str = "openai-chat", key: str | None = KEY) -> tuple[str, str, str]:
    settings = Settings(providers={"mine": provider(protocol, base_url, key, models=("m",))})
    (finding,) = reached(Registry(settings, discover()).providers["mine"])
    assert KEY not in repr(finding)
    return finding.what, finding.problem, finding.hint


def listing(path: str, key: str) -> tuple[int, bytes]:
    return (404, b"") if path != "/v1/models" else (200, LIST) if key == KEY else (401, b"{}")


def test_a_key_is_taken_when_the_list_comes_with_it_alone() -> None:
    with server(listing) as url:
        assert said_of(f"{url}/v1") == ("is reached, and takes its key", "", "")
        assert said_of(f"{url}/v1", key="sk-other-0123456789")[1] == "it refuses the key with 401"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [(404, b"<html>", "404"), (200, b"<html>", "no JSON"), (301, b"", "301"), (429, b"{}", "429")],
)
def test_what_any_web_server_answers_shows_nothing_of_the_key(status: int, body: bytes, told: str) -> None:
    with server(lambda _path, _key: (status, body)) as url:
        what, problem, _ = said_of(f"{url}/v1")
        assert not problem
        assert what == (
            f"is reached; whether it takes its key cannot be told: {told} at {url}/v1/models; is `base_url` right?"
        )
        assert said_of(f"{url}/v1", key=None)[0].startswith("is reached; whether it has models cannot be told: ")


def test_a_list_for_everybody_shows_nothing_of_the_key() -> None:
    with server(lambda _path, _key: (200, LIST)) as url:
        assert said_of(f"{url}/v1") == (
            "is reached; whether it takes its key cannot be told: it lists its models without one, too",
            "",
            "",
        )
        assert said_of(f"{url}/v1", key=None) == ("is reached", "", "")


def test_google_refuses_a_key_with_another_status() -> None:
    body = b'{"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}'
    with server(lambda _path, _key: (400, body)) as url:
        assert said_of(url, "gemini-generate")[1] == "it refuses the key with 400"


def test_who_is_not_there_is_told_as_a_request_would_be() -> None:
    what, problem, hint = said_of("http://127.0.0.1:9/v1")
    assert (what, problem) == ("is reached", "no connection to `http://127.0.0.1:9`: Connection refused")
    assert hint == "is `base_url` right, and does something listen there?"
    assert "no connection to `http://nowhere.invalid:80`: " in said_of("http://nowhere.invalid/v1")[1]
