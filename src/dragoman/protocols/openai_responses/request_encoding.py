"""A request in the IR to the body for an upstream. https://platform.openai.com/docs/api-reference/responses/create.

Nothing is left to be kept by the upstream (`store: false`): the gateway's clients send their history each time, and reasoning
comes back encrypted, to be sent again.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.effort import effort_for, nearest
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, OutputFormat, ReasoningControl, Request, Sampling
from dragoman.protocols.openai_responses.item_encoding import encode_items, encode_system
from dragoman.protocols.openai_responses.losses import Notes
from dragoman.protocols.openai_responses.request_decoding import ENCRYPTED
from dragoman.protocols.openai_responses.tool_encoding import encode_tools
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.vendors.openai.caching import SETTINGS
from dragoman.vendors.openai.formats import schema_fields, takes_json_mode, with_format_told

Wire = dict[str, Any]

_TIERS: Final = {
    "auto": "auto",
    "standard_only": "default",  # Anthropic's
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
    "scale": "scale",
}
_LEAST_TOKENS: Final = 16
"""Less is a 400."""
_LONGEST_USER: Final = 64
_SHARED: Final = {
    "verbosity": "text.verbosity",
    "metadata": "metadata",
    "moderation": "moderation",
    "prompt_cache_options": "prompt_cache_options",
    "prompt_cache_retention": "prompt_cache_retention",
}
"""Fields of the vendor's other protocol, and where they stand in this one."""
_SIBLING: Final = "openai-chat"
_UNTRANSLATED: Final = frozenset({"background", "conversation", "prompt", "top_logprobs"})
"""What cannot go through the IR even between two that speak this protocol: only the raw lane carries it."""

_DEFAULT_SAMPLING: Final = Sampling()
_names_of: Final = msgspec.json.Decoder(list[str]).decode


def encode_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the body for `target`. Raises UnsupportedError naming what it cannot do, RequestError for what nobody can."""
    notes = Notes(ledger)
    request = with_format_told(request, target.dialect, "text.format", notes)
    body = _encode_head(request, target, notes)
    body |= _encode_limit(request, target, notes)
    body |= _encode_sampling(request.sampling, target, notes)
    body |= _encode_identity(request, target, notes)
    body["store"] = False
    if target.dialect.encrypted_reasoning:
        body["include"] = [ENCRYPTED]
    if request.stream:
        body["stream"] = True
    _add_extras(body, request, target, notes)
    body["input"] = encode_items(request, target, notes)  # last, so that a longer history is a longer body
    return msgspec.json.encode(body)


def encode_count_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the body that asks `target` for the tokens of a request: nothing that only has to do with the reply."""
    notes = Notes(ledger)
    request = with_format_told(request, target.dialect, "text.format", notes)
    return msgspec.json.encode({**_encode_head(request, target, notes), "input": encode_items(request, target, notes)})


def _encode_head(request: Request, target: Target, notes: Notes) -> Wire:
    """Return the fields beside the input that the model gets to read."""
    body: Wire = {"model": target.model}
    if (instructions := encode_system(request, notes)) is not None:
        body["instructions"] = instructions
    body |= encode_tools(request, target, notes)
    body |= _encode_reasoning(request.reasoning, target, notes)
    body |= _encode_format(request.output, target, notes)
    return body


def _encode_limit(request: Request, target: Target, notes: Notes) -> Wire:
    limit = request.max_tokens
    if limit is None:
        return {}
    if limit == 0:
        raise UnsupportedError(
            "`max_tokens` is 0, and this model's server cannot answer with nothing", param="max_tokens"
        )
    fitting = max(limit, _LEAST_TOKENS)
    if target.max_output is not None:
        fitting = min(fitting, target.max_output)
    if fitting != limit:
        notes.add("max_tokens", "max_tokens", f"{limit} becomes {fitting}")
    return {"max_output_tokens": fitting}


def _encode_sampling(sampling: Sampling, target: Target, notes: Notes) -> Wire:
    if sampling == _DEFAULT_SAMPLING:
        return {}
    if sampling.candidates > 1:
        raise UnsupportedError("`n` is more than 1, and Responses gives one answer", param="n")
    for name in ("top_k", "seed", "frequency_penalty", "presence_penalty"):
        if getattr(sampling, name):
            notes.add("sampling_field", name, f"`{name}`")
    if sampling.stop:
        notes.add("stop_cut", "stop")
    given = {name: value for name in ("temperature", "top_p") if (value := getattr(sampling, name)) is not None}
    if given and not target.dialect.sampling:
        for name in given:
            notes.add("sampling", name, f"`{name}`")
        return {}
    return given


def _encode_reasoning(control: ReasoningControl, target: Target, notes: Notes) -> Wire:
    dialect = target.dialect
    is_off = control.mode == "disabled" or control.effort is Effort.NONE
    effort = Effort.NONE if is_off else control.effort
    if effort is None and control.budget is not None:
        effort = effort_for(control.budget)
        notes.add("thinking_budget", "reasoning", f"{control.budget} becomes `{effort}`")
    fields: Wire = {}
    if effort is not None:
        # Where it cannot be switched off, the least there is comes nearest.
        accepted = nearest(effort, dialect.efforts) or (nearest(Effort.MINIMAL, dialect.efforts) if is_off else None)
        if accepted is None:
            notes.add("reasoning_control", "reasoning", f"effort `{effort}`")
        else:
            if accepted != effort:
                notes.add("effort", "reasoning", f"`{effort}` becomes `{accepted}`")
            fields["effort"] = str(accepted)
    asks = effort is not None or control.mode is not None or control.visible
    if asks and not is_off and control.visible is not False and dialect.reasoning_summaries:
        fields["summary"] = "auto"
    return {"reasoning": fields} if fields else {}


def _encode_format(output: OutputFormat | None, target: Target, notes: Notes) -> Wire:
    if output is None:
        return {}
    if output.schema is not None and target.dialect.structured_output:
        fields = schema_fields(output, output.schema, "text.format", notes)
        return {"text": {"format": {"type": "json_schema", **fields}}}
    return {"text": {"format": {"type": "json_object"}}} if takes_json_mode(output, target.dialect) else {}


def _encode_identity(request: Request, target: Target, notes: Notes) -> Wire:
    dialect = target.dialect
    fields: Wire = {}
    if request.user is not None:
        # Claude Code's is JSON that holds device and account: neither short enough nor meant for others.
        if dialect.user_field is None or len(request.user) > _LONGEST_USER or request.user.startswith("{"):
            notes.add("user_id", "user")
        else:
            fields[dialect.user_field] = request.user
    if request.service_tier is not None:
        if request.service_tier in _TIERS:
            fields["service_tier"] = _TIERS[request.service_tier]
        else:
            notes.add("service_tier", "service_tier", f"`{request.service_tier}`")
    if request.cache_key is not None:
        if dialect.prompt_cache_key:
            fields["prompt_cache_key"] = request.cache_key
        else:
            notes.add("cache_key", "prompt_cache_key")
    if request.cache is not None:
        notes.add("cache_control", "cache_control")
    return fields


# Extras -------------------------------------------------------------------------------------------------------------------


def _add_extras(body: Wire, request: Request, target: Target, notes: Notes) -> None:
    """Put this protocol's own fields back where they were, and the sibling's where they belong; `a.b` stands in `a`."""
    for extra in request.extras:
        name = extra.name if extra.origin == ORIGIN else _SHARED.get(extra.name) if extra.origin == _SIBLING else None
        if extra.matters and (name is None or name in _UNTRANSLATED):
            raise UnsupportedError(f"`{extra.name}` cannot be carried to this model", param=extra.name)
        if name is None:
            notes.add("extra_field", extra.name, f"`{extra.name}`")
        elif name in SETTINGS and not target.dialect.prompt_cache_key:
            notes.add("cache_key", extra.name, f"`{extra.name}`")
        elif name == "include":
            body["include"] = [*body.get("include", ()), *_names_of(extra.value)]
        else:
            _put(body, name, extra.value)


def _put(body: Wire, name: str, value: Raw) -> None:
    holder, _, field = name.rpartition(".")
    place = body.setdefault(holder, {}) if holder else body
    place[field] = value
