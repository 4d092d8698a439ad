"""Requests from the IR to the wire. https://ai.google.dev/api/generate-content#request-body."""

from typing import Any, Final

import msgspec

from dragoman.codec import Target
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import OutputFormat, Request
from dragoman.protocols.gemini_generate.content_encoding import ContentWriter
from dragoman.protocols.gemini_generate.history import arrange
from dragoman.protocols.gemini_generate.thinking import encode_thinking
from dragoman.protocols.gemini_generate.tool_encoding import encode_choice, encode_schema, encode_tools
from dragoman.protocols.gemini_generate.wire import GREATEST, NAME

Json = dict[str, Any]
_MOST_STOPS: Final = 5
_TIERS: Final = {
    "default": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_SAMPLING: Final = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("frequency_penalty", "frequencyPenalty"),
    ("presence_penalty", "presencePenalty"),
)
_REFUSED: Final = frozenset({"temperature", "top_p", "top_k"})
"""What models that take no sampling settings refuse."""
_UNTRANSLATED: Final = frozenset({"generationConfig.responseLogprobs", "generationConfig.logprobs"})
"""What replies answer in fields that the IR does not have: only the raw lane can carry it."""


_JSON_SCHEMA: Final = "Answer with JSON that fits this JSON Schema and with nothing else, no code fence either:\n"


def encode_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the body for `target`, whose path names the model. Raises UnsupportedError for what may not be left out silently."""
    if not request.messages:
        raise RequestError("`messages` must hold at least one message", param="messages")
    if request.sampling.candidates > 1:
        raise UnsupportedError("`n` is more than 1, and a translated reply holds one answer", param="n")
    system, turns = arrange(request, ledger)
    writer = ContentWriter(target, ledger)
    contents = [writer.write(turn) for turn in turns]
    tools = encode_tools(request, target, ledger)
    choice = encode_choice(request, target, ledger, has_tools=bool(tools))
    config = _limit(request, target, ledger) | _sampling(request, target, ledger)
    config |= _format(request.output, target, system, ledger)
    if thinking := encode_thinking(request.reasoning, target, ledger):
        config["thinkingConfig"] = thinking
    body: Json = {}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if tools:
        body["tools"] = tools
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": choice}
    if config:
        body["generationConfig"] = config
    if tier := _tier(request, ledger):
        body["serviceTier"] = tier
    _note_identity(request, ledger)
    _add_extras(body, request, ledger)
    body["contents"] = contents  # last, so that a longer history is a longer body with the same beginning
    return msgspec.json.encode(body)


def encode_count_request(request: Request, target: Target, ledger: Ledger) -> bytes:
    """Return the request for its tokens to be counted. https://ai.google.dev/api/tokens#method:-models.counttokens."""
    name = target.model if "/" in target.model else f"models/{target.model}"
    body = msgspec.json.decode(encode_request(request, target, ledger), type=dict[str, msgspec.Raw])
    return msgspec.json.encode({"generateContentRequest": {"model": name, **body}})


def _limit(request: Request, target: Target, ledger: Ledger) -> Json:
    limit = request.max_tokens
    if limit is None:
        return {}
    if limit == 0:
        raise UnsupportedError("`max_tokens` is 0, and the model cannot answer with nothing", param="max_tokens")
    most = GREATEST if target.max_output is None else target.max_output
    if limit > most:
        ledger.clamped("max_tokens", "max_tokens", f"the model gives {most} tokens at most")
        limit = most
    return {"maxOutputTokens": limit}


def _sampling(request: Request, target: Target, ledger: Ledger) -> Json:
    sampling = request.sampling
    config: Json = {}
    for name, written in _SAMPLING:
        value = getattr(sampling, name)
        if value is None:
            continue
        if name in _REFUSED and not target.dialect.sampling:
            ledger.dropped("sampling", name, "the model takes no sampling settings")
        else:
            config[written] = value
    if "seed" in config:
        config["seed"] = _seed(config["seed"], ledger)
    if sampling.stop:
        if len(sampling.stop) > _MOST_STOPS:
            ledger.dropped("stop", "stop", f"{_MOST_STOPS} stop sequences are allowed", changes_meaning=True)
        config["stopSequences"] = sampling.stop[:_MOST_STOPS]
    return config


def _seed(seed: int, ledger: Ledger) -> int:
    """Return a seed that fits: folded, a large one still gives the same answer each time."""
    if -GREATEST <= seed <= GREATEST:
        return seed
    ledger.degraded("seed", "seed", f"it is folded into the numbers up to {GREATEST}")
    return seed % GREATEST


def _format(output: OutputFormat | None, target: Target, system: list[str], ledger: Ledger) -> Json:
    """Return the form of the answer; a schema that the model does not take is told at the end of the system instruction."""
    if output is None:
        return {}
    config: Json = {"responseMimeType": "application/json"}
    if output.schema is None:
        return config
    if not target.dialect.structured_output:
        ledger.emulated("json_schema", "response_format", "asked for in the system instruction")
        system.append(_JSON_SCHEMA + str(output.schema, "utf-8"))
        return config
    names = ("responseJsonSchema", "responseSchema")
    return config | encode_schema(output.schema, names, "response_format", target, ledger)


def _tier(request: Request, ledger: Ledger) -> str | None:
    tier = request.service_tier
    if tier is None or tier == "auto":
        return None
    if tier not in _TIERS:
        ledger.dropped("service_tier", "service_tier", f"there is no tier `{tier}`")
    return _TIERS.get(tier)


def _note_identity(request: Request, ledger: Ledger) -> None:
    if request.user is not None:
        ledger.dropped("user_id", "user", "the API takes no end user's id")
    if request.cache_key is not None:
        ledger.dropped("cache_key", "prompt_cache_key", "there is no such setting")
    if request.cache is not None:
        ledger.dropped("cache_breakpoint", "cache_control", "Google's servers cache prefixes by themselves")


def _add_extras(body: Json, request: Request, ledger: Ledger) -> None:
    """Put Google's own fields back where they were; `a.b` stood in `a`."""
    for extra in request.extras:
        if extra.origin != NAME or extra.name in _UNTRANSLATED:
            if extra.matters:
                raise UnsupportedError(f"`{extra.name}` cannot be carried to this model", param=extra.name)
            ledger.dropped("extra_field", extra.name, f"only {extra.origin} has it")
            continue
        *parents, name = extra.name.split(".")
        holder: Any = body
        for parent in parents:
            holder = holder.setdefault(parent, {})
        holder[name] = extra.value
