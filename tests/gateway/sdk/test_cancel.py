"""A client that leaves takes the upstream with it, at once; what has come reaches a client that stays, at once too."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.exact_upstream import Answer, Asked, ExactUpstream, silence, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY
from tests.support.wires import block_events, event, message_start, piece, text

AT_ONCE = 0.1
"""Seconds between a client's leaving and its upstream's noticing."""
TRIES = 10
"""A machine with other things to do may be late now and then."""

MODELS = {"chat": "chat/gpt-large", "messages": "messages/claude-large"}
HELLO: Any = [{"role": "user", "content": "Hello?"}]
PAIRS = [(client, upstream) for client in ("anthropic", "openai") for upstream in MODELS]

Ask = Callable[[str, str, str, bool], Any]


def half_a_reply(upstream: str) -> Answer:
    """Return a stream that begins and never ends."""
    if upstream == "chat":
        return stream_answer(piece({"role": "assistant", "content": "Hello"}), stays=True)
    return stream_answer(message_start(), *list(block_events(0, text("Hello")))[:-1], stays=True)


def seconds_to_notice(left_at: float, asked: Asked) -> float:
    assert asked.left.wait(10), "the upstream never noticed"
    return asked.left_at - left_at


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_leaving_in_mid_stream_ends_the_upstreams_work_at_once(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, client: str, upstream: str
) -> None:
    server = {"chat": chat, "messages": messages}[upstream]

    async def leave() -> float:
        server.answers(half_a_reply(upstream))
        if client == "anthropic":
            claude = anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0)
            async with claude, claude.messages.stream(model=MODELS[upstream], max_tokens=9, messages=HELLO) as stream:
                async for _ in stream.text_stream:
                    break
                await stream.close()
                return time.monotonic()
        gpt = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0)
        async with gpt:
            chunks = await gpt.chat.completions.create(model=MODELS[upstream], messages=HELLO, stream=True)
            async for _ in chunks:
                break
            await chunks.close()
            return time.monotonic()

    times = []
    for _ in range(TRIES):
        times.append(seconds_to_notice(asyncio.run(leave()), server.wait()))
        if times[-1] < AT_ONCE:
            break
    assert min(times) < AT_ONCE


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_leaving_before_the_reply_begins_ends_the_upstreams_work_at_once(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, client: str, upstream: str, streams: bool
) -> None:
    server = {"chat": chat, "messages": messages}[upstream]

    async def leave() -> float:
        server.answers(silence())
        request: Any = {"model": MODELS[upstream], "messages": HELLO, "stream": streams, "max_tokens": 9}
        async with (
            anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as claude,
            openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as gpt,
        ):
            create: Any = claude.messages.create if client == "anthropic" else gpt.chat.completions.create
            asking = asyncio.create_task(create(**request))
            await asyncio.to_thread(server.wait)
            left_at = time.monotonic()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            return left_at

    times = []
    for _ in range(TRIES):
        left_at = asyncio.run(leave())
        times.append(seconds_to_notice(left_at, server.asked[-1]))
        if times[-1] < AT_ONCE:
            break
    assert min(times) < AT_ONCE


@pytest.mark.parametrize("upstream", MODELS)
def test_each_token_is_forwarded_before_the_next_one_comes(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, upstream: str
) -> None:
    """The upstream says no more until the client has read what came first."""
    for client in ("anthropic", "openai"):
        gate = threading.Event()
        if upstream == "chat":
            first, rest = piece({"role": "assistant", "content": "One"}), piece({"content": " two"}, "stop")
            chat.answers(stream_answer(first, rest, b"data: [DONE]\n\n", gate=gate))
        else:
            one, two = {"type": "text_delta", "text": "One"}, {"type": "text_delta", "text": " two"}
            opening = event("content_block_start", index=0, content_block=text(""))
            first = message_start() + opening + event("content_block_delta", index=0, delta=one)
            rest = event("content_block_delta", index=0, delta=two) + event("content_block_stop", index=0)
            ending = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
            messages.answers(stream_answer(first, rest, ending + event("message_stop"), gate=gate))
        words: list[str] = []
        if client == "anthropic":
            with claude.messages.stream(model=MODELS[upstream], max_tokens=9, messages=HELLO) as stream:
                for word in stream.text_stream:
                    words.append(word)
                    gate.set()
        else:
            for chunk in gpt.chat.completions.create(model=MODELS[upstream], messages=HELLO, stream=True):
                said = [choice.delta.content for choice in chunk.choices if choice.delta.content]
                words += said
                if said:
                    gate.set()
        assert words == ["One", " two"]


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_leaving_while_the_whole_reply_arrives_ends_the_upstreams_work_at_once(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, client: str, upstream: str
) -> None:
    server = {"chat": chat, "messages": messages}[upstream]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"

    async def leave() -> float:
        server.answers(Answer((head, b'{"id": '), stays=True))
        path = "/v1/messages" if client == "anthropic" else "/v1/chat/completions"
        async with httpx2.AsyncClient(base_url=gateway.url) as http:
            body = {"model": MODELS[upstream], "messages": HELLO, "max_tokens": 9}
            asking = asyncio.create_task(http.post(path, json=body))
            await asyncio.to_thread(server.wait)
            left_at = time.monotonic()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            return left_at

    times = []
    for _ in range(TRIES):
        left_at = asyncio.run(leave())
        times.append(seconds_to_notice(left_at, server.asked[-1]))
        if times[-1] < AT_ONCE:
            break
    assert min(times) < AT_ONCE
