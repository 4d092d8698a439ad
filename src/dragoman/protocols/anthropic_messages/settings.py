"""Thinking, sampling and limits on the way to Anthropic: what may be asked for together.

https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility
"""

from typing import Any, Final

import msgspec

from dragoman.codec import Target
from dragoman.ir.effort import MIN_BUDGET, budget_for
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, ReasoningControl, Request, Sampling

_EFFORTS: Final = {
    Effort.MINIMAL: "low",
    Effort.LOW: "low",
    Effort.MEDIUM: "medium",
    Effort.HIGH: "high",
    Effort.XHIGH: "xhigh",
    Effort.MAX: "max",
}
_TIERS: Final = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only", "priority": "auto"}
MISSING: Final = ("seed", "frequency_penalty", "presence_penalty")
"""Settings of other protocols that the API does not have."""

_UNSET: Final = Sampling()
_OFF: Final[dict[str, Any]] = {"type": "disabled"}


class Limits(msgspec.Struct, frozen=True):
    """How much may be said, how much of it thought, and how hard."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def thinks(self) -> bool:
        """Whether thinking is asked for."""
        return self.thinking is not None and self.thinking["type"] != "disabled"


def plan_limits(request: Request, target: Target, ledger: Ledger, *, obstacle: str | None) -> Limits:
    """Return the limits. `obstacle` says why manual thinking cannot be had for this request, if it cannot."""
    max_tokens = _max_tokens(request, target, ledger)
    control = request.reasoning
    if control.mode == "disabled" or control.effort is Effort.NONE:
        return Limits(max_tokens, _OFF)
    if control.mode is None and (control.effort is None or control.effort_alone):
        return Limits(max_tokens, effort=_effort_alone(control, target, ledger))
    if target.dialect.adaptive_thinking and control.budget is None:
        return Limits(max_tokens, _shown({"type": "adaptive"}, control), _effort(control, ledger))
    effort = _effort(control, ledger) if target.dialect.adaptive_thinking else None
    if obstacle is not None:
        ledger.dropped("thinking_off", "reasoning", obstacle, changes_meaning=True)
        return Limits(max_tokens, _OFF, effort)
    budget = max(MIN_BUDGET, control.budget or budget_for(control.effort or Effort.MEDIUM))
    if request.max_tokens is None:
        max_tokens = min(max_tokens + budget, target.max_output or max_tokens + budget)
    fitting = _fitting(budget, max_tokens)
    if fitting is None:
        ledger.dropped("thinking_off", "reasoning", "there is no room for it below max_tokens", changes_meaning=True)
        return Limits(max_tokens, _OFF, effort)
    if fitting != budget:
        ledger.clamped("thinking_budget", "reasoning", f"{budget} tokens leave no room for an answer")
    return Limits(max_tokens, _shown({"type": "enabled", "budget_tokens": fitting}, control), effort)


def _max_tokens(request: Request, target: Target, ledger: Ledger) -> int:
    asked = request.max_tokens
    if asked is None:
        return target.max_output or target.dialect.default_max_tokens
    if target.max_output is not None and asked > target.max_output:
        ledger.clamped("max_tokens", "max_tokens", f"the model gives {target.max_output} tokens at most")
        return target.max_output
    return asked


def _fitting(budget: int, max_tokens: int) -> int | None:
    """Return a budget below `max_tokens`, with half of them left for the answer if it has to be lowered."""
    if budget < max_tokens:
        return budget
    return max(MIN_BUDGET, max_tokens // 2) if max_tokens > MIN_BUDGET else None


def _effort(control: ReasoningControl, ledger: Ledger) -> str | None:
    if control.effort is None:
        return None
    if control.effort is Effort.MINIMAL:
        ledger.degraded("effort", "reasoning", "`minimal` is sent as `low`")
    return _EFFORTS[control.effort]


def _effort_alone(control: ReasoningControl, target: Target, ledger: Ledger) -> str | None:
    """Return the effort of a reply for which nobody asked for thought (platform.claude.com/docs/en/build-with-claude/effort)."""
    if control.effort is None or target.dialect.adaptive_thinking:
        return _effort(control, ledger)
    ledger.dropped("effort", "reasoning", "the model knows none")
    return None


def _shown(thinking: dict[str, Any], control: ReasoningControl) -> dict[str, Any]:
    if control.display is not None:
        return {**thinking, "display": control.display}
    if control.visible is not None:
        return {**thinking, "display": "summarized" if control.visible else "omitted"}
    return thinking


def encode_sampling(sampling: Sampling, target: Target, ledger: Ledger, *, thinks: bool) -> dict[str, Any]:
    """Return temperature, top_p, top_k and stop sequences, as far as they go together."""
    if sampling == _UNSET:
        return {}
    for name in MISSING:
        if getattr(sampling, name):
            ledger.dropped(name, name, "there is no such setting")
    stops = {"stop_sequences": stop} if (stop := _stops(sampling.stop, ledger)) else {}
    asked = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    given = {name: value for name, value in asked.items() if value is not None}
    if not target.dialect.sampling:
        for name in given:
            ledger.dropped("sampling", name, "the model takes no sampling settings")
        return stops
    return stops | (_while_thinking(given, ledger) if thinks else _plain(given, ledger))


def _stops(stop: tuple[str, ...], ledger: Ledger) -> list[str]:
    for place, text in enumerate(stop):
        if not text.strip():
            ledger.dropped("stop_sequence", f"stop[{place}]", "the API refuses white space only", changes_meaning=True)
    return [text for text in stop if text.strip()]


def _while_thinking(given: dict[str, float], ledger: Ledger) -> dict[str, float]:
    """With thinking on, the temperature is 1 and nothing else may be set."""
    kept = {name: value for name, value in given.items() if name == "temperature" and value == 1}
    for code in given.keys() - kept.keys():
        ledger.dropped(code, code, "it cannot be set while thinking")
    return kept


def _plain(given: dict[str, float], ledger: Ledger) -> dict[str, float]:
    if given.get("temperature", 0) > 1:
        ledger.clamped("temperature", "temperature", "it runs from 0 to 1")
        given = {**given, "temperature": 1}
    if "temperature" in given and "top_p" in given:
        if given["top_p"] != 1:
            ledger.dropped("top_p", "top_p", "newer models refuse it beside temperature")
        return {name: value for name, value in given.items() if name != "top_p"}
    return given


def encode_tier(request: Request, ledger: Ledger) -> str | None:
    """Return the service tier."""
    if request.service_tier is None:
        return None
    tier = _TIERS.get(request.service_tier)
    if tier is None:
        ledger.dropped("service_tier", "service_tier", f"there is no tier `{request.service_tier}`")
    return tier
