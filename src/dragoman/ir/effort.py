"""Between words for effort and budgets of thinking tokens, one table for all protocols."""

from collections.abc import Sequence
from typing import Final

from dragoman.ir.request import Effort

MIN_BUDGET: Final = 1024
"""The least that Anthropic's manual thinking takes."""

_BUDGETS: Final = {
    Effort.NONE: 0,
    Effort.MINIMAL: 1024,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 24_576,
    Effort.XHIGH: 32_768,
    Effort.MAX: 64_000,
}
_CEILINGS: Final = (
    (1024, Effort.MINIMAL),
    (4096, Effort.LOW),
    (16_384, Effort.MEDIUM),
    (32_767, Effort.HIGH),
)
_ORDER: Final = tuple(Effort)


def budget_for(effort: Effort) -> int:
    """Return the thinking tokens that `effort` stands for; 0 for none."""
    return _BUDGETS[effort]


def effort_for(budget: int) -> Effort:
    """Return the word for a budget of thinking tokens."""
    if budget <= 0:
        return Effort.NONE
    return next((effort for ceiling, effort in _CEILINGS if budget <= ceiling), Effort.XHIGH)


def nearest(effort: Effort, accepted: Sequence[str]) -> Effort | None:
    """Return `effort`, or the nearest accepted word: below it first, then above. None when nothing is accepted.

    `none` only stands for itself: nobody who asked for thought gets it switched off, nor the other way round.
    """
    if effort in accepted:
        return effort
    if effort is Effort.NONE:
        return None
    place = _ORDER.index(effort)
    candidates = (*reversed(_ORDER[1:place]), *_ORDER[place + 1 :])
    return next((word for word in candidates if word in accepted), None)
