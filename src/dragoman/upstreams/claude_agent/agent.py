"""The Claude Agent SDK as an upstream that speaks the IR."""

import asyncio
import logging
import os
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import msgspec

from dragoman.codec import ModelCard, Source, Target
from dragoman.dialects import Dialect
from dragoman.engine.ports import Timeouts, Turn
from dragoman.engine.refusing import refuse_losses
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event, ReplyEnd
from dragoman.ir.failures import DragomanError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Request
from dragoman.settings import Settings
from dragoman.transforms.tools import RestoreNames, rename
from dragoman.upstreams.claude_agent.abilities import Abilities, Check, abilities_of
from dragoman.upstreams.claude_agent.about import About, cards, read_about, summary
from dragoman.upstreams.claude_agent.conversation import advance_by_reply
from dragoman.upstreams.claude_agent.environment import arguments, environment, find_cli, find_folder
from dragoman.upstreams.claude_agent.house import House
from dragoman.upstreams.claude_agent.internal.agents import definitions
from dragoman.upstreams.claude_agent.internal.asking import with_own_tools, without_tools
from dragoman.upstreams.claude_agent.internal.session import CLI_TOOLS, InternalSession
from dragoman.upstreams.claude_agent.internal.toolbox import Toolbox
from dragoman.upstreams.claude_agent.process import Process
from dragoman.upstreams.claude_agent.prompt import RESERVED, Prompt, note_step_down, read_prompt
from dragoman.upstreams.claude_agent.session import LostError, Session

_LOG: Final = logging.getLogger("dragoman.upstreams")
_LOOK_SECONDS: Final = 600.0
_LONG_CONTEXT: Final = "[1m]"
"""How the CLI is asked for the long context of a model that has it on demand only."""
DialectOf = Callable[[str], Dialect]
SESSION_HEADER: Final = "x-claude-session-id"


class Start(msgspec.Struct, frozen=True):
    """What every process is started with."""

    cli: str
    environment: Mapping[str, str]
    folder: str


class ClaudeAgent:
    """Asks Claude through the CLI of the SDK, one process a conversation.

    The tools are the client's to run, or, in the mode `internal`, the gateway's.
    """

    def __init__(self, provider: str, dialect_of: DialectOf, settings: Settings, timeouts: Timeouts) -> None:
        """`provider` is its name in the settings, `dialect_of` knows the quirks of models.

        Raises SettingsError when the SDK is not installed, or the folder to run in is not there.
        """
        self.provider = provider
        self._dialect_of = dialect_of
        self._timeouts = timeouts
        own = settings.providers[provider]
        self._start = Start(
            find_cli(settings),
            environment(settings, os.environ, own.api_key, own.base_url),
            find_folder(settings),
        )
        self._mode = settings.claude.mode
        self._max_turns = settings.claude.max_turns
        self._toolbox = Toolbox(settings.claude, os.environ) if self._mode == "internal" else None
        self._booting: set[Process] = set()
        self._is_closed = False
        self._about: About | None = None
        self._looked = 0.0
        self.abilities = Abilities()
        """What its CLI can do: all, until the self-test has found out."""
        self._checks: Sequence[Check] = ()
        self._testing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[About | None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.house = House(self._spawn, settings.claude)

    async def answer(self, turn: Turn) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the reply's events as they arise. Raises DragomanError when no reply begins, or when it breaks off."""
        request, renames = rename(turn.request, RESERVED)
        model = request.model
        if turn.beta is not None:
            request = msgspec.structs.replace(request, model=model + _LONG_CONTEXT)
        for name, other in renames.there.items():
            turn.ledger.emulated("tool_name", "tools", f"`{name}` travels as `{other}` and comes back in the reply")
        restored = RestoreNames(renames)
        prompt = self._prompt(request, model, turn.ledger)
        if turn.is_strict:
            refuse_losses(turn.ledger)
        source = Source(self.provider, model)
        for take in (self._known, self._fresh):
            session = await take(prompt, turn)
            if session is None:
                continue
            try:
                async with aclosing(self._reply(session, prompt, source, turn)) as reply:
                    async for events in reply:
                        yield restored.feed(events)
            except LostError:
                # It had ended while it stood by. Nobody has been asked yet, and nothing answered.
                if take == self._fresh:
                    raise
            else:
                return

    async def _known(self, prompt: Prompt, turn: Turn) -> Session | None:
        return await self.house.resume(prompt, turn.session)

    async def _fresh(self, prompt: Prompt, turn: Turn) -> Session:
        """Return a process that was told everything, and record what it is not told as it was said."""
        note_step_down(prompt, turn.ledger)
        if self._toolbox is not None and prompt.history:
            turn.ledger.degraded("internal_steps", "messages", "what tools did in earlier turns is not told again")
        if turn.is_strict:
            refuse_losses(turn.ledger)
        return await self.house.begin(prompt, turn.session)

    async def _reply(
        self, session: Session, prompt: Prompt, source: Source, turn: Turn
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the events of a session's reply, and give the session back."""
        turn.headers[SESSION_HEADER] = session.id
        said: list[Event] = []
        try:
            async for events in session.reply(prompt, source, self._timeouts):
                said += events
                if isinstance(events[-1], ReplyEnd):
                    # Before the client knows that it may go on.
                    self.house.keep(session, advance_by_reply(prompt.key_now, collect(said).blocks))
                    yield events
                    return
                yield events
        except BaseException:
            # The client has left, or the reply broke off: what the process would still do is of no use to anybody.
            self.house.drop(session)
            raise
        self.house.drop(session)

    def _prompt(self, request: Request, model: str, ledger: Ledger) -> Prompt:
        target = Target(self.provider, model, self._dialect_of(model))
        toolbox = self._toolbox
        if toolbox is None:
            return read_prompt(request, target, ledger, self.abilities)
        bare, agents = without_tools(request, ledger)
        known = definitions(agents, toolbox.names, self._max_turns)
        prompt = read_prompt(bare, target, ledger, self.abilities, known)
        return with_own_tools(prompt, toolbox.names, toolbox.limits, request)

    def start(self, test: Callable[[], Awaitable[Sequence[Check]]] | None = None) -> None:
        """Get ready before anybody asks: spare processes, what the CLI says of itself, and whether it does what it has to."""
        self.house.prepare()
        self._look()
        if test is not None:
            self._testing = asyncio.ensure_future(self._examine(test))

    async def _examine(self, test: Callable[[], Awaitable[Sequence[Check]]]) -> None:
        if self._looking is not None:
            await asyncio.wait((self._looking,))
        self._checks = await test()
        self.abilities = abilities_of(self._checks)
        for check in self._checks:
            if not check.holds:
                _LOG.warning("the Claude CLI fails its self-test `%s`: %s", check.name, check.problem)

    def cards(self) -> list[ModelCard]:
        """Return the models that the CLI offers, as far as it has said so."""
        return [] if self._about is None else cards(self._about, self.provider)

    def health(self) -> dict[str, Any]:
        """Return how the back end is. Nothing is waited for: what is old is looked up again in the background."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look()
        return {
            "mode": self._mode,
            **summary(self._about),
            **self.abilities.summary,
            "self_test": {check.name: check.problem or "ok" for check in self._checks},
            "processes": msgspec.to_builtins(self.house.counts),
        }

    def _look(self) -> None:
        self._looked = time.monotonic()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self.look_up())

    async def look_up(self) -> About | None:
        """Ask the CLI what it offers and who is signed in; None when it does not say so. No model is asked."""
        try:
            session = await self._spawn()
        except DragomanError as error:
            _LOG.warning("the Claude CLI does not start: %s", error.failure.text)
            return None
        self._booting.add(session.process)  # to be ended at once when the gateway stops
        try:
            self._about = read_about(await session.process.initialise(""))
        except (DragomanError, msgspec.DecodeError) as error:
            _LOG.warning("the Claude CLI does not say what it offers: %s", error)
        finally:
            self._booting.discard(session.process)
            session.kill()
            await session.gone()
        return self._about

    async def aclose(self) -> None:
        """End all processes."""
        self._is_closed = True
        if self._testing is not None:
            self._testing.cancel()
            await asyncio.wait((self._testing,))
        for process in tuple(self._booting):
            process.kill()
        await self.house.aclose()
        if self._looking is not None:
            await asyncio.wait((self._looking,))
        if self._folder is not None:
            self._folder.cleanup()

    async def _spawn(self, transcript: bytes | None = None) -> Session:
        """Start a process, and wait until it is ready to be told something."""
        id = str(uuid.uuid4())
        start, own = self._start, self._own_folder()
        past = None
        if transcript is not None:
            past = own / f"{id}.jsonl"
            past.write_bytes(transcript)
        own_tools = "" if self._toolbox is None else CLI_TOOLS
        command = arguments(start.cli, id, own_tools, past)
        process = await Process.spawn(command, start.environment, start.folder or str(own))
        session = self._session(id, process, past)
        self._booting.add(process)
        try:
            if self._is_closed:
                process.kill()  # it has nobody to talk to any more: the question fails
            await process.ask("mcp_status")
        except BaseException:
            session.kill()
            await session.gone()
            raise
        finally:
            self._booting.discard(process)
        return session

    def _session(self, id: str, process: Process, past: Path | None) -> Session:
        if self._toolbox is None:
            return Session(id, process, past)
        return InternalSession(id, process, self._toolbox, self._max_turns, past)

    def _own_folder(self) -> Path:
        """Return the empty folder that processes without a `workdir` run in: the CLI tells the model its name."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dragoman-claude-")
        return Path(self._folder.name)
