"""A store in this process's memory: what nobody asks for is forgotten, and there is never too much of it."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_ROW_BYTES: Final = 250
"""What a row takes beside its key and value, measured on CPython: dictionary, tuple, headers of the objects."""


class MemoryStore:
    """Keeps rows until they have not been asked for during `idle_seconds`, the most recently used `max_rows` and `max_bytes`.

    `monotonic` is a clock in seconds that never goes back. For one thread.
    """

    __slots__ = ("_idle_seconds", "_max_bytes", "_max_rows", "_monotonic", "_rows", "size")

    def __init__(self, monotonic: Callable[[], float], *, idle_seconds: float, max_rows: int, max_bytes: int) -> None:
        self._monotonic = monotonic
        self._idle_seconds = idle_seconds
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        # Whatever is used moves to the end: the order is that of expiry, too.
        self._rows: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self.size = 0
        """Bytes that the rows take, about."""

    def __len__(self) -> int:
        """How many rows there are, expired ones that nobody has come across included."""
        return len(self._rows)

    def get(self, key: bytes) -> bytes | None:
        """Return what was put there; None when it was nothing, or is forgotten."""
        row = self._rows.get(key)
        if row is None:
            return None
        now = self._monotonic()
        if row[0] <= now:
            self._remove(key)
            return None
        self._rows[key] = (now + self._idle_seconds, row[1])
        self._rows.move_to_end(key)
        return row[1]

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value` in place of what was there. One that is larger than the whole store is not kept."""
        if key in self._rows:
            self._remove(key)
        taken = len(key) + len(value) + _ROW_BYTES
        if taken > self._max_bytes:
            return
        now = self._monotonic()
        self._rows[key] = (now + self._idle_seconds, value)
        self.size += taken
        while self.size > self._max_bytes or len(self._rows) > self._max_rows or self._oldest_expiry() <= now:
            self._remove(next(iter(self._rows)))

    def delete(self, key: bytes) -> None:
        """Forget what was put there, if anything was."""
        if key in self._rows:
            self._remove(key)

    def _oldest_expiry(self) -> float:
        return next(iter(self._rows.values()))[0]

    def _remove(self, key: bytes) -> None:
        _, value = self._rows.pop(key)
        self.size -= len(key) + len(value) + _ROW_BYTES
