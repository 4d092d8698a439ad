"""An HTTP server that misbehaves on purpose: every fault is a function that is given one connection.

    async with serving(stall_before_head) as upstream: ...      # inside a running loop
    with ThreadedUpstream(reset_mid_body) as upstream: ...      # from a synchronous test

`upstream.url` is where to send calls. A behaviour is called once for each connection, which is closed when it returns.
"""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

EVENT_STREAM = "text/event-stream"
LONG_EVENT = 20 * 1024 * 1024
"""Bytes of data in the one event of `one_huge_event`."""


class FaultyUpstream:
    """A running server: where it is, and what it has seen."""

    def __init__(self, behaviour: Behaviour, scheme: str = "http") -> None:
        self.url = ""
        self.connections = 0
        self.open_connections = 0
        self.someone_left = asyncio.Event()
        self._behaviour = behaviour
        self._scheme = scheme
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, tls: ssl.SSLContext | None) -> asyncio.Server:
        """Listen on a free port of `host`."""
        server = await asyncio.start_server(self._accept, host, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.url = f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        return server

    async def stop(self) -> None:
        """Break off the connections that are still open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: the one asyncio would make complains aloud when it is cancelled.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._behaviour(reader, writer)
        finally:
            self.open_connections -= 1
            self.someone_left.set()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(
    behaviour: Behaviour, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultyUpstream]:
    """Run `behaviour` on a free port for as long as the block lasts."""
    upstream = FaultyUpstream(behaviour, "https" if tls else "http")
    server = await upstream.start(host, tls)
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()


class ThreadedUpstream:
    """The same in a thread of its own, for tests without a loop."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.url = ""
        self._behaviour = behaviour
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._has_started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._upstream: FaultyUpstream | None = None

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return self._upstream.connections if self._upstream else 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._has_started.wait(10):
            raise TimeoutError("the faulty upstream did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with serving(self._behaviour) as upstream:
            self._upstream = upstream
            self.url = upstream.url
            self._has_started.set()
            await self._stop.wait()


# Pieces of behaviours.


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Return the request's head."""
    return await reader.readuntil(b"\r\n\r\n")


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the request's head and body."""
    head = await read_head(reader)
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head, await reader.readexactly(int(value))
    return head, b""


def head(status: str = "200 OK", *headers: str) -> bytes:
    """Return a reply's head."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk; the empty chunk ends a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(body: bytes, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    """Return a whole reply."""
    return head(status, f"content-type: {content_type}", f"content-length: {len(body)}") + body


def stream_head() -> bytes:
    """Return the head of a chunked event stream."""
    return head("200 OK", f"content-type: {EVENT_STREAM}", "transfer-encoding: chunked")


async def until_left(reader: asyncio.StreamReader) -> None:
    """Wait until the client has gone."""
    while await reader.read(65536):
        pass


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of an end."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# Behaviours made to measure.


def saying(*pieces: bytes, pause: float = 0.0, then_stay: bool = False) -> Behaviour:
    """Read one request and send `pieces`, one packet each; then close, or stay silent until the client goes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if then_stay:
            await until_left(reader)

    return behave


def answering(
    body: bytes = b'{"ok":true}', status: str = "200 OK", content_type: str = "application/json"
) -> Behaviour:
    """Answer every request of a connection, as a good server does."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(whole(body, status, content_type))
            await writer.drain()

    return behave


def in_turn(behaviours: Sequence[Behaviour]) -> Behaviour:
    """Give the first connection the first behaviour and so on; the last one serves all later connections."""
    remaining = list(behaviours)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        await chosen(reader, writer)

    return behave


# The faults.


async def slow_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A right answer, one byte a packet."""
    await read_request(reader)
    answer = stream_head() + chunk(b"data: \xf0\x9f\x90\xab\n\n") + chunk(b"data: [DONE]\n\n") + chunk(b"")
    for byte in answer:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.001)


async def stall_before_head(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    await until_left(reader)


async def stall_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the head and nothing more."""
    await read_request(reader)
    writer.write(stream_head())
    await until_left(reader)


async def stall_mid_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one event and nothing more."""
    await read_request(reader)
    writer.write(stream_head() + chunk(b"data: one\n\n"))
    await until_left(reader)


async def reset_mid_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one event, then a TCP reset."""
    await read_request(reader)
    writer.write(stream_head() + chunk(b"data: one\n\n"))
    await writer.drain()
    await asyncio.sleep(0.05)
    reset(writer)


async def close_mid_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one event of a chunked stream, then close in good order but without the last chunk."""
    await read_request(reader)
    writer.write(stream_head() + chunk(b"data: one\n\n"))


async def close_mid_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close in the middle of the head."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-ty")


async def close_without_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read the request and close."""
    await read_request(reader)


async def length_too_long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Declare more bytes than are sent."""
    await read_request(reader)
    writer.write(head("200 OK", "content-type: application/json", "content-length: 100") + b'{"ok":true}')


async def length_too_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Declare fewer bytes than are sent, for every request of the connection."""
    while True:
        await read_request(reader)
        writer.write(head("200 OK", "content-type: application/json", "content-length: 2") + b"{}}}")


async def bad_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one good chunk, then one whose size is no number."""
    await read_request(reader)
    writer.write(stream_head() + chunk(b"data: one\n\n") + b"zz\r\nnonsense\r\n")
    await until_left(reader)


async def split_utf8(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Split every character of more than one byte over packets and chunks."""
    await read_request(reader)
    writer.write(stream_head())
    for byte in 'data: {"text":"größer 🐫"}\n\n'.encode():
        writer.write(chunk(bytes([byte])))
        await writer.drain()
        await asyncio.sleep(0.001)
    writer.write(chunk(b""))


async def crlf_events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send events whose lines end in CR LF, cut between the two."""
    await read_request(reader)
    writer.write(stream_head())
    for piece in (b"data: one\r", b"\n\r", b"\ndata: two\r\n\r\n"):
        writer.write(chunk(piece))
        await writer.drain()
        await asyncio.sleep(0.005)
    writer.write(chunk(b""))


async def one_huge_event(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one event of 20 MB."""
    await read_request(reader)
    writer.write(stream_head() + chunk(b"data: "))
    for _ in range(LONG_EVENT // 65536):
        writer.write(chunk(b"x" * 65536))
        await writer.drain()
    writer.write(chunk(b"\n\n") + chunk(b""))


async def html_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a proxy's error page."""
    await read_request(reader)
    writer.write(whole(b"<html><body>502 Bad Gateway</body></html>", "502 Bad Gateway", "text/html"))


async def bare_html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a page that has no HTTP head."""
    await read_request(reader)
    writer.write(b"<html><body>hello</body></html>")


async def junk_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with bytes that mean nothing."""
    await read_request(reader)
    writer.write(bytes(range(256)))


async def endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send headers and never the end of them."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def interim_replies_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send 100 and 103 before the answer."""
    await read_request(reader)
    writer.write(head("100 Continue") + head("103 Early Hints", "link: </style.css>"))
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(whole(b'{"ok":true}'))


async def early_413(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse the request by its head alone and close with its body unread."""
    await read_head(reader)
    writer.write(whole(b'{"error":"too large"}', "413 Content Too Large"))


async def early_413_and_wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse the request by its head alone and leave the body unread, without closing."""
    await read_head(reader)
    writer.write(whole(b'{"error":"too large"}', "413 Content Too Large"))
    await writer.drain()
    await asyncio.sleep(60)


async def endless_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send events as fast as they are taken, without end."""
    await read_request(reader)
    writer.write(stream_head())
    event = chunk(b"data: " + b"x" * 65536 + b"\n\n")
    while True:
        writer.write(event)
        await writer.drain()
