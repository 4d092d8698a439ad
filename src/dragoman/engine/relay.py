"""Carries a streamed reply to the client: back-pressure, heartbeat, an honest end.

One task does it all: it reads, translates, writes, and waits for the slower side. A timer only wakes it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from dragoman.engine.client import ClientConnection, Headers
from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.ports import Incoming, UpstreamReply
from dragoman.engine.timers import Cancellable, later, running
from dragoman.ir.failures import DragomanError, Failure
from dragoman.ir.reply import Usage

Batch = TypeVar("Batch", contravariant=True)
_DRAIN_SECONDS: Final = 1.0
_DRAIN_BYTES: Final = 256 * 1024


class Stage(Protocol[Batch]):
    """Between what an upstream sends and the bytes that the client gets."""

    @property
    def is_done(self) -> bool:
        """Whether the reply has ended; what may follow is of no interest."""

    @property
    def is_told(self) -> bool:
        """Whether the client has been told the reply's end. It may hang up then (Codex does, before the body ends)."""

    def tap(self) -> Callable[[], Usage]:
        """Return what tells what the reply has cost, as far as it has said so.

        It holds on to no more than that takes: the log's line is made a while later.
        """

    @property
    def failure(self) -> Failure | None:
        """Why the reply ended without its end, if it did."""

    def feed(self, chunk: Batch) -> bytes:
        """Take what came, return what goes out: whole events, so that a heartbeat may follow."""

    def flush(self) -> bytes:
        """The upstream has ended: return the last bytes, the error event if it ended too early."""

    def fail(self, failure: Failure) -> bytes:
        """The upstream has failed: return the error event."""


class Heartbeat:
    """Wakes a pending read when nothing has been written for `seconds`. Costs one coarse timer a stream, nothing an event."""

    __slots__ = ("_loop", "_reply", "_seconds", "_timer", "last_write")

    def __init__(self, reply: Incoming[Any], seconds: float) -> None:
        self._reply = reply
        self._seconds = seconds
        self._timer: Cancellable | None = None
        self.last_write = 0.0

    def begin(self) -> None:
        """The silence counts from now on: there is something to wait for."""
        timers = running()
        self._loop = timers.loop
        self.last_write = self._loop.time()
        self._timer = timers.later(self._seconds, self._look)

    @property
    def is_due(self) -> bool:
        """Whether the silence has lasted long enough."""
        return self._loop.time() - self.last_write >= self._seconds * 0.99

    def beat(self) -> None:
        """Something was written just now."""
        self.last_write = self._loop.time()

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self.last_write
        if silent >= self._seconds * 0.99:
            self._reply.nudge()
            silent = 0
        self._timer = later(self._seconds - silent, self._look)


class EarlyBeats:
    """Begins the client's reply when there has been nothing to send for `seconds`, and beats until `stop`.

    From then on the client is alive and well, and a failure can only be an event of its stream. It hides nothing: the watchdogs
    look at the upstream alone. `head` gives what the reply would begin with; it is asked for at that moment.
    """

    __slots__ = ("_beat", "_client", "_seconds", "_task", "_timer", "head")

    def __init__(self, client: ClientConnection, head: Callable[[], Headers], beat: bytes, seconds: float) -> None:
        self.head = head
        self._client = client
        self._beat = beat
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._timer = later(seconds, self._begin)

    def cancel(self) -> bool:
        """Beat no more; return whether that is all. If not, `stop` has to be awaited: something may be on its way."""
        self._timer.cancel()
        return self._task is None

    async def stop(self) -> None:
        """Beat no more, and return when nothing is on its way. Called again, it does nothing."""
        if self.cancel():
            return
        task, self._task = self._task, None
        assert task is not None  # noqa: S101 - `cancel` said so
        task.cancel()
        # Not `await task`: its end and a cancellation of whoever stops it must not be taken for each other.
        await asyncio.wait((task,))
        if not task.cancelled():
            task.result()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        if not self._client.has_started:
            await self._client.start(200, self.head())
        while True:
            await self._client.write(self._beat)
            await asyncio.sleep(self._seconds)


async def relay(
    reply: Incoming[Any],
    stage: Stage[Any],
    client: ClientConnection,
    heartbeat: Heartbeat,
    beat: bytes,
    first: bytes = b"",
) -> None:
    """Carry `reply` through `stage` to `client`, whose head has been sent; `first` goes out before anything is read.

    Ends the client's reply in every case. A failure on the way becomes the stage's error event.
    """
    out = first
    if not (stage.is_done or reply.is_over):
        heartbeat.begin()
    try:
        while not stage.is_done:
            if reply.is_over:
                # What came last and the end leave in one write.
                out += stage.flush()
                break
            if out:
                await client.write(out)
                heartbeat.beat()
                out = b""
            chunk = await reply.read()
            if chunk is None:
                out = stage.flush()
                break
            if chunk:
                out = stage.feed(chunk)
            elif heartbeat.is_due:
                out = beat
    except DragomanError as error:
        out += stage.fail(error.failure)
    await client.finish(out)


async def drain(reply: Incoming[Any]) -> None:
    """Read what an upstream still sends after the reply's end (a cost report, the last chunk), so that its connection lives on.

    Not for long, and not much: whoever goes on talking is cut off.
    """
    timer = later(_DRAIN_SECONDS, reply.close)
    seen = 0
    try:
        while chunk := await reply.read():
            seen += len(chunk)
            if seen > _DRAIN_BYTES:
                return
    except DragomanError:
        return
    finally:
        timer.cancel()


async def read_whole(reply: UpstreamReply, limit: int) -> bytes:
    """Return the whole body. Raises DragomanError when it is cut or larger than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    while not reply.is_over and (chunk := await reply.read()) is not None:
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise UpstreamCutError(f"the upstream's reply is larger than {limit} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
