"""The default upstream edge: a lean HTTP/1.1 client with a keep-alive pool."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dragoman.engine.errors import UpstreamCutError, UpstreamUnreachableError
from dragoman.engine.ports import Call, Timeouts
from dragoman.ir.failures import RequestError
from dragoman.upstreams.http_connection import HttpConnection
from dragoman.upstreams.http_reply import HttpReply
from dragoman.upstreams.http_request import Target, encode_head, split_url

if TYPE_CHECKING:
    from ssl import SSLContext

NEVER = float("inf")
SHORTEST_GAP = 0.05
"""Seconds between two looks at the deadlines, and so the most by which one is overrun."""
_HINT = "is `base_url` right, and does something listen there?"
_TLS_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "name the authority's certificate in SSL_CERT_FILE",
    "WRONG_VERSION_NUMBER": "what listens there speaks no TLS: does `base_url` begin with `http://`?",
}
"""What to do, by OpenSSL's name of the error."""


class ConnectionCount(msgspec.Struct, frozen=True, gc=False):
    """The connections to one origin: all that are open, and those of them that wait in the pool."""

    open: int
    idle: int


class ConnectionPool:
    """All open connections: the free ones per origin, last in first out, and one timer for the deadlines of all.

    The timer stands at the earliest deadline known when it was set. A deadline moves on with every byte, mostly
    without a word to the timer; the look that comes too early for it sets the timer anew.
    """

    def __init__(self, max_idle: int, idle_seconds: float) -> None:
        self.next_look = NEVER
        self.members: set[HttpConnection] = set()
        self._idle: dict[str, list[HttpConnection]] = {}
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._timer: asyncio.TimerHandle | None = None

    def take(self, origin: str) -> HttpConnection | None:
        """Return the connection to `origin` that was used last, if one is free."""
        idle = self._idle.get(origin)
        return idle.pop() if idle else None

    def keep(self, connection: HttpConnection) -> None:
        """Take back a connection that is free for another exchange."""
        idle = self._idle.setdefault(connection.origin, [])
        if len(idle) >= self._max_idle:
            connection.abort()
            return
        idle.append(connection)
        connection.wait_for(self._idle_seconds)

    def forget(self, connection: HttpConnection) -> None:
        """Let go of a connection that is of no more use."""
        self.members.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)
        if not self.members:
            self._stop_timer()

    def look_at(self, deadline: float) -> None:
        """Have the timer go off at `deadline` at the latest."""
        self._stop_timer()
        self.next_look = deadline
        self._timer = asyncio.get_running_loop().call_at(deadline, self._look)

    def counts(self) -> dict[str, ConnectionCount]:
        """Return the counts per origin."""
        counts: dict[str, ConnectionCount] = {}
        for connection in self.members:
            before = counts.get(connection.origin, ConnectionCount(0, 0))
            counts[connection.origin] = ConnectionCount(before.open + 1, before.idle + connection.is_idle)
        return counts

    def _look(self) -> None:
        self._stop_timer()
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.members):
            if connection.deadline <= now:
                connection.expire()
        if self.members:
            earliest = min(connection.deadline for connection in self.members)
            self.look_at(max(earliest, now + SHORTEST_GAP))

    def _stop_timer(self) -> None:
        self.next_look = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpUpstream:
    """Answers calls over HTTP/1.1, keeping connections open between them.

    `max_idle` connections per origin are kept for `idle_seconds`. TLS uses `tls_context`, or else the system's
    authorities (or those that SSL_CERT_FILE and SSL_CERT_DIR name); without `ssl_verify` any certificate will do.

    `send` raises RequestError for a call that cannot go on the wire: a URL with user-info, a header with a line break.
    """

    def __init__(
        self,
        *,
        max_idle: int = 64,
        idle_seconds: float = 60.0,
        ssl_verify: bool = True,
        tls_context: "SSLContext | None" = None,
    ) -> None:
        self._pool = ConnectionPool(max_idle, idle_seconds)
        self._ssl_verify = ssl_verify
        self._tls_context = tls_context
        self._is_closed = False

    async def send(self, call: Call, timeouts: Timeouts) -> HttpReply:
        """Send `call` and return when the reply's head is there; see `Upstream.send`."""
        try:
            target = split_url(call.url)
            head = encode_head(call, target)
        except ValueError as error:
            raise RequestError(str(error)) from None
        connection = self._pool.take(target.origin)
        if connection is not None:
            # The upstream may have closed it while it lay idle; a fresh one tells whether anybody is there.
            try:
                return await connection.exchange(call.method, head, call.body, timeouts).head()
            except UpstreamUnreachableError:
                pass
        connection = await self._connect(target, timeouts.connect)
        return await connection.exchange(call.method, head, call.body, timeouts).head()

    async def aclose(self) -> None:
        """Close idle connections and abort running ones; what is sent after that is refused."""
        self._is_closed = True
        for connection in tuple(self._pool.members):
            connection.give_up(UpstreamCutError("the gateway is closing"))
        # The transports tell of their end in the loop's next round.
        await asyncio.sleep(0)

    def counts(self) -> dict[str, ConnectionCount]:
        """Return the number of connections by origin, such as `https://api.example.com:443`."""
        return self._pool.counts()

    async def _connect(self, target: Target, seconds: float) -> HttpConnection:
        self._refuse_when_closed(target)
        loop = asyncio.get_running_loop()
        context = self._context() if target.is_tls else None
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    partial(HttpConnection, target.origin, self._pool, loop),
                    target.host,
                    target.port,
                    ssl=context,
                    server_hostname=target.host if context else None,
                )
        except TimeoutError:
            raise UpstreamUnreachableError(f"no connection to `{target.origin}` within {seconds:g} seconds") from None
        except (OSError, UnicodeError) as error:
            raise _unreachable(target, error) from error
        self._pool.members.add(connection)
        if self._is_closed:
            connection.abort()
        self._refuse_when_closed(target)
        return connection

    def _refuse_when_closed(self, target: Target) -> None:
        if self._is_closed:
            raise UpstreamUnreachableError(f"no connection to `{target.origin}`: the gateway is closing")

    def _context(self) -> "SSLContext":
        """Make the context when it is first needed: reading the authorities takes tens of milliseconds."""
        if self._tls_context is None:
            import ssl  # noqa: PLC0415 - not before it is needed

            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            if not self._ssl_verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls_context = context
        return self._tls_context


def _unreachable(target: Target, error: Exception) -> UpstreamUnreachableError:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    hint = next((hint for word, hint in _TLS_HINTS.items() if word in reason), _HINT)
    return UpstreamUnreachableError(f"no connection to `{target.origin}`: {reason}", hint)
