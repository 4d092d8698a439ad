"""Tools and tool choice for an upstream.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.request import CustomTool, FunctionTool, HostedTool, Request, Tool, ToolChoice, WebSearch
from dragoman.protocols.openai_chat.losses import Tally
from dragoman.protocols.openai_chat.searching import OPTIONS, encode_search
from dragoman.protocols.openai_chat.wire import ORIGIN
from dragoman.vendors.openai.schemas import with_properties
from dragoman.wire.free_text import SCHEMA, described
from dragoman.wire.reading import UNREADABLE
from dragoman.wire.schemas import strict_form


class _Grammar(msgspec.Struct):
    """A custom tool's format, in Chat's form or, with syntax and definition beside the type, in Responses'."""

    type: str = ""
    syntax: str | None = None
    definition: str | None = None


_grammar_of: Final = msgspec.json.Decoder(_Grammar).decode


def encode_tools(request: Request, target: Target, tally: Tally) -> dict[str, Any]:
    """Return `web_search_options`, and the fields `tools`, `tool_choice` and `parallel_tool_calls`; none of these without tools."""
    tools = dict(_encode_tools(request.tools, target, tally))
    choice, dialect = request.tool_choice, target.dialect
    fields: dict[str, Any] = {OPTIONS: options} if (options := tools.pop(OPTIONS, None)) is not None else {}
    if choice and choice.allowed is not None and not dialect.tool_choice_required:
        tools = {name: tool for name, tool in tools.items() if name in choice.allowed}
        choice = ToolChoice(choice.mode)
        tally.add("allowed_tools", "tool_choice")
    if not tools:
        if choice and choice.mode in ("any", "tool"):
            tally.add("tool_choice", "tool_choice")
        return fields
    fields["tools"] = list(tools.values())
    if choice is not None:
        fields |= _encode_choice(choice, tools, target, tally)
    if request.parallel_tools is not None:
        if dialect.parallel_tool_calls:
            fields["parallel_tool_calls"] = request.parallel_tools
        elif not request.parallel_tools:
            tally.add("parallel_tools", "parallel_tool_calls")
    return fields


def _encode_tools(tools: Sequence[Tool], target: Target, tally: Tally) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        if tool.name in seen:
            tally.add("duplicate_tool", path, f"`{tool.name}`")
            continue
        encoded = _encode_tool(tool, path, target, tally)
        if isinstance(tool, HostedTool) and _is_beside(tool, target):
            yield OPTIONS, encoded
        elif encoded is not None:
            seen.add(tool.name)
            yield tool.name, encoded


def _encode_tool(tool: Tool, path: str, target: Target, tally: Tally) -> Any:  # noqa: ANN401 - JSON
    match tool:
        case FunctionTool():
            return _encode_function(tool, path, target, tally)
        case CustomTool(name=name, description=description, format=text_format) if not target.dialect.custom_tools:
            tally.add("custom_tool", path, f"`{name}`")
            function = {"name": name, "description": described(description, text_format), "parameters": SCHEMA}
            return {"type": "function", "function": function}
        case CustomTool():
            custom: dict[str, Any] = {"name": tool.name}
            if tool.description is not None:
                custom["description"] = tool.description
            if tool.format is not None:
                custom["format"] = _encode_grammar(tool.format)
            return {"type": "custom", "custom": custom}
        case HostedTool(search=WebSearch() as search) if _is_beside(tool, target):
            return encode_search(tool, search, path, tally)
        case HostedTool(origin=origin, raw=raw) if origin == ORIGIN:
            return raw
        case HostedTool():
            tally.add("hosted_tool", path, f"`{tool.type}`")
            return None
        case _:
            assert_never(tool)


def _is_beside(tool: HostedTool, target: Target) -> bool:
    """Tell whether a web search is asked for beside the tools, as OpenAI's is."""
    is_own = tool.origin == ORIGIN
    return tool.type == OPTIONS if is_own else tool.search is not None and target.dialect.web_search


def _encode_function(tool: FunctionTool, path: str, target: Target, tally: Tally) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = with_properties(tool.schema)
    if tool.strict is not None:
        function["strict"] = tool.strict
    if tool.strict:
        function["parameters"], obstacle = strict_form(function["parameters"])
        if obstacle is not None:
            tally.add("strict", f"{path}.parameters{obstacle.path}", obstacle.reason)
            function["strict"] = False
    encoded: dict[str, Any] = {"type": "function", "function": function}
    for extra in tool.extras:
        if extra.origin == ORIGIN:
            encoded[extra.name] = extra.value
        else:
            tally.add("tool_field", f"{path}.{extra.name}", f"`{extra.name}`")
    if tool.cache and target.dialect.cache_control:
        encoded["cache_control"] = {"type": "ephemeral"} | ({"ttl": tool.cache.ttl} if tool.cache.ttl else {})
    elif tool.cache:
        tally.add("cache_control", f"{path}.cache_control")
    return encoded


def _encode_grammar(raw: Raw) -> Any:  # noqa: ANN401 - JSON
    try:
        grammar = _grammar_of(raw)
    except UNREADABLE:
        return raw
    if grammar.syntax is None:
        return raw
    return {"type": grammar.type, "grammar": {"syntax": grammar.syntax, "definition": grammar.definition or ""}}


def _encode_choice(choice: ToolChoice, tools: dict[str, Any], target: Target, tally: Tally) -> dict[str, Any]:
    match choice.mode:
        case "none":
            return {"tool_choice": "none"}
        case "tool":
            if choice.name not in tools:
                tally.add("tool_choice", "tool_choice")
                return {}
            if not target.dialect.tool_choice_required:
                tally.add("tool_choice_required", "tool_choice", f"`{choice.name}`")
                return {"tool_choice": "auto"}
            return {"tool_choice": _reference(choice.name, tools)}
        case "auto" | "any":
            return {"tool_choice": _encode_mode(choice, tools, target, tally)}
        case _:
            assert_never(choice.mode)


def _encode_mode(choice: ToolChoice, tools: dict[str, Any], target: Target, tally: Tally) -> Any:  # noqa: ANN401 - JSON
    mode = "required" if choice.mode == "any" else "auto"
    if mode == "required" and not target.dialect.tool_choice_required:
        tally.add("tool_choice_required", "tool_choice")
        mode = "auto"
    if choice.allowed is None:
        return mode
    allowed = [_reference(name, tools) for name in choice.allowed if name in tools]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}


def _reference(name: str, tools: dict[str, Any]) -> dict[str, Any]:
    """Return how a choice names a tool: by its kind."""
    tool = tools[name]
    kind = "custom" if isinstance(tool, dict) and tool["type"] == "custom" else "function"
    return {"type": kind, kind: {"name": name}}
