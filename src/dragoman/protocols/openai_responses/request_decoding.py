"""A client's request in Responses to the IR. https://platform.openai.com/docs/api-reference/responses/create.

Items are decoded one by one. `instructions`, and system and developer messages at the beginning, become the request's
system; later ones keep their place. What the model said in a row (thought, words, calls) is one message.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Block,
    Effort,
    Extra,
    Foreign,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Text,
)
from dragoman.protocols.openai_responses.item_decoding import ItemReader
from dragoman.protocols.openai_responses.sealing import received
from dragoman.protocols.openai_responses.tool_decoding import decode_choice, decode_tools
from dragoman.protocols.openai_responses.wire import (
    ORIGIN,
    Body,
    Count,
    ReasoningOptions,
    TextFormat,
    TextOptions,
    is_given,
)
from dragoman.wire.carried import ANYTHING, FLAG, OBJECT, OBJECTS, WORD, Own, typed
from dragoman.wire.reading import read_with, require_text

ENCRYPTED: Final = "reasoning.encrypted_content"

_BODY: Final = msgspec.json.Decoder(Body)
_REASONING: Final = msgspec.json.Decoder(ReasoningOptions)
_TEXT: Final = msgspec.json.Decoder(TextOptions)

_INSTRUCTIONS: Final = (Role.SYSTEM, Role.DEVELOPER)
_LOGPROBS: Final = "message.output_text.logprobs"

_COUNT: Final = msgspec.json.Decoder(Count)
_OWN_FIELDS: Final = {
    "background": Own(FLAG, lambda _: True),
    "conversation": Own(msgspec.json.Decoder(str | dict[str, Any]), lambda _: True),
    "prompt": Own(OBJECT, lambda _: True),
    "top_logprobs": Own(_COUNT, lambda _: True),
    "max_tool_calls": Own(_COUNT),
    "truncation": Own(msgspec.json.Decoder(Literal["auto", "disabled"])),
    "context_management": Own(OBJECTS),
    "moderation": Own(OBJECT),
    "access_programs": Own(ANYTHING),
    "image": Own(ANYTHING),
    "prompt_cache_options": Own(OBJECT),
    "prompt_cache_retention": Own(WORD),
    "stream_options": Own(OBJECT),
    "metadata": Own(msgspec.json.Decoder(dict[str, str])),
    "client_metadata": Own(OBJECT),
    "personality": Own(ANYTHING),
}
"""Fields that only this protocol has."""

_SAYING_NOTHING: Final = {
    "background": b"false",
    "top_logprobs": b"0",
    "truncation": b'"disabled"',
    "metadata": b"{}",
}
"""Values that are the same as none."""

_ECHOED: Final = (
    "tool_choice",
    "reasoning",
    "text",
    "metadata",
    "max_tool_calls",
    "top_logprobs",
    "truncation",
    "prompt_cache_retention",
)
_ECHOED_PLAIN: Final = (
    "instructions",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "max_output_tokens",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "user",
    "store",
)
_own_values: Final = attrgetter(*_OWN_FIELDS)
_echoed_values: Final = attrgetter(*_ECHOED)
_plain_values: Final = attrgetter(*_ECHOED_PLAIN)


def decode_request(data: bytes, ledger: Ledger) -> Request:
    """Return the request in the IR. Raises RequestError naming the field that is wrong.

    `previous_response_id` and references to items are resolved before; what is left of them refers to nothing.
    """
    request = decode_count(data, ledger)
    if not request.messages and not any(extra.name == "prompt" for extra in request.extras):
        raise RequestError("`input` must hold at least one message", param="input")
    return request


def decode_count(data: bytes, ledger: Ledger) -> Request:
    """Return what is to be counted: it may be instructions and tools alone."""
    require_text(data)
    unknown: list[Extra] = []

    def keep(path: str, value: Raw) -> None:
        if "." in path or "[" in path:
            ledger.dropped(
                "unknown_field", path, "the gateway does not know this field, so no other protocol can carry it"
            )
        elif is_given(value):
            unknown.append(Extra(ORIGIN, path, value))

    body = read_with(_BODY, data, "", keep)
    if body.previous_response_id is not None:
        raise previous_not_found(body.previous_response_id)
    reader = ItemReader(keep, received)
    system, messages = _decode_input(body, reader)
    options = read_with(_TEXT, body.text, "text", keep) if is_given(body.text) else TextOptions()
    extras: list[Extra] = []
    return Request(
        model=body.model,
        messages=messages,
        system=system,
        tools=decode_tools(body.tools or (), reader.tools, ledger),
        tool_choice=decode_choice(body.tool_choice, keep),
        parallel_tools=body.parallel_tool_calls,
        max_tokens=body.max_output_tokens,
        sampling=Sampling(body.temperature, body.top_p),
        reasoning=_decode_reasoning(body.reasoning, keep, extras),
        output=_decode_format(options.format),
        stream=bool(body.stream),
        user=body.user if body.safety_identifier is None else body.safety_identifier,
        service_tier=body.service_tier,
        cache_key=body.prompt_cache_key,
        extras=(*_own_extras(body, options), *extras, *unknown),
        echo=tuple(_echo(body)),
    )


def previous_not_found(id: str) -> DragomanError:
    """Return the error for a reply that nobody remembers."""
    return DragomanError(
        Failure(
            FailureKind.INVALID_REQUEST,
            f"Previous response with id '{id}' not found.",
            code="previous_response_not_found",
            param="previous_response_id",
            hint="send the whole conversation: the gateway remembers only what it answered a while ago",
        )
    )


# The input ----------------------------------------------------------------------------------------------------------------


def _decode_input(body: Body, reader: ItemReader) -> tuple[tuple[Text | Foreign, ...], tuple[Message, ...]]:
    instructions: list[tuple[Role, tuple[Block, ...]]] = []
    if isinstance(body.instructions, str):
        instructions.append((Role.SYSTEM, (Text(body.instructions),)))
    else:
        instructions += (
            reader.read(raw, f"instructions[{place}]") for place, raw in enumerate(body.instructions or ())
        )
    said = list(instructions)
    if isinstance(body.input, str):
        said.append((Role.USER, (Text(body.input),)))
    else:
        said += (reader.read(raw, f"input[{place}]") for place, raw in enumerate(body.input or ()))
    first = next((place for place, (role, _) in enumerate(said) if role not in _INSTRUCTIONS), len(said))
    first = first if first < len(said) else len(instructions)
    system = tuple(block for _, blocks in said[:first] for block in blocks if isinstance(block, Text | Foreign))
    return system, tuple(_messages(said[first:]))


def _messages(said: Sequence[tuple[Role, tuple[Block, ...]]]) -> Iterator[Message]:
    """Yield a message for each item, but one for all that the model said in a row: its thought belongs to what follows it."""
    spoken: list[Block] = []
    for role, blocks in said:
        if role is Role.ASSISTANT:
            if spoken and _begins_anew(blocks) and not isinstance(spoken[-1], Reasoning):
                yield Message(Role.ASSISTANT, tuple(spoken))
                spoken = []
            spoken += blocks
            continue
        if spoken:
            yield Message(Role.ASSISTANT, tuple(spoken))
            spoken = []
        if blocks:
            yield Message(role, blocks)
    if spoken:
        yield Message(Role.ASSISTANT, tuple(spoken))


def _begins_anew(blocks: Sequence[Block]) -> bool:
    return bool(blocks) and isinstance(blocks[0], Text | Reasoning)


# Settings -----------------------------------------------------------------------------------------------------------------


def _decode_reasoning(raw: Raw, unknown: Callable[[str, Raw], None], extras: list[Extra]) -> ReasoningControl:
    if not is_given(raw):
        return ReasoningControl()
    options = read_with(_REASONING, raw, "reasoning", unknown)
    extras += (
        Extra(ORIGIN, f"reasoning.{name}", typed(value, WORD, f"reasoning.{name}"))
        for name in ("context", "mode")
        if is_given(value := getattr(options, name))
    )
    summary = options.summary or options.generate_summary
    if summary is not None and summary != "auto":
        extras.append(Extra(ORIGIN, "reasoning.summary", Raw(msgspec.json.encode(summary))))
    mode: Literal["disabled"] | None = "disabled" if options.effort is Effort.NONE else None
    return ReasoningControl(mode, None, options.effort, True if summary else None)


def _decode_format(text_format: TextFormat | None) -> OutputFormat | None:
    if text_format is None or text_format.type == "text":
        return None
    if text_format.type == "json_object":
        return OutputFormat()
    if not bytes(text_format.schema).lstrip().startswith(b"{"):
        problem = "Expected `object`" if is_given(text_format.schema) else "Field required"
        raise RequestError(f"`text.format.schema`: {problem}", param="text.format.schema")
    return OutputFormat(text_format.schema, text_format.name, text_format.description, bool(text_format.strict), ORIGIN)


def _own_extras(body: Body, options: TextOptions) -> Iterator[Extra]:
    values = _own_values(body)
    for name, value in compress(zip(_OWN_FIELDS, values, strict=True), values):
        if is_given(value) and bytes(value) != _SAYING_NOTHING.get(name):
            own = _OWN_FIELDS[name]
            yield Extra(ORIGIN, name, typed(value, own.type, name), own.matters(bytes(value)))
    if is_given(options.verbosity):
        yield Extra(ORIGIN, "text.verbosity", typed(options.verbosity, WORD, "text.verbosity"))
    include = [name for name in body.include or () if name != ENCRYPTED]
    if include:
        yield Extra(ORIGIN, "include", Raw(msgspec.json.encode(include)), _LOGPROBS in include)


def _echo(body: Body) -> Iterator[Extra]:
    values = _echoed_values(body)
    for name, value in compress(zip(_ECHOED, values, strict=True), values):
        if is_given(value):
            yield Extra(ORIGIN, name, value)
    for name, plain in zip(_ECHOED_PLAIN, _plain_values(body), strict=True):
        if plain is not None:
            yield Extra(ORIGIN, name, Raw(msgspec.json.encode(plain)))
    if body.tools:
        yield Extra(ORIGIN, "tools", Raw(b"[%b]" % b",".join(map(bytes, body.tools))))
