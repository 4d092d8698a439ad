"""The processes: spare ones, those of live conversations, and who has to wait for one."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.settings import Claude
from dragoman.upstreams.claude_agent.process import CliError
from dragoman.upstreams.claude_agent.prompt import Prompt
from dragoman.upstreams.claude_agent.session import LostError, Session, State

Spawn = Callable[[bytes | None], Awaitable[Session]]
"""Starts a process, which resumes from a transcript if there is one. Raises CliError."""

_RETRY_AFTER: Final = "5"


class Counts(msgspec.Struct, frozen=True):
    """How many processes there are, and how many requests wait for one."""

    spare: int
    starting: int
    busy: int
    idle: int
    waiting: int
    max_live: int


class House:
    """Gives each conversation a process of its own, never two of them the same."""

    def __init__(self, spawn: Spawn, limits: Claude) -> None:
        self._spawn = spawn
        self._limits = limits
        self._starting = 0
        self._preparing = 0
        self._arriving = 0
        self._may_spawn = asyncio.Semaphore(limits.max_spawning or os.cpu_count() or 1)
        self._spares: deque[Session] = deque()
        self._live: set[Session] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Future[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def counts(self) -> Counts:
        """What there is at the moment."""
        alive = [session for session in self._live if session.is_alive]
        idle = sum(session.state is State.IDLE for session in alive)
        return Counts(
            spare=sum(session.is_alive for session in self._spares),
            starting=self._starting,
            busy=len(alive) + self._arriving - idle,
            idle=idle,
            waiting=len(self._waiting),
            max_live=self._limits.max_live,
        )

    async def resume(self, prompt: Prompt, header: str | None) -> Session | None:
        """Return the process of the conversation that `prompt` continues; None when there is none, or when it has just ended.

        `header` is the session that the client names: it decides between several that stand at the same place. Whoever gets a
        session gives it back with `keep` or `drop`.
        """
        session = self._match(prompt.key, header)
        if session is None:
            return None
        session.key = None
        try:
            await session.resume(prompt)
        except CliError:
            self.drop(session)
            return None
        except BaseException:
            self.drop(session)
            raise
        return session

    async def begin(self, prompt: Prompt, header: str | None) -> Session:
        """Return a process that has been told all of `prompt` but its last words. Raises DragomanError: 429 when all are busy."""
        while True:
            session, is_spare = await self._taken_in(prompt, header)
            try:
                await session.open(prompt)
            except BaseException as error:
                self.drop(session)
                # A spare one may have ended while it stood by.
                if not (is_spare and isinstance(error, LostError)):
                    raise
            else:
                self.prepare()
                return session

    def keep(self, session: Session, key: bytes) -> None:
        """Its reply has ended: it waits for what follows `key`."""
        session.settle(key)
        if session.is_alive:
            self._watch(session)
        else:
            self.drop(session)
        self._sweep_later()

    def drop(self, session: Session) -> None:
        """End it."""
        self._end(session)
        self._wake()

    def prepare(self) -> None:
        """Start as many spare processes as there should be."""
        missing = self._limits.spares - len(self._spares) - self._preparing
        for _ in range(0 if self._is_closed else missing):
            self._preparing += 1
            self._do(self._add_spare())

    async def aclose(self) -> None:
        """End all processes, and wait until they have ended."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for session in (*self._spares, *self._live):
            self._end(session)
        self._spares.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- finding the one ---

    def _match(self, key: bytes, header: str | None) -> Session | None:
        found = [session for session in self._live if session.key == key and session.is_alive]
        same = [session for session in found if session.header == header]
        return next(iter(same or found), None)

    async def _taken_in(self, prompt: Prompt, header: str | None) -> tuple[Session, bool]:
        """Return a process that knows nothing yet, as soon as there is room for it, and whether it is a spare one."""
        await self._make_room()
        # Nothing is awaited between the room and the place in it.
        self._arriving += 1
        try:
            spare = None if prompt.transcript is not None else self._spare()
            session = spare or await self._spawned(prompt.transcript)
        except BaseException:
            self._wake()
            raise
        finally:
            self._arriving -= 1
        self._live.add(session)
        session.header = header
        return session, spare is not None

    def _spare(self) -> Session | None:
        while self._spares:
            session = self._spares.popleft()
            if session.is_alive:
                return session
            self._end(session)
        return None

    async def _spawned(self, transcript: bytes | None = None) -> Session:
        self._starting += 1
        try:
            async with self._may_spawn:
                return await self._spawn(transcript)
        finally:
            self._starting -= 1

    # --- room ---

    async def _make_room(self) -> None:
        """Wait until another conversation may have a process; the one that is idle longest gives way."""
        limits = self._limits
        if not self._waiting and self._has_room():
            return
        if len(self._waiting) >= limits.max_waiting:
            raise _full(
                f"all {limits.max_live} Claude processes are busy, and {limits.max_waiting} requests wait for one"
            )
        try:
            async with asyncio.timeout(limits.wait_s):
                await self._stand_in_line()
                while not self._has_room():
                    await self._stand_in_line()
        except TimeoutError:
            raise _full(f"all {limits.max_live} Claude processes were busy for {limits.wait_s:g} s") from None

    async def _stand_in_line(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._wake()  # it was our turn, and we leave
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _has_room(self) -> bool:
        for session in [one for one in self._live if not one.is_alive]:
            self._end(session)
        if len(self._live) + self._arriving < self._limits.max_live:
            return True
        idle = [session for session in self._live if session.state is State.IDLE and session.key is not None]
        if not idle:
            return False
        self._end(min(idle, key=lambda session: session.used))
        return True

    def _end(self, session: Session) -> None:
        session.kill()
        self._live.discard(session)
        self._do(session.gone())

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    # --- in the background ---

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add_spare(self) -> None:
        try:
            session = await self._spawned()
        except DragomanError:
            return  # whoever needs one next is told why
        finally:
            self._preparing -= 1
        if self._is_closed:
            self._end(session)
        else:
            self._spares.append(session)

    def _watch(self, session: Session) -> None:
        self._do(self._settled(session))

    async def _settled(self, session: Session) -> None:
        await session.settled()
        if not session.is_alive:
            self.drop(session)
        self._wake()

    def _sweep_later(self) -> None:
        if self._sweep is None and not self._is_closed:
            self._sweep = asyncio.get_running_loop().call_later(self._limits.idle_s, self._sweep_idle)

    def _sweep_idle(self) -> None:
        self._sweep = None
        oldest = time.monotonic() - self._limits.idle_s
        for session in [one for one in self._live if one.state is State.IDLE and one.key is not None]:
            if session.used <= oldest + self._limits.idle_s * 0.01:
                self._end(session)
        if self._live:
            self._sweep_later()


def _full(message: str) -> DragomanError:
    hint = "raise `claude.max_live`, or ask fewer at a time"
    return DragomanError(Failure(FailureKind.RATE_LIMITED, message, hint=hint, retry_after=_RETRY_AFTER))
