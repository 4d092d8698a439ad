"""What a translation could not carry: which field, what was done about it, and why."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What was done with a thing that has no counterpart on the other side."""

    DROPPED = "dropped"
    DEGRADED = "degraded"
    EMULATED = "emulated"
    CLAMPED = "clamped"
    REPAIRED = "repaired"


class Loss(msgspec.Struct, frozen=True, gc=False):
    """One thing that did not survive.

    `path` names the field in the words of the side it came from (`messages[3].content[0]`), `code` is a short
    stable slug for the `x-dragoman-loss` header and for docs/losses, `reason` one sentence. `changes_meaning` is
    what the `strict` policy looks at: an answer that could differ because of it.
    """

    code: str
    path: str
    action: Action
    reason: str
    changes_meaning: bool = False


class Ledger:
    """The losses of one exchange, in the order they happened."""

    __slots__ = ("_losses",)

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        self._losses = list(losses)

    def record(self, loss: Loss) -> None:
        """Record `loss`."""
        self._losses.append(loss)

    def has(self, code: str) -> bool:
        """Tell whether a loss of this kind has been recorded."""
        return any(loss.code == code for loss in self._losses)

    def dropped(self, code: str, path: str, reason: str, *, changes_meaning: bool = False) -> None:
        """Record that the thing at `path` was left out."""
        self.record(Loss(code, path, Action.DROPPED, reason, changes_meaning))

    def degraded(self, code: str, path: str, reason: str, *, changes_meaning: bool = False) -> None:
        """Record that the thing at `path` was carried in a poorer form."""
        self.record(Loss(code, path, Action.DEGRADED, reason, changes_meaning))

    def emulated(self, code: str, path: str, reason: str) -> None:
        """Record that the thing at `path` was carried by other means with the same effect."""
        self.record(Loss(code, path, Action.EMULATED, reason))

    def clamped(self, code: str, path: str, reason: str) -> None:
        """Record that the number at `path` was moved into the range the target accepts."""
        self.record(Loss(code, path, Action.CLAMPED, reason))

    def repaired(self, code: str, path: str, reason: str) -> None:
        """Record that the history at `path` broke the target's rules and was mended."""
        self.record(Loss(code, path, Action.REPAIRED, reason))

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._losses)

    def __len__(self) -> int:
        return len(self._losses)

    def summary(self) -> str:
        """Return the header form: the count and the distinct codes, e.g. `3; top_k,cache_control`; `0` for none."""
        if not self._losses:
            return "0"
        codes = ",".join(dict.fromkeys(loss.code for loss in self._losses))
        return f"{len(self._losses)}; {codes}"
