"""A reply that fills up from its connection while somebody reads it."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from dragoman.engine.errors import UpstreamCutError
from dragoman.ir.failures import DragomanError


class Source(Protocol):
    """The connection that a reply fills up from."""

    def resume(self) -> None:
        """Read on: the reply has been emptied."""

    def give_up(self, error: DragomanError) -> None:
        """Close the connection at once; the reply fails with `error`."""


class HttpReply:
    """A reply that fills up as its bytes arrive; the body that was not yet asked for waits in it."""

    __slots__ = ("_connection", "_error", "_is_whole", "_loop", "_pieces", "_waiter", "headers", "held", "status")

    def __init__(self, connection: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.held = 0
        self._connection: Source | None = connection
        self._loop = loop
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[bool] | None = None
        self._error: DragomanError | None = None
        self._is_whole = False

    # The reader's side.

    async def head(self) -> "HttpReply":
        """Return the reply itself once its head is there; raises what `Upstream.send` raises."""
        try:
            while not self.status and self._error is None:
                self._waiter = waiter = self._loop.create_future()
                await waiter
        except BaseException:
            self.close()
            raise
        self._waiter = None
        if not self.status and self._error is not None:
            raise self._error
        return self

    @property
    def is_over(self) -> bool:
        """Whether the whole body has come and been read."""
        return self._is_whole and not self._pieces

    async def read(self) -> bytes | None:
        """Return the body bytes that have arrived; see `UpstreamReply.read`."""
        while not self._pieces and not self._is_whole and self._error is None:
            if await self._wait():
                return b""
        pieces = self._pieces
        if pieces:
            return self._take(pieces)
        if self._error is not None:
            raise self._error
        return None

    def nudge(self) -> None:
        """Make a pending `read` return `b""`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    def close(self) -> None:
        """Drop the reply, and the connection with it unless the whole reply had come."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._pieces = []
        connection.give_up(UpstreamCutError("the reply was closed here before its end"))

    async def _wait(self) -> bool:
        """Wait for news; return whether it was only a nudge."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        try:
            return await waiter
        finally:
            self._waiter = None

    def _take(self, pieces: list[bytes]) -> bytes:
        self._pieces = []
        self.held = 0
        if self._connection is not None:
            self._connection.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # The connection's side.

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the head."""
        self.status = status
        self.headers = headers

    def add(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(piece)
        self.held += len(piece)

    def wake(self) -> None:
        """Tell a pending reader that there is news."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(False)

    def end(self) -> None:
        """Take the end of the body; the connection is free for another reply."""
        self._is_whole = True
        self._connection = None
        self.wake()

    def fail(self, error: DragomanError) -> None:
        """Take the reason why no more will come."""
        self._error = error
        self._connection = None
        self.wake()
