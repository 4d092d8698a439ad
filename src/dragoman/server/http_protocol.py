"""HTTP/1.1 for uvicorn with a short path: one task, one read and one write for a plain exchange.

uvicorn keeps the sockets, the signals and the graceful shutdown; it is given `HttpProtocol` as its protocol class.
https://asgi.readthedocs.io/en/latest/specs/www.html, RFC 9110 (semantics), RFC 9112 (HTTP/1.1)
"""

import asyncio
import logging
from collections import deque
from typing import Any, Final, cast
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from uvicorn import Config
from uvicorn.server import ServerState

from dragoman.engine.gathering import GatheredTransport
from dragoman.server.connection import KNOWN_HEAD, ON_DISCONNECT, Scope
from dragoman.server.deadline import Deadline
from dragoman.server.heads import KnownHead
from dragoman.server.http_exchange import App, Headers, HttpExchange, Waiters
from dragoman.server.http_replies import BROKEN, MALFORMED, TOO_LONG, TOO_SLOW, UNKNOWN_VERSION

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
_NO_LINE: Final = (b"", b"")
_VAIN_LESSONS: Final = 8
"""Heads in a row that are learned and not met again, after which the connection's are taken to differ always."""


class _RefusedError(Exception):
    """Raised in a parser's callback: the request cannot be served, and `reply` says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


class HttpProtocol(asyncio.Protocol):
    """One client's connection; uvicorn makes one for each (`uvicorn.Config(http=HttpProtocol)`)."""

    __slots__ = (
        "_app",
        "_app_state",
        "_brings_body",
        "_deadline",
        "_headers",
        "_is_in_head",
        "_is_last",
        "_is_lingering",
        "_is_mixed",
        "_is_read_paused",
        "_keep_alive_seconds",
        "_known",
        "_latest",
        "_lessons",
        "_line",
        "_parser",
        "_queue",
        "_receiving",
        "_refusal",
        "_room",
        "_root_path",
        "_running",
        "_template",
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
        self._deadline = Deadline(loop, self._give_up_waiting)
        # Receiving.
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._template: dict[str, Any] = {}
        self._line = _NO_LINE
        self._url = b""
        self._headers: Headers = []
        self._latest: Headers = []
        self._known: KnownHead | None = None
        self._lessons = _VAIN_LESSONS
        self._receiving: HttpExchange | None = None
        self._upgrade: Headers = []
        self._unread = 0
        self._room = MAX_HEAD
        self._is_in_head = self._is_mixed = self._brings_body = self._is_last = self._is_read_paused = False
        # Answering.
        self._running: HttpExchange | None = None
        self._queue: deque[tuple[HttpExchange, Scope]] = deque()
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
        self.transport = GatheredTransport(transport, self.loop)
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
        self._deadline.wait(self._keep_alive_seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - lost is lost
        """Take the end of the connection."""
        self.state.connections.discard(self)
        self._parser = None
        self._deadline.close()
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
        fresh = data if isinstance(data, bytes) and self._receiving is None and not self._is_in_head else None
        if fresh is not None and self._known is not None:
            body = self._known.body_of(fresh)
            if body is not None:
                self._take_alike(self._known, body)
                return
        if len(data) > self._room:
            # A head may be in there, behind the end of a body, too: no more of it than is allowed is to pass unseen.
            view = memoryview(data)
            room = self._room
            self.data_received(view[:room])
            self.data_received(view[room:])
            return
        self._is_mixed = self._brings_body = False
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
        elif fresh is not None and self._lessons:
            self._learn(fresh)

    def _look_at_head(self, size: int) -> None:
        """Keep a head that is not there yet within its limits."""
        if self._room == MAX_HEAD and self._running is None:
            self._deadline.wait(HEAD_SECONDS)
        self._take_room(size, TOO_LONG)

    def _look_at_body(self, exchange: HttpExchange, size: int) -> None:
        """Pass on what came of a body that is not there yet, and keep it within its limits."""
        if exchange.pieces:
            self._unread += size
            exchange.wake()
            if self._unread > HIGH_WATER:
                self._pause_reading()
        if self._brings_body:
            self._room = MAX_HEAD
        else:
            self._take_room(size, MALFORMED)

    def _take_room(self, size: int, refusal: bytes) -> None:
        """Count what is no body; `refusal` is for a client that sends too much of it."""
        # Of a first piece that shares its packet with another request nobody knows the size; it is small.
        self._room -= 1 if self._is_mixed else size
        if self._room <= 0:
            self._refuse(refusal)

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
        scope["headers"] = self._latest = headers
        self._receiving = exchange = HttpExchange(self, scope, headers, keeps_alive=keeps_alive)
        self._is_last = not keeps_alive
        if not keeps_alive:
            self._known = None
        self._begin(exchange, scope, {ON_DISCONNECT: exchange.call_when_lost})

    def _begin(self, exchange: HttpExchange, scope: Scope, extensions: dict[str, Any]) -> None:
        scope["state"] = self._app_state.copy()
        scope["extensions"] = extensions
        self._unread = 0
        self._room = MAX_HEAD
        self._deadline.call_off()
        if self._running is None:
            self._launch(exchange, scope)
        else:
            self._queue.append((exchange, scope))
            if len(self._queue) >= MAX_QUEUE:
                self._pause_reading()

    def _learn(self, data: bytes) -> None:
        """Keep the head of a request that came in one piece: the next one's may be the same."""
        self._lessons -= 1
        if not self._is_last and self._line is not _NO_LINE:
            self._known = KnownHead.learn(data, self._latest, self._template.copy()) or self._known

    def _take_alike(self, head: KnownHead, body: bytes) -> None:
        """Have a request answered whose head is the last one's: there is nothing in it to parse."""
        self._lessons = _VAIN_LESSONS
        scope = head.scope(len(body))
        exchange = HttpExchange(self, scope, scope["headers"], keeps_alive=True)
        if body:
            exchange.pieces.append(body)
        exchange.is_whole = True
        self._begin(exchange, scope, {ON_DISCONNECT: exchange.call_when_lost, KNOWN_HEAD: head})

    def _read_line(self, parser: HttpRequestParser) -> None:
        """Put into the scope what the request's first line says. It seldom changes on a connection: that is kept."""
        method, version = parser.get_method(), parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _RefusedError(UNKNOWN_VERSION)
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
        self._brings_body = True
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
            self._refuse(MALFORMED)
            return
        line = b"%b %b HTTP/%b" % (method, self._url, parser.get_http_version().encode())
        headers = self._upgrade
        fields = [b"%b: %b" % field for field in headers if field[0] != b"upgrade"]
        self._parser = HttpRequestParser(self)
        # A view: what the client did not write is no head to know again.
        self.data_received(memoryview(b"\r\n".join((line, *fields, b"", b""))))
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
            self._refuse(BROKEN)
        else:
            self._refuse(MALFORMED)

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

    def _launch(self, exchange: HttpExchange, scope: Scope) -> None:
        self._running = exchange
        exchange.task = task = self.loop.create_task(exchange.run(self._app, scope))
        self.tasks.add(task)

    def finish(self, exchange: HttpExchange) -> None:
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
                self._deadline.wait(HEAD_SECONDS if self._is_in_head else self._keep_alive_seconds)

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
        self._deadline.wait(LINGER_SECONDS)

    def _give_up_waiting(self) -> None:
        if self._is_lingering:
            self.transport.abort()
        elif self._is_in_head:
            self._refuse(TOO_SLOW)
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
            raise _RefusedError(MALFORMED) from None
        return url.path or b"/", url.query or b""
    path, _, query = target.partition(b"?")
    return path, query
