"""One HTTP/1.1 connection, which carries one exchange after the other."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from dragoman.engine.errors import UpstreamCutError, UpstreamTimeoutError, UpstreamUnreachableError
from dragoman.engine.gathering import GatheredTransport
from dragoman.engine.ports import Timeouts
from dragoman.ir.failures import DragomanError
from dragoman.upstreams.http_reply import HttpReply

MAX_HEAD = 64 * 1024
"""Bytes of head, interim replies, trailers or chunk lines that may pass without a byte of body."""
HIGH_WATER = 256 * 1024
"""Unread body bytes at which the socket is no longer read."""
SLICE = 256 * 1024
"""The most request bytes given to the transport at a time."""
SMALL_BODY = 64 * 1024
"""Up to here the request's head and body leave in one write."""
EXCERPT = 80
"""Bytes shown of an answer that is no HTTP."""


@lru_cache(maxsize=1024)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Keeper(Protocol):
    """Whoever keeps the connections: told when one is free, when one is gone, and when to look after one."""

    next_look: float

    def keep(self, connection: "HttpConnection") -> None:
        """Take a connection that is free for another exchange."""

    def forget(self, connection: "HttpConnection") -> None:
        """Let go of a connection that is of no more use; called again for the same one it does nothing."""

    def look_at(self, deadline: float) -> None:
        """Call `expire` of the connections whose deadline is over, at `deadline` at the latest."""


class _NoFurtherError(Exception):
    """Raised in a parser's callback to stop it: the reply is whole, what follows is not part of it."""


class HttpConnection(asyncio.Protocol):
    """One connection to one origin, which carries one exchange at a time."""

    __slots__ = (
        "_barren",
        "_headers",
        "_idle_seconds",
        "_is_complete",
        "_is_head_only",
        "_is_heard",
        "_is_paused",
        "_is_write_paused",
        "_keeper",
        "_keeps_alive",
        "_loop",
        "_now",
        "_parser",
        "_patience",
        "_pieces",
        "_reply",
        "_transport",
        "_unsent",
        "deadline",
        "on_body",
        "origin",
    )

    def __init__(self, origin: str, keeper: Keeper, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.deadline = float("inf")
        self._keeper = keeper
        self._loop = loop
        self._now = loop.time
        self._transport: asyncio.Transport | None = None
        # A packet may hold dozens of chunks: the parser hands each to the list itself.
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._parser = HttpResponseParser(self)
        self._reply: HttpReply | None = None
        self._headers: dict[str, str] = {}
        self._unsent: memoryview | None = None
        self._patience = self._idle_seconds = 0.0
        self._barren = 0
        self._keeps_alive = self._is_complete = self._is_heard = False
        self._is_head_only = self._is_paused = self._is_write_paused = False

    @property
    def is_idle(self) -> bool:
        """Whether no exchange is under way."""
        return self._reply is None

    # The exchange.

    def exchange(self, method: str, head: bytes, body: bytes, timeouts: Timeouts) -> HttpReply:
        """Send a request and return the reply that will fill up."""
        transport = self._transport
        reply = self._reply = HttpReply(self, self._loop)
        if transport is None:
            self._give_up_on(reply, UpstreamUnreachableError(f"the connection to `{self.origin}` is closed"))
            return reply
        self._headers = {}
        self._barren = 0
        self._is_heard = self._is_complete = False
        self._is_head_only = method == "HEAD"
        self._idle_seconds = timeouts.idle
        self.wait_for(timeouts.first_byte)
        if len(body) <= SMALL_BODY:
            transport.write(head + body)
        else:
            self._unsent = memoryview(body)
            transport.write(head)
            self._push()
        return reply

    def give_up(self, error: DragomanError) -> None:
        """Close the connection at once; a reply under way fails with `error`."""
        reply = self._reply
        if reply is not None:
            self._give_up_on(reply, error)
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, with whatever was not read or written."""
        self._keeper.forget(self)
        self._unsent = None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def resume(self) -> None:
        """Read from the socket again, now that the reader has caught up."""
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self.wait_for(self._idle_seconds)
            self._transport.resume_reading()

    def expire(self) -> None:
        """Act on a deadline that is over."""
        reply = self._reply
        if reply is None:
            self.abort()
        elif self._is_paused:
            # It is the reader here who is slow: the upstream may not speak.
            self.wait_for(self._idle_seconds)
        else:
            self._give_up_on(reply, UpstreamTimeoutError(self._silence(reply)))

    def _silence(self, reply: HttpReply) -> str:
        if not self._is_heard:
            return f"`{self.origin}` sent no byte of an answer for {self._patience:g} seconds"
        where = "in its body" if reply.status else "in the head of its answer"
        return f"`{self.origin}` fell silent {where} for {self._patience:g} seconds"

    def wait_for(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self._patience = seconds
        self.deadline = deadline = self._now() + seconds
        if deadline < self._keeper.next_look:
            self._keeper.look_at(deadline)

    def _give_up_on(self, reply: HttpReply, error: DragomanError) -> None:
        self._reply = None
        self.abort()
        reply.fail(error)

    def _finish(self, reply: HttpReply, *, may_reuse: bool) -> None:
        self._reply = None
        reply.end()
        if may_reuse and self._unsent is None and not self._is_write_paused and self._transport is not None:
            self.resume()
            self._keeper.keep(self)
        else:
            self.abort()

    # Sending.

    def _push(self) -> None:
        """Give the transport what it takes of the rest of the body."""
        while self._unsent is not None and not self._is_write_paused and self._transport is not None:
            piece, rest = self._unsent[:SLICE], self._unsent[SLICE:]
            self._unsent = rest or None
            self._transport.write(piece)

    def pause_writing(self) -> None:
        """Stop sending; called by the transport."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Send on; called by the transport."""
        self._is_write_paused = False
        if self._reply is not None and not self._is_heard:
            self.wait_for(self._patience)
        self._push()

    # Receiving: the transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = GatheredTransport(transport, self._loop)

    def data_received(self, data: bytes) -> None:
        """Feed the reply under way."""
        reply = self._reply
        if reply is None:
            # Bytes that nobody asked for: what came next on this connection could not be trusted.
            self.abort()
            return
        if not reply.status and len(data) > (room := MAX_HEAD - self._barren):
            self.data_received(data[:room])
            self.data_received(data[room:])
            return
        self._is_heard = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._take_body(reply)
            self._stop(reply, data, error)
            return
        has_body = self._take_body(reply)
        if self._is_complete:
            self._finish(reply, may_reuse=self._keeps_alive)
            return
        self.wait_for(self._idle_seconds)
        if has_body:
            self._barren = 0
        else:
            self._barren += len(data)
            if self._barren >= MAX_HEAD:
                self._give_up_on(reply, UpstreamCutError(self._too_long(reply)))
                return
        if reply.status:
            reply.wake()
        if reply.held > HIGH_WATER and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _take_body(self, reply: HttpReply) -> bool:
        """Hand over the pieces of the body that a packet brought, as one; return whether there were any."""
        pieces = self._pieces
        if not pieces:
            return False
        reply.add(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        pieces.clear()
        return True

    def eof_received(self) -> bool:
        """Take the upstream's closing of its side as the end of the connection."""
        self._lose(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        if exc is not None and self._reply is not None:
            self._read_leftovers()
        self._lose(exc)

    def _lose(self, exc: Exception | None) -> None:
        reply = self._reply
        if reply is None:
            self.abort()
        elif not self._is_heard:
            reason = f": {exc}" if exc else ""
            message = f"`{self.origin}` closed the connection before any byte of an answer{reason}"
            self._give_up_on(reply, UpstreamUnreachableError(message))
        elif exc is None and reply.status and _ends_by_closing(reply.headers):
            self._finish(reply, may_reuse=False)
        else:
            where = "before the end of the body" if reply.status else "in the head of its answer"
            reason = f": {exc}" if exc else ""
            self._give_up_on(reply, UpstreamCutError(f"`{self.origin}` closed the connection {where}{reason}"))

    def _read_leftovers(self) -> None:
        """Read the answer of an upstream that closed without reading the request.

        Its reset makes our next write fail, and the transport then closes without a look at what had arrived before.
        """
        transport = self._transport
        if transport is None or transport.get_extra_info("ssl_object") is not None:
            return
        with suppress(OSError):
            while self._reply is not None and (data := os.read(transport.get_extra_info("socket").fileno(), SLICE)):
                self.data_received(data)

    def _stop(self, reply: HttpReply, data: bytes, error: Exception) -> None:
        if self._is_complete:
            self._finish(reply, may_reuse=False)
        elif reply.status:
            self._give_up_on(reply, UpstreamCutError(f"the body's framing from `{self.origin}` is broken: {error}"))
        else:
            excerpt = data[:EXCERPT].decode("latin-1")
            message = f"`{self.origin}` answered with something that is not HTTP/1.1: {excerpt!a} ({error})"
            self._give_up_on(reply, UpstreamCutError(message))

    def _too_long(self, reply: HttpReply) -> str:
        what = "chunk lines or trailers" if reply.status else "reply head"
        return f"the {what} from `{self.origin}` went past {MAX_HEAD // 1024} KiB"

    # Receiving: the parser's calls.

    def on_message_begin(self) -> None:
        """Stop at a byte after the declared end."""
        if self._is_complete:
            raise _NoFurtherError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; called for trailers too, which go nowhere."""
        key = _lower(name)
        text = value.decode("latin-1")
        headers = self._headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """Hand over the head, unless it is an interim one (RFC 9110 15.2)."""
        headers, self._headers = self._headers, {}
        status = self._parser.get_status_code()
        reply = self._reply
        if status < 200 or reply is None:
            return
        self._keeps_alive = self._parser.should_keep_alive()
        reply.begin(status, headers)
        if status >= 400 and self._unsent is not None:
            # Refused before it was all there: send no more, and let no other request follow (RFC 9112 9.6).
            self._unsent = None
            self._keeps_alive = False
        if self._is_head_only:
            # The parser cannot be told that no body follows, so it is of no more use.
            self._is_complete = True
            raise _NoFurtherError

    def on_message_complete(self) -> None:
        """Note the end of the reply."""
        if self._reply is not None and self._reply.status:
            self._is_complete = True


def _ends_by_closing(headers: Mapping[str, str]) -> bool:
    """Whether a body without a declared length ends with the connection (RFC 9112 6.3)."""
    return "content-length" not in headers and not headers.get("transfer-encoding", "").endswith("chunked")
