"""A conversation whose tools the gateway runs: a turn goes on until the model has no more calls, and is one reply."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from dragoman.codec import Source
from dragoman.ir.events import Event
from dragoman.ir.reply import Finish
from dragoman.protocols.anthropic_messages.stream_decoder import MessageDecoder
from dragoman.upstreams.claude_agent import lines
from dragoman.upstreams.claude_agent.internal.desk import Desk
from dragoman.upstreams.claude_agent.internal.merging import Merger, usage_of
from dragoman.upstreams.claude_agent.internal.toolbox import Toolbox
from dragoman.upstreams.claude_agent.lines import Exited, Result, Word
from dragoman.upstreams.claude_agent.process import Process
from dragoman.upstreams.claude_agent.prompt import Prompt
from dragoman.upstreams.claude_agent.session import ReplyTurn, Session, State

CLI_TOOLS: Final = "Task"
"""The one tool of the CLI's own that stays: it starts agents, and they have our tools alone."""


class InternalSession(Session):
    """One conversation, its process, and the calls that are being done for it."""

    def __init__(
        self, id: str, process: Process, toolbox: Toolbox, max_turns: int, transcript: Path | None = None
    ) -> None:
        super().__init__(id, process, transcript)
        self._max_turns = max_turns
        self._desk = Desk(toolbox, process.write)
        process.attend = self._desk.attend

    @property
    def is_working(self) -> bool:
        """Whether a tool runs."""
        return self._desk.is_working

    async def _initialise(self, prompt: Prompt) -> None:
        agents: dict[str, Any] = msgspec.json.decode(prompt.agents)
        self._desk.agents = tuple(agents)
        await self.process.initialise(prompt.system, agents=prompt.agents)

    def _turn(self, prompt: Prompt, source: Source) -> ReplyTurn:
        return _MergedTurn(self.process, prompt, source, self._max_turns)

    def settle(self, key: bytes) -> None:
        """The reply has ended, and with it all that the CLI had to do."""
        if self.is_alive:
            self.key, self.used, self.state = key, time.monotonic(), State.IDLE

    def kill(self) -> None:
        """End the process at once, and what was being done for it."""
        super().kill()
        self._desk.stop()

    async def gone(self) -> None:
        """Wait until nothing of either is left."""
        await super().gone()
        await self._desk.stopped()


class _MergedTurn(ReplyTurn):
    """Makes the events of one reply of all messages until the CLI's turn ends, or until there were `max_turns` of them."""

    def __init__(self, process: Process, prompt: Prompt, source: Source, max_turns: int) -> None:
        super().__init__(process, prompt, source)
        self._source = source
        self._max_turns = max_turns
        self._merger = Merger(only_last=prompt.wants_form)

    def take(self, word: Word | Exited) -> Sequence[Event]:
        """Return the events that `word` brings. Raises DragomanError."""
        match word:
            case Result(is_error=False, subtype="success") if self._merger.has_ended:
                return self._receiver.feed([self._merger.end(usage_of(word.usage.values()))])
            case Exited() if self._merger.has_ended:
                return self._receiver.feed([self._merger.end()])
            case _:
                return super().take(word)

    def _stream(self, data: bytes) -> Sequence[Event]:
        head = lines.head_of(data)
        if head.type == "message_start":
            self._decoder = MessageDecoder(self._source)
            self._has_reason = False
        events = self._merger.feed(self._decoded(head, data))
        reason = self._reason(head)
        if reason is not None:
            events += self._end_early(reason)
        return self._receiver.feed(events)

    def _end_early(self, reason: str) -> Sequence[Event]:
        """Return the reply's end where the CLI must not go on: the model was to, has had its turns, or refuses."""
        is_enough = reason == "tool_use" and self._merger.messages >= self._max_turns
        # A refusal would come as an error once more.
        self.is_final = self._process.is_ending or is_enough or reason == "refusal"
        if not self.is_final:
            return ()
        events = self._merger.feed(self._decoder.flush())
        return [*events, self._merger.end(finish=Finish.LENGTH if is_enough else None)]
