"""Requests from the wire to the IR. https://platform.claude.com/docs/en/api/messages/create."""

from operator import attrgetter
from typing import Final, Literal

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Extra,
    FunctionTool,
    HostedTool,
    Message,
    OutputFormat,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Tool,
    ToolChoice,
)
from dragoman.protocols.anthropic_messages import wire
from dragoman.protocols.anthropic_messages.carried import is_present
from dragoman.protocols.anthropic_messages.request_blocks import decode_message, decode_system, to_breakpoint
from dragoman.protocols.anthropic_messages.searching import decode_search
from dragoman.protocols.anthropic_messages.wire import EXTRA_FIELDS, MATTERS, NAME
from dragoman.wire.carried import FLAG, OBJECTS, WORDS, checked, object_text, typed
from dragoman.wire.reading import join, read, read_with, require_text

_params: Final = msgspec.json.Decoder(wire.RequestParams)
_custom_tool: Final = msgspec.json.Decoder(wire.CustomToolParam)
_typed_tool: Final = msgspec.json.Decoder(wire.TypedTool)

_TOOL_EXTRAS: Final = {
    "defer_loading": FLAG,
    "eager_input_streaming": FLAG,
    "input_examples": OBJECTS,
    "allowed_callers": WORDS,
}
_VISIBLE: Final = {"omitted": False, "summarized": True, "updates": True}
_MODES: Final[dict[str, Literal["enabled", "adaptive", "disabled"]]] = {
    "enabled": "enabled",
    "adaptive": "adaptive",
    "auto": "adaptive",
    "between_tools": "adaptive",
    "disabled": "disabled",
}


_NO_CONTROL: Final = ReasoningControl()
_NO_FORMATS: Final = (None, None)
_carried_of: Final = attrgetter(*EXTRA_FIELDS)
_NONE_CARRIED: Final = (msgspec.UNSET,) * len(EXTRA_FIELDS)


def decode_request(body: bytes, ledger: Ledger) -> Request:
    """Return the request that `body` is. Raises RequestError naming the field that is wrong."""
    request = decode_count(body, ledger)
    if request.max_tokens is None:
        raise _missing("max_tokens")
    if not request.messages:
        raise RequestError("`messages` must hold at least one message", param="messages")
    return request


def decode_count(body: bytes, ledger: Ledger) -> Request:
    """Return the request whose tokens are to be counted: it may lack `max_tokens`."""
    require_text(body)
    extras: list[Extra] = []
    params = read_with(_params, body, "", lambda path, value: extras.append(_extra(path, value)))
    if not isinstance(params.model, str) or not params.model:
        raise _missing("model")
    if not isinstance(params.messages, list):
        raise _missing("messages")
    parallel, choice = _tool_choice(params.tool_choice)
    config = params.output_config
    formats = (params.output_format, config.format if config else None)
    return Request(
        params.model,
        _messages(params.messages, ledger),
        system=decode_system(params.system, ledger),
        tools=tuple([_tool(raw, f"tools[{place}]", ledger) for place, raw in enumerate(params.tools or ())]),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=params.max_tokens,
        sampling=Sampling(params.temperature, params.top_p, params.top_k, tuple(params.stop_sequences or ())),
        reasoning=_reasoning(params, extras),
        output=None if formats == _NO_FORMATS else _output(*formats),
        stream=bool(params.stream),
        user=None if params.metadata is None else params.metadata.user_id,
        service_tier=params.service_tier,
        cache=to_breakpoint(params.cache_control),
        extras=(*_known_extras(params), *extras),
    )


def _messages(raws: list[Raw], ledger: Ledger) -> tuple[Message, ...]:
    messages: list[Message] = []
    passing: list[int] = []
    last_user = -1
    for place, raw in enumerate(raws):
        message, is_passing = decode_message(raw, f"messages[{place}]", ledger)
        if is_passing:
            passing.append(place)
        if message.role is Role.USER:
            last_user = place
        messages.append(message)
    if not passing:
        return tuple(messages)
    gone = {place for place in passing if place < last_user}
    for place in gone:
        ledger.emulated(
            "clear_at", f"messages[{place}].clear_at", "a message whose turn is over is left out, as Anthropic does it"
        )
    return tuple(message for place, message in enumerate(messages) if place not in gone)


def _tool(raw: Raw, path: str, ledger: Ledger) -> Tool:
    try:
        return _function(_custom_tool.decode(raw), (), path)
    except msgspec.ValidationError:
        pass
    typed = read(_typed_tool, raw, path, ledger)
    if typed.type not in (None, "custom"):
        kind = typed.type or ""
        name = typed.name or typed.mcp_server_name or kind
        return HostedTool(NAME, kind, name, checked(raw, path), decode_search(kind, raw, path, ledger))
    unknown: list[Extra] = []

    def keep(where: str, value: Raw) -> None:
        name = where.removeprefix(f"{path}.")
        if "." in name:
            ledger.dropped("unknown_field", where, "the gateway does not know this field")
        else:
            unknown.append(_extra(name, value, path))

    custom = read_with(_custom_tool, raw, path, keep)
    return _function(custom, tuple(unknown), path)


def _function(tool: wire.CustomToolParam, unknown: tuple[Extra, ...], path: str) -> FunctionTool:
    schema = tool.input_schema if is_present(tool.input_schema) else None
    if schema is not None:
        object_text(schema, f"{path}.input_schema")
    extras = tuple(
        _extra(name, typed(value, kind, f"{path}.{name}"), path)
        for name, kind in _TOOL_EXTRAS.items()
        if is_present(value := getattr(tool, name))
    )
    return FunctionTool(
        tool.name, tool.description, schema, tool.strict, to_breakpoint(tool.cache_control), (*extras, *unknown)
    )


def _tool_choice(choice: wire.ToolChoiceParam | None) -> tuple[bool | None, ToolChoice | None]:
    """Return whether calls may be parallel, and the choice."""
    if choice is None:
        return None, None
    if choice.type == "tool" and not choice.name:
        raise _missing("tool_choice.name")
    parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    return parallel, ToolChoice(choice.type, choice.name if choice.type == "tool" else None)


def _reasoning(params: wire.RequestParams, extras: list[Extra]) -> ReasoningControl:
    effort = params.output_config.effort if params.output_config else None
    thinking = params.thinking
    if thinking is None and effort is None:
        return _NO_CONTROL
    if thinking is None:
        return ReasoningControl(effort=effort, effort_alone=True)
    if thinking.type == "between_tools":
        extras.append(Extra(NAME, "thinking.type", Raw(b'"between_tools"')))
    return ReasoningControl(
        _MODES[thinking.type],
        thinking.budget_tokens,
        effort,
        _VISIBLE[thinking.display] if thinking.display else None,
        thinking.display,
    )


def _output(legacy: wire.FormatParam | None, current: wire.FormatParam | None) -> OutputFormat | None:
    """Return the form of the answer; of the two fields that name one the older counts."""
    for asked, path in ((legacy, "output_format.schema"), (current, "output_config.format.schema")):
        if asked is not None:
            object_text(asked.schema, path)
    chosen = legacy or current
    return OutputFormat(chosen.schema, origin=NAME) if chosen else None


def _known_extras(params: wire.RequestParams) -> list[Extra]:
    values = _carried_of(params)
    if values == _NONE_CARRIED:  # as nearly always, and cheap to see
        return []
    return [
        _extra(name, typed(value, kind, name))
        for (name, kind), value in zip(EXTRA_FIELDS.items(), values, strict=True)
        if is_present(value)
    ]


def _extra(name: str, value: Raw, path: str = "") -> Extra:
    sign = None if path else MATTERS.get(name)
    return Extra(NAME, name, checked(value, join(path, name)), sign is not None and sign in bytes(value))


def _missing(field: str) -> RequestError:
    return RequestError(f"`{field}`: Field required", param=field)
