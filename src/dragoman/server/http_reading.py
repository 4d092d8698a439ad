"""What comes in on a connection becomes requests: the parser's work, its limits, and what need not be parsed again.

RFC 9112 (HTTP/1.1)
"""

import asyncio
import logging
from abc import abstractmethod
from typing import Any, Final
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from dragoman.server.connection import KNOWN_HEAD, ON_DISCONNECT, Scope
from dragoman.server.heads import KnownHead
from dragoman.server.http_exchange import Carrier, Headers, HttpExchange
from dragoman.server.http_replies import BROKEN, MALFORMED, TOO_LONG, UNKNOWN_VERSION

MAX_HEAD: Final = 64 * 1024
"""Bytes of head that a request may have; also of trailers and chunk lines that may pass without a byte of body."""

_LOG: Final = logging.getLogger("dragoman.server")
_NO_LINE: Final = (b"", b"", "")
_VAIN_LESSONS: Final = 8
"""Heads in a row that are learned and not met again, after which the connection's are taken to differ always."""


class _RefusedError(Exception):
    """Raised in a parser's callback: the request cannot be served, and `reply` says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


class RequestReader(Carrier, asyncio.Protocol):
    """The half of a connection that takes requests; the other half, a class below, has them answered."""

    __slots__ = (
        "_brings_body",
        "_headers",
        "_is_in_head",
        "_is_last",
        "_is_mixed",
        "_known",
        "_latest",
        "_lessons",
        "_line",
        "_parser",
        "_receiving",
        "_room",
        "_root_path",
        "_template",
        "_upgrade",
        "_url",
    )

    def __init__(self, root_path: str) -> None:
        self._root_path = root_path
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
        self._room = MAX_HEAD
        self._is_in_head = self._is_mixed = self._brings_body = self._is_last = False

    # What the other half does.

    @abstractmethod
    def _begin(self, exchange: HttpExchange, scope: Scope, extensions: dict[str, Any]) -> None:
        """Have a request answered, in its turn."""

    @abstractmethod
    def _await_head(self) -> None:
        """Take that a head has begun that is not there yet."""

    @abstractmethod
    def _take_in(self, exchange: HttpExchange, size: int) -> None:
        """Take that a packet of `size` bytes has brought more of a body."""

    @abstractmethod
    def _refuse(self, reply: bytes) -> None:
        """Answer the request that is being received with `reply`, in its turn, and close."""

    # The transport's call.

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
        if self._room == MAX_HEAD:
            self._await_head()
        self._take_room(size, TOO_LONG)

    def _look_at_body(self, exchange: HttpExchange, size: int) -> None:
        """Pass on what came of a body that is not there yet, and keep it within its limits."""
        if exchange.pieces:
            self._take_in(exchange, size)
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
        if self._upgrade:
            # The application sees what the client wrote.
            headers, self._upgrade = self._upgrade, []
        line = (self._url, parser.get_method(), parser.get_http_version())
        if line != self._line:
            self._read_line(*line)
        keeps_alive = line[2] == "1.1" and parser.should_keep_alive()
        scope = self._template.copy()
        scope["headers"] = self._latest = headers
        self._room = MAX_HEAD
        self._receiving = exchange = HttpExchange(self, scope, headers, keeps_alive=keeps_alive)
        self._is_last = not keeps_alive
        self._begin(exchange, scope, {ON_DISCONNECT: exchange.call_when_lost})

    def _learn(self, data: bytes) -> None:
        """Keep the head of a request that came in one piece: the next one's may be the same."""
        self._lessons -= 1
        if not self._is_last:
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

    def _read_line(self, url: bytes, method: bytes, version: str) -> None:
        """Put into the scope what the request's first line says. It seldom changes on a connection: that is kept."""
        if version not in ("1.1", "1.0"):
            raise _RefusedError(UNKNOWN_VERSION)
        raw_path, query = _split_target(url)
        self._template |= {
            "http_version": version,
            "method": method.decode("ascii"),
            "path": self._root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self._root_path.encode() + raw_path,
            "query_string": query,
        }
        self._line = (url, method, version)

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
        fields = [b"%b: %b" % field for field in self._upgrade if field[0] != b"upgrade"]
        self._parser = HttpRequestParser(self)
        # A view: what the client did not write is no head to know again.
        self.data_received(memoryview(b"\r\n".join((line, *fields, b"", b""))))
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
