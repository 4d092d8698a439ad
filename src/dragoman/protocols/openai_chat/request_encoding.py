"""A request in the IR to the body for an upstream.

https://platform.openai.com/docs/api-reference/chat/create

The same history always gives the same beginning: nothing in it depends on what comes later, on time or on chance.
"""

from typing import Any, Final

import msgspec

from dragoman.codec import Target
from dragoman.dialects import Dialect
from dragoman.ir.effort import effort_for, nearest
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, Extra, OutputFormat, ReasoningControl, Request, Sampling
from dragoman.protocols.openai_chat.losses import Tally
from dragoman.protocols.openai_chat.message_encoding import encode_messages
from dragoman.protocols.openai_chat.part_encoding import encode_cache
from dragoman.protocols.openai_chat.tool_encoding import encode_tools
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.vendors.openai.caching import SETTINGS
from dragoman.vendors.openai.formats import schema_fields, takes_json_mode, with_format_told

_TIERS: Final = {"standard_only": "default"}
"""Tiers that have other names here: Anthropic's."""

_UNTRANSLATED: Final = frozenset({"logprobs", "top_logprobs", "audio", "modalities"})
"""What this protocol's replies answer in fields that the IR does not have: only the raw lane can carry it."""

_LONGEST_USER: Final = 64
_MOST_STOPS: Final = 4
_DEFAULT_SAMPLING: Final = Sampling()
_NO_CONTROL: Final = ReasoningControl()


def encode_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the body for `target`. Raises UnsupportedError naming what it cannot do, RequestError for what nobody can."""
    tally = Tally(ledger)
    request = with_format_told(request, target.dialect, "response_format", tally)
    body: dict[str, Any] = {"model": target.model, "messages": encode_messages(request, target, tally)}
    if request.tools or request.tool_choice:
        body |= encode_tools(request, target, tally)
    body |= _encode_limit(request, target, tally)
    if request.sampling != _DEFAULT_SAMPLING:
        body |= _encode_sampling(request.sampling, target, tally)
    if request.reasoning != _NO_CONTROL:
        body |= _encode_reasoning(request.reasoning, target, tally)
    if request.output:
        body |= _encode_format(request.output, target, tally)
    body |= _encode_identity(request, target, tally)
    if request.stream:
        body["stream"] = True
        if target.dialect.stream_options:
            body["stream_options"] = {"include_usage": True}
    for extra in request.extras:
        if _is_carried(extra, target.dialect, tally) and extra.name not in body:
            body[extra.name] = extra.value
    tally.settle()
    return msgspec.json.encode(body)


def _encode_limit(request: Request, target: Target, tally: Tally) -> dict[str, Any]:
    limit = request.max_tokens
    if limit is None:
        return {}
    if limit == 0:
        raise UnsupportedError(
            "`max_tokens` is 0, and this model's server cannot answer with nothing", param="max_tokens"
        )
    if target.max_output is not None and limit > target.max_output:
        tally.add("max_tokens", "max_tokens", f"{limit} becomes {target.max_output}")
        limit = target.max_output
    return {target.dialect.max_tokens_field: limit}


def _encode_sampling(sampling: Sampling, target: Target, tally: Tally) -> dict[str, Any]:
    if sampling.candidates > 1:
        raise UnsupportedError("`n` is more than 1, and a translated reply holds one answer", param="n")
    dialect = target.dialect
    fields = {
        name: getattr(sampling, name)
        for name in ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty")
        if getattr(sampling, name) is not None
    }
    for name in ("temperature", "top_p", "top_k"):
        if name in fields and not dialect.sampling:
            tally.add("sampling", name, f"`{name}`")
            del fields[name]
    if "top_k" in fields and not dialect.top_k:
        tally.add("top_k", "top_k")
        del fields["top_k"]
    for name in ("frequency_penalty", "presence_penalty"):
        if name in fields and not dialect.penalties:
            tally.add("penalties", name, f"`{name}`")
            del fields[name]
    if sampling.seed is not None:
        if dialect.seed_field is None:
            tally.add("seed", "seed")
        else:
            fields[dialect.seed_field] = sampling.seed
    return fields | _encode_stop(sampling.stop, target, tally)


def _encode_stop(stop: tuple[str, ...], target: Target, tally: Tally) -> dict[str, Any]:
    if not stop:
        return {}
    if not target.dialect.stop:
        tally.add("stop_dropped", "stop")
        return {}
    if len(stop) > _MOST_STOPS:
        tally.add("stop", "stop")
    return {"stop": list(stop[:_MOST_STOPS])}


# Reasoning ----------------------------------------------------------------------------------------------------------------


def _encode_reasoning(control: ReasoningControl, target: Target, tally: Tally) -> dict[str, Any]:
    if control.mode == "disabled" or control.effort is Effort.NONE:
        return _encode_off(target, tally)
    if control.visible is False:
        tally.add("reasoning_display", "reasoning")
    effort: Effort | None = control.effort
    fields = _encode_on(control, target) if control.mode else {}
    if effort is None and control.budget is not None and "thinking_budget" not in fields:
        effort = effort_for(control.budget)
        tally.add("thinking_budget", "reasoning", f"{control.budget} becomes `{effort}`")
    if effort is None:
        if control.mode is not None and not fields:
            tally.add("reasoning_control", "reasoning", f"`{control.mode}`")
        return fields
    accepted = nearest(effort, target.dialect.efforts)
    if accepted is None:
        if not fields:
            tally.add("reasoning_control", "reasoning", f"effort `{effort}`")
        return fields
    if accepted is not effort and accepted != effort:
        tally.add("effort", "reasoning", f"`{effort}` becomes `{accepted}`")
    return {**fields, "reasoning_effort": str(accepted)}


def _encode_off(target: Target, tally: Tally) -> dict[str, Any]:
    """Say that there shall be no thinking: many models think unless told not to."""
    dialect = target.dialect
    match dialect.thinking_switch:
        case "thinking":
            return {"thinking": {"type": "disabled"}}
        case "enable_thinking":
            return {"enable_thinking": False}
        case _ if Effort.NONE in dialect.efforts:
            return {"reasoning_effort": "none"}
        case _:
            tally.add("reasoning_control", "reasoning", "off")
            return {}


def _encode_on(control: ReasoningControl, target: Target) -> dict[str, Any]:
    match target.dialect.thinking_switch:
        case "thinking":
            return {"thinking": {"type": "enabled"}}
        case "enable_thinking" if control.budget is not None:
            return {"enable_thinking": True, "thinking_budget": control.budget}
        case "enable_thinking":
            return {"enable_thinking": True}
        case _:
            return {}


# Format, identity, extras -------------------------------------------------------------------------------------------------


def _encode_format(output: OutputFormat, target: Target, tally: Tally) -> dict[str, Any]:
    if output.schema is not None and target.dialect.structured_output:
        schema = schema_fields(output, output.schema, "response_format", tally)
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if takes_json_mode(output, target.dialect) else {}


def _encode_identity(request: Request, target: Target, tally: Tally) -> dict[str, Any]:
    dialect = target.dialect
    fields: dict[str, Any] = {}
    if request.user is not None:
        # Claude Code's is JSON that holds device and account: neither short enough nor meant for others.
        if dialect.user_field is None or len(request.user) > _LONGEST_USER or request.user.startswith("{"):
            tally.add("user_id", "user")
        else:
            fields[dialect.user_field] = request.user
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier, request.service_tier)
        if tier in dialect.service_tiers:
            fields["service_tier"] = tier
        else:
            tally.add("service_tier", "service_tier", f"`{request.service_tier}`")
    if request.cache_key is not None:
        if dialect.prompt_cache_key:
            fields["prompt_cache_key"] = request.cache_key
        else:
            tally.add("cache_key", "prompt_cache_key")
    if request.cache is not None:
        if dialect.cache_control:
            fields["cache_control"] = encode_cache(request.cache)
        else:
            tally.add("cache_control", "cache_control")
    return fields


def _is_carried(extra: Extra, dialect: Dialect, tally: Tally) -> bool:
    """Tell whether a field goes on as it came. Raises UnsupportedError for one that may be neither carried nor left out."""
    is_own = extra.origin == ORIGIN
    if extra.matters and (not is_own or extra.name in _UNTRANSLATED):
        raise UnsupportedError(f"`{extra.name}` cannot be carried to this model", param=extra.name)
    if not is_own:
        tally.add("extra_field", extra.name, f"`{extra.name}`")
        return False
    if extra.name in SETTINGS and not dialect.prompt_cache_key:
        tally.add("cache_key", extra.name, f"`{extra.name}`")
        return False
    return True
