"""Server-sent events, both ways.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from functools import lru_cache
from typing import Final

import msgspec

from dragoman.ir.failures import UpstreamProtocolError
from dragoman.wire.reading import UNREADABLE

MAX_EVENT_BYTES: Final = 64 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_ENDS: Final = (b"\n\n", b"\n\r\n", b"\r\r")
"""How an event ends: with an empty line."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event: its data, UTF-8, and its name (`""` when the stream gave none)."""

    data: bytes
    event: str = ""


class SseReader:
    """Reads frames from bytes cut anywhere: LF, CRLF or CR, comments, several data lines, a missing space."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_event", "_partial", "_size")

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._data: list[bytes] = []
        self._event = b""
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completes."""
        if self._at_start and not self._partial and chunk.startswith((b"data: ", b"event: ")):
            self._at_start = False  # no byte order mark
        if self._at_start or self._after_cr or b"\r" in chunk:
            if self.is_between_events and (windows := _usual_windows_frames(chunk)) is not None:
                return windows
            chunk = self._normalised(chunk)
        frames: list[Frame] = []
        if not (self._partial or self._data or self._event):
            end = chunk.rfind(b"\n\n") + 2
            usual = _usual_frames(chunk if end == len(chunk) else chunk[:end]) if end > 1 else None
            if usual is not None:
                frames, chunk = usual, chunk[end:]
        if chunk:
            self._take_lines(chunk, frames)
        return frames

    @property
    def is_between_events(self) -> bool:
        """Whether the next byte begins an event, and certainly no byte order mark."""
        return not (self._at_start or self._after_cr or self._partial or self._data or self._event)

    def _take_lines(self, chunk: bytes, frames: list[Frame]) -> None:
        """Take `chunk` line by line."""
        lines = chunk.split(b"\n")
        last = lines.pop()
        if lines and self._partial:
            lines[0] = self._rest() + lines[0]
        for line in lines:
            self._take(line, frames)
        self._keep(last)

    def flush(self) -> list[Frame]:
        """Return the frame that the end of the stream leaves unfinished, if any.

        The specification drops it. Some servers leave out the last empty line, so it is given on: a decoder tells by its JSON
        whether it is whole.
        """
        frames: list[Frame] = []
        if self._partial:
            self._take(self._rest(), frames)
        self._take(b"", frames)
        return frames

    def _take(self, line: bytes, frames: list[Frame]) -> None:
        if line[:5] == b"data:":
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._count(len(line))
        elif not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                if data:
                    frames.append(Frame(data, self._event.decode(errors="replace") if self._event else ""))
                self._data.clear()
            self._event = b""
            self._size = 0
        elif line[:6] == b"event:":
            self._event = line[7:] if line[6:7] == b" " else line[6:]
        elif line == b"data":
            self._data.append(b"")

    def _keep(self, partial: bytes) -> None:
        if partial:
            self._partial.append(partial)
            self._count(len(partial))

    def _rest(self) -> bytes:
        """Return the beginning of a line that was kept. The line is counted when it is whole."""
        rest = b"".join(self._partial)
        self._partial.clear()
        self._size -= len(rest)
        return rest

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            msg = f"an event of the stream is larger than {MAX_EVENT_BYTES} bytes"
            raise UpstreamProtocolError(msg)

    def _normalised(self, chunk: bytes) -> bytes:
        """Return `chunk` with LF line ends and without a byte order mark at the stream's start."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if self._at_start and chunk:
            if self._partial:
                chunk = self._partial.pop() + chunk
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                return chunk
            self._at_start = False
            chunk = chunk.removeprefix(_BOM)
        if chunk.endswith(b"\r"):
            self._after_cr = True
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk


class EventCutter:
    """Passes whole events on as they are, and keeps the beginning of the next one back."""

    __slots__ = ("_held", "_seam", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._seam = b""
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that `chunk` completes, with all that was kept back before them."""
        if not self._held and chunk.endswith(_ENDS):
            return chunk
        cut = _last_end(self._seam + chunk) - len(self._seam)
        if cut <= 0:
            self._keep(chunk)
            return b""
        events = b"".join((*self._held, chunk[:cut]))
        self.flush()
        self._keep(chunk[cut:])
        return events

    def flush(self) -> bytes:
        """Return what was kept back, and keep nothing."""
        rest = b"".join(self._held)
        self._held.clear()
        self._seam = b""
        self._size = 0
        return rest

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._held.append(piece)
        self._seam = (self._seam + piece[-2:])[-2:]
        self._size += len(piece)
        if self._size > MAX_EVENT_BYTES:
            raise UpstreamProtocolError(f"an event of the stream is larger than {MAX_EVENT_BYTES} bytes")


def is_whole_event(text: bytes) -> bool:
    """Tell whether `text` is an event that lacks nothing but its empty line: its last line is data, and all there."""
    line = text.rstrip().rpartition(b"\n")[2]
    if not line.startswith(b"data:"):
        return False
    data = line[5:].strip()
    if data == b"[DONE]":
        return True
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _usual_frames(events: bytes) -> list[Frame] | None:
    """Return the frames of whole events in the usual form: one `data` line each, behind an `event` line in all or in none.

    None for any other form. Every line break is counted, so that no further line can hide in an event.
    """
    if events.startswith(b"data: "):
        lines = events[6:-2].split(b"\n\ndata: ")
        if events.count(b"\n") != 2 * len(lines):
            return None
        return [Frame(data) for data in lines if data]
    if not events.startswith(b"event: "):
        return None
    pairs = events[7:-2].split(b"\n\nevent: ")
    if events.count(b"\n") != 3 * len(pairs):
        return None
    frames: list[Frame] = []
    for pair in pairs:
        name, found, data = pair.partition(b"\ndata: ")
        if not found:
            return None
        if data:
            frames.append(Frame(data, _name(name)))
    return frames


def _usual_windows_frames(events: bytes) -> list[Frame] | None:
    """Return the frames of whole events of one `data` line each, whose lines end with CRLF: Google's. None for any other form."""
    if not events.startswith(b"data: ") or not events.endswith(b"\r\n\r\n"):
        return None
    lines = events[6:-4].split(b"\r\n\r\ndata: ")
    breaks = 2 * len(lines)
    if events.count(b"\n") != breaks or events.count(b"\r") != breaks:
        return None
    return [Frame(data) for data in lines if data]


@lru_cache(64)
def _name(name: bytes) -> str:
    return name.decode(errors="replace")


def _last_end(text: bytes) -> int:
    """Return the place behind the last empty line; 0 when there is none."""
    places = ((text.rfind(end), len(end)) for end in _ENDS)
    return max((place + size for place, size in places if place >= 0), default=0)


def write_frame(data: bytes, event: str = "") -> bytes:
    """Return one event. `data` must not contain line breaks (compact JSON has none)."""
    if event:
        return b"event: %b\ndata: %b\n\n" % (event.encode(), data)
    return b"data: %b\n\n" % data


def comment(text: str) -> bytes:
    """Return a comment, which readers skip; used as a heartbeat."""
    return b": %b\n\n" % text.encode()
