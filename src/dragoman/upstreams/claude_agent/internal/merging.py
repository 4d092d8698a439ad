"""Several messages of the model as one reply: what it said stays, what it called does not show, what it cost is added up."""

from collections.abc import Iterable
from typing import Final

import msgspec

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Text, ToolCall
from dragoman.upstreams.claude_agent.lines import ModelUsage

_GAP: Final = "\n\n"
"""What stands between the words of two messages: some protocols put all text of a reply into one."""


class Merger:
    """Takes the events of one message after the other, and gives those of one reply; `end` ends it.

    `only_last`: of the texts only the last message's count, so they wait until it is known which that is.
    """

    def __init__(self, *, only_last: bool = False) -> None:
        self._only_last = only_last
        self._held: dict[int, list[Event]] = {}
        self.messages = 0
        """How many messages have begun."""
        self._places: dict[int, int] = {}
        """Where the shown blocks of this message stand in the reply."""
        self._shown = 0
        self._has_text = False
        self._is_after_text = False
        self._begun = Usage()
        self._used = Usage()
        self._last: ReplyEnd | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the last message is one that ends a reply: no calls are to be answered."""
        return self._last is not None and self._last.finish is not Finish.TOOL_CALLS

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """Return the events of the reply that those of a message bring."""
        merged: list[Event] = []
        for event in events:
            self._take(event, merged)
        return merged

    def end(self, usage: Usage | None = None, finish: Finish | None = None) -> ReplyEnd:
        """Return the end of the reply: the last message's, with all that was used.

        `usage` is what is known of that otherwise, `finish` why it ends where that message does not say so.
        """
        last = self._last or ReplyEnd(Finish.DONE)
        if finish is not None:
            last = ReplyEnd(finish)
        return msgspec.structs.replace(last, usage=usage or self._used)

    def _take(self, event: Event, merged: list[Event]) -> None:
        match event:
            case ReplyStart(usage=usage):
                self._places, self._held = {}, {}
                self._begun, self._last = usage, None
                self._is_after_text = self._has_text
                self.messages += 1
                if self.messages == 1:
                    merged.append(event)
            case BlockStart(_, ToolCall()):
                pass
            case BlockStart(index, Text()) if self._only_last:
                self._held[index] = [event]
            case BlockStart(index, block):
                place = self._places[index] = self._shown
                self._shown += 1
                merged.append(BlockStart(place, block))
                if isinstance(block, Text):
                    self._begin_text(place, merged)
            case TextDelta(index) | ReasoningDelta(index) | ArgumentsDelta(index) | SealDelta(index):
                self._pass_on(event, index, merged)
            case CitationDelta(index) | BlockEnd(index):
                self._pass_on(event, index, merged)
            case ReplyEnd():
                self._last = event
                self._used = added(self._used, self._begun.merged(event.usage))
                if self._held and self.has_ended:
                    self._release(merged)
            case ReplyFailed():
                merged.append(event)

    def _begin_text(self, place: int, merged: list[Event]) -> None:
        if self._is_after_text:
            merged.append(TextDelta(place, _GAP))
        self._has_text, self._is_after_text = True, False

    def _release(self, merged: list[Event]) -> None:
        for index, (start, *others) in self._held.items():
            self._places[index] = self._shown
            self._shown += 1
            self._pass_on(start, index, merged)
            for event in others:
                self._pass_on(event, index, merged)
        self._held = {}

    def _pass_on(self, event: Event, index: int, merged: list[Event]) -> None:
        if index in self._held and index not in self._places:
            self._held[index].append(event)
            return
        place = self._places.get(index)
        if place is not None:
            merged.append(event if place == index else msgspec.structs.replace(event, index=place))


def added(one: Usage, other: Usage) -> Usage:
    """Return the sum; what neither reports stays unknown."""
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return Usage(*(b if a is None else a if b is None else a + b for a, b in pairs))


def usage_of(models: Iterable[ModelUsage]) -> Usage | None:
    """Return what the CLI counted, all models together; None when it counted nothing."""
    total: Usage | None = None
    for used in models:
        one = Usage(
            input_tokens=used.input_tokens,
            cache_read=used.cache_read_input_tokens,
            cache_write=used.cache_creation_input_tokens,
            output_tokens=used.output_tokens,
            reasoning=used.thinking_tokens or None,
            cache_write_1h=used.cache_creation_ephemeral_1h_input_tokens or None,
        )
        total = one if total is None else added(total, one)
    return total
