"""The legal order of events, as a table; Guard walks it."""

from enum import Enum
from typing import Final, get_args

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Delta,
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

NO_DELTAS: Final[frozenset[type]] = frozenset()
DELTA_KINDS: Final = frozenset(get_args(Delta))
"""What comes most often, by far."""


class GrammarError(Exception):
    """An event that may not come here. It is a decoder's mistake, or the upstream's that the decoder let through."""


class Guard:
    """Holds one reply to the grammar. Several blocks may be open; their indexes rise by one from 0."""

    __slots__ = ("_following", "blocks_seen", "open", "state")

    def __init__(self) -> None:
        self.state = State.IDLE
        """Where the reply stands."""
        self._following = TRANSITIONS[State.IDLE]
        self.open: dict[int, frozenset[type]] = {}
        """The open blocks, and which deltas each takes."""
        self.blocks_seen = 0
        """How many blocks have been opened."""

    def check(self, event: Event) -> None:
        """Take note of `event`; raise GrammarError when it may not come now."""
        kind = type(event)
        following = self._following.get(kind)
        if following is None:
            msg = f"`{kind.__name__}` may not come in state `{self.state.value}`"
            raise GrammarError(msg)
        match event:
            case BlockStart(index=index, block=block):
                self._start(index, type(block))
            case BlockEnd(index=index):
                self._end(index)
            case ReplyEnd() if self.open:
                msg = f"`ReplyEnd` while blocks {sorted(self.open)} are open"
                raise GrammarError(msg)
            # Last: nearly all deltas have been admitted by a look at what is open.
            case TextDelta() | ReasoningDelta() | ArgumentsDelta() | SealDelta() | CitationDelta():
                self._delta(event.index, kind)
            case _:
                pass
        if following is not self.state:
            self.state = following
            self._following = TRANSITIONS[following]

    def _delta(self, index: int, kind: type) -> None:
        if kind not in self.open.get(index, NO_DELTAS):
            msg = f"`{kind.__name__}` for block {index}, which is not open or takes no such delta"
            raise GrammarError(msg)

    def _start(self, index: int, kind: type) -> None:
        if index != self.blocks_seen:
            msg = f"block {index} starts where {self.blocks_seen} is due"
            raise GrammarError(msg)
        self.open[index] = DELTAS[kind]
        self.blocks_seen += 1

    def _end(self, index: int) -> None:
        if self.open.pop(index, None) is None:
            msg = f"block {index} ends without being open"
            raise GrammarError(msg)
