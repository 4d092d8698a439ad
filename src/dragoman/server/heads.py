"""The head of a request that came before on its connection: its bytes were judged once, and mean the same again.

A client that keeps its connection sends the same lines with request after request; only the number of bytes of the body is
another one. RFC 9112 (HTTP/1.1)
"""

import re
from typing import Any, Final, Self

Headers = list[tuple[bytes, bytes]]

_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?(\d{1,15})(?=\r\n)", re.IGNORECASE)
_LONGEST: Final = 15
"""Digits of a length."""
_LARGEST: Final = 8 * 1024
"""Bytes of a head that are worth keeping for as long as the connection lasts."""
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


class KnownHead:
    """A head that has been parsed, and what was made of it. `meaning` is for the application to hang what it read there on."""

    __slots__ = ("__weakref__", "_after", "_before", "_fields", "_place", "_scope", "meaning")

    def __init__(self, before: bytes, after: bytes, fields: Headers, scope: dict[str, Any]) -> None:
        """`before` and `after` are the head's bytes around the length of the body, `fields` its headers, `scope` all the rest."""
        self._before = before
        self._after = after
        self._fields = fields
        self._place = next(place for place, field in enumerate(fields) if field[0] == b"content-length")
        self._scope = scope
        self.meaning: Any = None

    @classmethod
    def learn(cls, data: bytes, fields: Headers, scope: dict[str, Any]) -> Self | None:
        """Return the head of `data`, a whole request that the parser has taken for one with the headers `fields`.

        None when it is not plain: a line ends in another way, the length is missing or not alone, other bytes follow.
        """
        end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, end + 2)
        if end < 0 or end > _LARGEST or length is None or len(data) != end + 4 + int(length[1]):
            return None
        lines = data.count(b"\r\n", 0, end)
        names = [name for name, _ in fields]
        is_plain = lines == data.count(b"\n", 0, end) == len(fields) and names.count(b"content-length") == 1
        if not is_plain or not _NOT_PLAIN.isdisjoint(names):
            return None
        # The application was given the list itself, to do with it what it likes.
        return cls(data[: length.start(1)], data[length.end(1) : end + 4], fields.copy(), scope)

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body of `data` when that is this head again with the whole body behind it, and nothing else."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(b"\r", start, start + _LONGEST + 1)
        digits = data[start:end]
        body = end + len(self._after)
        if not digits.isdigit() or not data.startswith(self._after, end) or len(data) - body != int(digits):
            return None
        return data[body:]

    def scope(self, size: int) -> dict[str, Any]:
        """Return the scope of such a request with a body of `size` bytes."""
        scope = self._scope.copy()
        scope["headers"] = fields = self._fields.copy()
        fields[self._place] = (b"content-length", b"%d" % size)
        return scope
