"""A decoder kept honest: whatever the upstream does, one legal reply comes out."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from dragoman.codec import Codec, Source
from dragoman.ir.events import Event, ReplyEnd, ReplyFailed
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.grammar import DELTA_KINDS, NO_DELTAS, Guard, State
from dragoman.ir.reply import Finish, Reply
from dragoman.wire.sse import Frame

_EMPTY = Failure(FailureKind.UPSTREAM_INVALID, "the upstream returned an empty reply")
_LONG_PACKET = 2048
_FIRST_STEP = 384
"""Of a long packet so much is read before the rest: what its first events teach of the others saves most of the work there."""
_CUT = Failure(FailureKind.UPSTREAM_CUT, "the upstream's stream ended before the reply did")


class EventReceiver:
    """Holds the events of an upstream that speaks the IR to the grammar: exactly one end, and nothing behind it."""

    __slots__ = ("_guard",)

    def __init__(self) -> None:
        self._guard = Guard()

    @property
    def is_done(self) -> bool:
        """Whether the reply has ended, one way or the other."""
        return self._guard.state is State.DONE

    @property
    def has_content(self) -> bool:
        """Whether any block has begun: from then on a retry would repeat itself."""
        return self._guard.blocks_seen > 0

    def feed(self, batch: Any) -> list[Event]:  # noqa: ANN401 - events here, bytes in the Receiver
        """Return the events that `batch` brings; after the reply's end, nothing."""
        events: list[Event] = []
        if self.is_done:
            return events
        try:
            self._take(batch, events)
        # The one place that takes any exception: a decoder may trip over what an upstream sends, and its client is told so.
        except Exception as error:  # noqa: BLE001
            events += self.fail(_failure_of(error))
        return events

    def flush(self) -> list[Event]:
        """The upstream has ended: return what is left of the reply, or its failure."""
        events: list[Event] = []
        if self.is_done:
            return events
        try:
            self._take_rest(events)
        except Exception as error:  # noqa: BLE001 - as in feed
            failure = _failure_of(error)
            if failure.kind is not FailureKind.UPSTREAM_INVALID:
                events += self.fail(failure)
        return [*events, *self.fail(_CUT)]

    def fail(self, failure: Failure) -> list[Event]:
        """The transport has failed: return the event that says so, unless the reply is over."""
        events: list[Event] = []
        if not self.is_done:
            self._fail(failure, events)
        return events

    def _take(self, batch: Any, events: list[Event]) -> None:  # noqa: ANN401 - as in feed
        self._admit(batch, events)

    def _take_rest(self, events: list[Event]) -> None:
        """Nothing is held back: events come whole."""

    def _admit(self, arrived: Iterable[Event], events: list[Event]) -> None:
        guard = self._guard
        for event in arrived:
            kind = type(event)
            # Most events are deltas of an open block: their whole check is this one look.
            if kind in DELTA_KINDS and kind in guard.open.get(event.index, NO_DELTAS):  # type: ignore[union-attr]
                events.append(event)
                continue
            if kind is ReplyEnd and is_empty(event.finish, guard.blocks_seen):  # type: ignore[union-attr]
                self._fail(_EMPTY, events)
                return
            guard.check(event)
            events.append(event)
            if guard.state is State.DONE:
                return

    def _fail(self, failure: Failure, events: list[Event]) -> None:
        event = ReplyFailed(failure)
        self._guard.check(event)
        events.append(event)


class Receiver(EventReceiver):
    """The same for an upstream's bytes, which its protocol's decoder reads."""

    __slots__ = ("_decoder", "_framing")

    def __init__(self, codec: Codec, source: Source) -> None:
        super().__init__()
        self._framing = codec.framing()
        self._decoder = codec.stream_decoder(source)

    def _take(self, batch: bytes, events: list[Event]) -> None:
        if len(batch) > _LONG_PACKET and (step := batch.find(b"\n\n", _FIRST_STEP) + 2) > 1:
            self._take_packet(batch[:step], events)
            if self.is_done:
                return
            batch = batch[step:]
        self._take_packet(batch, events)

    def _take_packet(self, packet: bytes, events: list[Event]) -> None:
        if self._framing.is_between_events:
            alike, size = self._decoder.go_on(packet)
            if size:
                self._admit_alike(alike, events)
                packet = packet[size:]
        if packet:
            self._decode(self._framing.feed(packet), events)

    def _admit_alike(self, deltas: Sequence[Event], events: list[Event]) -> None:
        """Admit deltas of one kind and one block: one look is enough."""
        first = deltas[0]
        if type(first) in self._guard.open.get(first.index, NO_DELTAS):  # type: ignore[union-attr]
            events += deltas
        else:
            self._admit(deltas, events)

    def _take_rest(self, events: list[Event]) -> None:
        self._decode(self._framing.flush(), events)
        if not self.is_done:
            self._admit(self._decoder.flush(), events)

    def _decode(self, frames: Iterable[Frame], events: list[Event]) -> None:
        """Read `frames`, and admit what they brought also when one of them cannot be read."""
        feed = self._decoder.feed
        arrived: list[Event] = []
        try:
            for frame in frames:
                arrived += feed(frame)
        finally:
            self._admit(arrived, events)


def is_empty(finish: Finish, blocks: int) -> bool:
    """Tell whether a reply that calls itself finished says nothing at all."""
    return blocks == 0 and finish in (Finish.DONE, Finish.TOOL_CALLS)


def require_content(reply: Reply) -> Reply:
    """Return `reply`; raise DragomanError when it is empty although it calls itself finished."""
    if is_empty(reply.finish, len(reply.blocks)):
        raise DragomanError(_EMPTY)
    return reply


def _failure_of(error: Exception) -> Failure:
    if isinstance(error, DragomanError):
        return error.failure
    if isinstance(error, msgspec.DecodeError):
        return Failure(FailureKind.UPSTREAM_INVALID, f"the upstream's stream could not be read: {error}")
    return Failure(
        FailureKind.UPSTREAM_INVALID, f"the upstream's stream broke its protocol: {type(error).__name__}: {error}"
    )
