"""The relay and its helpers, with everything around them made of paper: races, timers and writes that fail."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import pytest

from dragoman.engine.client import Headers
from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.models import ModelReply
from dragoman.engine.relay import EarlyBeats, Heartbeat, drain, relay
from dragoman.engine.timers import Timers, running
from dragoman.engine.watch import ClientWatch
from dragoman.ir.events import Event, ReplyStart
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.reply import Usage

Gone = Callable[["asyncio.Task[None]"], object]
Read = bytes | Exception | None
BEAT = b": beat\n\n"


class PaperReply:
    """Gives what was put in; waits, and can be nudged, when there is nothing."""

    def __init__(self, *items: Read) -> None:
        self.items: asyncio.Queue[Read] = asyncio.Queue()
        for item in items:
            self.items.put_nowait(item)
        self.is_closed = self.has_all = False

    @property
    def is_over(self) -> bool:
        return self.has_all and self.items.empty()

    async def read(self) -> bytes | None:
        item = await self.items.get()
        if isinstance(item, Exception):
            raise item
        return item

    def nudge(self) -> None:
        self.items.put_nowait(b"")

    def close(self) -> None:
        self.is_closed = True
        self.items.put_nowait(UpstreamCutError("closed"))


class PaperClient:
    """Notes what is written; `before_write` may block or raise."""

    def __init__(self, before_write: Callable[[], Awaitable[None]] | None = None) -> None:
        self.written: list[bytes] = []
        self.has_started = self.is_finished = False
        self.callback: Gone = lambda _task: None
        self._before_write = before_write

    async def start(self, status: int, headers: Headers) -> None:
        self.has_started = True

    async def write(self, data: bytes) -> None:
        if self._before_write:
            await self._before_write()
        self.written.append(data)

    async def finish(self, data: bytes = b"") -> None:
        await self.write(data)
        self.is_finished = True

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        await self.finish(body)

    def on_gone(self, callback: Gone) -> Callable[[], object]:
        self.callback = callback
        return lambda: None


class PaperStage:
    """Passes what comes; `.` ends it."""

    is_done = is_told = False
    failure: Failure | None = None

    def tap(self) -> Callable[[], Usage]:
        return Usage

    def feed(self, chunk: bytes) -> bytes:
        self.is_done = chunk.endswith(b".")
        return chunk

    def flush(self) -> bytes:
        return b"<end>"

    def fail(self, failure: Failure) -> bytes:
        return b"<failed>"


def timers() -> int:
    """Return how many coarse timers the running loop still has."""
    coarse = running()
    assert isinstance(coarse, Timers)
    return len(coarse)


async def carried(client: PaperClient, *items: Read, seconds: float = 10.0) -> PaperClient:
    reply = PaperReply(*items)
    heartbeat = Heartbeat(reply, seconds)
    try:
        await relay(reply, PaperStage(), client, heartbeat, BEAT)
    finally:
        heartbeat.stop()
    return client


def test_the_end_leaves_in_one_write_with_what_came_last() -> None:
    async def written() -> list[bytes]:
        client, reply = PaperClient(), PaperReply(b"first", b"last")
        reply.has_all = True
        heartbeat = Heartbeat(reply, 10.0)
        await relay(reply, PaperStage(), client, heartbeat, BEAT)
        heartbeat.stop()
        return client.written

    assert asyncio.run(written()) == [b"first", b"last<end>"]


@pytest.mark.parametrize(
    ("items", "written"),
    [
        ((b"one", b"two."), [b"one", b"two."]),
        ((b"one", None), [b"one", b"<end>"]),
        ((b"one", UpstreamCutError("x")), [b"one", b"<failed>"]),
        ((b"one", b"", b"two."), [b"one", b"two."]),
    ],
    ids=["done", "ended", "failed", "nudged too soon"],
)
def test_the_clients_reply_is_ended_in_every_case(items: tuple[Read, ...], written: list[bytes]) -> None:
    client = asyncio.run(carried(PaperClient(), *items))
    assert client.written == written
    assert client.is_finished


def test_a_write_that_fails_ends_the_relay_and_leaves_no_timer() -> None:
    async def broken() -> None:
        raise OSError("the client's connection is broken")

    async def run() -> int:
        client = PaperClient(broken)
        with pytest.raises(OSError, match="broken"):
            await carried(client, b"one", b"two.")
        assert client.written == []
        return timers()

    assert asyncio.run(run()) == 0


def test_a_heartbeat_has_one_timer_and_none_when_it_stops() -> None:
    async def run() -> None:
        reply = PaperReply()
        heartbeat = Heartbeat(reply, 0.01)
        assert timers() == 0
        heartbeat.begin()
        assert timers() == 1
        for _ in range(3):
            assert await reply.read() == b""
            assert heartbeat.is_due
            heartbeat.beat()
        assert timers() == 1
        heartbeat.stop()
        assert timers() == 0
        await asyncio.sleep(0.03)
        assert reply.items.empty()

    asyncio.run(run())


def test_beats_come_only_while_nothing_else_does() -> None:
    async def run() -> list[bytes]:
        reply, client = PaperReply(), PaperClient()
        heartbeat = Heartbeat(reply, 0.1)

        async def talk() -> None:
            for _ in range(8):
                await asyncio.sleep(0.025)
                reply.items.put_nowait(b"x")
            reply.items.put_nowait(b"y.")

        talking = asyncio.create_task(talk())
        await relay(reply, PaperStage(), client, heartbeat, BEAT)
        heartbeat.stop()
        await talking
        return client.written

    assert BEAT not in asyncio.run(run())


# Early beats.


def test_early_beats_leave_nothing_behind() -> None:
    async def run() -> None:
        client = PaperClient()
        beats = EarlyBeats(client, tuple, BEAT, 0.01)
        await asyncio.sleep(0.05)
        await beats.stop()
        count = len(client.written)
        assert count >= 2
        assert client.has_started
        await beats.stop()
        await asyncio.sleep(0.03)
        assert len(client.written) == count
        assert timers() == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_early_beats_that_stop_in_time_never_begin() -> None:
    async def run() -> None:
        client = PaperClient()
        beats = EarlyBeats(client, tuple, BEAT, 0.02)
        await beats.stop()
        await asyncio.sleep(0.04)
        assert not client.has_started

    asyncio.run(run())


def test_a_cancellation_while_early_beats_stop_is_not_lost() -> None:
    """The beat's own end must not be taken for it: else a client that leaves just then would be served on and on."""

    async def run() -> None:
        entered = asyncio.Event()

        async def slow() -> None:
            entered.set()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                raise

        beats = EarlyBeats(PaperClient(slow), tuple, BEAT, 0.0)
        await entered.wait()
        stopping = asyncio.create_task(beats.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping

    asyncio.run(run())


def test_a_beat_that_cannot_be_written_is_no_secret() -> None:
    async def broken() -> None:
        raise OSError("the client's connection is broken")

    async def run() -> None:
        beats = EarlyBeats(PaperClient(broken), tuple, BEAT, 0.0)
        await asyncio.sleep(0.02)
        with pytest.raises(OSError, match="broken"):
            await beats.stop()

    asyncio.run(run())


# Draining.


@pytest.mark.parametrize("items", [(b"more", None), (b"more", UpstreamCutError("x"))], ids=["ended", "cut"])
def test_draining_reads_to_the_end(items: tuple[Read, ...]) -> None:
    async def run() -> None:
        reply = PaperReply(*items)
        await drain(reply)
        assert not reply.is_closed
        assert timers() == 0

    asyncio.run(run())


def test_draining_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.engine.relay._DRAIN_SECONDS", 0.02)

    async def run() -> None:
        reply = PaperReply(b"more")
        await asyncio.wait_for(drain(reply), 2)
        assert reply.is_closed

    asyncio.run(run())


def test_draining_does_not_read_for_long() -> None:
    async def run() -> None:
        reply = PaperReply(*[b"x" * 65536] * 8)
        await asyncio.wait_for(drain(reply), 2)
        assert reply.items.qsize() == 3

    asyncio.run(run())


# A model that speaks the IR.

START = ReplyStart("r", "m")


class PaperModel:
    """Yields batches, one a word from outside; knows whether it was cleaned up."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.is_cleaned_up = False
        self.failure: Exception | None = None

    async def batches(self) -> AsyncGenerator[Sequence[Event], None]:
        try:
            yield [START]
            await self.go.wait()
            if self.failure:
                raise self.failure
            yield [START]
        finally:
            await asyncio.sleep(0)
            self.is_cleaned_up = True


def with_model(test: Callable[[PaperModel, ModelReply], Awaitable[None]]) -> None:
    async def run() -> None:
        model = PaperModel()
        reply = ModelReply(model.batches())
        await test(model, reply)
        await reply.aclose()
        assert model.is_cleaned_up
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_model_is_read_to_its_end_and_nudged() -> None:
    async def test(model: PaperModel, reply: ModelReply) -> None:
        assert await reply.read() == [START]
        asyncio.get_running_loop().call_later(0.01, reply.nudge)
        assert await reply.read() == ()
        model.go.set()
        reply.nudge()
        assert await reply.read() == [START]
        assert await reply.read() is None

    with_model(test)


def test_a_model_that_is_closed_while_it_is_read_is_cleaned_up() -> None:
    async def test(_model: PaperModel, reply: ModelReply) -> None:
        await reply.read()
        asyncio.get_running_loop().call_later(0.01, reply.close)
        with pytest.raises(UpstreamCutError):
            await reply.read()
        with pytest.raises(UpstreamCutError):
            await reply.read()

    with_model(test)


def test_a_model_whose_reader_is_cancelled_is_cleaned_up() -> None:
    async def test(_model: PaperModel, reply: ModelReply) -> None:
        await reply.read()
        reading = asyncio.create_task(reply.read())
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait((reading,))
        assert reading.cancelled()

    with_model(test)


def test_a_model_between_two_batches_is_cleaned_up() -> None:
    async def test(_model: PaperModel, reply: ModelReply) -> None:
        await reply.read()

    with_model(test)


def test_a_models_failure_is_its_readers() -> None:
    async def test(model: PaperModel, reply: ModelReply) -> None:
        await reply.read()
        model.failure = DragomanError(Failure(FailureKind.OVERLOADED, "busy"))
        model.go.set()
        with pytest.raises(DragomanError, match="busy"):
            await reply.read()

    with_model(test)


# The watch.


def watched(*, leaves: bool, is_stopped: bool = False) -> tuple[bool, bool]:
    """Return whether the watch says that the client left, and whether a cancellation went through."""

    async def run() -> tuple[bool, bool]:
        client = PaperClient()
        watch = ClientWatch(client)

        async def exchange() -> None:
            with watch:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0)

        task = asyncio.create_task(exchange())
        await asyncio.sleep(0.01)
        if leaves:
            client.callback(task)
        if is_stopped:
            task.cancel()
        await asyncio.wait((task,))
        left = watch.left
        client.callback(task)  # too late
        assert watch.left is left
        return left, task.cancelled()

    return asyncio.run(run())


def test_a_client_that_leaves_ends_its_exchange_and_nothing_else() -> None:
    assert watched(leaves=True) == (True, False)
    assert watched(leaves=False) == (False, False)


def test_a_shutdown_is_not_taken_for_a_client_that_leaves() -> None:
    assert watched(leaves=False, is_stopped=True) == (False, True)
    assert watched(leaves=True, is_stopped=True) == (True, True)
