"""HTTP/1.1 for uvicorn with a short path: one task, one read and one write for a plain exchange.

uvicorn keeps the sockets, the signals and the graceful shutdown; it is given `HttpProtocol` as its protocol class.
https://asgi.readthedocs.io/en/latest/specs/www.html, RFC 9110 (semantics), RFC 9112 (HTTP/1.1)
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn import Config
from uvicorn.server import ServerState

from dragoman.server.connection import ON_DISCONNECT, Message, OnLost, Receive, Scope, Send

MAX_HEAD: Final = 64 * 1024
"""Bytes of head that a request may have; also of trailers and chunk lines that may pass without a byte of body."""
HEAD_SECONDS: Final = 30.0
"""From the first byte of a head to its last."""
HIGH_WATER: Final = 1024 * 1024
"""Unread body bytes at which the socket is no longer read."""
MAX_QUEUE: Final = 8
"""Requests that wait behind the one being answered at which the socket is no longer read."""
LINGER_SECONDS: Final = 2.0
"""How long a client that still sends may take to notice that we have closed."""
_LOG: Final = logging.getLogger("dragoman.server")
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_INVALID_NAME: Final = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]|\A\Z")
_CONTROLS: Final = bytes({*range(32), 127} - {9})
_CLOSE: Final = b"\r\nconnection: close"
_CHUNKED: Final = b"\r\ntransfer-encoding: chunked"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_LAST_TAIL: Final = b"\r\n" + _LAST_CHUNK
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_LINE: Final = (b"", b"")
_NEVER: Final = float("inf")
_LENGTH: Final = b"\r\ncontent-length: "
_ENCODING: Final = b"\r\ntransfer-encoding: "
_CONNECTION: Final = b"\r\nconnection: "
_FRAMING: Final = frozenset({_LENGTH, _ENCODING, _CONNECTION})
_WITHOUT_BODY: Final = frozenset({204, 304})

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Waiters = list[asyncio.Future[None]]


_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".encode()


STATUS_LINES: Final = {status: _status_line(status) for status in range(200, 600)}
"""The first line of a reply, by its status. In a head, every other line brings the CRLF before it."""


def _plain(status: int, text: bytes) -> bytes:
    fields = b"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d" % len(text)
    return b"".join((STATUS_LINES[status], fields, _CLOSE, b"\r\n\r\n", text))


_BROKEN: Final = _plain(500, b"Internal Server Error")
_BROKEN_WITHOUT_BODY: Final = _BROKEN.removesuffix(b"Internal Server Error")
_MALFORMED: Final = _plain(400, b"Invalid HTTP request received.")
_TOO_SLOW: Final = _plain(408, b"The request's head took too long.")
_TOO_LONG: Final = _plain(431, b"The request's head is too long.")
_UNKNOWN_VERSION: Final = _plain(505, b"Only HTTP/1.1 and HTTP/1.0 are spoken here.")


@lru_cache(maxsize=1024)
def _field(name: bytes) -> bytes:
    """Return what stands in a head before a header's value."""
    if _INVALID_NAME.search(name):
        raise RuntimeError(f"`{name!r}` is no name for a header")
    return b"\r\n%b: " % name.lower()


class _RefusedError(Exception):
    """Raised in a parser's callback: the request cannot be served, and `reply` says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


class _Exchange:
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

    def __init__(self, connection: "HttpProtocol", scope: Scope, headers: Headers, *, keeps_alive: bool) -> None:
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
        if self.is_begun:
            data = self._frame(message.get("body", b""), is_last)
        else:
            head = self._encode_head(start["status"], start.get("headers", ()))
            data = head + self._frame(message.get("body", b""), is_last)
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
            field = _field(name)
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
            parts.append(_CLOSE)
            lines += 1
        self._is_chunked = False
        if self._method == "HEAD" or status in _WITHOUT_BODY:
            self._remaining = 0
        elif length is not None:
            self._remaining = length
        elif self._version == "1.0":
            self._remaining = _NEVER
        else:
            self._is_chunked = True
            parts.append(_CHUNKED)
            lines += 1
        parts.append(b"\r\n\r\n")
        head = b"".join(parts)
        if len(head.translate(None, _CONTROLS)) != len(head) - 2 * (lines + 2):
            raise RuntimeError("a header's value has control characters")
        return head

    def _frame(self, body: bytes, is_last: bool) -> bytes:  # noqa: FBT001 - on the path of every piece
        if self._is_chunked:
            if not body:
                return _LAST_CHUNK if is_last else b""
            return b"%x\r\n%b%b" % (len(body), body, _LAST_TAIL if is_last else b"\r\n")
        if self._method == "HEAD":
            return b""
        self._remaining = remaining = self._remaining - len(body)
        if remaining < 0:
            raise RuntimeError("the body is longer than its content-length")
        if is_last and remaining and remaining != _NEVER:
            raise RuntimeError("the body is shorter than its content-length")
        return body

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
        self._connection.transport.write(_BROKEN_WITHOUT_BODY if self._method == "HEAD" else _BROKEN)
        self._complete()


class HttpProtocol(asyncio.Protocol):
    """One client's connection; uvicorn makes one for each (`uvicorn.Config(http=HttpProtocol)`)."""

    __slots__ = (
        "_app",
        "_app_state",
        "_deadline",
        "_headers",
        "_is_in_head",
        "_is_last",
        "_is_lingering",
        "_is_mixed",
        "_is_read_paused",
        "_keep_alive_seconds",
        "_line",
        "_next_look",
        "_now",
        "_parser",
        "_queue",
        "_receiving",
        "_refusal",
        "_room",
        "_root_path",
        "_running",
        "_template",
        "_timer",
        "_unread",
        "_upgrade",
        "_url",
        "_writers",
        "is_write_paused",
        "loop",
        "state",
        "tasks",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.tasks = server_state.tasks
        self._app = cast("App", config.loaded_app)
        self._app_state = app_state
        self._root_path: str = config.root_path
        self._keep_alive_seconds: float = config.timeout_keep_alive
        self._now = loop.time
        self._deadline = self._next_look = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        # Receiving.
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._template: dict[str, Any] = {}
        self._line = _NO_LINE
        self._url = b""
        self._headers: Headers = []
        self._receiving: _Exchange | None = None
        self._upgrade: Headers = []
        self._unread = 0
        self._room = MAX_HEAD
        self._is_in_head = self._is_mixed = self._is_last = self._is_read_paused = False
        # Answering.
        self._running: _Exchange | None = None
        self._queue: deque[tuple[_Exchange, Scope]] = deque()
        self._refusal: bytes | None = None
        self._writers: Waiters = []
        self.is_write_paused = self._is_lingering = False

    # The server's calls.

    def shutdown(self) -> None:
        """Close when the request under way is answered."""
        if self._running is None:
            self.transport.close()
        else:
            self._running.keeps_alive = False

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.state.connections.add(self)  # type: ignore[arg-type]  # uvicorn's own protocols only
        client = transport.get_extra_info("peername")
        server = transport.get_extra_info("sockname")
        self._template = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "root_path": self._root_path,
            "client": (client[0], client[1]) if isinstance(client, tuple) else None,
            "server": (server[0], server[1]) if isinstance(server, tuple) else (server, None) if server else None,
            # Room for what every request brings.
            "headers": None,
            "state": None,
            "extensions": None,
        }
        self._wait(self._keep_alive_seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - lost is lost
        """Take the end of the connection."""
        self.state.connections.discard(self)
        self._parser = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lose()

    def eof_received(self) -> None:
        """Take the client's closing of its side as the end of the connection: the transport closes."""
        self._lose()

    def _lose(self) -> None:
        self._queue.clear()
        self._refusal = None
        self.resume_writing()
        running, self._running = self._running, None
        if running is not None:
            running.lose()

    def pause_writing(self) -> None:
        """Let `send` wait."""
        self.is_write_paused = True

    def resume_writing(self) -> None:
        """Let `send` go on."""
        self.is_write_paused = False
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_result(None)
        self._writers.clear()

    async def drain(self) -> None:
        """Return when the transport takes more, or when there is nobody to send to."""
        while self.is_write_paused:
            waiter = self.loop.create_future()
            self._writers.append(waiter)
            await waiter

    def data_received(self, data: bytes | memoryview) -> None:
        """Take bytes of requests."""
        parser = self._parser
        if parser is None:
            return
        if len(data) > self._room and self._receiving is None:
            # A head may be in there: no more of it than is allowed is to pass unseen.
            view = memoryview(data)
            room = self._room
            self.data_received(view[:room])
            self.data_received(view[room:])
            return
        self._is_mixed = False
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as stop:
            self._ignore_upgrade(memoryview(data)[stop.args[0] :])
            return
        except HttpParserError as error:
            self._stop(error)
            return
        if self._is_in_head:
            self._look_at_head(len(data))
        elif self._receiving is not None:
            self._look_at_body(self._receiving, len(data))

    def _look_at_head(self, size: int) -> None:
        """Keep a head that is not there yet within its limits."""
        if self._room == MAX_HEAD and self._running is None:
            self._wait(HEAD_SECONDS)
        # Of a first piece that shares its packet with another request nobody knows the size; it is small.
        self._room -= 1 if self._is_mixed else size
        if self._room <= 0:
            self._refuse(_TOO_LONG)

    def _look_at_body(self, exchange: _Exchange, size: int) -> None:
        """Pass on what came of a body that is not there yet, and keep it within its limits."""
        if exchange.pieces:
            self._room = MAX_HEAD
            self._unread += size
            exchange.wake()
            if self._unread > HIGH_WATER:
                self._pause_reading()
        elif not exchange.is_complete and not exchange.is_lost:
            self._room -= size
            if self._room <= 0:
                self._refuse(_MALFORMED)

    def _pause_reading(self) -> None:
        if not self._is_read_paused:
            self._is_read_paused = True
            self.transport.pause_reading()

    def let_in(self) -> None:
        """Take that the body that is coming in has been read as far as it came."""
        self._unread = 0
        if self._is_read_paused:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self._unread <= HIGH_WATER and len(self._queue) < MAX_QUEUE and not self.transport.is_closing():
            self._is_read_paused = False
            self.transport.resume_reading()

    # The parser's calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers = []
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; called for trailers too, which go nowhere."""
        self._headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        """Have the request answered, at once or when those before it are."""
        headers, self._headers = self._headers, []
        self._is_in_head = False
        parser = self._parser
        if parser is None:
            return
        if parser.should_upgrade():
            self._upgrade = headers
            return
        keeps_alive = parser.should_keep_alive()
        if self._url != self._line[0] or parser.get_method() != self._line[1] or not keeps_alive:
            self._read_line(parser)
            keeps_alive = keeps_alive and self._template["http_version"] == "1.1"
        scope = self._template.copy()
        scope["headers"] = headers
        scope["state"] = self._app_state.copy()
        exchange = _Exchange(self, scope, headers, keeps_alive=keeps_alive)
        scope["extensions"] = {ON_DISCONNECT: exchange.call_when_lost}
        self._receiving = exchange
        self._is_last = not keeps_alive
        self._unread = 0
        self._room = MAX_HEAD
        self._deadline = _NEVER
        if self._running is None:
            self._launch(exchange, scope)
        else:
            self._queue.append((exchange, scope))
            if len(self._queue) >= MAX_QUEUE:
                self._pause_reading()

    def _read_line(self, parser: HttpRequestParser) -> None:
        """Put into the scope what the request's first line says. It seldom changes on a connection: that is kept."""
        method, version = parser.get_method(), parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _RefusedError(_UNKNOWN_VERSION)
        raw_path, query = _split_target(self._url)
        self._template |= {
            "http_version": version,
            "method": method.decode("ascii"),
            "path": self._root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self._root_path.encode() + raw_path,
            "query_string": query,
        }
        # What does not keep the connection alive may be HTTP/1.0, and is not what the next one looks like.
        self._line = (self._url, method) if version == "1.1" else _NO_LINE

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; when nobody wants it any more it goes nowhere."""
        exchange = self._receiving
        if exchange is not None and not exchange.is_complete and not exchange.is_lost:
            exchange.pieces.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._room = MAX_HEAD
        exchange = self._receiving
        if exchange is not None:
            self._receiving = None
            self._is_mixed = True
            exchange.is_whole = True
            if exchange.waiters:
                exchange.wake()

    # What is not an exchange.

    def _ignore_upgrade(self, rest: memoryview) -> None:
        """Serve a request that asks for another protocol as if it did not (RFC 9110 7.8).

        The parser takes what follows for that other protocol. Another parser, told the same head without the wish,
        takes it for the body that was declared, if any.
        """
        parser = self._parser
        method = parser.get_method() if parser is not None else b""
        if parser is None or method == b"CONNECT":
            self._refuse(_MALFORMED)
            return
        line = b"%b %b HTTP/%b" % (method, self._url, parser.get_http_version().encode())
        headers = self._upgrade
        fields = [b"%b: %b" % field for field in headers if field[0] != b"upgrade"]
        self._parser = HttpRequestParser(self)
        self.data_received(b"\r\n".join((line, *fields, b"", b"")))
        exchange = self._queue[-1][0] if self._queue else self._running
        if exchange is not None and self._parser is not None:
            # The application sees what the client wrote.
            exchange.headers[:] = headers
        self.data_received(rest)

    def _stop(self, error: HttpParserError) -> None:
        """End the conversation with a client that cannot be understood."""
        if self._is_last and self._receiving is None:
            # It said that nothing would follow.
            self._parser = None
            return
        cause = error.__context__
        if isinstance(cause, _RefusedError):
            self._refuse(cause.reply)
        elif cause is not None:
            _LOG.error("the protocol failed", exc_info=cause)
            self._refuse(_BROKEN)
        else:
            self._refuse(_MALFORMED)

    def _refuse(self, reply: bytes) -> None:
        """Answer the request that is being received with `reply`, in its turn, and close."""
        self._parser = None
        self._is_in_head = False
        exchange, self._receiving = self._receiving, None
        if self._queue and exchange is self._queue[-1][0]:
            self._queue.pop()
            exchange = None
        if self._running is not None and self._running is not exchange:
            self._refusal = reply
            return
        if exchange is None or (exchange is self._running and not exchange.is_begun):
            self.transport.write(reply)
        self._running = None
        self._linger()
        if exchange is not None:
            exchange.lose()

    # Answering.

    def _launch(self, exchange: _Exchange, scope: Scope) -> None:
        self._running = exchange
        exchange.task = task = self.loop.create_task(exchange.run(self._app, scope))
        self.tasks.add(task)

    def finish(self, exchange: _Exchange) -> None:
        """Go on after a reply."""
        self.state.total_requests += 1
        if not exchange.keeps_alive:
            self._running = None
            self._hang_up()
        elif self._queue:
            self._launch(*self._queue.popleft())
            if self._is_read_paused:
                self._resume_reading()
        else:
            self._running = None
            if self._refusal is not None:
                self.transport.write(self._refusal)
                self._linger()
            else:
                self._wait(HEAD_SECONDS if self._is_in_head else self._keep_alive_seconds)

    def _hang_up(self) -> None:
        self._queue.clear()
        if self._receiving is None:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Close our side, and wait a little for the client's: unread bytes would make a reset that destroys our last words.

        RFC 9112 9.6.
        """
        self._parser = None
        self._receiving = None
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._is_lingering = True
        if self._is_read_paused:
            self._resume_reading()
        self.transport.write_eof()
        self._wait(LINGER_SECONDS)

    # Deadlines: the timer is not touched when one moves away: it looks again when it goes off.

    def _wait(self, seconds: float) -> None:
        self._deadline = deadline = self._now() + seconds
        if deadline < self._next_look:
            self._look_at(deadline)

    def _look_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_look = deadline
        self._timer = self.loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        self._next_look = _NEVER
        if self._deadline > self._now():
            if self._deadline != _NEVER:
                self._look_at(self._deadline)
        elif self._is_lingering:
            self.transport.abort()
        elif self._is_in_head:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query of a request's target (RFC 9112 3.2)."""
    if b"#" in target:
        target = target.partition(b"#")[0]
    if not target.startswith(b"/") and target != b"*":
        try:
            url = parse_url(target)
        except HttpParserError:
            raise _RefusedError(_MALFORMED) from None
        return url.path or b"/", url.query or b""
    path, _, query = target.partition(b"?")
    return path, query
