"""A stream of events as one JSON array, as Google's API writes it for clients that do not ask for `alt=sse`."""

from typing import Final

from dragoman.wire.sse import SseReader

_SEPARATOR: Final = b"\n,\r\n"


class JsonArray:
    """Makes the data of each event an element; the array is readable line by line while it grows."""

    __slots__ = ("_reader", "_start")

    def __init__(self) -> None:
        self._reader = SseReader()
        self._start = b"["

    def feed(self, batch: bytes) -> bytes:
        """Return the elements that `batch` brings."""
        frames = self._reader.feed(batch)
        if not frames:
            return b""
        start, self._start = self._start, _SEPARATOR
        return start + _SEPARATOR.join(frame.data for frame in frames)

    def flush(self) -> bytes:
        """Return the end of the array."""
        return b"[]" if self._start == b"[" else b"\n]\n"
