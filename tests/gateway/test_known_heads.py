"""What was read in a head holds for the requests that follow with the same one, and for nothing else that may have changed."""

import gc
import http.client
import json
import socket
import weakref
from typing import Any, Self

import msgspec

from dragoman.routing.plan import Attempt
from dragoman.settings import Key, Secret, Server
from tests.support.gateway import RunningGateway, provider
from tests.support.upstream import RunningUpstream

KEY = "dgm-first-0123456789"


class Kept:
    """One connection; every request on it has the same head."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, **changes: object) -> tuple[int, Any]:
        """Ask for a whole reply."""
        status, data = self.exchange(**changes)
        return status, json.loads(data)

    def exchange(self, **changes: object) -> tuple[int, bytes]:
        body = {"model": "demo/echo", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]} | changes
        data = json.dumps(body).encode()
        lines = (
            "POST /v1/messages HTTP/1.1",
            "host: 127.0.0.1",
            "content-type: application/json",
            "anthropic-version: 2023-06-01",
            f"x-api-key: {KEY}",
            f"content-length: {len(data)}",
        )
        self._socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        reply = http.client.HTTPResponse(self._socket, method="POST")
        reply.begin()
        return reply.status, reply.read()


def test_a_key_that_is_taken_back_opens_nothing_on_a_connection_that_used_it() -> None:
    keys = (Key(key=Secret(KEY)),)
    with RunningGateway({}, Server(port=0, keys=keys)) as gateway, Kept(gateway) as kept:
        assert [kept.ask()[0] for _ in range(3)] == [200, 200, 200]
        others = msgspec.structs.replace(gateway.settings.server, keys=(Key(key=Secret("dgm-second-0123456789")),))
        gateway.app.change(msgspec.structs.replace(gateway.settings, server=others))
        assert [kept.ask()[0] for _ in range(2)] == [401, 401]
        gateway.app.change(gateway.settings)
        assert kept.ask()[0] == 200


def test_an_idle_connection_does_not_keep_what_an_older_configuration_said() -> None:
    """Least of all the keys in it, however long it stays idle."""
    old = provider("openai-chat", "http://127.0.0.1:9/v1", api_key="sk-of-old-0123456789")
    with RunningGateway({"old": old}, Server(port=0, retries=0)) as gateway, Kept(gateway) as kept:
        assert [kept.ask(model="old/model")[0] for _ in range(3)] == [502, 502, 502]
        assert attempts_at("old")
        router = weakref.ref(gateway.app.gateway.router)
        gateway.app.change(msgspec.structs.replace(gateway.settings, providers={}))
        gc.collect()
        assert router() is None
        assert not attempts_at("old")
        assert kept.ask()[0] == 200


def attempts_at(provider: str) -> list[Attempt]:
    return [one for one in gc.get_objects() if isinstance(one, Attempt) and one.provider == provider]


def test_a_body_that_is_too_large_is_refused_and_the_next_one_is_not() -> None:
    with RunningGateway({}, Server(port=0, max_body_mib=1)) as gateway, Kept(gateway) as kept:
        small, large = 10, 2**20
        sizes = [small, small, large, small, large, large, small]
        statuses = [kept.ask(system="x" * size)[0] for size in sizes]
        assert statuses == [200 if size == small else 413 for size in sizes]


def test_each_request_goes_where_its_own_body_says(
    chat_upstream: RunningUpstream, messages_upstream: RunningUpstream
) -> None:
    providers = {
        "chat": provider("openai-chat", chat_upstream.base_url, api_key="sk-of-chat-0123456789"),
        "messages": provider("anthropic-messages", messages_upstream.base_url, api_key="sk-of-messages-0123456789"),
        "other": provider("anthropic-messages", messages_upstream.base_url, api_key="sk-of-other-0123456789"),
    }
    with RunningGateway(providers) as gateway, Kept(gateway) as kept:
        for name in ("messages", "messages", "other", "chat", "other", "messages"):
            status, said = kept.ask(model=f"{name}/echo")
            assert (status, said["content"][0]["text"]) == (200, "hello")
            upstream = chat_upstream if name == "chat" else messages_upstream
            sent = upstream.last.headers
            assert f"sk-of-{name}-0123456789" in (sent.get("x-api-key", ""), sent.get("authorization", "")[7:])


def test_a_session_that_the_body_names_is_that_of_its_own_request(messages_upstream: RunningUpstream) -> None:
    settings = provider("anthropic-messages", messages_upstream.base_url, session_header="x-session")
    with RunningGateway({"messages": settings}) as gateway, Kept(gateway) as kept:
        for session in ("one", "one", "two", "one"):
            user = json.dumps({"session_id": session})
            assert kept.ask(model="messages/echo", metadata={"user_id": user})[0] == 200
            assert messages_upstream.last.headers["x-session"] == session


def test_a_whole_reply_is_asked_for_as_one_after_a_stream_and_a_stream_after_it(chat_upstream: RunningUpstream) -> None:
    settings = provider("openai-chat", chat_upstream.base_url)
    with RunningGateway({"chat": settings}) as gateway, Kept(gateway) as kept:
        for streams in (True, False, False, True, True, False):
            status, _ = kept.exchange(model="chat/echo", stream=streams)
            wanted = "text/event-stream" if streams else "application/json"
            assert (status, chat_upstream.last.headers["accept"]) == (200, wanted)
