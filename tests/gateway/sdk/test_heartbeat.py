"""A silent upstream and a client that must not give up: signs of life in its own protocol, and an honest end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import KEY, anthropic_client, ask_chat, openai_client, said
from tests.support.wires import completion, completion_chunks, message, message_events, text

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
BEATS = {"anthropic": b"event: ping\n", "openai": b": keepalive\n"}
MODELS = {"chat": "chat/any", "messages": "messages/any"}
HELLO: Any = [{"role": "user", "content": "Hello?"}]


@pytest.fixture(scope="module")
def lively(chat_server: ExactUpstream, messages_server: ExactUpstream) -> Iterator[RunningGateway]:
    """A gateway that cannot bear silence."""
    providers = {
        "chat": provider("openai-chat", f"{chat_server.url}/v1"),
        "messages": provider("anthropic-messages", messages_server.url),
    }
    with RunningGateway(providers, Server(port=0, heartbeat_s=0.05, retries=0)) as running:
        yield running


def reply(upstream: str) -> list[bytes]:
    if upstream == "chat":
        return completion_chunks(completion("Hello."))
    return message_events(message(text("Hello.")))


def pausing(pieces: list[bytes], place: int, gate: threading.Event) -> Answer:
    """Return a stream that waits for `gate` before its piece number `place`; at -1 before its head."""
    whole = stream_answer(*pieces)
    return Answer(whole.pieces, gate=gate, until=place + 1)


@pytest.mark.parametrize("place", [-1, 0, 1, 3], ids=["no head", "nothing", "a start", "in the middle"])
@pytest.mark.parametrize("upstream", MODELS)
@pytest.mark.parametrize("client", PATHS)
def test_silence_is_filled_with_signs_of_life(
    lively: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, client: str, upstream: str, place: int
) -> None:
    """The upstream goes on when the client has heard two of them."""
    gate = threading.Event()
    server = {"chat": chat, "messages": messages}[upstream]
    server.answers(pausing(reply(upstream), place, gate))
    body = {"model": MODELS[upstream], "max_tokens": 9, "messages": HELLO, "stream": True}
    url = lively.url + PATHS[client]
    came = b""
    with httpx2.stream("POST", url, json=body, headers={"x-api-key": KEY}, timeout=20) as told:
        assert told.status_code == 200
        assert told.headers["content-type"].startswith("text/event-stream")
        assert told.headers["x-dragoman-model"] == "any"
        for chunk in told.iter_bytes():
            came += chunk
            if came.count(BEATS[client]) >= 2:
                gate.set()
    assert gate.is_set()
    assert came.rstrip().endswith(b"[DONE]" if client == "openai" else b'"message_stop"}')


@contextmanager
def opened_later(gate: threading.Event) -> Iterator[None]:
    """Open `gate` after a few signs of life; the SDKs keep those to themselves."""
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    yield
    timer.join()


def hear(url: str, upstream: str) -> list[Any]:
    """Return the blocks that the Anthropic SDK makes of a stream."""
    with (
        anthropic_client(url) as claude,
        claude.messages.stream(model=MODELS[upstream], max_tokens=9, messages=HELLO) as stream,
    ):
        return said(stream.get_final_message())


def follow(url: str, upstream: str) -> str | None:
    """Return the words that the OpenAI SDK makes of a stream."""
    with openai_client(url) as gpt:
        return ask_chat(gpt, streams=True, model=MODELS[upstream]).reply.choices[0].message.content


@pytest.mark.parametrize("upstream", MODELS)
def test_the_sdks_do_not_mind_signs_of_life(
    lively: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, upstream: str
) -> None:
    server = {"chat": chat, "messages": messages}[upstream]
    for place in (-1, 1):
        for ask, answer in ((hear, [text("Hello.")]), (follow, "Hello.")):
            gate = threading.Event()
            server.answers(pausing(reply(upstream), place, gate))
            with opened_later(gate):
                assert ask(lively.url, upstream) == answer


def test_an_error_behind_a_sign_of_life_is_an_event(
    lively: RunningGateway, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    """The head has gone out as a 200 by then."""
    failed: list[tuple[Any, type[Exception]]] = [(hear, anthropic.APIStatusError), (follow, openai.APIError)]
    for upstream, server in (("chat", chat), ("messages", messages)):
        for ask, error in failed:
            gate = threading.Event()
            body = {"type": "error", "error": {"type": "overloaded_error", "message": "quite overloaded"}}
            server.answers(Answer(json_answer(body, 529).pieces, gate=gate, until=0))
            with opened_later(gate), pytest.raises(error, match="quite overloaded"):
                ask(lively.url, upstream)


def test_a_sign_of_life_never_parts_an_event(lively: RunningGateway, messages: ExactUpstream) -> None:
    """The upstream falls silent in the middle of a line."""
    gate = threading.Event()
    whole = b"".join(reply("messages"))
    messages.answers(Answer(stream_answer(whole[:-20], whole[-20:]).pieces, gate=gate, until=2))
    with opened_later(gate):
        assert hear(lively.url, "messages") == [text("Hello.")]
