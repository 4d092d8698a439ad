"""A client's request to the IR. https://ai.google.dev/api/generate-content#request-body.

The path names the model and says whether to stream: neither is in the body.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Effort, Extra, Message, OutputFormat, ReasoningControl, Request, Sampling, Text
from dragoman.protocols.gemini_generate.contents import decode_contents, decode_system
from dragoman.protocols.gemini_generate.tool_decoding import decode_choice, decode_schema, decode_tools, items_of
from dragoman.protocols.gemini_generate.wire import (
    NAME,
    Amount,
    Body,
    CountBody,
    GenerationConfig,
    Number,
    ThinkingConfig,
    camel_cased,
    is_given,
    read_shape,
)
from dragoman.wire.carried import FLAG, OBJECT, WORD, Own, object_text, typed
from dragoman.wire.reading import join, read_with, require_text

_body: Final = msgspec.json.Decoder(Body)
_lenient_body: Final = msgspec.json.Decoder(Body, strict=False)
"""Reads numbers that are written as text, as protobuf does: https://protobuf.dev/programming-guides/json/."""
_count_body: Final = msgspec.json.Decoder(CountBody)

_LEVELS: Final = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
_TIERS: Final = {
    "": None,
    "service_tier_unspecified": None,
    "unspecified": None,
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
}

_ENUM: Final = msgspec.json.Decoder(str | int)
_ENUMS: Final = msgspec.json.Decoder(list[str | int] | str | int)
_ONE_OR_MORE: Final = msgspec.json.Decoder(list[dict[str, Any]] | dict[str, Any])
"""Protobuf takes a number for a word of an enumeration, and one value for a list of one."""

_OWN_FIELDS: Final = {
    "safety_settings": Own(_ONE_OR_MORE),
    "cached_content": Own(WORD, lambda _: True),
    "labels": Own(msgspec.json.Decoder(dict[str, str])),
    "store": Own(FLAG),
    "continuation_token": Own(WORD, lambda _: True),
}
_OWN_SETTINGS: Final = {
    "response_logprobs": Own(FLAG, lambda value: value == b"true"),
    "logprobs": Own(msgspec.json.Decoder(Amount, strict=False), lambda value: value.strip(b'"') != b"0"),
    "response_modalities": Own(_ENUMS, lambda value: b"IMAGE" in value.upper() or b"AUDIO" in value.upper()),
    "response_format": Own(_ONE_OR_MORE, lambda _: True),
    "media_resolution": Own(_ENUM),
    "speech_config": Own(OBJECT, lambda _: True),
    "image_config": Own(OBJECT),
    "audio_timestamp": Own(FLAG),
    "audio_transcription_config": Own(OBJECT),
    "translation_config": Own(OBJECT),
    "enable_affective_dialog": Own(FLAG),
    "enable_enhanced_civic_answers": Own(FLAG),
    "routing_config": Own(OBJECT),
    "model_selection_config": Own(OBJECT),
}
"""Of `generationConfig`."""


def decode_request(body: bytes, ledger: Ledger) -> Request:
    """Return the request that `body` is. Raises RequestError naming the field that is wrong."""
    extras: list[Extra] = []

    def keep(path: str, value: Raw) -> None:
        if "." in path or "[" in path:
            ledger.dropped(
                "unknown_field", path, "the gateway does not know this field, so no other protocol can carry it"
            )
        elif is_given(value):
            extras.append(Extra(NAME, path, value))

    require_text(body)
    fields = read_with(_body, body, "", keep, camel_cased, _lenient_body)
    config = fields.generation_config or GenerationConfig()
    messages = decode_contents(items_of(fields.contents, "contents", ledger), ledger)
    if not any(message.blocks for message in messages):
        raise RequestError("`contents` must hold at least one content with parts", param="contents")
    choice = decode_choice(fields.tool_config, extras)
    return Request(
        "",
        messages,
        system=decode_system(fields.system_instruction, ledger),
        tools=decode_tools(fields.tools, ledger),
        tool_choice=choice,
        max_tokens=_whole(config.max_output_tokens),
        sampling=_sampling(config),
        reasoning=_reasoning(config.thinking_config),
        output=_output(config, extras),
        service_tier=None if fields.service_tier is None else _tier(fields.service_tier),
        extras=(*_own(fields, config), *extras),
    )


def decode_count(body: bytes, ledger: Ledger) -> Request:
    """Return the request whose tokens are to be counted: contents alone, or a whole request within the body."""
    require_text(body)
    fields = read_shape(_count_body, Raw(body), "", ledger)
    if is_given(fields.generate_content_request):
        return _decode_within(fields.generate_content_request, "generateContentRequest", ledger)
    messages: tuple[Message, ...] = decode_contents(items_of(fields.contents, "contents", ledger), ledger)
    system: tuple[Text, ...] = decode_system(fields.system_instruction, ledger)
    return Request("", messages, system=system, tools=decode_tools(fields.tools, ledger))


def _decode_within(raw: Raw, path: str, ledger: Ledger) -> Request:
    """Return the request at `path` in a body; what is wrong with it is named from the body on."""
    object_text(raw, path)
    try:
        return decode_request(bytes(raw), ledger)
    except RequestError as error:
        failure = error.failure
        inner = failure.param or "body"
        where = join(path, failure.param or "")
        message = failure.message.replace(f"`{inner}", f"`{where}")
        error.failure = msgspec.structs.replace(failure, param=where, message=message)
        raise


def _own(fields: Body, config: GenerationConfig) -> Iterator[Extra]:
    for holder, known, prefix in ((fields, _OWN_FIELDS, ""), (config, _OWN_SETTINGS, "generationConfig.")):
        for name, own in known.items():
            value: Raw = getattr(holder, name)
            if is_given(value):
                written = prefix + camel_cased(name)
                yield Extra(NAME, written, typed(value, own.type, written), own.matters(bytes(value)))


def _sampling(config: GenerationConfig) -> Sampling:
    stop = config.stop_sequences
    return Sampling(
        config.temperature,
        config.top_p,
        _whole(config.top_k),
        (stop,) if isinstance(stop, str) else tuple(stop or ()),
        _whole(config.seed),
        config.frequency_penalty,
        config.presence_penalty,
        _whole(config.candidate_count) or 1,
    )


def _whole(number: Number | None) -> int | None:
    return None if number is None else int(number)


def _reasoning(thinking: ThinkingConfig | None) -> ReasoningControl:
    if thinking is None:
        return ReasoningControl()
    level = (thinking.thinking_level or "").upper()
    effort = _LEVELS.get(level)
    if level not in ("", "THINKING_LEVEL_UNSPECIFIED") and effort is None:
        path = "generationConfig.thinkingConfig.thinkingLevel"
        raise RequestError(f"`{path}` is `{thinking.thinking_level}`", param=path, hint=", ".join(_LEVELS))
    budget, visible = _whole(thinking.thinking_budget), thinking.include_thoughts
    if budget is None:
        return ReasoningControl(None, None, effort, visible)
    mode: Literal["enabled", "adaptive", "disabled"] = (
        "disabled" if budget == 0 else "adaptive" if budget < 0 else "enabled"
    )
    return ReasoningControl(mode, budget if budget > 0 else None, effort, visible)


def _tier(word: str) -> str | None:
    if word.lower() not in _TIERS:
        raise RequestError(f"`serviceTier` is `{word}`", param="serviceTier", hint="standard, flex, priority")
    return _TIERS[word.lower()]


def _output(config: GenerationConfig, extras: list[Extra]) -> OutputFormat | None:
    path = "generationConfig"
    kind = config.response_mime_type
    if kind not in (None, "", "text/plain", "application/json"):
        # A bare word of an enumeration, say: no other protocol has that.
        extras.append(Extra(NAME, f"{path}.responseMimeType", Raw(msgspec.json.encode(kind)), matters=True))
        if is_given(config.response_schema):
            extras.append(Extra(NAME, f"{path}.responseSchema", config.response_schema))
        return None
    if is_given(config.response_json_schema):
        return OutputFormat(decode_schema(config.response_json_schema, f"{path}.responseJsonSchema"))
    if is_given(config.response_schema):
        return OutputFormat(decode_schema(config.response_schema, f"{path}.responseSchema"))
    return OutputFormat() if kind == "application/json" else None
