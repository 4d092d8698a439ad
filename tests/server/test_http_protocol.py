"""Laws of the HTTP server, over raw sockets on the loopback and on both event loops; uvicorn's own protocol is the yardstick."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from dragoman.server import http_exchange, http_protocol
from dragoman.server.connection import ON_DISCONNECT, Message, Receive, Scope, Send
from dragoman.server.http_protocol import HIGH_WATER, MAX_QUEUE, HttpProtocol
from dragoman.server.http_reading import MAX_HEAD

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
LAST_GET = b"GET /last HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
Protocol = type[HttpProtocol] | type[HttpToolsProtocol]
PATIENCE = 10.0
"""Seconds after which a check has failed."""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a check on an event loop."""

    def run_in_time(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await check()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return run_in_time


# Servers and clients.


@dataclass
class Served:
    port: int
    state: ServerState


@asynccontextmanager
async def serving(
    app: App, *, protocol: Protocol = HttpProtocol, keep_alive: int = 30, root_path: str = ""
) -> AsyncIterator[Served]:
    """Serve `app` as uvicorn would, on a free port."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=keep_alive,
        root_path=root_path,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {"made": "once"}, loop), "127.0.0.1", 0)
    try:
        yield Served(server.sockets[0].getsockname()[1], state)
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        fields = [line.partition(": ") for line in lines[1:]]
        return int(lines[0].split(" ")[1]), {name: value for name, _, value in fields}

    async def reply(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Read one reply by its framing."""
        status, headers = await self.head()
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return status, headers, await self.reader.read()
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readline() == b"\r\n"
        return status, headers, body

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        await self.send(data)
        return await self.reply()

    async def has_ended(self) -> bool:
        return await self.reader.read(1) == b""

    def reset(self) -> None:
        """Leave at once."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def talking(app: App, root_path: str = "") -> AsyncIterator[tuple[Client, Served]]:
    async with serving(app, root_path=root_path) as served, connected(served) as client:
        yield client, served


async def until(holds: Callable[[], object]) -> None:
    """Wait for what the server does in its own time."""
    while not holds():  # noqa: ASYNC110 - nobody sets an event for this
        await asyncio.sleep(0.005)


# Applications.


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


async def read(receive: Receive) -> list[Message]:
    """Read the messages of a request to its last."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def body_of(messages: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


async def path(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request's path."""
    await read(receive)
    said = scope["path"].encode()
    await send(start(200, length(said)))
    await send(piece(said))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    said = body_of(await read(receive))
    await send(start(200, (b"content-type", b"text/plain"), length(said)))
    await send(piece(said))


def saying(*messages: Message) -> App:
    """Make an application that reads the request and says this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        for message in messages:
            await send(message)

    return app


class Kept:
    """An application that keeps what it was given, and answers when it may."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.messages: list[Message] = []
        self.ended = asyncio.Event()
        self.asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.asked.set()
        self.messages += await read(receive)
        await send(start(200, length(b"")))
        await send(piece())
        self.ended.set()


# Requests.


def test_the_scope_says_what_the_specification_asks_for(run: Run) -> None:
    async def check() -> None:
        kept = Kept()
        async with talking(kept, root_path="/under") as (client, served):
            await client.ask(b"PUT /a%20b%C3%A9?q=%20&r HTTP/1.1\r\nHost: here\r\nX-Twice: 1 \r\nx-TWICE:  2\r\n\r\n")
            scope = dict(kept.scopes[0])
            extensions = scope.pop("extensions")
            assert list(extensions) == [ON_DISCONNECT]
            assert scope == {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "method": "PUT",
                "scheme": "http",
                "path": "/under/a bé",
                "raw_path": b"/under/a%20b%C3%A9",
                "query_string": b"q=%20&r",
                "root_path": "/under",
                "headers": [(b"host", b"here"), (b"x-twice", b"1"), (b"x-twice", b"2")],
                "client": client.writer.get_extra_info("sockname"),
                "server": ("127.0.0.1", served.port),
                "state": {"made": "once"},
            }

    run(check)


def test_what_one_request_says_is_not_in_the_scope_of_another(run: Run) -> None:
    async def check() -> None:
        kept = Kept()
        async with talking(kept) as (client, _):
            for line in (b"GET /a?b=1 HTTP/1.1", b"GET /a?b=1 HTTP/1.1", b"POST /a?b=1 HTTP/1.1", b"GET /c HTTP/1.1"):
                await client.ask(line + b"\r\nline: " + line + b"\r\n\r\n")
            kept.scopes[0]["state"]["mine"] = True
            await client.ask(b"GET /d HTTP/1.0\r\n\r\n")
        said = [(scope["method"], scope["path"], scope["query_string"], scope["http_version"]) for scope in kept.scopes]
        assert said == [
            ("GET", "/a", b"b=1", "1.1"),
            ("GET", "/a", b"b=1", "1.1"),
            ("POST", "/a", b"b=1", "1.1"),
            ("GET", "/c", b"", "1.1"),
            ("GET", "/d", b"", "1.0"),
        ]
        assert [scope["headers"][0][1][:4] for scope in kept.scopes[:4]] == [b"GET ", b"GET ", b"POST", b"GET "]
        assert kept.scopes[4]["headers"] == []
        assert kept.scopes[4]["state"] == {"made": "once"}

    run(check)


def test_a_body_that_is_there_comes_in_one_message(run: Run) -> None:
    async def check() -> None:
        kept = Kept()
        async with talking(kept) as (client, _):
            await client.ask(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
            await client.ask(
                b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nt: u\r\n\r\n"
            )
        assert kept.messages == [{"type": "http.request", "body": b"abc", "more_body": False}] * 2
        assert kept.scopes[1]["headers"] == [(b"transfer-encoding", b"chunked")]

    run(check)


def test_a_body_that_comes_in_pieces_is_whole_in_the_end(run: Run) -> None:
    async def check() -> None:
        content = bytes(range(256)) * 20_000
        async with talking(echo) as (client, _):
            sending = asyncio.create_task(
                client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))
            )
            assert (await client.reply())[2] == content
            await sending
            for at in range(0, 12, 3):
                await client.send(b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd"[at : at + 3])
                await asyncio.sleep(0.002)
            await client.send(b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd"[12:])
            assert (await client.reply())[2] == b"abcd"

    run(check)


def test_a_body_that_nobody_reads_stops_the_socket_and_goes_on_when_it_is_taken(run: Run) -> None:
    async def check() -> None:
        may_read = asyncio.Event()
        sizes: list[int] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await may_read.wait()
            sizes.extend(len(message["body"]) for message in await read(receive))
            await send(start(200, length(b"")))
            await send(piece())

        size = 32 * HIGH_WATER
        async with talking(app) as (client, served):
            sending = asyncio.create_task(
                client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
            )
            await until(lambda: served.state.connections)
            (connection,) = served.state.connections
            assert isinstance(connection, HttpProtocol)
            await until(lambda: connection._is_read_paused)
            await asyncio.sleep(0.05)
            assert connection._receiving is not None
            assert HIGH_WATER < sum(map(len, connection._receiving.pieces)) <= 2 * HIGH_WATER
            may_read.set()
            assert (await client.reply())[0] == 200
            await sending
        assert sum(sizes) == size
        assert sizes[0] > HIGH_WATER

    run(check)


@pytest.mark.parametrize("waits", [True, False])
def test_a_client_that_waits_for_100_continue_is_asked_for_its_body_when_it_is_wanted(run: Run, waits: bool) -> None:
    async def check() -> None:
        head = b"POST / HTTP/1.1\r\nexpect: 100-Continue\r\ncontent-length: 3\r\n\r\n"
        async with talking(echo) as (client, _):
            await client.send(head if waits else head + b"abc")
            if waits:
                assert await client.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
                await client.send(b"abc")
            assert (await client.reply())[2] == b"abc"
            assert (await client.ask(GET))[0] == 200

    run(check)


def test_a_client_whose_body_is_not_wanted_is_told_to_close(run: Run) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(413, length(b"no")))
        await send(piece(b"no"))

    async def check() -> None:
        async with talking(app) as (client, _):
            await client.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
            status, headers, _ = await client.reply()
            assert (status, headers["connection"]) == (413, "close")
            assert await client.has_ended()

    run(check)


@pytest.mark.parametrize("closes", [True, False])
def test_a_reply_before_the_end_of_the_body_arrives_whole(run: Run, closes: bool) -> None:
    """Were the connection closed on unread bytes, a reset would destroy the reply."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await receive()
        await send(start(413, length(b"no"), *([(b"connection", b"close")] if closes else [])))
        await send(piece(b"no"))

    async def check() -> None:
        size = 16 * HIGH_WATER
        async with talking(app) as (client, served):
            await client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
            assert (await client.reply())[2] == b"no"
            if closes:
                assert await client.has_ended()
            else:
                assert (await client.ask(GET))[0] == 413
            client.writer.close()
            await until(lambda: not served.state.connections)

    run(check)


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is unknown before its body has come, anything else with its body."""
    if scope["path"] != "/unknown":
        await echo(scope, receive, send)
        return
    await send(start(404, length(b"no")))
    await send(piece(b"no"))


def framed(body: bytes, *, is_chunked: bool) -> bytes:
    """Return what follows a request's line."""
    if not is_chunked:
        return b"content-length: %d\r\n\r\n%b" % (len(body), body)
    return b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("tail", [1, 1000, MAX_HEAD - 50, MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1, 2 * MAX_HEAD])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["counted", "chunked"])
@pytest.mark.parametrize("where", [b"/unknown", b"/"])
def test_what_comes_with_the_end_of_a_body_is_the_next_request(
    run: Run, where: bytes, is_chunked: bool, tail: int
) -> None:
    """However it is cut, answered early or not: and no request is ever seen in the body."""
    smuggled = b"POST /smuggled HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
    content = smuggled * (4 * MAX_HEAD // len(smuggled))
    first = b"POST %b HTTP/1.1\r\n" % where + framed(content, is_chunked=is_chunked)
    second = b"POST / HTTP/1.1\r\n" + framed(b"hello", is_chunked=is_chunked)
    head = second.index(b"\r\n\r\n") + 4
    said = b"no" if where == b"/unknown" else content

    async def one(served: Served, cut: int) -> None:
        async with connected(served) as client:
            await client.send(first[:-tail])
            if where == b"/unknown":
                assert (await client.reply())[2] == said
            await client.send(first[-tail:] + second[:cut])
            await asyncio.sleep(0.02)
            await client.send(second[cut:])
            if where != b"/unknown":
                assert (await client.reply())[2] == said
            assert (await client.reply())[2] == b"hello"
            assert (await client.ask(second))[2] == b"hello"

    async def check() -> None:
        async with serving(early) as served:
            cuts = (0, 1, 20, head - 2, head, head + 1, len(second) - 1, len(second))
            await asyncio.gather(*(one(served, cut) for cut in cuts))

    run(check)


@pytest.mark.parametrize("body", [b"", b"abc"])
@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_a_wish_for_another_protocol_is_ignored(run: Run, body: bytes, upgrade: bytes) -> None:
    async def check() -> None:
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)
            await echo(scope, receive, send)

        ask = b"POST /x?y HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: %b\r\ncontent-length: %d\r\n\r\n%b"
        async with talking(app) as (client, _):
            await client.send(ask % (upgrade, len(body), body) + LAST_GET)
            assert (await client.reply())[2] == body
            assert (await client.reply())[2] == b""
        assert seen[0]["headers"] == [
            (b"connection", b"Upgrade"),
            (b"upgrade", upgrade),
            (b"content-length", b"%d" % len(body)),
        ]
        assert (seen[0]["method"], seen[0]["path"], seen[0]["query_string"]) == ("POST", "/x", b"y")
        assert seen[1]["path"] == "/last"

    run(check)


# Refusals.

MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "unknown method": b"BREW / HTTP/1.1\r\n\r\n",
    "length and encoding": b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding and length": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "signed length": b"POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\nabc",
    "listed length": b"POST / HTTP/1.1\r\ncontent-length: 3, 3\r\n\r\nabc",
    "chunked is not last": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "folded header": b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\na : b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\na: b\n\n",
    "control character": b"GET / HTTP/1.1\r\na: b\x01\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\n\r\n",
    "a tunnel": b"CONNECT here:443 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_answered_with_400_and_nothing_after_it(run: Run, case: str) -> None:
    async def check() -> None:
        async with talking(path) as (client, _):
            status, headers, body = await client.ask(MALFORMED[case] + GET)
            assert (status, headers["connection"], body) == (400, "close", b"Invalid HTTP request received.")
            assert await client.has_ended()

    run(check)


def test_replies_before_a_malformed_request_come_first(run: Run) -> None:
    async def check() -> None:
        async with talking(path) as (client, _):
            await client.send(GET * 3 + MALFORMED["length and encoding"])
            assert [(await client.reply())[0] for _ in range(4)] == [200, 200, 200, 400]
            assert await client.has_ended()

    run(check)


def test_a_body_that_breaks_off_in_its_framing_loses_the_client(run: Run) -> None:
    async def check() -> None:
        messages: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            messages.extend([await receive(), await receive(), await receive()])
            await send(start())
            await send(piece(b"too late"))

        async with talking(app) as (client, _):
            await client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
            await asyncio.sleep(0.01)
            await client.send(b"xyz\r\n")
            assert (await client.reply())[0] == 400
            assert await client.has_ended()
        assert [message["type"] for message in messages][-1] == "http.disconnect"

    run(check)


@pytest.mark.parametrize("step", [1000, MAX_HEAD // 2, 2 * MAX_HEAD])
@pytest.mark.parametrize("size", [MAX_HEAD - 1000, MAX_HEAD + 1000])
def test_a_head_may_have_64_kib(run: Run, size: int, step: int) -> None:
    async def check() -> None:
        request = b"GET / HTTP/1.1\r\nx: " + b"x" * size + b"\r\n\r\n"
        async with talking(path) as (client, _):
            for at in range(0, len(request), step):
                await client.send(request[at : at + step])
            status = (await client.reply())[0]
            assert status == (200 if size < MAX_HEAD else 431)
            if status == 431:
                assert await client.has_ended()

    run(check)


def test_trailers_are_no_way_around_the_limit(run: Run) -> None:
    async def check() -> None:
        async with talking(path) as (client, _):
            await client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
            for _ in range(2 * MAX_HEAD // 4000):
                await client.send(b"x: " + b"x" * 4000 + b"\r\n")
                await asyncio.sleep(0)
            assert (await client.reply())[0] == 400

    run(check)


def test_trailers_of_a_body_that_nobody_wants_any_more_have_the_same_limit(run: Run) -> None:
    async def check() -> None:
        async with talking(early) as (client, served):
            await client.send(b"POST /unknown HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
            assert (await client.reply())[2] == b"no"
            with suppress(ConnectionError):
                await client.send(b"0\r\n" + (b"x: " + b"x" * 4000 + b"\r\n") * (4 * MAX_HEAD // 4000))
            assert await client.has_ended()
            client.writer.close()
            await until(lambda: not served.state.connections)

    run(check)


def test_a_head_behind_a_body_has_the_same_limit(run: Run) -> None:
    async def check() -> None:
        async with talking(path) as (client, _):
            await client.send(b"POST / HTTP/1.1\r\n" + framed(b"abc", is_chunked=False)[:-1])
            await asyncio.sleep(0.01)
            await client.send(b"cGET / HTTP/1.1\r\nx: " + b"x" * 3 * MAX_HEAD + b"\r\n\r\n")
            assert [(await client.reply())[0] for _ in range(2)] == [200, 431]
            assert await client.has_ended()

    run(check)


def test_a_head_may_not_take_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.1)

    async def check() -> None:
        async with talking(path) as (client, _):
            assert (await client.ask(GET + b"GET / HT"))[0] == 200
            assert (await client.reply())[0] == 408
            assert await client.has_ended()

    run(check)


# Connections.


def test_a_connection_carries_one_request_after_the_other(run: Run) -> None:
    async def check() -> None:
        async with talking(path) as (client, served):
            for _ in range(20):
                status, headers, _ = await client.ask(GET)
                assert (status, "connection" in headers) == (200, False)
            assert served.state.total_requests == 20
            await asyncio.sleep(0.01)
            assert not served.state.tasks
            assert len(served.state.connections) == 1

    run(check)


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    async def check() -> None:
        count = 3 * MAX_QUEUE
        running = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0.001)
            running -= 1
            await path(scope, receive, send)

        requests = [b"POST /%d HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello" % number for number in range(count)]
        async with talking(app) as (client, _):
            sent = b"".join(requests)
            for at in range(0, len(sent), 700):
                await client.send(sent[at : at + 700])
                await asyncio.sleep(0)
            assert [int((await client.reply())[2][1:]) for _ in range(count)] == list(range(count))

    run(check)


@pytest.mark.parametrize(
    "request_bytes", [LAST_GET, b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"]
)
def test_a_client_that_wants_no_more_is_closed(run: Run, request_bytes: bytes) -> None:
    async def check() -> None:
        async with talking(path) as (client, served):
            status, headers, _ = await client.ask(request_bytes + GET)
            assert (status, headers["connection"]) == (200, "close")
            assert await client.has_ended()
            assert served.state.total_requests == 1

    run(check)


def test_an_old_client_behind_another_one_that_asked_the_same_is_known_to_be_old(run: Run) -> None:
    """A proxy may share a connection, and say that it is kept."""

    async def check() -> None:
        async with talking(echo) as (client, _):
            assert (await client.ask(b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\na"))[0] == 200
            old = b"POST /x HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nb"
            status, headers, body = await client.ask(old)
            assert (status, headers["connection"], body) == (200, "close", b"b")
            assert await client.has_ended()

    run(check)


def test_the_application_may_close_the_connection(run: Run) -> None:
    async def check() -> None:
        app = saying(start(200, length(b""), (b"Connection", b"x, Close")), piece())
        async with talking(app) as (client, _):
            assert (await client.ask(GET))[1]["connection"] == "x, Close"
            assert await client.has_ended()

    run(check)


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(run: Run) -> None:
    async def check() -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(1.2 if scope["path"] == "/last" else 0)
            await path(scope, receive, send)

        async with serving(app, keep_alive=1) as served, connected(served) as idle, connected(served) as new:
            began = asyncio.get_running_loop().time()
            async with connected(served) as busy:
                await idle.ask(GET)
                assert (await busy.ask(b"GET /last HTTP/1.1\r\n\r\n"))[0] == 200
            assert await idle.has_ended()
            assert await new.has_ended()
            assert asyncio.get_running_loop().time() - began < 2

    run(check)


def test_a_server_that_shuts_down_closes_idle_connections_and_finishes_the_others(run: Run) -> None:
    async def check() -> None:
        may_go = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow":
                await may_go.wait()
            await path(scope, receive, send)

        async with serving(app) as served, connected(served) as idle, connected(served) as busy:
            await idle.ask(GET)
            await busy.send(b"GET /slow HTTP/1.1\r\n\r\n")
            await asyncio.sleep(0.05)
            for connection in list(served.state.connections):
                connection.shutdown()
            assert await idle.has_ended()
            may_go.set()
            status, headers, body = await busy.reply()
            assert (status, headers["connection"], body) == (200, "close", b"/slow")
            assert await busy.has_ended()
            await until(lambda: not served.state.connections)

    run(check)


# Replies.


def test_head_and_first_piece_leave_in_one_write_and_every_later_piece_in_one(run: Run) -> None:
    written: list[bytes] = []

    class Spy(asyncio.Transport):
        def __init__(self, transport: asyncio.Transport) -> None:
            self.abort = transport.abort  # type: ignore[method-assign]
            self._write = transport.write

        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))
            self._write(data)

    class Spied(HttpProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport = Spy(self.transport)

    async def check() -> None:
        written.clear()
        app = saying(start(), piece(b"ab", more=True), piece(b"c" * 16, more=True), piece(b"", more=True), piece(b"d"))
        async with serving(app, protocol=Spied) as served, connected(served) as client:
            assert (await client.ask(GET))[2] == b"ab" + b"c" * 16 + b"d"
        assert written == [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            b"10\r\n" + b"c" * 16 + b"\r\n",
            b"1\r\nd\r\n0\r\n\r\n",
        ]

    run(check)


def test_the_start_of_a_reply_waits_for_the_first_piece_even_if_it_is_empty(run: Run) -> None:
    async def check() -> None:
        may_go = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start(201))
            await may_go.wait()
            await send(piece(more=True))
            await receive()
            await receive()

        async with talking(app) as (client, _):
            await client.send(GET)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.head(), 0.05)
            may_go.set()
            assert (await client.head())[0] == 201

    run(check)


BROKEN: Mapping[str, App] = {
    "raises": saying({"type": "http.nonsense"}),
    "says nothing": saying(),
    "only starts": saying(start(201)),
    "body first": saying(piece(b"x")),
    "starts twice": saying(start(201), start(202)),
    "too long": saying(start(200, length(b"abc")), piece(b"abcd")),
    "too short": saying(start(200, length(b"abc")), piece(b"ab")),
    "line feed in a value": saying(start(200, (b"x", b"a\nb: c")), piece()),
    "carriage return in a value": saying(start(200, (b"x", b"a\rb")), piece()),
    "both in a value": saying(start(200, (b"x", b"a\r\nb: c")), piece()),
    "zero in a value": saying(start(200, (b"x", b"a\0")), piece()),
    "line in a name": saying(start(200, (b"a: b\r\nc", b"d")), piece()),
    "colon in a name": saying(start(200, (b"a:", b"d")), piece()),
    "no name": saying(start(200, (b"", b"d")), piece()),
    "no number": saying(start(200, (b"content-length", b"1_0")), piece(b"x" * 10)),
    "two lengths": saying(start(200, length(b"a"), length(b"a")), piece(b"a")),
    "no status": saying(start(99), piece()),
    "interim status": saying(start(101), piece()),
    "content without content": saying(start(204), piece(b"a")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_application_that_fails_before_its_reply_is_answered_for(run: Run, case: str) -> None:
    async def check() -> None:
        async with talking(BROKEN[case]) as (client, _):
            status, headers, body = await client.ask(GET)
            assert (status, headers["connection"], body) == (500, "close", b"Internal Server Error")
            assert await client.has_ended()

    run(check)


CUT: Mapping[str, App] = {
    "chunked": saying(start(), piece(b"ab", more=True), {"type": "http.nonsense"}),
    "chunked, returns": saying(start(), piece(b"ab", more=True)),
    "counted": saying(start(200, length(b"abc")), piece(b"ab", more=True)),
    "counted, short": saying(start(200, length(b"abc")), piece(b"ab", more=True), piece()),
    "counted, long": saying(start(200, length(b"abc")), piece(b"ab", more=True), piece(b"cd")),
}


@pytest.mark.parametrize("case", CUT)
def test_a_reply_that_is_cut_does_not_look_finished(run: Run, case: str) -> None:
    async def check() -> None:
        async with talking(CUT[case]) as (client, _):
            await client.send(GET)
            rest = await client.reader.read()
            assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
            assert rest.endswith(b"2\r\nab\r\n" if case.startswith("chunked") else b"\r\n\r\nab")

    run(check)


def test_nothing_follows_a_complete_reply(run: Run) -> None:
    async def check() -> None:
        raised: list[BaseException] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await path(scope, receive, send)
            assert (await receive())["type"] == "http.disconnect"
            for message in (piece(b"more"), start()):
                with pytest.raises(RuntimeError) as error:
                    await send(message)
                raised.append(error.value)

        async with talking(app) as (client, _):
            await client.ask(GET)
            assert (await client.ask(GET))[2] == b"/"
            await asyncio.sleep(0.01)
        assert len(raised) == 4

    run(check)


def test_default_headers_of_the_server_come_first(run: Run) -> None:
    async def check() -> None:
        async with talking(path) as (client, served):
            served.state.default_headers = [(b"Server", b"us")]
            assert list((await client.ask(GET))[1].items()) == [("server", "us"), ("content-length", "1")]

    run(check)


def test_sending_waits_for_a_client_that_does_not_read(run: Run) -> None:
    async def check() -> None:
        sent = 0
        lost = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send(start())
            for _ in range(1000):
                await send(piece(bytes(100_000), more=True))
                sent += 1
                if lost.is_set():
                    return

        async with talking(app) as (client, served):
            await client.send(GET)
            while True:
                before = sent
                await asyncio.sleep(0.1)
                if sent == before:
                    break
            assert 0 < sent < 500
            await client.reader.read(1)
            lost.set()
            client.reset()
            await until(lambda: not served.state.tasks and not served.state.connections)

    run(check)


# Leaving.


@pytest.mark.parametrize("leaves", ["close", "reset", "half"])
def test_whoever_waits_learns_at_once_that_the_client_has_left(run: Run, leaves: str) -> None:
    async def check() -> None:
        calls: list[str] = []
        kept: list[Message] = []
        done = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"][ON_DISCONNECT](lambda _task: calls.append("lost"))
            await receive()
            waiting = asyncio.gather(receive(), receive())
            kept.extend(await waiting)
            await send(start())
            await send(piece(b"to nobody"))
            scope["extensions"][ON_DISCONNECT](lambda _task: calls.append("late"))
            done.set()

        async with talking(app) as (client, served):
            await client.send(GET)
            await asyncio.sleep(0.02)
            if leaves == "close":
                client.writer.close()
            elif leaves == "half":
                client.writer.write_eof()
            else:
                client.reset()
            await done.wait()
            await until(lambda: not served.state.tasks and not served.state.connections)
        assert calls == ["lost", "late"]
        assert [message["type"] for message in kept] == ["http.disconnect"] * 2

    run(check)


def test_a_client_that_leaves_after_its_reply_is_no_loss(run: Run) -> None:
    async def check() -> None:
        calls: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"][ON_DISCONNECT](lambda _task: calls.append("lost"))
            await path(scope, receive, send)

        async with talking(app) as (client, served):
            await client.ask(GET)
            client.reset()
            await until(lambda: not served.state.connections)
        assert calls == []

    run(check)


def test_a_waiting_receive_may_be_cancelled(run: Run) -> None:
    async def check() -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await read(receive)
            waiting = [asyncio.ensure_future(receive()), asyncio.ensure_future(receive())]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await path(scope, _nothing, send)
            assert (await waiting[1])["type"] == "http.disconnect"
            assert waiting[0].cancelled()

        async with talking(app) as (client, _):
            for _ in range(2):
                assert (await client.ask(GET))[0] == 200

    run(check)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_exchanges_leave_no_cycles_behind(run: Run) -> None:
    """The collector's work is on every request's bill."""

    async def check() -> None:
        async with talking(path) as (client, _):
            await client.ask(GET)
            gc.collect()
            gc.disable()
            try:
                for _ in range(50):
                    await client.ask(GET)
                await asyncio.sleep(0.01)
                kinds = [type(thing) for thing in gc.get_objects()]
                assert kinds.count(http_exchange.HttpExchange) <= 2
            finally:
                gc.enable()

    run(check)


# The yardstick.

REQUESTS = {
    "get": GET,
    "post": b"POST /p?q=1 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
    "chunked": b"POST /p HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    "head": b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n",
    "options": b"OPTIONS /x HTTP/1.1\r\nhost: h\r\n\r\n",
    "absolute": b"GET http://h/a%2Fb?c HTTP/1.1\r\nhost: h\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n",
    "close": LAST_GET,
    "1.0": b"GET /old HTTP/1.0\r\n\r\n",
    "pipelined": GET + b"POST /b HTTP/1.1\r\ncontent-length: 1\r\n\r\nx" + LAST_GET,
    "websocket": b"GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n",
    **{
        case: MALFORMED[case]
        for case in ("no HTTP", "length and encoding", "two lengths", "bare line feeds", "folded header")
    },
}

REPLIES: Mapping[str, App] = {
    "echo": echo,
    "path": path,
    "chunked": saying(
        start(200, (b"Content-Type", b"text/plain")), piece(b"a", more=True), piece(b"", more=True), piece(b"b")
    ),
    "counted": saying(start(200, length(b"abc")), piece(b"ab", more=True), piece(b"c")),
    "empty": saying(start(404, length(b"")), piece()),
    "no content": saying(start(204), piece()),
    "not modified": saying(start(304, (b"etag", b'"x"')), piece()),
    "unnamed status": saying(start(299, length(b"x")), piece(b"x")),
    "closing": saying(start(200, length(b"x"), (b"connection", b"close")), piece(b"x")),
    "encoded": saying(start(200, (b"transfer-encoding", b"chunked")), piece(b"ab", more=True), piece(b"c")),
    "raises": BROKEN["raises"],
    "too long": CUT["counted, long"],
}


async def _describe(client: Client, method: str) -> list[object]:
    """Read replies to the end of the connection: status, headers without framing, whether it closes, body."""
    replies: list[object] = []
    while True:
        reading = asyncio.ensure_future(client.reply(method))
        await asyncio.wait({reading}, timeout=0.2)
        for _ in range(20):  # under load what is under way needs turns of the loop and not time
            if not reading.done():
                await asyncio.sleep(0.01)
        if not reading.done():
            reading.cancel()
            return [*replies, "open"]
        try:
            status, headers, body = reading.result()
        except asyncio.IncompleteReadError as cut:
            return [*replies, ("cut", cut.partial)] if cut.partial else [*replies, "end"]
        framing = ("content-length", "transfer-encoding", "connection")
        plain = {name: value for name, value in headers.items() if name not in framing}
        replies.append((status, plain, headers.get("connection"), body))


@pytest.mark.parametrize("reply", REPLIES)
def test_ours_answers_as_uvicorn_does(reply: str) -> None:
    async def answers(protocol: Protocol) -> list[list[object]]:
        async def one(served: Served, request: bytes) -> list[object]:
            async with connected(served) as client:
                await client.send(request)
                return await _describe(client, "HEAD" if request.startswith(b"HEAD") else "GET")

        async with serving(REPLIES[reply], protocol=protocol) as served:
            return await asyncio.gather(*(one(served, request) for request in REQUESTS.values()))

    async def both() -> tuple[list[list[object]], list[list[object]]]:
        return await asyncio.gather(answers(HttpProtocol), answers(HttpToolsProtocol))

    ours, theirs = uvloop.run(both())
    assert dict(zip(REQUESTS, ours, strict=True)) == dict(zip(REQUESTS, theirs, strict=True))
