"""What the tests of this protocol share: short ways to say an event, a request, a stream."""

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
from dragoman.protocols.openai_responses import PROTOCOL
from dragoman.receiver import Receiver
from dragoman.wire.sse import write_frame

Json: TypeAlias = Any
"""Any JSON value, or a setting of any type."""

SOURCE = Source("deep", "up")


def audience(request: Request | None = None, ledger: Ledger | None = None) -> Audience:
    kept = Ledger() if ledger is None else ledger
    return Audience("asked", created=7, new_id=lambda prefix: f"{prefix}new", request=request, ledger=kept)


# Requests


def decoded(*items: Json, ledger: Ledger | None = None, **fields: Json) -> Request:
    """Read a client's request with these items and fields."""
    body = {"model": "m", "input": list(items) or "hi", **fields}
    return PROTOCOL.decode_request(json.dumps(body).encode(), Ledger() if ledger is None else ledger)


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


# Replies


def event(type: str, **fields: Json) -> bytes:  # noqa: A002 - the wire's own word
    """Return one event of a stream as an upstream sends it."""
    return write_frame(json.dumps({"type": type, "sequence_number": 0, **fields}).encode(), type)


def response(**fields: Json) -> dict[str, Any]:
    """Return a response object."""
    usage = {"input_tokens": 10, "output_tokens": 4}
    return {"id": "resp_1", "model": "up", "status": "completed", "output": [], "usage": usage, **fields}


CREATED = event("response.created", response=response(status="in_progress", usage=None))


def ended(*items: Json, type: str = "response.completed", **fields: Json) -> bytes:  # noqa: A002 - as above
    return event(type, response=response(output=list(items), **fields))


def events_of(*chunks: bytes) -> list[Event]:
    """Return what the receiver makes of a stream, its end included."""
    receiver = Receiver(PROTOCOL, SOURCE)
    events = [event for data in chunks for event in receiver.feed(data)]
    return events + receiver.flush()


def streamed(*chunks: bytes) -> Reply:
    """Return the reply that a stream makes up."""
    return collect(events_of(*chunks))


def read(*items: Json, **fields: Json) -> Reply:
    """Return what a whole reply with these items says."""
    return PROTOCOL.decode_reply(json.dumps(response(output=list(items), **fields)).encode(), SOURCE)


def written(events: Iterable[Event], request: Request | None = None, ledger: Ledger | None = None) -> bytes:
    """Return the stream that a client gets, each event in a step of its own."""
    encoder = PROTOCOL.stream_encoder(audience(request, ledger))
    return b"".join(encoder.feed([event]) for event in events) + encoder.flush()


def whole(reply: Reply, request: Request | None = None, ledger: Ledger | None = None) -> dict[str, Any]:
    """Return the response object that a client gets."""
    said: dict[str, Any] = json.loads(PROTOCOL.encode_reply(reply, audience(request, ledger)))
    return said


def events_in(stream: bytes) -> list[dict[str, Any]]:
    """Return the events of a written stream as JSON."""
    events = [one.split(b"\n") for one in stream.split(b"\n\n") if one]
    said = [(name.removeprefix(b"event: "), json.loads(data.removeprefix(b"data: "))) for name, data in events]
    assert all(name.decode() == data["type"] for name, data in said)
    return [data for _, data in said]


def types_in(stream: bytes) -> list[str]:
    return [one["type"].removeprefix("response.") for one in events_in(stream)]


def output_of(said: dict[str, Any], *fields: str) -> Sequence[Any]:
    """Return the output's items, or only these fields of them."""
    return [{name: item.get(name) for name in fields} if fields else item for item in said["output"]]
