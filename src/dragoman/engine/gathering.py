"""Writes that leave together: a transport that hands on what was written when the loop's turn is over.

Between two system calls an interpreter runs cold: the kernel empties the caches and the branch predictor it lives on. Requests
that are ready in one turn of the loop are therefore worked through first, one after the other, and then written, one after the
other. With one request at a time this changes nothing but the place of the call.
"""

import asyncio
from typing import Any, Final, cast

MOST: Final = 64 * 1024
"""Bytes that may wait. Whoever writes more without a pause is to hear of back-pressure at once."""


class GatheredTransport(asyncio.Transport):
    """A transport in front of another: what is written to it is written on before the loop waits again."""

    __slots__ = ("_loop", "_pieces", "_size", "_transport")

    def __init__(self, transport: asyncio.BaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = loop
        self._pieces: list[bytes | memoryview] = []
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:  # type: ignore[override]  # nobody here writes a bytearray
        """Write `data` before the loop waits again."""
        pieces = self._pieces
        if not pieces:
            self._loop.call_soon(self._hand_on)
        pieces.append(data)
        self._size += len(data)
        if self._size > MOST:
            self._hand_on()

    def _hand_on(self) -> None:
        pieces = self._pieces
        if not pieces:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if not self._transport.is_closing():  # lost since it was written: nobody is there to read it
            self._transport.write(data)

    def write_eof(self) -> None:
        """Close this side behind what was written."""
        self._hand_on()
        self._transport.write_eof()

    def close(self) -> None:
        """Close behind what was written."""
        self._hand_on()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what waits is lost."""
        self._pieces.clear()
        self._size = 0
        self._transport.abort()

    # The rest is the other transport's.

    def can_write_eof(self) -> bool:
        """Tell whether one side can be closed alone."""
        return self._transport.can_write_eof()

    def is_closing(self) -> bool:
        """Tell whether the connection is closed, or will be."""
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not with the kernel yet."""
        return self._size + self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)
