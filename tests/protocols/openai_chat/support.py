"""What the tests of this protocol share: short ways to say a chunk, a request, a stream."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from dragoman.codec import Audience, Source, Target
from dragoman.dialects import Dialect
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply
from dragoman.ir.request import Block, Message, Request, Role
from dragoman.protocols.openai_chat import PROTOCOL
from dragoman.receiver import Receiver
from dragoman.wire.sse import write_frame

Json: TypeAlias = Any
"""Any JSON value, or a setting of any type."""

SOURCE = Source("deep", "m1")
DONE = b"data: [DONE]\n\n"


def audience(*, wants_usage: bool = True) -> Audience:
    return Audience("asked", created=7, new_id=lambda prefix: f"{prefix}new", wants_usage=wants_usage)


# Requests


def decoded(*messages: Json, ledger: Ledger | None = None, **fields: Json) -> Request:
    """Read a client's request with these messages and fields."""
    body = json.dumps({"model": "m", "messages": messages or [{"role": "user", "content": "hi"}], **fields}).encode()
    return PROTOCOL.decode_request(body, Ledger() if ledger is None else ledger)


def encoded(
    request: Request,
    ledger: Ledger | None = None,
    *,
    provider: str = "deep",
    max_output: int | None = None,
    **dialect: Json,
) -> dict[str, Any]:
    """Write a request for an upstream and read it as JSON."""
    target = Target(provider, "up", Dialect(**dialect), max_output)
    body: dict[str, Any] = json.loads(PROTOCOL.encode_request(request, target, Ledger() if ledger is None else ledger))
    return body


def asking(*messages: Message, **fields: Json) -> Request:
    """Return a request in the IR."""
    return Request("m", messages, **fields)


def user(*blocks: Block) -> Message:
    return Message(Role.USER, blocks)


def assistant(*blocks: Block) -> Message:
    return Message(Role.ASSISTANT, blocks)


def codes(ledger: Ledger) -> list[str]:
    return [loss.code for loss in ledger]


# Streams


def chunk(delta: Json = None, finish: str | None = None, **fields: Json) -> bytes:
    """Return one chunk of a stream as an upstream sends it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return write_frame(json.dumps({"id": "chatcmpl-1", "model": "m1", "choices": choices, **fields}).encode())


def call(
    index: int | None = None, id_: str | None = None, name: str | None = None, arguments: str | None = None
) -> Json:
    """Return a delta with one piece of one tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece = {key: value for key, value in (("index", index), ("id", id_)) if value is not None}
    return {"tool_calls": [{**piece, "function": function}]}


def events_of(*chunks: bytes) -> list[Event]:
    """Return what the receiver makes of a stream, its end included."""
    receiver = Receiver(PROTOCOL, SOURCE)
    events = [event for data in chunks for event in receiver.feed(data)]
    return events + receiver.flush()


def streamed(*chunks: bytes) -> Reply:
    """Return the reply that a stream makes up."""
    return collect(events_of(*chunks))


def written(events: Sequence[Event], *, wants_usage: bool = True) -> bytes:
    """Return the stream that a client gets, each event in a step of its own."""
    encoder = PROTOCOL.stream_encoder(audience(wants_usage=wants_usage))
    return b"".join(encoder.feed([event]) for event in events) + encoder.flush()


def chunks_in(stream: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a written stream as JSON, without the `[DONE]`."""
    return [json.loads(data) for data in _data_lines(stream) if data != b"[DONE]"]


def deltas_in(stream: bytes) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks_in(stream) if chunk.get("choices")]


def _data_lines(stream: bytes) -> Iterable[bytes]:
    return (line[len(b"data: ") :] for line in stream.split(b"\n") if line.startswith(b"data: "))
