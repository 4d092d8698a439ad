"""Reads the text of an event that is like an earlier one in all but its text, without parsing the rest of it.

The events of a streamed answer repeat ids, names and a model around a few letters each; most of the cost of reading them was that.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

_PATIENCE: Final = 4
"""How many events may be unlike the one before until nobody looks any more: some servers put a random field into each."""
_PROBED: Final = "\x00 a text that nobody sends"
_PROBE: Final = msgspec.json.encode(_PROBED)
_AT_ONCE: Final = 2048
"""Bytes that are cut apart at a time: to look for a long separator in more, CPython prepares itself anew for each."""
_MOST_AROUND: Final = 1024
"""Bytes around a text that are worth learning: the time that it takes to look for them in a packet grows with both sizes."""
_string_of: Final = msgspec.json.Decoder(str).decode
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_NONE: Final[tuple[Sequence[str], int]] = ((), 0)


class Likeness:
    """What stands before and behind the text of an event.

    `text_of` parses an event and returns its text, None for an event that says anything else. What stands around a text is
    learned only when another text in its place is read as just that: one JSON string in the place of another changes
    nothing else. It may raise msgspec.DecodeError. `opening` is how such an event begins in the stream, up to its data.
    """

    __slots__ = ("_after", "_before", "_head", "_is_known", "_opening", "_patience", "_seam", "_tail", "_text_of")

    def __init__(self, text_of: Callable[[bytes], str | None], opening: bytes = b"data: ") -> None:
        self._text_of = text_of
        self._opening = opening
        self._head = self._tail = self._seam = b""
        self._before = self._after = b""
        self._is_known = False
        self._patience = _PATIENCE

    def read(self, data: bytes) -> str | None:
        """Return the text of an event like the one that was learned; None for any other."""
        if not self._is_known or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        try:
            return _string_of(data[len(self._before) : len(data) - len(self._after)])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def read_all(self, packet: bytes) -> tuple[Sequence[str], int]:
        """Return the texts of the events like the learned one with which `packet` begins, and how many bytes they are.

        None, and 0 bytes, when one of them is not like it after all.
        """
        if not self._is_known or not packet.startswith(self._head):
            return _NONE
        start, seam, tail = len(self._head), self._seam, self._tail
        last = packet.rfind(seam, start)
        end = packet.find(tail, start if last < 0 else last + len(seam))
        if end < 0:
            if last < 0:
                return _NONE
            end = last  # the last one is not whole yet
        pieces = _split(packet, start, end, seam)
        if packet.count(b"\n", start, end) != (len(pieces) - 1) * seam.count(b"\n"):
            return _NONE
        try:
            texts = [_string_of(piece) for piece in pieces]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _NONE
        return (texts, end + len(tail)) if all(texts) else _NONE

    def learn(self, data: bytes, text: str) -> None:
        """Take note of an event that had to be parsed, and turned out to hold nothing but `text`."""
        # A line break between the fields ends a line of the stream: such an event looks otherwise there than here.
        if not self._patience or b"\n" in data:
            return
        self._patience -= 1
        before, found, after = data.partition(_spelling(text, data))
        # Blanks around a text are read with it: nobody can have long rows of them looked for.
        before, after = before.rstrip(), after.lstrip()
        self._before, self._after = before, after
        self._is_known = bool(found) and len(before) + len(after) <= _MOST_AROUND and self._is_place_of_text()
        self._head = self._opening + before
        self._tail = after + b"\n\n"
        self._seam = self._tail + self._head

    def _is_place_of_text(self) -> bool:
        try:
            return self._text_of(self._before + _PROBE + self._after) == _PROBED
        except msgspec.DecodeError:
            # What looked like the text began at one string's end and ended at another one's beginning.
            return False


def _spelling(text: str, data: bytes) -> bytes:
    """Return how `data` writes `text`: many servers escape more than they have to."""
    usual = msgspec.json.encode(text)
    if usual in data or b"\\" not in data:
        return usual
    for string in _STRINGS.finditer(data):
        if string.start() > _MOST_AROUND:
            break
        if _says(string[0], text):
            return string[0]
    return usual


def _says(string: bytes, text: str) -> bool:
    try:
        return _string_of(string) == text
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _split(packet: bytes, start: int, end: int, seam: bytes) -> list[bytes]:
    """Return what stands between `start` and `end`, cut apart at `seam`."""
    pieces: list[bytes] = []
    while end - start > _AT_ONCE and (cut := packet.rfind(seam, start, start + _AT_ONCE)) >= 0:
        pieces += packet[start:cut].split(seam)
        start = cut + len(seam)
    return pieces + packet[start:end].split(seam)
