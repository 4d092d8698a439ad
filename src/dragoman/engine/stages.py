"""The two stages of a streamed reply: raw bytes with another model name, and the translation through events."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from dragoman.codec import Codec
from dragoman.ir.events import Event, ReplyEnd, ReplyFailed, ReplyStart
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Usage
from dragoman.pipe import Pipe, Transducer
from dragoman.receiver import EventReceiver
from dragoman.wire.sse import EventCutter, is_whole_event

_KEPT_BYTES: Final = 16 * 1024
_NAME_BYTES: Final = 256
"""The beginning of an event, in which it says what it is."""
_CUT: Final = Failure(FailureKind.UPSTREAM_CUT, "the upstream's stream ended before the reply did")


class RawStage:
    """Same protocol on both sides: the bytes pass, with the client's model name in them; a tap keeps both ends for the usage.

    Only whole events leave, so that a heartbeat or an error event never lands inside one. (A client cannot read half an event
    either.)
    """

    __slots__ = ("_codec", "_cutter", "_echo", "_head", "_hide", "_request_id", "_tail", "failure")

    is_done = False

    def __init__(self, codec: Codec, model: str, request_id: str, *, hides_usage: bool = False) -> None:
        """`hides_usage`: the client has not asked for the usage that the stream tells."""
        self._codec = codec
        self._hide = codec.hide_usage() if hides_usage and codec.hide_usage else None
        self._cutter = EventCutter()
        self._echo = codec.echo(model)
        self._request_id = request_id
        self._head = b""
        self._tail = b""
        self.failure: Failure | None = None

    @property
    def is_told(self) -> bool:
        """Whether the reply's end has passed."""
        return self._codec.is_finished(self._tail)

    def tap(self) -> Callable[[], Usage]:
        """Return what reads the usage, as far as the two ends of the stream tell it."""
        return partial(self._codec.read_usage, self._head, self._tail)

    def feed(self, chunk: bytes) -> bytes:
        """Pass on the events that `chunk` completes."""
        events = self._cutter.feed(chunk)
        if not events:
            return b""
        if len(self._head) < _KEPT_BYTES:
            self._head += events[:_KEPT_BYTES]
        self._tail = _ends(events) if len(events) >= _KEPT_BYTES else (self._tail + events)[-_KEPT_BYTES:]
        if self._hide is not None:
            events = self._hide.feed(events)
        return self._echo.feed(events)

    def flush(self) -> bytes:
        """The stream has ended: add the error event when it lacks its end."""
        return self.fail(_CUT)

    def fail(self, failure: Failure) -> bytes:
        """Return the error event, in place of an event that never became whole; nothing when the reply has ended."""
        rest = self._cutter.flush()
        last = rest if is_whole_event(rest) else b""  # some servers leave out the last empty line
        self._tail += last
        if self._codec.is_finished(self._tail):
            last = last if self._hide is None else self._hide.feed(last)
            return self._echo.feed(last) + self._echo.flush()
        self.failure = failure
        return self._codec.encode_failure_event(failure, self._request_id)


class TranslatedStage:
    """Another protocol on each side: bytes to events, through the transforms, to bytes."""

    __slots__ = ("_check", "_pipe", "_receiver", "_usage", "failure")

    def __init__(
        self,
        receiver: EventReceiver,
        transforms: Sequence[Transducer[Any, Any]],
        encoder: Transducer[Sequence[Event], bytes],
        check: Transducer[Sequence[Event], Sequence[Event]] | None = None,
    ) -> None:
        """`check` sees every batch first and may make a failure of the reply's end."""
        self._check = check
        self._receiver = receiver
        self._pipe = Pipe(*transforms, encoder)
        self._usage = Usage()
        self.failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        """Whether the reply has ended."""
        return self._receiver.is_done

    is_told = is_done

    def feed(self, chunk: Any) -> bytes:  # noqa: ANN401 - what the receiver takes: bytes or events
        """Translate `chunk`."""
        return self.encode(self._receiver.feed(chunk))

    def flush(self) -> bytes:
        """Translate what the end of the stream means."""
        return self.encode(self._receiver.flush())

    def fail(self, failure: Failure) -> bytes:
        """Return the error event, unless the reply has ended."""
        return self.encode(self._receiver.fail(failure))

    def tap(self) -> Callable[[], Usage]:
        """Return what tells the usage that the reply told of."""
        usage = self._usage
        return lambda: usage

    def encode(self, events: Sequence[Event]) -> bytes:
        """Send `events` through the transforms and the client's encoder."""
        if not events:
            return b""
        if self._check is not None:
            events = self._check.feed(events)
        self._note(events)
        out: bytes = self._pipe.feed(events)
        return out

    def _note(self, events: Sequence[Event]) -> None:
        first, last = events[0], events[-1]
        if type(first) is ReplyStart:
            self._usage = first.usage
        if type(last) is ReplyEnd:
            self._usage = self._usage.merged(last.usage)
        elif type(last) is ReplyFailed:
            self.failure = last.failure


def _ends(events: bytes) -> bytes:
    """Return the last bytes of a long batch; when they are all of one event, with that event's beginning before them."""
    start = max(events.rfind(b"\n\n", 0, -2), events.rfind(b"\r\n\r\n", 0, -4)) + 2
    tail = events[-_KEPT_BYTES:]
    return tail if start > len(events) - _KEPT_BYTES else events[start : start + _NAME_BYTES] + b"\n" + tail
