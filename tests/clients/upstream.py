"""Scripted upstreams: servers that speak OpenAI Chat or Anthropic Messages from a script, and keep what they are asked.

They are written against the published wire formats and use nothing of the gateway's own codecs: an independent check of them.
Every event leaves in two writes, cut in its middle, so that no reader may count on whole lines or whole characters.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, takewhile, zip_longest
from typing import Any

import msgspec

from tests.clients.sockets import Asked, listening, read_request

JSON = dict[str, Any]

PAUSE = 0.002
"""Seconds between two writes."""

FRESH, CACHED, SPOKEN = 211, 1024, 57
"""Tokens that every turn reports: of the prompt, not cached; of the prompt, from the cache; of the answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model makes."""

    id: str
    name: str
    arguments: JSON


@dataclass(frozen=True, slots=True)
class Say:
    """A turn of the model: reasoning, then text, then tool calls. The signature is for protocols that have one."""

    text: str
    reasoning: str = ""
    signature: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """An error answer, as the protocol writes it."""

    status: int
    body: JSON
    is_final: bool = False
    """Whether it says so itself, as some servers do."""


@dataclass(frozen=True, slots=True)
class Break:
    """A stream that begins with some text and ends in the protocol's error event."""

    text: str
    error: JSON


Turn = Say | Fail | Break


@dataclass(frozen=True, slots=True)
class Speech:
    """How one protocol streams a turn, and where it is asked to."""

    protocol: str
    path: str
    key_header: str
    stream: Callable[[Say, str], Iterator[bytes]]
    whole: Callable[[Say, str], JSON]
    error_event: Callable[[JSON], bytes]


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _argument_pieces(call: Call) -> Iterator[str]:
    return _pieces(msgspec.json.encode(call.arguments).decode(), 9)


# --- OpenAI Chat: platform.openai.com/docs/api-reference/chat-streaming; reasoning_content: api-docs.deepseek.com ---


CHAT_USAGE = {
    "prompt_tokens": FRESH + CACHED,
    "completion_tokens": SPOKEN,
    "total_tokens": FRESH + CACHED + SPOKEN,
    "prompt_tokens_details": {"cached_tokens": CACHED},
}


def _chat_deltas(say: Say) -> Iterator[JSON]:
    yield {"role": "assistant", "content": None, "reasoning_content": ""}
    yield from ({"content": None, "reasoning_content": piece} for piece in _pieces(say.reasoning, 11))
    yield from ({"content": piece} for piece in _pieces(say.text, 7))
    for index, call in enumerate(say.calls):
        opening = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": opening}]}
    # Parallel calls arrive interleaved: whoever keeps but one of them open at a time mixes them up.
    for row in zip_longest(*map(_argument_pieces, say.calls)):
        for index, piece in enumerate(row):
            if piece is not None:
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _chat_stream(say: Say, model: str) -> Iterator[bytes]:
    frame = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": model}

    def chunk(choices: Sequence[JSON], usage: JSON | None = None) -> bytes:
        return b"data: " + msgspec.json.encode({**frame, "choices": choices, "usage": usage}) + b"\n\n"

    for delta in _chat_deltas(say):
        yield chunk([{"index": 0, "delta": delta, "finish_reason": None}])
    yield chunk([{"index": 0, "delta": {}, "finish_reason": _chat_finish(say)}])
    yield chunk([], CHAT_USAGE)
    yield b"data: [DONE]\n\n"


def _chat_whole(say: Say, model: str) -> JSON:
    message: JSON = {"role": "assistant", "content": say.text, "refusal": None}
    if say.reasoning:
        message["reasoning_content"] = say.reasoning
    if say.calls:
        functions = [(call.id, call.name, msgspec.json.encode(call.arguments).decode()) for call in say.calls]
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in functions
        ]
    choice = {"index": 0, "message": message, "finish_reason": _chat_finish(say), "logprobs": None}
    frame = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1_790_000_000, "model": model}
    return {**frame, "choices": [choice], "usage": CHAT_USAGE}


def _chat_finish(say: Say) -> str:
    return "tool_calls" if say.calls else "stop"


def _chat_error_event(error: JSON) -> bytes:
    return b"data: " + msgspec.json.encode(error) + b"\n\n"


# --- Anthropic Messages: platform.claude.com/docs/en/build-with-claude/streaming ---


MESSAGES_USAGE = {
    "input_tokens": FRESH,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": CACHED,
    "output_tokens": SPOKEN,
}


def _messages_blocks(say: Say) -> Iterator[tuple[JSON, list[JSON]]]:
    if say.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(say.reasoning, 11)]
        deltas.append({"type": "signature_delta", "signature": say.signature})
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if say.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(say.text, 7)]
    for call in say.calls:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *_argument_pieces(call))]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas


def _messages_stream(say: Say, model: str) -> Iterator[bytes]:
    def event(kind: str, **fields: object) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))

    message = {**_messages_whole(Say(""), model), "stop_reason": None}
    yield event("message_start", message={**message, "usage": {**MESSAGES_USAGE, "output_tokens": 1}})
    yield event("ping")
    for index, (block, deltas) in enumerate(_messages_blocks(say)):
        yield event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ending = {"stop_reason": _messages_stop(say), "stop_sequence": None}
    yield event("message_delta", delta=ending, usage={"output_tokens": SPOKEN})
    yield event("message_stop")


def _messages_whole(say: Say, model: str) -> JSON:
    content: list[JSON] = []
    if say.reasoning:
        content.append({"type": "thinking", "thinking": say.reasoning, "signature": say.signature})
    if say.text:
        content.append({"type": "text", "text": say.text})
    content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in say.calls]
    message = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**message, "stop_reason": _messages_stop(say), "stop_sequence": None, "usage": MESSAGES_USAGE}


def _messages_stop(say: Say) -> str:
    return "tool_use" if say.calls else "end_turn"


def _messages_error_event(error: JSON) -> bytes:
    return b"event: error\ndata: " + msgspec.json.encode(error) + b"\n\n"


CHAT = Speech("openai-chat", "/v1/chat/completions", "authorization", _chat_stream, _chat_whole, _chat_error_event)
MESSAGES = Speech(
    "anthropic-messages", "/v1/messages", "x-api-key", _messages_stream, _messages_whole, _messages_error_event
)


# --- the server ---


@dataclass(slots=True)
class Upstream:
    """A server that plays one script at a time. `seen` are the turns it was asked for, `strays` all other requests."""

    speech: Speech
    port: int = 0
    seen: list[Asked] = field(default_factory=list)
    strays: list[Asked] = field(default_factory=list)
    _turns: list[Turn] = field(default_factory=list)

    def play(self, *turns: Turn) -> None:
        """Forget what was asked so far and answer the next requests with `turns`, one each."""
        self.seen.clear()
        self.strays.clear()
        self._turns = list(turns)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while (asked := await read_request(reader)) is not None:
            await self._answer(asked, writer)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method != "POST" or asked.path != self.speech.path:
            self.strays.append(asked)
            await _send_json(writer, 404, {"error": {"type": "not_found_error", "message": "not in the script"}})
            return
        self.seen.append(asked)
        turn = self._turns.pop(0) if self._turns else Fail(500, {"error": {"message": "the script has ended"}})
        request = asked.json()
        model, streams = request["model"], request.get("stream") is True
        match turn:
            case Fail(status=status, body=body, is_final=is_final):
                await _send_json(writer, status, body, "x-should-retry: false\r\n" if is_final else "")
            case Say() if streams:
                await _send_stream(writer, self.speech.stream(turn, model))
            case Say():
                await _send_json(writer, 200, self.speech.whole(turn, model))
            case Break(text=text, error=error):
                begun = takewhile(lambda event: not _is_ending(event), self.speech.stream(Say(text), model))
                await _send_stream(writer, chain(begun, [self.speech.error_event(error)]))


def _is_ending(event: bytes) -> bool:
    return b'"finish_reason":"' in event or b"content_block_stop" in event


async def _send_json(writer: asyncio.StreamWriter, status: int, body: JSON, more: str = "") -> None:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status} Scripted\r\n{more}content-type: application/json\r\ncontent-length: {len(data)}"
    writer.write(head.encode() + b"\r\n\r\n" + data)
    await writer.drain()


async def _send_stream(writer: asyncio.StreamWriter, events: Iterator[bytes]) -> None:
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for event in events:
        middle = len(event) // 2
        for part in (event[:middle], event[middle:]):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(PAUSE)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def serving(speech: Speech) -> AsyncIterator[Upstream]:
    """Run an upstream on a free port for as long as the block lasts."""
    upstream = Upstream(speech)
    async with listening(upstream.serve) as upstream.port:
        yield upstream
