"""A client's tools and tool choice to the IR. https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    CustomTool,
    Extra,
    FunctionTool,
    HostedTool,
    Namespace,
    Tool,
    ToolChoice,
    UserLocation,
    WebSearch,
)
from dragoman.protocols.openai_responses.native import LOCAL_SHELL, TOOL_SEARCH, local_shell, tool_search
from dragoman.protocols.openai_responses.wire import (
    ORIGIN,
    CustomToolItem,
    FunctionToolItem,
    NamedChoice,
    NamespaceItem,
    ToolKind,
    ToolSearchItem,
    WebSearchItem,
    is_given,
)
from dragoman.wire.carried import FLAG, OBJECT, WORDS, typed
from dragoman.wire.reading import read, read_with

_KIND: Final = msgspec.json.Decoder(ToolKind)
_FUNCTION: Final = msgspec.json.Decoder(FunctionToolItem)
_CUSTOM: Final = msgspec.json.Decoder(CustomToolItem)
_NAMESPACE: Final = msgspec.json.Decoder(NamespaceItem)
_SEARCH: Final = msgspec.json.Decoder(WebSearchItem)
_TOOL_SEARCH: Final = msgspec.json.Decoder(ToolSearchItem)
_CHOICE: Final = msgspec.json.Decoder(str | NamedChoice)

_TOOL_EXTRAS: Final = {"defer_loading": FLAG, "allowed_callers": WORDS, "output_schema": OBJECT}
_MODES: Final[dict[str, Literal["auto", "any", "none"]]] = {"auto": "auto", "none": "none", "required": "any"}


def decode_tools(offered: Sequence[Raw], brought: Sequence[tuple[Raw, str]], ledger: Ledger) -> tuple[Tool, ...]:
    """Return the tools that a request offers, and behind them those that items of its input brought along, each once."""
    tools: list[Tool] = []
    for place, raw in enumerate(offered):
        tools += _decode_tool(raw, f"tools[{place}]", ledger)
    if not brought:
        return tuple(tools)
    known = {_full_name(tool) for tool in tools}
    for raw, path in brought:
        for tool in _decode_tool(raw, path, ledger):
            if _full_name(tool) not in known:
                known.add(_full_name(tool))
                tools.append(tool)
    return tuple(tools)


def _full_name(tool: Tool) -> tuple[str, str]:
    namespace = None if isinstance(tool, HostedTool) else tool.namespace
    return (namespace.name if namespace else "", tool.name)


def _decode_tool(raw: Raw, path: str, ledger: Ledger, namespace: Namespace | None = None) -> Iterator[Tool]:
    kind = read_with(_KIND, raw, path, lambda _path, _value: None)
    match kind.type:
        case "function":
            yield _function(raw, path, ledger, namespace)
        case "custom":
            custom = read(_CUSTOM, raw, path, ledger)
            text_format = typed(custom.format, OBJECT, f"{path}.format") if is_given(custom.format) else None
            yield CustomTool(custom.name, custom.description, text_format, namespace)
        case "namespace":
            group = read(_NAMESPACE, raw, path, ledger)
            for place, inner in enumerate(group.tools):
                yield from _decode_tool(
                    inner, f"{path}.tools[{place}]", ledger, Namespace(group.name, group.description)
                )
        case "local_shell":
            yield local_shell(raw)
        case "tool_search" if (item := read(_TOOL_SEARCH, raw, path, ledger)).execution == "client":
            yield tool_search(item, raw)
        case hosted if hosted.startswith("web_search"):
            yield HostedTool(ORIGIN, hosted, "web_search", raw, _search(read(_SEARCH, raw, path, ledger)))
        case hosted:
            yield HostedTool(ORIGIN, hosted, kind.name or kind.server_label or hosted, raw)


def _function(raw: Raw, path: str, ledger: Ledger, namespace: Namespace | None) -> FunctionTool:
    item = read(_FUNCTION, raw, path, ledger)
    schema = item.parameters if is_given(item.parameters) else None
    if schema is not None and not bytes(schema).lstrip().startswith(b"{"):
        raise RequestError(f"`{path}.parameters`: Expected `object`", param=f"{path}.parameters")
    extras = tuple(
        Extra(ORIGIN, name, typed(value, kind, f"{path}.{name}"))
        for name, kind in _TOOL_EXTRAS.items()
        if is_given(value := getattr(item, name))
    )
    return FunctionTool(item.name, item.description, schema, item.strict, extras=extras, namespace=namespace)


def _search(item: WebSearchItem) -> WebSearch:
    place, filters = item.user_location, item.filters
    return WebSearch(
        tuple(filters.allowed_domains or ()) if filters else (),
        tuple(filters.blocked_domains or ()) if filters else (),
        None if place is None else UserLocation(place.city, place.region, place.country, place.timezone),
        context_size=item.search_context_size,
    )


# The choice ---------------------------------------------------------------------------------------------------------------


def decode_choice(raw: Raw, unknown: Callable[[str, Raw], None]) -> ToolChoice | None:
    """Return which tools may or must be called. Raises RequestError for a choice that there is not."""
    if not is_given(raw):
        return None
    choice = read_with(_CHOICE, raw, "tool_choice", unknown)
    if isinstance(choice, str):
        if choice not in _MODES:
            raise RequestError(f"`tool_choice` is `{choice}`", param="tool_choice", hint=f"one of {', '.join(_MODES)}")
        return ToolChoice(_MODES[choice])
    match choice.type:
        case "function" | "custom":
            if not choice.name:
                raise RequestError("`tool_choice` names no tool", param="tool_choice.name")
            return ToolChoice("tool", choice.name)
        case "allowed_tools":
            allowed = tuple(_named(tool) for tool in choice.tools or ())
            return ToolChoice(_MODES[choice.mode or "auto"], allowed=allowed)
        case kind:
            return ToolChoice("tool", _named(ToolKind(kind, choice.name, choice.server_label)))


def _named(tool: ToolKind) -> str:
    """Return the name under which `decode_tools` has a tool: that of a hosted one is its type."""
    if tool.type in (LOCAL_SHELL, TOOL_SEARCH):
        return tool.type
    if tool.type.startswith("web_search"):
        return "web_search"
    return tool.name or tool.server_label or tool.type
