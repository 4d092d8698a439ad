"""A client's tools and tool choice to the IR; the flat shapes of other protocols, which Cursor posts here, are read too."""

from typing import Final, Literal

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice
from dragoman.protocols.openai_chat.part_decoding import cache_from
from dragoman.protocols.openai_chat.searching import decode_options, decode_search
from dragoman.protocols.openai_chat.wire import (
    ORIGIN,
    AllowedTool,
    AllowedTools,
    Body,
    CustomToolPart,
    FlatCustomTool,
    FlatFunctionTool,
    FunctionToolPart,
    LegacyFunction,
    Named,
    NamedChoice,
    ToolKindOf,
    is_given,
)
from dragoman.wire.carried import OBJECT, typed
from dragoman.wire.reading import read

_KIND: Final = msgspec.json.Decoder(ToolKindOf)
_FUNCTION: Final = msgspec.json.Decoder(FunctionToolPart)
_CUSTOM: Final = msgspec.json.Decoder(CustomToolPart)
_FLAT_FUNCTION: Final = msgspec.json.Decoder(FlatFunctionTool)
_FLAT_CUSTOM: Final = msgspec.json.Decoder(FlatCustomTool)

_MODES: Final[dict[str, Literal["auto", "any", "none"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "any",
    "any": "any",
}


def decode_tools(body: Body, ledger: Ledger) -> tuple[Tool, ...]:
    """Return the tools, the functions of before there were tools, and the web search that is asked for beside them."""
    if not (body.tools or body.functions or body.web_search_options):
        return ()
    tools = [_decode_tool(raw, f"tools[{index}]", ledger) for index, raw in enumerate(body.tools or ())]
    for index, function in enumerate(body.functions or ()):
        tools.append(_decode_legacy(function, f"functions[{index}].parameters"))
    if is_given(body.web_search_options):
        tools.append(decode_options(body.web_search_options, ledger))
    return tuple(tools)


def _decode_tool(raw: Raw, path: str, ledger: Ledger) -> Tool:
    kind = read(_KIND, raw, path, ledger)
    if is_given(kind.function):
        tool = read(_FUNCTION, raw, path, ledger)
        function = tool.function
        schema = _schema(function.parameters, f"{path}.function.parameters")
        return FunctionTool(
            function.name, function.description, schema, function.strict, cache_from(tool.cache_control)
        )
    if is_given(kind.custom):
        custom = read(_CUSTOM, raw, path, ledger).custom
        return CustomTool(custom.name, custom.description, _format(custom.format, f"{path}.custom.format"))
    if kind.type == "custom" and not is_given(kind.input_schema):
        flat_custom = read(_FLAT_CUSTOM, raw, path, ledger)
        return CustomTool(flat_custom.name, flat_custom.description, _format(flat_custom.format, f"{path}.format"))
    if kind.type in (None, "function", "custom"):
        flat = read(_FLAT_FUNCTION, raw, path, ledger)
        field = "input_schema" if is_given(flat.input_schema) else "parameters"
        schema = _schema(getattr(flat, field), f"{path}.{field}")
        return FunctionTool(flat.name, flat.description, schema, flat.strict, cache_from(flat.cache_control))
    search = decode_search(raw, path, ledger) if kind.type.startswith("web_search") else None
    return HostedTool(ORIGIN, kind.type, kind.name or kind.type, raw, search)


def _decode_legacy(function: LegacyFunction, path: str) -> FunctionTool:
    return FunctionTool(function.name, function.description, _schema(function.parameters, path))


def _schema(raw: Raw, path: str) -> Raw | None:
    if not is_given(raw):
        return None
    if not bytes(raw).lstrip().startswith(b"{"):
        raise RequestError(f"`{path}`: Expected `object`", param=path)
    return raw


def _format(raw: Raw, path: str) -> Raw | None:
    return typed(raw, OBJECT, path) if is_given(raw) else None


def decode_choice(body: Body) -> ToolChoice | None:
    """Return which tools may or must be called. Raises RequestError for a choice that there is not."""
    choice = body.tool_choice
    if choice is None:
        return _decode_legacy_choice(body.function_call)
    if isinstance(choice, str):
        return ToolChoice(_mode(choice, "tool_choice"))
    if choice.type in _MODES:
        return ToolChoice(_MODES[choice.type])
    if choice.type == "allowed_tools":
        return _decode_allowed(choice.allowed_tools)
    return ToolChoice("tool", _chosen_name(choice))


def forbids_parallel(body: Body) -> bool:
    """Tell whether an Anthropic-shaped choice forbids parallel calls."""
    return isinstance(body.tool_choice, NamedChoice) and body.tool_choice.disable_parallel_tool_use is True


def _decode_legacy_choice(choice: str | Named | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(_mode(choice, "function_call"))
    return ToolChoice("tool", choice.name)


def _mode(word: str, path: str) -> Literal["auto", "any", "none"]:
    if word not in _MODES:
        raise RequestError(f"`{path}`: Invalid value `{word}`", param=path, hint="one of none, auto, required")
    return _MODES[word]


def _decode_allowed(allowed: AllowedTools | None) -> ToolChoice:
    if allowed is None:
        raise RequestError("`tool_choice.allowed_tools` is missing", param="tool_choice.allowed_tools")
    names = tuple(_allowed_name(tool, index) for index, tool in enumerate(allowed.tools))
    return ToolChoice(_MODES[allowed.mode], allowed=names)


def _allowed_name(tool: AllowedTool, index: int) -> str:
    named = tool.function or tool.custom
    name = named.name if named else tool.name or tool.type
    if not name:
        path = f"tool_choice.allowed_tools.tools[{index}]"
        raise RequestError(f"`{path}` names no tool", param=path)
    return name


def _chosen_name(choice: NamedChoice) -> str:
    named = choice.function or choice.custom
    name = named.name if named else choice.name
    if not name:
        raise RequestError("`tool_choice` names no tool", param=f"tool_choice.{choice.type}.name")
    return name
