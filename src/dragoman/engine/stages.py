"""The two stages of a streamed reply: raw bytes with another model name, and the translation through events."""

from collections.abc import Sequence
from typing import Any, Final

from dragoman.codec import Codec
from dragoman.ir.events import Event, ReplyEnd, ReplyFailed, ReplyStart
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Usage
from dragoman.pipe import Transducer
from dragoman.receiver import EventReceiver

_KEPT_BYTES: Final = 16 * 1024
_CUT: Final = Failure(FailureKind.UPSTREAM_CUT, "the upstream's stream ended before the reply did")


class RawStage:
    """Same protocol on both sides: the bytes pass, with the client's model name in them; a tap keeps both ends for the usage."""

    __slots__ = ("_codec", "_echo", "_failure_event", "_head", "_last", "_tail", "failure")

    is_done = False

    def __init__(self, codec: Codec, model: str, request_id: str) -> None:
        self._codec = codec
        self._echo = codec.echo(model)
        self._failure_event = request_id
        self._head = b""
        self._tail = b""
        self._last = b"\n\n"
        self.failure: Failure | None = None

    @property
    def is_between_events(self) -> bool:
        """Whether the last thing that went out was the end of an event."""
        return self._last.endswith((b"\n\n", b"\r\n\r\n"))

    @property
    def usage(self) -> Usage:
        """The usage, as far as the two ends of the stream tell it."""
        return self._codec.read_usage(self._head, self._tail)

    def feed(self, chunk: bytes) -> bytes:
        """Pass `chunk` on."""
        if len(self._head) < _KEPT_BYTES:
            self._head += chunk[:_KEPT_BYTES]
        self._tail = chunk[-_KEPT_BYTES:] if len(chunk) >= _KEPT_BYTES else (self._tail + chunk)[-_KEPT_BYTES:]
        out = self._echo.feed(chunk)
        if out:
            self._last = out
        return out

    def flush(self) -> bytes:
        """Pass on what was held back; add the error event when the stream lacks its end."""
        out = self._echo.flush()
        if out:
            self._last = out
        return out if self._codec.is_finished(self._tail) else out + self._failed(_CUT)

    def fail(self, failure: Failure) -> bytes:
        """Return the error event, on a line of its own; nothing when the reply was there already."""
        return b"" if self._codec.is_finished(self._tail) else self._failed(failure)

    def _failed(self, failure: Failure) -> bytes:
        self.failure = failure
        gap = b"" if self.is_between_events else b"\n\n"
        return gap + self._codec.encode_failure_event(failure, self._failure_event)


class TranslatedStage:
    """Another protocol on each side: bytes to events, through the transforms, to bytes."""

    __slots__ = ("_encoder", "_receiver", "_transforms", "failure", "usage")

    is_between_events = True

    def __init__(
        self,
        receiver: EventReceiver,
        transforms: Sequence[Transducer[Any, Any]],
        encoder: Transducer[Sequence[Event], bytes],
    ) -> None:
        self._receiver = receiver
        self._transforms = transforms
        self._encoder = encoder
        self.usage = Usage()
        self.failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        """Whether the reply has ended."""
        return self._receiver.is_done

    def feed(self, chunk: Any) -> bytes:  # noqa: ANN401 - what the receiver takes: bytes or events
        """Translate `chunk`."""
        return self.encode(self._receiver.feed(chunk))

    def flush(self) -> bytes:
        """Translate what the end of the stream means."""
        return self.encode(self._receiver.flush())

    def fail(self, failure: Failure) -> bytes:
        """Return the error event, unless the reply has ended."""
        return self.encode(self._receiver.fail(failure))

    def encode(self, events: Sequence[Event]) -> bytes:
        """Send `events` through the transforms and the client's encoder."""
        if not events:
            return b""
        self._note(events)
        for transform in self._transforms:
            events = transform.feed(events)
        return self._encoder.feed(events)

    def _note(self, events: Sequence[Event]) -> None:
        first, last = events[0], events[-1]
        if type(first) is ReplyStart:
            self.usage = first.usage
        if type(last) is ReplyEnd:
            self.usage = self.usage.merged(last.usage)
        elif type(last) is ReplyFailed:
            self.failure = last.failure
