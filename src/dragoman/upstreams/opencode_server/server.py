"""OpenCode as an upstream that speaks the IR."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from dragoman.codec import ModelCard, Source, Target
from dragoman.dialects import Dialect
from dragoman.engine.errors import UpstreamTimeoutError
from dragoman.engine.lanes import conversation
from dragoman.engine.ports import Timeouts, Turn
from dragoman.engine.refusing import refuse_losses
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError
from dragoman.transforms.stops import CutAtStop
from dragoman.transforms.tools import RestoreNames, rename
from dragoman.upstreams.opencode_server.api import Box
from dragoman.upstreams.opencode_server.prompt import Prompt, reserved, write_prompt
from dragoman.upstreams.opencode_server.runner import Runner, Running
from dragoman.upstreams.opencode_server.turn import TurnReader
from dragoman.upstreams.opencode_server.wire import News, Session, read_session

_REJECTED: Final = b'{"reply":"reject"}'
_CLEAN_SECONDS: Final = 10.0


class OpenCodeServer:
    """Asks the models that OpenCode has configured, a session each time; the tools are the client's to run."""

    def __init__(self, provider: str, dialect: Dialect, runner: Runner, timeouts: Timeouts) -> None:
        """`provider` is its name in the settings."""
        self.provider = provider
        self._dialect = dialect
        self._runner = runner
        self._timeouts = timeouts
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, turn: Turn) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the reply's events as they arise. Raises DragomanError when no reply begins, or when it breaks off."""
        running = await self._runner.running()
        place = await running.find(turn.request.model)
        request, renames = rename(turn.request, reserved(turn.request, place))
        for name, other in renames.there.items():
            turn.ledger.emulated("tool_name", "tools", f"`{name}` travels as `{other}` and comes back in the reply")
        target = Target(self.provider, place.id, self._dialect)
        prompt = write_prompt(request, place, target, turn.ledger, turn.session or conversation(request))
        if turn.is_strict:
            refuse_losses(turn.ledger)
        reader = TurnReader(
            Source(self.provider, place.id),
            place.npm,
            answers_in_json=prompt.answers_in_json,
            takes_value=prompt.takes_value,
        )
        restored, cut = RestoreNames(renames), CutAtStop(prompt.stops)
        async for events in self._ask(running, prompt, reader):
            yield restored.feed(cut.feed(events) if prompt.stops else events)

    async def _ask(self, running: Running, prompt: Prompt, reader: TurnReader) -> AsyncGenerator[Sequence[Event], None]:
        folder = running.toolsets.take(prompt.tools)
        making = asyncio.ensure_future(running.api.ask(read_session, "POST", "/session", prompt.session, folder=folder))
        try:
            session = (await asyncio.shield(making)).id
            box = running.api.listen(session)
            await running.api.call("POST", f"/session/{session}/prompt_async", prompt.message, folder=folder)
            while not reader.is_done:
                events = await self._events(running, box, reader, folder)
                if events:
                    yield events
        finally:
            self._do(self._clean_up(running, making, folder))

    async def _events(self, running: Running, box: Box, reader: TurnReader, folder: str) -> list[Event]:
        """Return what has happened since; a batch at a time. Raises DragomanError."""
        limit = self._timeouts.idle if reader.has_begun else self._timeouts.first_byte
        try:
            told = box.get_nowait() if not box.empty() else await asyncio.wait_for(box.get(), limit)
        except TimeoutError:
            raise UpstreamTimeoutError(f"OpenCode's model said nothing for {limit:g} s") from None
        events: list[Event] = []
        while True:
            if isinstance(told, DragomanError):
                return _or_raise(events, box, told)
            if told.type == "permission.asked":
                self._do(self._reject(running, told, folder))
            try:
                events += reader.take(told)
            except DragomanError as error:
                return _or_raise(events, box, error)
            if reader.is_done or box.empty():
                return events
            told = box.get_nowait()

    async def _reject(self, running: Running, asked: News, folder: str) -> None:
        """A tool is the client's to run: that it may not be run here ends the model's turn."""
        path = f"/permission/{asked.properties.id}/reply"
        with suppress(DragomanError):
            await running.api.call("POST", path, _REJECTED, folder=folder)

    async def _clean_up(self, running: Running, making: "asyncio.Task[Session]", folder: str) -> None:
        """End the session, whatever it is doing, and let go of its tools."""
        with suppress(DragomanError, TimeoutError):
            async with asyncio.timeout(_CLEAN_SECONDS):
                session = (await making).id
                running.api.leave(session)
                # Deleting alone would leave the model's call running.
                await running.api.call("POST", f"/session/{session}/abort", folder=folder)
                await running.api.call("DELETE", f"/session/{session}", folder=folder)
        for gone in running.toolsets.leave(folder):
            with suppress(DragomanError):
                await running.api.call("POST", "/instance/dispose", folder=gone)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- its life ---

    def start(self) -> None:
        """Have OpenCode ready before anybody asks."""
        self._runner.start()

    def cards(self) -> list[ModelCard]:
        """Return the models that OpenCode has, as far as it has said so."""
        running = self._runner.current
        return [] if running is None else list(running.shelf.cards())

    def health(self) -> dict[str, Any]:
        """Return how the back end is. Nothing is waited for."""
        running = self._runner.current
        about: dict[str, Any] = {"state": "down" if running is None else "ready", "restarts": self._runner.restarts}
        if running is None:
            about["problem"] = self._runner.problem
        else:
            about |= {"version": running.version, "models": len(running.shelf), "toolsets": len(running.toolsets)}
            if running.child is not None:
                about["pid"] = running.child.pid
        return about

    async def aclose(self) -> None:
        """End all sessions, and OpenCode if it is the gateway's own."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._runner.aclose()


def _or_raise(events: list[Event], box: Box, error: DragomanError) -> list[Event]:
    """Return what came before `error`, which is then the next to be read; raise it when nothing did."""
    if not events:
        raise error
    while not box.empty():
        box.get_nowait()
    box.put_nowait(error)
    return events
