"""How hard to think: levels of Gemini 3, budgets of 2.5, never both. https://ai.google.dev/gemini-api/docs/thinking."""

from typing import Any, Final

from dragoman.codec import Target
from dragoman.ir.effort import effort_for, nearest
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, ReasoningControl

_BUDGETS: Final = {
    Effort.MINIMAL: 512,
    Effort.LOW: 1024,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 24_576,
    Effort.XHIGH: 32_768,
}
_DYNAMIC: Final = -1
"""The model decides itself, up to all that it can."""


def encode_thinking(control: ReasoningControl, target: Target, ledger: Ledger) -> dict[str, Any]:
    """Return `thinkingConfig`; nothing when nothing was said about thinking."""
    if control == ReasoningControl():
        return {}
    if control.mode == "disabled" or control.effort is Effort.NONE:
        return _off(target, ledger)
    asked = _level(control, target, ledger) if target.dialect.thinking_levels else _budget(control, target, ledger)
    return asked if control.visible is False else {**asked, "includeThoughts": True}


def _off(target: Target, ledger: Ledger) -> dict[str, Any]:
    """Return the least that the model can think: these models think unless told not to."""
    levels, (least, _) = target.dialect.thinking_levels, target.dialect.thinking_budgets
    if levels:
        ledger.degraded("effort", "reasoning", f"thinking cannot be switched off: `{levels[0]}` is the least")
        return {"thinkingLevel": levels[0].upper()}
    if least > 0:
        ledger.clamped("thinking_budget", "reasoning", f"thinking cannot be switched off: {least} tokens are the least")
    return {"thinkingBudget": least}


def _level(control: ReasoningControl, target: Target, ledger: Ledger) -> dict[str, Any]:
    effort = control.effort
    if effort is None and control.budget is not None:
        effort = effort_for(control.budget)
        ledger.degraded("thinking_budget", "reasoning", f"{control.budget} tokens become the level `{effort}`")
    if effort is None:
        return {}
    level = nearest(effort, target.dialect.thinking_levels)
    if level is None:
        return {}
    if level != effort:
        ledger.degraded("effort", "reasoning", f"`{effort}` becomes `{level}`")
    return {"thinkingLevel": level.upper()}


def _budget(control: ReasoningControl, target: Target, ledger: Ledger) -> dict[str, Any]:
    least, most = target.dialect.thinking_budgets
    if control.budget is not None:
        budget = min(max(control.budget, least), most)
        if budget != control.budget:
            reason = f"{control.budget} tokens: the model takes {least} to {most}"
            ledger.clamped("thinking_budget", "reasoning", reason)
        return {"thinkingBudget": budget}
    if control.effort is None or control.effort is Effort.MAX:
        return {"thinkingBudget": _DYNAMIC} if control.mode or control.effort else {}
    return {"thinkingBudget": min(max(_BUDGETS[control.effort], least), most)}
