"""What the CLI in use can do, and what is done about what it cannot."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing that the back end relies on, and whether it holds; if not, `problem` says what was seen."""

    name: str
    what: str
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.problem is None


class History(Enum):
    """The ladder: how a process is told what was said before it came, the best way first."""

    TOLD = "told message by message"
    RESUMED = "resumed from a transcript"
    QUOTED = "quoted in one message"


class Abilities(msgspec.Struct, frozen=True):
    """What there is another way for, when it does not hold: a history that is told, several calls in one turn."""

    history: History = History.TOLD
    parallel_calls: bool = True

    @property
    def summary(self) -> Mapping[str, str]:
        """How it is done, in words."""
        return {"history": self.history.value, "tool_calls": "in parallel" if self.parallel_calls else "one a turn"}


HISTORY_CHECK: Final = "history"
TRANSCRIPT_CHECK: Final = "transcript"
PARALLEL_CHECK: Final = "parallel-calls"
"""The names of the checks that decide."""


def abilities_of(checks: Iterable[Check]) -> Abilities:
    """Return what the checks leave of them."""
    failed = {check.name for check in checks if not check.holds}
    next_best = History.QUOTED if TRANSCRIPT_CHECK in failed else History.RESUMED
    return Abilities(next_best if HISTORY_CHECK in failed else History.TOLD, PARALLEL_CHECK not in failed)
