"""A conversation that has a process of its own, and where it stands.

SEEDING -> BUSY -> SETTLING -> IDLE -> BUSY ..., and DEAD from anywhere.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Source
from dragoman.engine.errors import UpstreamTimeoutError
from dragoman.engine.ports import Timeouts
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError, Failure, FailureKind, UnsupportedError, UpstreamProtocolError
from dragoman.protocols.anthropic_messages.stream_decoder import MessageDecoder
from dragoman.receiver import EventReceiver
from dragoman.upstreams.claude_agent import lines
from dragoman.upstreams.claude_agent.failures import failure_of, failure_of_exit
from dragoman.upstreams.claude_agent.lines import (
    Assistant,
    Exited,
    Head,
    RateLimit,
    RateLimitEvent,
    Result,
    StreamEvent,
    System,
    Word,
)
from dragoman.upstreams.claude_agent.process import CliError, Process
from dragoman.upstreams.claude_agent.prompt import Prompt
from dragoman.wire.sse import Frame

_SETTLED: Final = frozenset({"completed", "tool_deferred"})
"""How a turn ends that leaves nothing behind but what was said."""
_OLD_NAME: Final = "Task"
_NEW_NAME: Final = frozenset({"Agent"})
"""The CLI lists a tool of this name under its old one."""
_SETTLE_SECONDS: Final = 30.0


class LostError(CliError):
    """The process has ended before anybody was asked: another one can be told the same."""


class State(Enum):
    """Where a session stands."""

    SEEDING = "seeding"
    BUSY = "busy"
    SETTLING = "settling"
    IDLE = "idle"
    DEAD = "dead"


class Session:
    """One conversation. `key` names it as far as it has come; None while somebody is at it."""

    def __init__(self, id: str, process: Process, transcript: Path | None = None) -> None:
        """`transcript` is the file that the process has resumed from, if it has; it goes with it."""
        self.id = id
        self.process = process
        self._transcript = transcript
        self.state = State.SEEDING
        self.key: bytes | None = None
        self.header: str | None = None
        """The session that its client named, if it did."""
        self.used = time.monotonic()
        self._first: Raw | None = None
        """What is to be said in place of the user's last words."""
        self._tools: Raw | None = None
        self._tool_sets = 0
        self._flags: Raw | None = None
        self._settling: asyncio.Task[None] | None = None

    @property
    def is_working(self) -> bool:
        """Whether something is being done that the CLI is silent about."""
        return False

    @property
    def is_alive(self) -> bool:
        """Whether it can take another turn, now or soon."""
        return self.state is not State.DEAD and not self.process.is_over

    async def open(self, prompt: Prompt) -> None:
        """Tell a fresh process the system prompt, the tools and all that was said before. Raises LostError, CliError."""
        try:
            await self._open(prompt)
        except CliError as error:
            if self.process.is_over:
                raise LostError(error.failure.text, error.failure.hint) from None
            raise

    async def _open(self, prompt: Prompt) -> None:
        await self._initialise(prompt)
        await self._tell(prompt)
        self._first = prompt.instead
        for number, said in enumerate(prompt.told):
            if said.role == "assistant":
                self.process.write(lines.assistant(said.content, prompt.model, number))
                continue
            self.process.write(lines.user(said.content, asks=False))
            # Lines that are not waited for are merged, or change places.
            await self._result()

    async def resume(self, prompt: Prompt) -> None:
        """Wait until the last turn has settled, and tell what has changed since. Raises CliError when that failed."""
        await self.settled()
        if not (self.state is State.IDLE and self.is_alive):
            raise CliError("the process of this conversation has ended")
        await self._tell(prompt)

    async def _initialise(self, prompt: Prompt) -> None:
        await self.process.initialise(prompt.system)

    async def _tell(self, prompt: Prompt) -> None:
        if bytes(prompt.tools) != bytes(self._tools or b"[]"):
            self._tools = self.process.tools = prompt.tools
            # Another name each time: a server whose name is known is not asked again.
            self._tool_sets += 1
            name = f"client{self._tool_sets}"
            await self.process.ask("mcp_set_servers", servers={name: {"type": "sdk", "name": name}})
        if bytes(prompt.flags) != bytes(self._flags or b""):
            self._flags = prompt.flags
            await self.process.ask("apply_flag_settings", settings=prompt.flags)

    async def _result(self) -> Result:
        while True:
            async with asyncio.timeout(_SETTLE_SECONDS):
                word = await self.process.words.get()
            if isinstance(word, Result):
                return word
            if isinstance(word, Exited):
                failure = failure_of_exit(word)
                raise LostError(failure.text, failure.hint)

    # --- a turn ---

    async def reply(self, prompt: Prompt, source: Source, timeouts: Timeouts) -> AsyncGenerator[Sequence[Event], None]:
        """Ask, and yield the reply's events. Raises DragomanError for a reply that fails; the session is of no use then.

        Raises LostError when the process has ended before it took notice of the question.
        """
        self.state = State.BUSY
        turn = self._turn(prompt, source)
        first, self._first = self._first, None
        self.process.write(lines.user(prompt.now if first is None else first))
        words = self.process.words
        while turn.goes_on():
            limit = timeouts.idle if turn.has_begun else timeouts.first_byte
            try:
                # Not `wait_for`: before Python 3.12 it forgets that it was cancelled when a word comes at the same time.
                async with asyncio.timeout(limit):
                    word = await words.get()
            except TimeoutError:
                if self.is_working:
                    continue
                self.kill()
                raise UpstreamTimeoutError(f"the Claude CLI said nothing for {limit:g} s") from None
            events = list(turn.take(word))
            while turn.goes_on() and not words.empty():
                events += turn.take(words.get_nowait())
            if turn.is_final:
                self.kill()
            if events:
                yield events

    def _turn(self, prompt: Prompt, source: Source) -> "ReplyTurn":
        return ReplyTurn(self.process, prompt, source)

    def settle(self, key: bytes) -> None:
        """The reply has ended: let the CLI finish its turn in the background, and stand by for what follows `key`."""
        if self.is_alive:
            self.key, self.used, self.state = key, time.monotonic(), State.SETTLING
            self._settling = asyncio.ensure_future(self._settle())

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                is_settled = await self._is_settled()
        except TimeoutError:
            is_settled = False
        if is_settled:
            self.state = State.IDLE
        else:
            self.kill()

    async def _is_settled(self) -> bool:
        while True:
            match await self.process.words.get():
                case Result(is_error=is_error, terminal_reason=reason):
                    return not is_error and reason in _SETTLED
                case StreamEvent(event, None) if lines.head_of(event).type == "message_start":
                    return False
                case Exited():
                    return False
                case _:
                    pass

    async def settled(self) -> None:
        """Wait until it is known whether the process can take another turn."""
        if self._settling is not None:
            await asyncio.wait((self._settling,))

    def kill(self) -> None:
        """End the process at once."""
        self.state, self.key = State.DEAD, None
        self.process.kill()

    async def gone(self) -> None:
        """Wait until nothing of it is left."""
        await self.process.gone()
        if self._transcript is not None:
            self._transcript.unlink(missing_ok=True)
        await self.settled()


class ReplyTurn:
    """Makes the events of one reply of what the CLI says: the first message alone, and failures instead of its words for them."""

    def __init__(self, process: Process, prompt: Prompt, source: Source) -> None:
        self._process = process
        self._prompt = prompt
        self._decoder = MessageDecoder(source)
        self._receiver = EventReceiver()
        self._error: str | None = None
        self._limit: RateLimit | None = None
        self._has_noticed = False
        """Whether the CLI has begun with the turn: before that it asks nobody."""
        self._has_reason = False
        self.has_begun = False
        self.is_final = False
        """Whether the process must not go on: it would ask the model again by itself."""

    def goes_on(self) -> bool:
        """Tell whether there is more to come."""
        return not self._receiver.is_done

    def take(self, word: Word | Exited) -> Sequence[Event]:
        """Return the events that `word` brings. Raises DragomanError."""
        match word:
            case StreamEvent(event, None):
                return self._stream(bytes(event))
            case StreamEvent():
                return ()
            case System("init", tools):
                self._has_noticed = True
                self._check_tools(frozenset(tools or ()))
            case Assistant(error):
                self._error = error or self._error
            case RateLimitEvent(info):
                self._limit = info
            case Result():
                raise DragomanError(self._failure(word))
            case Exited():
                failure = failure_of_exit(word)
                raise DragomanError(failure) if self._has_noticed else LostError(failure.text, failure.hint)
            case _:
                pass
        return ()

    def _stream(self, data: bytes) -> Sequence[Event]:
        head = lines.head_of(data)
        events = self._receiver.feed(self._decoded(head, data))
        if self._reason(head) is not None:
            # Without a word the CLI would ask again; where the model is to go on, its process has been ended already.
            self.is_final = self._process.is_ending or not self._receiver.has_content
            if self.is_final:
                events += self._receiver.feed(self._decoder.flush())
        return events

    def _decoded(self, head: Head, data: bytes) -> Sequence[Event]:
        """Return the events of the message that `data` brings."""
        self.has_begun = True
        if head.type == "message_stop" and not self._has_reason:
            # The CLI says so, too, when a stream broke off; why comes with the result.
            return ()
        try:
            return self._decoder.feed(Frame(data))
        except msgspec.DecodeError as error:
            raise UpstreamProtocolError(f"the Claude CLI's stream could not be read: {error}") from None

    def _reason(self, head: Head) -> str | None:
        """Return why the model stops, when this says so."""
        reason = head.delta.stop_reason if head.type == "message_delta" and head.delta else None
        self._has_reason = self._has_reason or reason is not None
        return reason

    def _check_tools(self, offered: frozenset[str]) -> None:
        if _OLD_NAME in offered:
            offered |= _NEW_NAME
        missing = sorted(self._prompt.names - offered)
        if missing:
            self._process.kill()
            raise UnsupportedError(
                "the Claude CLI does not offer the tool " + ", ".join(f"`{name}`" for name in missing),
                param="tools",
                hint="give it another name, or a simpler schema",
            )

    def _failure(self, result: Result) -> Failure:
        if result.is_error or result.subtype != "success":
            return failure_of(result, self._error, self._limit, time.time())
        return Failure(FailureKind.UPSTREAM_INVALID, "the Claude CLI ended its turn without a reply")
