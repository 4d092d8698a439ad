"""HTTP/1.1 for uvicorn with a short path: one task, one read and one write for a plain exchange.

uvicorn keeps the sockets, the signals and the graceful shutdown; it is given `HttpProtocol` as its protocol class.
https://asgi.readthedocs.io/en/latest/specs/www.html, RFC 9110 (semantics), RFC 9112 (HTTP/1.1)
"""

import asyncio
from collections import deque
from typing import Any, Final, cast

from uvicorn import Config
from uvicorn.server import ServerState

from dragoman.engine.gathering import GatheredTransport
from dragoman.server.connection import Scope
from dragoman.server.deadline import Deadline
from dragoman.server.http_exchange import App, HttpExchange, Waiters
from dragoman.server.http_reading import RequestReader
from dragoman.server.http_replies import TOO_SLOW

HEAD_SECONDS: Final = 30.0
"""From the first byte of a head to its last."""
HIGH_WATER: Final = 1024 * 1024
"""Unread body bytes at which the socket is no longer read."""
MAX_QUEUE: Final = 8
"""Requests that wait behind the one being answered at which the socket is no longer read."""
LINGER_SECONDS: Final = 2.0
"""How long a client that still sends may take to notice that we have closed."""

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class HttpProtocol(RequestReader):
    """One client's connection; uvicorn makes one for each (`uvicorn.Config(http=HttpProtocol)`)."""

    __slots__ = (
        "_app",
        "_app_state",
        "_deadline",
        "_is_lingering",
        "_is_read_paused",
        "_keep_alive_seconds",
        "_queue",
        "_refusal",
        "_running",
        "_unread",
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
        super().__init__(config.root_path)
        self.loop = loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.tasks = server_state.tasks
        self._app = cast("App", config.loaded_app)
        self._app_state = app_state
        self._keep_alive_seconds: float = config.timeout_keep_alive
        self._deadline = Deadline(loop, self._give_up_waiting)
        self._unread = 0
        self._is_read_paused = False
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

    # What the requests' reader calls.

    def _await_head(self) -> None:
        if self._running is None:
            self._deadline.wait(HEAD_SECONDS)

    def _take_in(self, exchange: HttpExchange, size: int) -> None:
        self._unread += size
        exchange.wake()
        if self._unread > HIGH_WATER:
            self._pause_reading()

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

    def _begin(self, exchange: HttpExchange, scope: Scope, extensions: dict[str, Any]) -> None:
        scope["state"] = self._app_state.copy()
        scope["extensions"] = extensions
        self._unread = 0
        self._deadline.call_off()
        if self._running is None:
            self._launch(exchange, scope)
        else:
            self._queue.append((exchange, scope))
            if len(self._queue) >= MAX_QUEUE:
                self._pause_reading()

    def _refuse(self, reply: bytes) -> None:
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
