"""The client's side of a stream for clients that want one JSON array instead of events."""

import asyncio
from collections.abc import Callable

from dragoman.engine.client import Headers
from dragoman.pipe import Transducer
from dragoman.server.connection import AsgiConnection

_TYPE = (b"content-type", b"application/json; charset=utf-8")


class ArrayConnection:
    """Sends the events that it is given as the elements of one array; implements the engine's ClientConnection.

    So does Google's API without `alt=sse`: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
    """

    __slots__ = ("_array", "_connection")

    def __init__(self, connection: AsgiConnection, array: Transducer[bytes, bytes]) -> None:
        self._connection = connection
        self._array = array

    @property
    def has_started(self) -> bool:
        """Whether the reply's head has been sent."""
        return self._connection.has_started

    @property
    def is_finished(self) -> bool:
        """Whether the reply's last byte has been sent."""
        return self._connection.is_finished

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the array."""
        others = [row for row in headers if row[0] != b"content-type"]
        await self._connection.start(status, [_TYPE, *others])

    async def write(self, data: bytes) -> None:
        """Send the elements that the events `data` are."""
        elements = self._array.feed(data)
        if elements:
            await self._connection.write(elements)

    async def finish(self, data: bytes = b"") -> None:
        """Send the last elements and the end of the array."""
        await self._connection.finish(self._array.feed(data) + self._array.flush())

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer that is no stream, an error, as the one element of an array."""
        await self._connection.answer(status, headers, b"[" + body + b"]")

    def on_gone(self, callback: Callable[["asyncio.Task[None]"], object]) -> Callable[[], object]:
        """Have `callback` called when the client has left."""
        return self._connection.on_gone(callback)
