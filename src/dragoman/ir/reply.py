"""A whole reply: its blocks, why it ended, what it cost."""

from enum import StrEnum
from typing import Any, Final

import msgspec

from dragoman.ir.request import Block, Extra


class Finish(StrEnum):
    """Why the model stopped."""

    DONE = "done"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    FILTERED = "filtered"
    PAUSED = "paused"
    CONTEXT_FULL = "context_full"


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens. None: not reported.

    `input_tokens` leaves cache reads and writes out (as Anthropic counts, unlike OpenAI and Google); `output_tokens` includes
    reasoning. `cache_write_1h` is the part of `cache_write` that is kept for an hour. `cost` is the price of the reply in US
    dollars, where the upstream names it.
    """

    input_tokens: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output_tokens: int | None = None
    reasoning: int | None = None
    cache_write_1h: int | None = None
    cost: float | None = None

    def merged(self, later: "Usage") -> "Usage":
        """Return the figures of `later`, and of this one where `later` has none (reports are cumulative)."""
        if self == _UNKNOWN:
            return later
        if later == _UNKNOWN:
            return self
        return Usage(*[old if new is None else new for old, new in zip(_values(self), _values(later), strict=True)])


_UNKNOWN: Final = Usage()


def _values(usage: Usage) -> tuple[Any, ...]:
    return msgspec.structs.astuple(usage)


class Reply(msgspec.Struct, frozen=True):
    """All that a model answered. `finish_word` is the upstream's own word for `finish`."""

    id: str
    model: str
    blocks: tuple[Block, ...]
    finish: Finish
    usage: Usage = Usage()
    finish_word: str | None = None
    stop_sequence: str | None = None
    extras: tuple[Extra, ...] = ()
