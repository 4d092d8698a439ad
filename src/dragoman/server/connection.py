"""One HTTP exchange on an ASGI server.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from dragoman.engine.client import Headers
from dragoman.ir.failures import DragomanError, Failure, FailureKind

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


OnLost = Callable[["asyncio.Task[None]"], object]
ON_DISCONNECT: Final = "dragoman.on_disconnect"
"""An extension in the scope: (callback) -> None.

The callback is called once, when the client is lost before its reply is complete, with the task that answers it.
"""
KNOWN_HEAD: Final = "dragoman.known_head"
"""An extension in the scope of a request whose head is, byte for byte but for the body's length, that of the connection's last.

It is one object for all of them; its `meaning` is the application's: what it read in that head and need not read again.
"""


class ClientLeftError(Exception):
    """The client left before it had sent its whole request."""


class AsgiConnection:
    """Reads the request and sends the reply; implements the engine's ClientConnection."""

    __slots__ = ("_extra", "_on_disconnect", "_receive", "_send", "has_started", "is_finished", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, extra: Headers) -> None:
        self._on_disconnect: Callable[[OnLost], None] | None = scope.get("extensions", {}).get(ON_DISCONNECT)
        self._receive = receive
        self._send = send
        self._extra = tuple(extra)
        self.has_started = False
        self.is_finished = False
        self.status = 0

    def add(self, headers: Headers) -> None:
        """Have the reply carry more headers."""
        self._extra += tuple(headers)

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body. Raises DragomanError (413) beyond `limit` bytes, ClientLeftError when the client leaves."""
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body", False):
            _check_size(len(body), limit)
            return body
        chunks = [body]
        size = len(body)
        while message["type"] == "http.request" and message.get("more_body", False):
            _check_size(size, limit)
            message = await self._receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        _check_size(size, limit)
        return b"".join(chunks)

    def on_gone(self, callback: OnLost) -> Callable[[], object]:
        """Have `callback` called when the client has left. To be asked for once, when the body has been read.

        Our own HTTP protocol tells it by a call; another ASGI server has to be asked by a task that waits for it.
        """
        if self._on_disconnect is not None:
            self._on_disconnect(callback)
            return _nothing
        exchange = asyncio.current_task()
        assert exchange is not None  # noqa: S101 - an application runs in a task
        return asyncio.ensure_future(self._gone(callback, exchange)).cancel

    async def _gone(self, callback: OnLost, exchange: "asyncio.Task[None]") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.is_finished:  # after the whole reply this type only says that there is nothing more to come
            callback(exchange)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a reply whose length is not known."""
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._extra]})
        self.has_started = True
        self.status = status

    async def write(self, data: bytes) -> None:
        """Send more of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
        self.is_finished = True

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply."""
        rows = [*headers, (b"content-length", b"%d" % len(body)), *self._extra]
        await self._send({"type": "http.response.start", "status": status, "headers": rows})
        self.has_started = True
        self.status = status
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
        self.is_finished = True


def _nothing() -> None:
    """There is nothing to take back: a complete reply is never left."""


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise too_large(limit)


def too_large(limit: int) -> DragomanError:
    """Return the error for a body of more than `limit` bytes."""
    return DragomanError(
        Failure(
            FailureKind.TOO_LARGE,
            f"the request's body is larger than {limit} bytes",
            hint="the limit is `server.max_body_mib` in the configuration",
        )
    )
