"""What is written in one turn of the loop leaves together, in order, and before any end: on both event loops, over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from dragoman.engine.gathering import MOST, GatheredTransport

Check = Callable[["Writer"], Awaitable[None]]


class Writer(asyncio.Protocol):
    """A client whose transport gathers, and counts what the transport behind it is given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.behind = Counted(transport)
        self.transport = GatheredTransport(self.behind, asyncio.get_running_loop())
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


class Counted(asyncio.Transport):
    """Passes everything on and remembers the writes."""

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - either loop's own kind
        self.transport = transport
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes of any kind
        self.writes.append(bytes(data))
        self.transport.write(data)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        own = ("write", "writes", "transport", "__class__")
        return object.__getattribute__(self, name) if name in own else getattr(self.transport, name)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def received(request: pytest.FixtureRequest) -> Callable[[Check], bytes]:
    """Run a check with a writer; return what the other end of its connection has read up to the end."""

    async def run(check: Check) -> bytes:
        got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                got.set_result(await reader.read(-1))
            except ConnectionResetError:
                got.set_result(b"reset")
            writer.close()

        server = await asyncio.start_server(read, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.get_running_loop().create_connection(Writer, "127.0.0.1", port)
        async with asyncio.timeout(10):
            await check(writer)
            data = await got
            await writer.lost
        server.close()
        return data

    def run_to_end(check: Check) -> bytes:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(run(check))

    return run_to_end


def test_what_is_written_in_one_turn_leaves_in_one_write(received: Callable[[Check], bytes]) -> None:
    async def check(writer: Writer) -> None:
        for piece in (b"one ", b"two ", memoryview(b"three")):
            writer.transport.write(piece)
        assert writer.behind.writes == []
        assert writer.transport.get_write_buffer_size() == len(b"one two three")
        await asyncio.sleep(0)
        assert writer.behind.writes == [b"one two three"]
        writer.transport.write(b", four")
        await asyncio.sleep(0)
        assert writer.behind.writes == [b"one two three", b", four"]
        writer.transport.close()

    assert received(check) == b"one two three, four"


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_an_end_comes_behind_what_was_written(received: Callable[[Check], bytes], end: str) -> None:
    async def check(writer: Writer) -> None:
        writer.transport.write(b"the last words")
        getattr(writer.transport, end)()

    assert received(check) == b"the last words"


def test_much_is_written_at_once_so_that_back_pressure_is_heard(received: Callable[[Check], bytes]) -> None:
    async def check(writer: Writer) -> None:
        writer.transport.write(b"a")
        writer.transport.write(b"b" * MOST)
        assert [len(data) for data in writer.behind.writes] == [MOST + 1]
        await asyncio.sleep(0)
        assert len(writer.behind.writes) == 1
        writer.transport.close()

    assert len(received(check)) == MOST + 1


def test_what_waits_when_the_connection_is_aborted_is_dropped(received: Callable[[Check], bytes]) -> None:
    async def check(writer: Writer) -> None:
        writer.transport.write(b"never mind")
        writer.transport.abort()
        await asyncio.sleep(0)
        assert writer.behind.writes == []

    assert received(check) in (b"", b"reset")


def test_a_connection_that_was_lost_meanwhile_is_no_error(received: Callable[[Check], bytes]) -> None:
    complaints: list[dict[str, Any]] = []

    async def check(writer: Writer) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        writer.transport.write(b"to nobody")
        writer.behind.abort()
        await asyncio.sleep(0)
        assert writer.behind.writes == []

    received(check)
    assert complaints == []
