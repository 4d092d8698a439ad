"""One request and its reply on a connection: the ASGI face of the HTTP protocol.

https://asgi.readthedocs.io/en/latest/specs/www.html, RFC 9110 (semantics), RFC 9112 (HTTP/1.1)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from uvicorn.server import ServerState

from dragoman.server.connection import Message, OnLost, Receive, Scope, Send
from dragoman.server.http_replies import BROKEN, BROKEN_WITHOUT_BODY, CLOSE, STATUS_LINES, field_start

_LOG: Final = logging.getLogger("dragoman.server")
_CONTROLS: Final = bytes({*range(32), 127} - {9})
_CHUNKED: Final = b"\r\ntransfer-encoding: chunked"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_LAST_TAIL: Final = b"\r\n" + _LAST_CHUNK
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNTOLD: Final = float("inf")
"""The length of a body that ends with the connection."""
_LENGTH: Final = b"\r\ncontent-length: "
_ENCODING: Final = b"\r\ntransfer-encoding: "
_CONNECTION: Final = b"\r\nconnection: "
_FRAMING: Final = frozenset({_LENGTH, _ENCODING, _CONNECTION})
_WITHOUT_BODY: Final = frozenset({204, 304})

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Waiters = list[asyncio.Future[None]]


class Carrier(Protocol):
    """The connection, as an exchange on it sees it."""

    __slots__ = ()

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    state: ServerState
    tasks: set[asyncio.Task[None]]
    is_write_paused: bool

    async def drain(self) -> None:
        """Return when the client has taken enough of what was written."""

    def let_in(self) -> None:
        """Read on, now that there is room for more of a body."""

    def finish(self, exchange: "HttpExchange") -> None:
        """Take that a reply is complete."""


class HttpExchange:
    """One request and its reply: what the application is given as `receive` and `send`."""

    __slots__ = (
        "_connection",
        "_is_asked_for",
        "_is_chunked",
        "_is_read",
        "_method",
        "_on_lost",
        "_remaining",
        "_start",
        "_version",
        "headers",
        "is_begun",
        "is_complete",
        "is_lost",
        "is_whole",
        "keeps_alive",
        "pieces",
        "task",
        "waiters",
    )

    _is_chunked: bool
    _remaining: float
    task: asyncio.Task[None]

    def __init__(self, connection: Carrier, scope: Scope, headers: Headers, *, keeps_alive: bool) -> None:
        self._connection = connection
        self._method = scope["method"]
        self._version = scope["http_version"]
        # The request.
        self.headers = headers
        self.pieces: list[bytes] = []
        self.is_whole = self._is_read = self._is_asked_for = False
        self.waiters: Waiters | None = None
        # The reply.
        self.keeps_alive = keeps_alive
        self._start: Message | None = None
        self.is_begun = self.is_complete = self.is_lost = False
        self._on_lost: OnLost | None = None

    async def run(self, app: App, scope: Scope) -> None:
        """Have the request answered."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - whatever it is, the client is told and the server goes on
            _LOG.exception("the application failed")
            self._break_off()
        except BaseException:
            self._break_off()
            raise
        else:
            if not self.is_complete and not self.is_lost:
                _LOG.error("the application returned without a complete reply")
                self._break_off()
        finally:
            self._connection.tasks.discard(self.task)

    # The request.

    async def receive(self) -> Message:
        """Return the next message of the request (ASGI)."""
        while not self.is_lost and not self.is_complete:
            pieces = self.pieces
            if (pieces or self.is_whole) and not self._is_read:
                self._is_read = is_whole = self.is_whole
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                self.drop_pieces()
                return {"type": "http.request", "body": body, "more_body": not is_whole}
            if not self._is_asked_for:
                self._ask_for_body()
            waiter = self._connection.loop.create_future()
            if self.waiters is None:
                self.waiters = []
            self.waiters.append(waiter)
            await waiter
        return {"type": "http.disconnect"}

    def drop_pieces(self) -> None:
        """Make room for more of the body."""
        self.pieces.clear()
        if not self.is_whole:
            self._connection.let_in()

    def _ask_for_body(self) -> None:
        """Ask a client for its body that waits with it for a word of ours (RFC 9110 10.1.1)."""
        if not self.is_whole and not self.is_begun and self._is_held_back():
            self._connection.transport.write(_CONTINUE)
        self._is_asked_for = True

    def _is_held_back(self) -> bool:
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)
        return expects and not self._is_asked_for and self._version != "1.0"

    def wake(self) -> None:
        """Let whoever waits in `receive` look again."""
        if self.waiters:
            for waiter in self.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self.waiters.clear()

    def call_when_lost(self, callback: OnLost) -> None:
        """Have `callback` called when the client is lost before the reply is complete (the extension in the scope)."""
        if self.is_lost:
            callback(self.task)
        elif not self.is_complete:
            self._on_lost = callback

    def lose(self) -> None:
        """Take that the client will not get the rest of the reply."""
        if self.is_complete or self.is_lost:
            return
        self.is_lost = True
        self.drop_pieces()
        self.wake()
        callback, self._on_lost = self._on_lost, None
        if callback is not None:
            callback(self.task)

    # The reply.

    async def send(self, message: Message) -> None:
        """Send a message of the reply (ASGI)."""
        connection = self._connection
        if connection.is_write_paused and not self.is_lost:
            await connection.drain()
        if self.is_lost:
            return
        start = self._start
        if start is None:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"a reply starts with `http.response.start`, not with `{message['type']}`")
            self._start = message
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"`http.response.body` has to follow, not `{message['type']}`")
        if self.is_complete:
            raise RuntimeError("the reply is complete: nothing can follow")
        is_last = not message.get("more_body", False)
        body = message.get("body", b"")
        if self.is_begun:
            data = self._frame(b"", body, is_last)
        else:
            data = self._frame(self._encode_head(start["status"], start.get("headers", ())), body, is_last)
            self.is_begun = True
        if data:
            connection.transport.write(data)
        if is_last:
            self._complete()

    def _encode_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the head and settle how the body is framed (RFC 9112 6.3)."""
        status_line = STATUS_LINES.get(status)
        if status_line is None:
            raise RuntimeError(f"`{status}` is no status for a reply")
        length: int | None = None
        says_close = False
        parts = [status_line]
        defaults = self._connection.state.default_headers
        for name, value in (*defaults, *headers) if defaults else headers:
            field = field_start(name)
            if field in _FRAMING:
                if field == _ENCODING:
                    # Ours to choose.
                    continue
                if field == _CONNECTION:
                    says_close = says_close or b"close" in map(bytes.strip, value.lower().split(b","))
                elif length is not None or not value.isdigit():
                    raise RuntimeError(f"`{value!r}` is no content-length, or one too many")
                else:
                    length = int(value)
            parts.append(field)
            parts.append(value)
        lines = len(parts) // 2
        if says_close or (not self.is_whole and self._is_held_back()):
            # A client whose body we did not ask for may send it or not: what came next could not be told apart.
            self.keeps_alive = False
        if not self.keeps_alive and not says_close:
            parts.append(CLOSE)
            lines += 1
        self._is_chunked = False
        if self._method == "HEAD" or status in _WITHOUT_BODY:
            self._remaining = 0
        elif length is not None:
            self._remaining = length
        elif self._version == "1.0":
            self._remaining = _UNTOLD
        else:
            self._is_chunked = True
            parts.append(_CHUNKED)
            lines += 1
        parts.append(b"\r\n\r\n")
        head = b"".join(parts)
        if len(head.translate(None, _CONTROLS)) != len(head) - 2 * (lines + 2):
            raise RuntimeError("a header's value has control characters")
        return head

    def _frame(self, head: bytes, body: bytes, is_last: bool) -> bytes:  # noqa: FBT001 - on the path of every piece
        """Return what goes on the wire for a piece of the body, behind `head` when it is the first."""
        if self._is_chunked:
            if not body:
                return head + _LAST_CHUNK if is_last else head
            return b"".join((head, b"%x\r\n" % len(body), body, _LAST_TAIL if is_last else b"\r\n"))
        if self._method == "HEAD":
            return head
        self._remaining = remaining = self._remaining - len(body)
        if remaining < 0:
            raise RuntimeError("the body is longer than its content-length")
        if is_last and remaining and remaining != _UNTOLD:
            raise RuntimeError("the body is shorter than its content-length")
        return head + body if head else body

    def _complete(self) -> None:
        self.is_complete = True
        self._on_lost = None
        if self.waiters:
            self.wake()
        if self.pieces:
            self.drop_pieces()
        self._connection.finish(self)

    def _break_off(self) -> None:
        """Answer for an application that did not."""
        if self.is_complete or self.is_lost:
            return
        if self.is_begun:
            # What is missing tells the client that the reply was cut.
            self._on_lost = None
            self.lose()
            self._connection.transport.close()
            return
        self.keeps_alive = False
        self.is_begun = True
        self._connection.transport.write(BROKEN_WITHOUT_BODY if self._method == "HEAD" else BROKEN)
        self._complete()
