"""Tools and tool choice for an upstream. https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools."""

from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.request import CustomTool, FunctionTool, HostedTool, Request, Tool, ToolChoice, WebSearch
from dragoman.protocols.openai_responses.losses import Notes
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.vendors.openai.schemas import with_properties
from dragoman.wire.reading import UNREADABLE
from dragoman.wire.schemas import strict_form

Wire = dict[str, Any]


class _NestedGrammar(msgspec.Struct):
    syntax: str = ""
    definition: str = ""


class _Grammar(msgspec.Struct):
    """A custom tool's format as Chat has it: one level deeper."""

    type: str = ""
    grammar: _NestedGrammar | None = None


_grammar_of: Final = msgspec.json.Decoder(_Grammar).decode
_MODES: Final = {"auto": "auto", "any": "required", "none": "none"}


def encode_tools(request: Request, target: Target, notes: Notes) -> Wire:
    """Return the fields `tools`, `tool_choice` and `parallel_tool_calls`; none of them without tools."""
    tools, by_name = _encode_tools(request.tools, target, notes)
    choice, dialect = request.tool_choice, target.dialect
    if not tools:
        if choice and choice.mode in ("any", "tool"):
            notes.add("tool_choice", "tool_choice")
        return {}
    fields: Wire = {"tools": tools}
    if choice is not None:
        fields |= _encode_choice(choice, by_name, notes)
    if request.parallel_tools is not None:
        if dialect.parallel_tool_calls:
            fields["parallel_tool_calls"] = request.parallel_tools
        elif not request.parallel_tools:
            notes.add("parallel_tools", "parallel_tool_calls")
    return fields


def _encode_tools(tools: Sequence[Tool], target: Target, notes: Notes) -> tuple[list[Any], dict[str, Wire]]:
    """Return the tools, and how a choice refers to each."""
    encoded: list[Any] = []
    references: dict[str, Wire] = {}
    groups: dict[str, list[Any]] = {}
    seen: set[tuple[str, str]] = set()
    for place, tool in enumerate(tools):
        path = f"tools[{place}]"
        space = None if isinstance(tool, HostedTool) else tool.namespace
        full_name = (space.name if space else "", tool.name)
        if full_name in seen:
            notes.add("duplicate_tool", path, f"`{tool.name}`")
            continue
        written = _encode_tool(tool, path, target, notes)
        if written is None:
            continue
        seen.add(full_name)
        references[tool.name] = _reference(tool)
        if space is None:
            encoded.append(written)
        elif space.name in groups:
            groups[space.name].append(written)
        else:
            group = groups[space.name] = [written]
            description = space.description or space.name
            encoded.append({"type": "namespace", "name": space.name, "description": description, "tools": group})
    return encoded, references


def _encode_tool(tool: Tool, path: str, target: Target, notes: Notes) -> Any:  # noqa: ANN401 - JSON
    match tool:
        case FunctionTool(native=HostedTool(origin=origin, raw=raw)) if origin == ORIGIN:
            return raw
        case FunctionTool():
            return _encode_function(tool, path, notes)
        case CustomTool(name=name, description=description, format=text_format):
            custom: Wire = {"type": "custom", "name": name}
            if description is not None:
                custom["description"] = description
            if text_format is not None:
                custom["format"] = _flat(text_format)
            return custom
        case HostedTool(origin=origin, raw=raw) if origin == ORIGIN:
            return raw
        case HostedTool(search=WebSearch() as search) if target.dialect.web_search:
            return _encode_search(search, path, notes)
        case HostedTool():
            notes.add("hosted_tool", path, f"`{tool.type}`")
            return None
        case _:
            assert_never(tool)


def _encode_function(tool: FunctionTool, path: str, notes: Notes) -> Wire:
    function: Wire = {"type": "function", "name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = with_properties(tool.schema)
    # Left out it would be true here, and false everywhere else.
    function["strict"] = bool(tool.strict)
    if tool.strict:
        function["parameters"], obstacle = strict_form(function["parameters"])
        if obstacle is not None:
            notes.add("strict", f"{path}.parameters{obstacle.path}", obstacle.reason)
            function["strict"] = False
    for extra in tool.extras:
        if extra.origin == ORIGIN:
            function[extra.name] = extra.value
        else:
            notes.add("tool_field", f"{path}.{extra.name}", f"`{extra.name}`")
    if tool.cache:
        notes.add("cache_control", f"{path}.cache_control")
    return function


def _flat(raw: Raw) -> Any:  # noqa: ANN401 - JSON
    """Return a custom tool's format with its grammar as this protocol has it."""
    try:
        form = _grammar_of(raw)
    except UNREADABLE:
        return raw
    if form.grammar is None:
        return raw
    return {"type": form.type, "syntax": form.grammar.syntax, "definition": form.grammar.definition}


def _encode_search(search: WebSearch, path: str, notes: Notes) -> Wire:
    tool: Wire = {"type": "web_search"}
    if search.allowed_domains:
        tool["filters"] = {"allowed_domains": list(search.allowed_domains)}
    if search.location:
        place = msgspec.structs.asdict(search.location)
        tool["user_location"] = {"type": "approximate"} | {name: said for name, said in place.items() if said}
    if search.context_size:
        tool["search_context_size"] = search.context_size
    if search.blocked_domains:
        notes.add("web_search_setting", path, "blocked domains")
    if search.max_uses is not None:
        notes.add("web_search_setting", path, "how often to search")
    return tool


# The choice ---------------------------------------------------------------------------------------------------------------


def _reference(tool: Tool) -> Wire:
    """Return how a choice names a tool."""
    match tool:
        case FunctionTool(native=HostedTool(type=kind, origin=origin)) if origin == ORIGIN:
            return {"type": kind}
        case FunctionTool(name=name):
            return {"type": "function", "name": name}
        case CustomTool(name=name):
            return {"type": "custom", "name": name}
        case HostedTool(origin=origin, type=kind):
            return {"type": kind if origin == ORIGIN else "web_search"}
        case _:
            assert_never(tool)


def _encode_choice(choice: ToolChoice, references: dict[str, Wire], notes: Notes) -> Wire:
    if choice.mode == "tool":
        if choice.name not in references:
            notes.add("tool_choice", "tool_choice")
            return {}
        return {"tool_choice": references[choice.name]}
    mode = _MODES[choice.mode]
    if choice.allowed is None:
        return {"tool_choice": mode}
    allowed = [references[name] for name in choice.allowed if name in references]
    return {"tool_choice": {"type": "allowed_tools", "mode": mode, "tools": allowed}}
