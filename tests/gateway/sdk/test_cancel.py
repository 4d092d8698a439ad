"""A client that leaves takes the upstream with it, at once; what has come reaches a client that stays, at once too."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.exact_upstream import Answer, ExactUpstream, silence, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.lanes import PATHS, Lane
from tests.support.sdks import KEY
from tests.support.wires import event, message_start, piece, text

AT_ONCE = 0.1
"""Seconds between a client's leaving and its upstream's noticing."""
TRIES = 10
"""A machine with other things to do may be late now and then."""

MODELS = {
    "chat": "chat/gpt-large",
    "messages": "messages/claude-large",
    "responses": "responses/gpt-large",
    "gemini": "gemini/flash",
}
HELLO: Any = [{"role": "user", "content": "Hello?"}]
CLIENTS = ("messages", "chat", "responses")
PAIRS = [(client, upstream) for client in CLIENTS for upstream in MODELS]


@pytest.fixture
def server(request: pytest.FixtureRequest, upstream: str) -> ExactUpstream:
    """The upstream of the test's pair."""
    found: ExactUpstream = request.getfixturevalue(upstream)
    return found


@asynccontextmanager
async def sdks(gateway: RunningGateway) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, openai.AsyncOpenAI]]:
    options: Any = {"api_key": KEY, "max_retries": 0}
    async with (
        anthropic.AsyncAnthropic(base_url=gateway.url, **options) as claude,
        openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", **options) as gpt,
    ):
        yield claude, gpt


async def leave_in_mid_stream(gateway: RunningGateway, client: str, model: str) -> float:
    """Read what has been said of a reply that never ends, leave, and return when."""
    async with sdks(gateway) as (claude, gpt):
        stream: Any
        match client:
            case "messages":
                stream = await claude.messages.create(model=model, max_tokens=9, messages=HELLO, stream=True)
                said = "content_block_delta"
            case "chat":
                stream = await gpt.chat.completions.create(model=model, messages=HELLO, stream=True)
                said = "Hello"
            case _:
                stream = await gpt.responses.create(model=model, input="Hello?", stream=True)
                said = "response.output_text.delta"
        async for event in stream:
            if said in event.to_json():
                break
        left_at = time.monotonic()
        await stream.close()
        return left_at


async def leave_when_asked(server: ExactUpstream, coming: Coroutine[Any, Any, Any]) -> float:
    """Wait until the upstream has been asked for what is `coming`, leave, and return when."""
    asking = asyncio.create_task(coming)
    await asyncio.to_thread(server.wait)
    left_at = time.monotonic()
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    return left_at


def assert_noticed_at_once(server: ExactUpstream, leave: Callable[[], Coroutine[Any, Any, float]]) -> None:
    """Check that of some clients that `leave` one at least is missed at once."""
    times = []
    for _ in range(TRIES):
        left_at = asyncio.run(leave())
        asked = server.asked[-1]
        assert asked.left.wait(10), "the upstream never noticed"
        times.append(asked.left_at - left_at)
        if times[-1] < AT_ONCE:
            break
    assert min(times) < AT_ONCE


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_leaving_in_mid_stream_ends_the_upstreams_work_at_once(
    gateway: RunningGateway, server: ExactUpstream, client: str, upstream: str
) -> None:
    lane = Lane(client, upstream)

    async def leave() -> float:
        server.answers(stream_answer(lane.start, lane.content, stays=True))
        left_at = await leave_in_mid_stream(gateway, client, MODELS[upstream])
        server.wait()
        return left_at

    assert_noticed_at_once(server, leave)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_leaving_before_the_reply_begins_ends_the_upstreams_work_at_once(
    gateway: RunningGateway, server: ExactUpstream, client: str, upstream: str, streams: bool
) -> None:
    async def leave() -> float:
        server.answers(silence())
        asked: Any = {"model": MODELS[upstream], "stream": streams}
        async with sdks(gateway) as (claude, gpt):
            coming: Any = {
                "messages": lambda: claude.messages.create(**asked, messages=HELLO, max_tokens=9),
                "chat": lambda: gpt.chat.completions.create(**asked, messages=HELLO),
                "responses": lambda: gpt.responses.create(**asked, input="Hello?"),
            }[client]()
            return await leave_when_asked(server, coming)

    assert_noticed_at_once(server, leave)


@pytest.mark.parametrize("upstream", ["chat", "messages"])
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
    gateway: RunningGateway, server: ExactUpstream, client: str, upstream: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"

    async def leave() -> float:
        server.answers(Answer((head, b'{"id": '), stays=True))
        async with httpx2.AsyncClient(base_url=gateway.url) as http:
            words = {"input": "Hello?"} if client == "responses" else {"messages": HELLO, "max_tokens": 9}
            return await leave_when_asked(server, http.post(PATHS[client], json={"model": MODELS[upstream], **words}))

    assert_noticed_at_once(server, leave)
