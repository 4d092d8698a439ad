"""The legal order of events, as a table; Guard walks it."""

from enum import Enum
from typing import Final

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
from dragoman.ir.request import Foreign, Image, Reasoning, Refusal, Text, ToolCall


class State(Enum):
    """Where a reply stands."""

    IDLE = "idle"
    OPEN = "open"
    DONE = "done"


TRANSITIONS: Final[dict[State, dict[type, State]]] = {
    State.IDLE: {ReplyStart: State.OPEN, ReplyFailed: State.DONE},
    State.OPEN: {
        BlockStart: State.OPEN,
        TextDelta: State.OPEN,
        ReasoningDelta: State.OPEN,
        ArgumentsDelta: State.OPEN,
        SealDelta: State.OPEN,
        CitationDelta: State.OPEN,
        BlockEnd: State.OPEN,
        ReplyEnd: State.DONE,
        ReplyFailed: State.DONE,
    },
    State.DONE: {},
}

DELTAS: Final[dict[type, frozenset[type]]] = {
    Text: frozenset({TextDelta, CitationDelta, SealDelta}),
    Refusal: frozenset({TextDelta}),
    Reasoning: frozenset({ReasoningDelta, SealDelta}),
    ToolCall: frozenset({ArgumentsDelta, SealDelta}),
    Foreign: frozenset(),
    Image: frozenset(),
}
"""Which deltas each kind of block takes."""


class GrammarError(Exception):
    """An event that may not come here. It is a decoder's mistake, or the upstream's that the decoder let through."""


class Guard:
    """Holds one reply to the grammar. Several blocks may be open; their indexes rise by one from 0."""

    __slots__ = ("_next_index", "_open", "_state")

    def __init__(self) -> None:
        self._state = State.IDLE
        self._open: dict[int, frozenset[type]] = {}
        self._next_index = 0

    @property
    def state(self) -> State:
        """Where the reply stands."""
        return self._state

    @property
    def blocks_seen(self) -> int:
        """How many blocks have been opened."""
        return self._next_index

    def check(self, event: Event) -> None:
        """Take note of `event`; raise GrammarError when it may not come now."""
        kind = type(event)
        # Most events are deltas: their check is one look-up.
        deltas = self._open.get(getattr(event, "index", -1))
        if deltas is not None and kind in deltas:
            return
        following = TRANSITIONS[self._state].get(kind)
        if following is None:
            msg = f"`{kind.__name__}` may not come in state `{self._state.value}`"
            raise GrammarError(msg)
        match event:
            case BlockStart(index=index, block=block):
                self._start(index, type(block))
            case BlockEnd(index=index):
                self._end(index)
            case ReplyEnd() if self._open:
                msg = f"`ReplyEnd` while blocks {sorted(self._open)} are open"
                raise GrammarError(msg)
            case TextDelta() | ReasoningDelta() | ArgumentsDelta() | SealDelta() | CitationDelta():
                msg = f"`{kind.__name__}` for block {event.index}, which is not open or takes no such delta"
                raise GrammarError(msg)
            case _:
                pass
        self._state = following

    def _start(self, index: int, kind: type) -> None:
        if index != self._next_index:
            msg = f"block {index} starts where {self._next_index} is due"
            raise GrammarError(msg)
        self._open[index] = DELTAS[kind]
        self._next_index += 1

    def _end(self, index: int) -> None:
        if self._open.pop(index, None) is None:
            msg = f"block {index} ends without being open"
            raise GrammarError(msg)
