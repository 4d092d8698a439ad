"""The beginning of a streamed reply, up to its first content: what fails in it can still be an HTTP error, or be tried again."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from dragoman.codec import Codec
from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.ports import Incoming, UpstreamReply
from dragoman.engine.relay import read_whole
from dragoman.ir.events import Event, ReplyFailed
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.receiver import EventReceiver
from dragoman.wire.pages import page_failure

_NO_EVENTS: Final = (b"<", b"{", b"[")
"""How a web page or JSON begins, and an event never does."""
_PAGE_LIMIT: Final = 1024 * 1024
_LONG_PACKET: Final = 4 * 1024
"""A raw stream whose first packet is as long as this has content in it; it need not be read to know that."""
_HELD_BYTES: Final = 64 * 1024
_LOOK: Final = 2 * 1024
"""Bytes of a raw stream that are read at a time, while there is no content yet."""


async def open_events(reply: Incoming[Any], receiver: EventReceiver, first: Any = None) -> Sequence[Event]:  # noqa: ANN401
    """Return the events up to the first content or the end; `first` is what has been read already.

    Raises DragomanError when the reply failed before that.
    """
    events: list[Event] = receiver.feed(first) if first else []
    while not receiver.has_content and not receiver.is_done:
        batch = await reply.read()
        events += receiver.flush() if batch is None else receiver.feed(batch)
    _require_beginning(events, receiver)
    return events


async def open_bytes(
    reply: UpstreamReply, make_receiver: Callable[[], EventReceiver], first: bytes, codec: Codec
) -> bytes:
    """Return the bytes up to the first content or the end, `first` included.

    A reply that the receiver cannot make out passes: what its own client makes of it is not for us to say.
    """
    if len(first) >= _LONG_PACKET and not codec.repeats_request:
        return first
    receiver = make_receiver()
    pieces = [first]
    size = len(first)
    events = _feed(receiver, first)
    while not receiver.has_content and not receiver.is_done and size < _HELD_BYTES:
        chunk = await reply.read()
        if chunk is None:
            events = receiver.flush()
            break
        pieces.append(chunk)
        size += len(chunk)
        events = _feed(receiver, chunk)
    if not _is_unreadable(events):
        _require_beginning(events, receiver)
    return b"".join(pieces)


def _feed(receiver: EventReceiver, chunk: bytes) -> list[Event]:
    """Have no more of `chunk` read than it takes to see content or an end; return what was read last."""
    events: list[Event] = []
    for place in range(0, len(chunk), _LOOK):
        events = receiver.feed(chunk[place : place + _LOOK])
        if receiver.has_content or receiver.is_done:
            break
    return events


async def first_bytes(reply: UpstreamReply, upstream: Codec) -> bytes:
    """Return the first bytes of a stream. Raises DragomanError when there are none, or when they belong to no stream."""
    chunk = await reply.read()
    while chunk is not None and (not chunk or chunk.isspace()):
        chunk = await reply.read()
    if chunk is None:
        raise UpstreamCutError("the upstream's stream ended before the reply began")
    if chunk.lstrip().startswith(_NO_EVENTS):
        page = chunk + await read_whole(reply, _PAGE_LIMIT)
        raise DragomanError(_no_stream(reply, page, upstream))
    return chunk


def _no_stream(reply: UpstreamReply, page: bytes, upstream: Codec) -> Failure:
    """Return the failure for what came in a stream's place: an error as JSON, of which the status says nothing, or a page."""
    failure = upstream.decode_failure(502, reply.headers, page)
    return page_failure(reply.status, page) if failure.kind is FailureKind.UPSTREAM_INVALID else failure


def _require_beginning(events: Sequence[Event], receiver: EventReceiver) -> None:
    if events and isinstance(events[-1], ReplyFailed) and not receiver.has_content:
        raise DragomanError(events[-1].failure)


def _is_unreadable(events: Sequence[Event]) -> bool:
    last = events[-1] if events else None
    return isinstance(last, ReplyFailed) and last.failure.kind is FailureKind.UPSTREAM_INVALID
