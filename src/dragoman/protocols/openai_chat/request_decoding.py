"""A client's request in Chat to the IR.

https://platform.openai.com/docs/api-reference/chat/create

Messages and tools are decoded one by one, independent of each other. System and developer messages at the beginning
become the request's system; later ones keep their place.
"""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Block,
    Effort,
    Extra,
    Foreign,
    Message,
    OutputFormat,
    ReasoningControl,
    Refusal,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.protocols.openai_chat.part_decoding import (
    cache_from,
    decode_image,
    decode_parts,
    decode_result,
    with_cache,
)
from dragoman.protocols.openai_chat.reasoning import decode_call_seal, decode_history
from dragoman.protocols.openai_chat.reply_decoding import decode_citation
from dragoman.protocols.openai_chat.tool_decoding import decode_choice, decode_tools, forbids_parallel
from dragoman.protocols.openai_chat.wire import (
    ORIGIN,
    AssistantMessage,
    Body,
    Count,
    DeveloperMessage,
    FunctionCall,
    FunctionMessage,
    ReasoningOptions,
    ResponseFormat,
    SystemMessage,
    ToolCallPart,
    ToolMessage,
    UserMessage,
    WireMessage,
    is_given,
)
from dragoman.protocols.openai_chat.wire_replies import Picture
from dragoman.wire.carried import FLAG, OBJECT, WORD, WORDS, Own, typed
from dragoman.wire.reading import read, read_with, require_text

_BODY: Final = msgspec.json.Decoder(Body)
_MESSAGE: Final[msgspec.json.Decoder[WireMessage]] = msgspec.json.Decoder(WireMessage)
_ANNOTATIONS: Final[msgspec.json.Decoder[list[Raw]]] = msgspec.json.Decoder(list[Raw])
_PICTURES: Final[msgspec.json.Decoder[list[Picture]]] = msgspec.json.Decoder(list[Picture])

_INSTRUCTIONS: Final = (Role.SYSTEM, Role.DEVELOPER)

_OWN_FIELDS: Final = {
    "audio": Own(OBJECT, lambda _: True),
    "modalities": Own(WORDS, lambda value: b"audio" in value or b"image" in value),
    "logprobs": Own(FLAG, lambda value: value == b"true"),
    "top_logprobs": Own(msgspec.json.Decoder(Count), lambda value: value != b"0"),
    "prediction": Own(OBJECT),
    "logit_bias": Own(msgspec.json.Decoder(dict[str, float])),
    "store": Own(FLAG),
    "metadata": Own(OBJECT),
    "verbosity": Own(WORD),
    "moderation": Own(OBJECT),
    "prompt_cache_options": Own(OBJECT),
    "prompt_cache_retention": Own(WORD),
}
"""Fields that only this protocol has."""
_own_values: Final = attrgetter(*_OWN_FIELDS)
_reasoning_values: Final = attrgetter("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget")
_UNSAID: Final = (None,) * 5
_NO_CONTROL: Final = ReasoningControl()


def decode_request(data: bytes, ledger: Ledger) -> Request:
    """Return the request in the IR. Raises RequestError naming the field that is wrong."""
    unknown: list[Extra] = []

    def keep(path: str, value: Raw) -> None:
        if "." in path or "[" in path:
            ledger.dropped(
                "unknown_field", path, "the gateway does not know this field, so no other protocol can carry it"
            )
        elif is_given(value):
            unknown.append(Extra(ORIGIN, path, value))

    require_text(data)
    body = read_with(_BODY, data, "", keep)
    system, messages = _decode_messages(body, ledger)
    return Request(
        model=body.model,
        messages=messages,
        system=system,
        tools=decode_tools(body, ledger),
        tool_choice=decode_choice(body),
        parallel_tools=False if forbids_parallel(body) else body.parallel_tool_calls,
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        sampling=_decode_sampling(body),
        reasoning=_decode_reasoning(body),
        output=_decode_format(body.response_format) if body.response_format else None,
        stream=bool(body.stream),
        wants_usage=not body.stream or bool(body.stream_options and body.stream_options.include_usage),
        user=body.user if body.safety_identifier is None else body.safety_identifier,
        service_tier=body.service_tier,
        cache_key=body.prompt_cache_key,
        cache=cache_from(body.cache_control),
        extras=(*_own_extras(body), *unknown),
    )


# Messages -----------------------------------------------------------------------------------------------------------------


def _decode_messages(body: Body, ledger: Ledger) -> tuple[tuple[Text | Foreign, ...], tuple[Message, ...]]:
    """Return the system and the messages behind it, of which there is always at least one."""
    if not body.messages:
        raise _no_messages(body)
    messages = [
        _decode_message(read(_MESSAGE, raw, f"messages[{index}]", ledger), index)
        for index, raw in enumerate(body.messages)
    ]
    first = 0
    while first < len(messages) and messages[first].role in _INSTRUCTIONS:
        first += 1
    if first == len(messages):  # there is nothing but instructions: then they are what is said
        first = 0
    system = [block for message in messages[:first] for block in message.blocks if isinstance(block, Text | Foreign)]
    return tuple(system), tuple(messages[first:])


def _no_messages(body: Body) -> RequestError:
    if is_given(body.input):
        return RequestError(
            "`input` without `messages` is the body of a Responses request",
            param="input",
            hint="Responses bodies belong to /v1/responses; send `messages` here",
        )
    return RequestError("`messages` must hold at least one message", param="messages")


def _decode_message(message: WireMessage, index: int) -> Message:
    path = f"messages[{index}].content"
    name = message.name
    match message:
        case UserMessage():
            role, blocks = Role.USER, decode_parts(message.content, path)
        case AssistantMessage():
            role, blocks = Role.ASSISTANT, _decode_assistant(message, index)
        case ToolMessage():
            role, blocks = Role.USER, (ToolResult(message.tool_call_id or "", decode_result(message.content, path)),)
            name = None  # the tool's
        case SystemMessage():
            role, blocks = Role.SYSTEM, decode_parts(message.content, path)
        case DeveloperMessage():
            role, blocks = Role.DEVELOPER, decode_parts(message.content, path)
        case FunctionMessage():
            # It answers the call of the message before; neither has an id.
            role, blocks = Role.USER, (ToolResult(_legacy_id(index - 1), decode_result(message.content, path)),)
            name = None
        case _:
            assert_never(message)
    if message.cache_control and blocks:
        blocks = (*blocks[:-1], with_cache(blocks[-1], message.cache_control))
    return Message(role, blocks, name)


def _decode_assistant(message: AssistantMessage, index: int) -> tuple[Block, ...]:
    path = f"messages[{index}]"
    text = message.reasoning if message.reasoning_content is None else message.reasoning_content
    blocks: list[Block] = [*decode_history(text, message.reasoning_details, f"{path}.reasoning_details")]
    if message.content:
        blocks += _cited(decode_parts(message.content, f"{path}.content"), message.annotations, f"{path}.annotations")
    if is_given(message.images):
        blocks += _decode_pictures(message.images, f"{path}.images")
    if message.refusal:
        blocks.append(Refusal(message.refusal))
    if is_given(message.audio):
        blocks.append(Foreign(ORIGIN, "audio", typed(message.audio, OBJECT, f"{path}.audio")))
    if message.function_call:
        blocks.append(ToolCall(_legacy_id(index), message.function_call.name, _arguments(message.function_call)))
    blocks += (
        _decode_call(call, f"{path}.tool_calls[{number}]") for number, call in enumerate(message.tool_calls or ())
    )
    return tuple(blocks)


def _cited(blocks: Sequence[Block], annotations: Raw, path: str) -> Sequence[Block]:
    """Return what the model said with the pages that it cited, on its last words."""
    if not is_given(annotations):
        return blocks
    raws: list[Raw] = read_with(_ANNOTATIONS, annotations, path, lambda _path, _value: None)
    *before, last = blocks
    if not raws or not isinstance(last, Text):
        return blocks
    return (*before, msgspec.structs.replace(last, citations=tuple(map(decode_citation, raws))))


def _decode_pictures(images: Raw, path: str) -> Iterator[Block]:
    pictures: list[Picture] = read_with(_PICTURES, images, path, lambda _path, _value: None)
    for place, picture in enumerate(pictures):
        yield decode_image(picture.image_url.url, f"{path}[{place}]")


def _decode_call(call: ToolCallPart, path: str) -> ToolCall:
    id_ = call.id or ""
    cache, seal = cache_from(call.cache_control), decode_call_seal(call.extra_content)
    if call.custom and not call.function:
        return ToolCall(id_, call.custom.name, call.custom.input, ToolKind.CUSTOM, cache=cache, seal=seal)
    if not call.function:
        raise RequestError(f"`{path}` has neither `function` nor `custom`", param=f"{path}.function")
    return ToolCall(id_, call.function.name, _arguments(call.function), cache=cache, seal=seal)


def _arguments(function: FunctionCall) -> str:
    """Return the arguments as they came: broken JSON is a matter of who sends them on."""
    if isinstance(function.arguments, dict):
        return msgspec.json.encode(function.arguments).decode(errors="replace")
    return function.arguments or ""


def _legacy_id(index: int) -> str:
    return f"call_message_{index}"


# Settings -----------------------------------------------------------------------------------------------------------------


def _decode_sampling(body: Body) -> Sampling:
    return Sampling(
        body.temperature,
        body.top_p,
        None if body.top_k == -1 else body.top_k,
        (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        body.seed,
        body.frequency_penalty,
        body.presence_penalty,
        body.n or 1,
    )


def _decode_reasoning(body: Body) -> ReasoningControl:
    """Return what the field of OpenAI, or else those of the other vendors, say about thinking."""
    if _reasoning_values(body) == _UNSAID:
        return _NO_CONTROL
    options = body.reasoning or ReasoningOptions()
    effort = _effort(body.reasoning_effort) or options.effort
    budgets = (options.max_tokens, body.thinking.budget_tokens if body.thinking else None, body.thinking_budget)
    budget = next((tokens for tokens in budgets if tokens is not None), None)
    switches = _switches(body)
    visible = False if options.exclude else None
    if False in switches or effort is Effort.NONE:
        return ReasoningControl("disabled", None, effort, visible)
    if budget is not None:
        return ReasoningControl("enabled", budget, effort, visible)
    return ReasoningControl("adaptive" if True in switches else None, None, effort, visible)


def _effort(word: str | None) -> Effort | None:
    """Return the effort that a word names; `default`, as Groq has it, says no more than none at all."""
    if word is None or word == "default":
        return None
    try:
        return Effort(word)
    except ValueError:
        path = "reasoning_effort"
        hint = "one of " + ", ".join(Effort)
        raise RequestError(f"`{path}`: Invalid value `{word}`", param=path, hint=hint) from None


def _switches(body: Body) -> Sequence[bool | None]:
    """Return what each vendor's switch says, where it is there."""
    return (
        body.enable_thinking,
        body.reasoning.enabled if body.reasoning else None,
        body.thinking.type != "disabled" if body.thinking else None,
    )


def _decode_format(response_format: ResponseFormat) -> OutputFormat | None:
    if response_format.type == "text":
        return None
    if response_format.type == "json_object":
        return OutputFormat()
    schema = response_format.json_schema
    if schema is None or not is_given(schema.schema):
        path = "response_format.json_schema" + (".schema" if schema else "")
        raise RequestError(f"`{path}` is missing", param=path)
    if not bytes(schema.schema).lstrip().startswith(b"{"):
        path = "response_format.json_schema.schema"
        raise RequestError(f"`{path}`: Expected `object`", param=path)
    return OutputFormat(schema.schema, schema.name, schema.description, bool(schema.strict), ORIGIN)


def _own_extras(body: Body) -> list[Extra]:
    values: tuple[Raw, ...] = _own_values(body)
    if not any(values):
        return []
    return [
        Extra(ORIGIN, name, typed(value, own.type, name), own.matters(bytes(value)))
        for (name, own), value in zip(_OWN_FIELDS.items(), values, strict=True)
        if is_given(value)
    ]
