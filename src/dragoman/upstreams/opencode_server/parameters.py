"""The settings of a turn, in the words of OpenCode's package for the model; what it has no words for is lost, and recorded."""

from typing import Any, Final

import msgspec

from dragoman.ir.effort import effort_for, nearest
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, OutputFormat, ReasoningControl, Request
from dragoman.upstreams.opencode_server.models import Place

_CHAT: Final = "openai-chat"
_NOT_CARRIED: Final = frozenset(
    {"logprobs", "top_logprobs", "modalities", "audio", "prediction", "store", "stream_options"}
)
"""Fields of Chat whose answers OpenCode would not hand on, or that it sets itself."""


class _Thinking(msgspec.Struct, rename="camel"):
    budget_tokens: int = 0


class _Variant(msgspec.Struct):
    """What one of a model's ways to think tells Anthropic's package."""

    thinking: _Thinking = msgspec.field(default_factory=_Thinking)


_variant: Final = msgspec.json.Decoder(_Variant).decode


class Parameters(msgspec.Struct):
    """How the model is to be asked.

    `params` are those of OpenCode's own that are set or (None) unset, `options` what its package is given, `variant` the name of
    one of the model's ways to think, `output` the form of the answer, `stops` where the gateway has to end the reply itself.
    """

    params: dict[str, Any]
    options: dict[str, Any]
    variant: str | None = None
    output: dict[str, Any] | None = None
    stops: tuple[str, ...] = ()


def read_parameters(request: Request, place: Place, ledger: Ledger) -> Parameters:
    """Return the settings of `request` for the model at `place`."""
    sampling, package = request.sampling, place.package
    params: dict[str, Any] = {"temperature": sampling.temperature, "topP": sampling.top_p, "topK": sampling.top_k}
    if not package.top_k and sampling.top_k is not None:
        ledger.dropped("sampling", "top_k", "OpenCode's package for this model has no place for it")
        params["topK"] = None
    if request.max_tokens is not None or not package.needs_max_tokens:
        params["maxOutputTokens"] = request.max_tokens
    found = Parameters(params, {})
    if package.passes_fields:
        found.options = _chat_fields(request, ledger)
    else:
        _note_unsaid(request, ledger)
        found.stops = sampling.stop
    if request.output is not None:
        _ask_for_json(found, request.output, passes_fields=package.passes_fields, ledger=ledger)
    _ask_for_thought(found, request, place, ledger)
    _leave_out_sampling(found, place, ledger)
    return found


def _chat_fields(request: Request, ledger: Ledger) -> dict[str, Any]:
    """Return fields of a Chat body that OpenCode hands on as they are."""
    sampling = request.sampling
    fields: dict[str, Any] = {
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "user": request.user,
        "service_tier": request.service_tier,
        "prompt_cache_key": request.cache_key,
        "parallel_tool_calls": request.parallel_tools if request.tools else None,
    }
    for extra in request.extras:
        if extra.origin == _CHAT and extra.name not in _NOT_CARRIED:
            fields[extra.name] = extra.value
        else:
            _note_extra(extra.name, ledger)
    return {name: value for name, value in fields.items() if value is not None}


def _note_unsaid(request: Request, ledger: Ledger) -> None:
    sampling = request.sampling
    for name in ("seed", "frequency_penalty", "presence_penalty"):
        if getattr(sampling, name) is not None:
            ledger.dropped("sampling", name, "OpenCode's package for this model has no place for it")
    if request.user is not None:
        ledger.dropped("user", "user", "the end user is named to servers of the Chat protocol alone")
    if request.service_tier not in (None, "auto", "default", "standard_only"):
        ledger.dropped("service_tier", "service_tier", "the tier is told to servers of the Chat protocol alone")
    if request.parallel_tools is False and request.tools:
        ledger.dropped("parallel_tools", "parallel_tool_calls", "OpenCode lets the model call several tools at once")
    for extra in request.extras:
        _note_extra(extra.name, ledger)


def _note_extra(name: str, ledger: Ledger) -> None:
    ledger.dropped("extra_field", name, "a field that only the client's protocol has")


def _ask_for_json(found: Parameters, output: OutputFormat, *, passes_fields: bool, ledger: Ledger) -> None:
    if not passes_fields:
        ledger.emulated("json_by_tool", "response_format", "the answer is asked for as the arguments of a tool")
        schema: Any = {"type": "object"} if output.schema is None else output.schema
        found.output = {"type": "json_schema", "schema": schema}
        return
    if output.schema is None:
        found.options["response_format"] = {"type": "json_object"}
        return
    said = {"name": output.name or "answer", "schema": output.schema, "description": output.description}
    described: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if output.strict is not None:
        described["strict"] = output.strict
    found.options["response_format"] = {"type": "json_schema", "json_schema": described}


def _ask_for_thought(found: Parameters, request: Request, place: Place, ledger: Ledger) -> None:
    control, package = request.reasoning, place.package
    if package.budget and control.mode == "enabled" and control.budget is not None:
        found.options["thinking"] = {"type": "enabled", "budgetTokens": control.budget}
        _leave_room(found, control.budget, ledger)
        return
    wanted = _effort(control)
    if wanted is None:
        return
    model = place.model
    word = nearest(wanted, tuple(model.variants))
    if word is not None:
        found.variant = word.value
        if package.budget:
            _leave_room(found, _variant(model.variants[word.value]).thinking.budget_tokens, ledger)
    elif package.passes_fields and not model.variants and model.capabilities.reasoning:
        found.options["reasoningEffort"] = word = wanted
    elif model.capabilities.reasoning:
        ledger.dropped("reasoning_control", "reasoning", "OpenCode knows no such variant of the model")
    elif wanted is not Effort.NONE:
        ledger.dropped("reasoning_control", "reasoning", "OpenCode does not know that the model can think")
    if word is not None and word is not wanted:
        ledger.clamped("effort", "reasoning.effort", f"`{wanted.value}` becomes `{word.value}`")


def _leave_room(found: Parameters, budget: int, ledger: Ledger) -> None:
    """Take the tokens of thought off those of the answer: the package adds them up."""
    limit = found.params.get("maxOutputTokens")
    if limit is None:
        return
    if limit <= budget:
        ledger.clamped(
            "max_tokens", "max_tokens", f"`{limit}` becomes `{budget + 1}`: thought alone may take `{budget}`"
        )
    found.params["maxOutputTokens"] = max(limit - budget, 1)


def _leave_out_sampling(found: Parameters, place: Place, ledger: Ledger) -> None:
    if place.samples(thinks="thinking" in found.options or found.variant not in (None, Effort.NONE.value)):
        return
    for name, field in (("temperature", "temperature"), ("topP", "top_p"), ("topK", "top_k")):
        if found.params[name] is not None:
            ledger.dropped("sampling", field, "OpenCode's package leaves it out for a model that thinks")
            found.params[name] = None


def _effort(control: ReasoningControl) -> Effort | None:
    if control.effort is not None:
        return control.effort
    match control.mode:
        case "disabled":
            return Effort.NONE
        case "enabled" if control.budget is not None:
            return effort_for(control.budget)
        case _:
            return None
