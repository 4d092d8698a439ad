"""Tools and their choice on the way to Anthropic. https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview."""

from typing import Any, Final, assert_never

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dragoman.codec import Target
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    CacheBreakpoint,
    CustomTool,
    Extra,
    FunctionTool,
    HostedTool,
    Request,
    Tool,
    ToolChoice,
    WebSearch,
)
from dragoman.protocols.anthropic_messages.schemas import fitted
from dragoman.protocols.anthropic_messages.searching import SEARCH_NAME, encode_search
from dragoman.protocols.anthropic_messages.wire import NAME, CacheControl
from dragoman.wire.free_text import SCHEMA, described
from dragoman.wire.reading import UNREADABLE

_EMPTY_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')
_COMBINATIONS: Final = ("allOf", "anyOf", "oneOf")


class _SchemaTop(msgspec.Struct):
    """What the API looks at in a schema's top level."""

    type: Raw | UnsetType = UNSET
    allOf: Raw | UnsetType = UNSET  # noqa: N815 - JSON Schema's word
    anyOf: Raw | UnsetType = UNSET  # noqa: N815
    oneOf: Raw | UnsetType = UNSET  # noqa: N815


_top: Final = msgspec.json.Decoder(_SchemaTop).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_words: Final = msgspec.json.Decoder(list[str]).decode
_json: Final = msgspec.json.encode


def encode_tools(request: Request, target: Target, ledger: Ledger) -> list[dict[str, Any] | Raw]:
    """Return the tools, each name once, only those that the choice allows."""
    allowed = request.tool_choice.allowed if request.tool_choice else None
    if allowed is not None:
        ledger.degraded(
            "allowed_tools", "tool_choice", "tools that may not be called are left out, which costs the cache"
        )
    seen: set[str] = set()
    encoded: list[dict[str, Any] | Raw] = []
    for place, tool in enumerate(request.tools):
        path = f"tools[{place}]"
        if allowed is not None and tool.name not in allowed:
            continue
        name = sent_name(tool, target)
        if name is None:
            reason = f"`{getattr(tool, 'type', '')}` is run by another vendor"
            ledger.dropped("hosted_tool", path, reason, changes_meaning=True)
            continue
        if name in seen:
            ledger.dropped("duplicate_tool", path, f"there already is a tool `{name}`")
            continue
        seen.add(name)
        encoded.append(_tool(tool, path, target, ledger))
    return encoded


def sent_name(tool: Tool, target: Target) -> str | None:
    """Return the name under which a tool is sent; None when it is not: another vendor runs it."""
    if not isinstance(tool, HostedTool) or tool.origin == NAME:
        return tool.name
    return SEARCH_NAME if tool.search is not None and target.dialect.web_search else None


def _tool(tool: Tool, path: str, target: Target, ledger: Ledger) -> dict[str, Any] | Raw:
    match tool:
        case FunctionTool():
            return _function(tool, path, target, ledger)
        case CustomTool(name, description):
            ledger.emulated("custom_tool", path, "free text becomes the string `input` of a function")
            return {"name": name, "description": described(description, tool.format), "input_schema": SCHEMA}
        case HostedTool(origin=origin, search=WebSearch() as search) if origin != NAME:
            return encode_search(tool, search, path, ledger)
        case HostedTool(raw=raw):
            return raw
        case _:
            assert_never(tool)


def _function(tool: FunctionTool, path: str, target: Target, ledger: Ledger) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    schema = written["input_schema"] = _schema(tool.schema, f"{path}.input_schema", ledger)
    if tool.strict and target.dialect.structured_output:
        written |= _strict(schema, path, ledger)
    elif tool.strict is not None and target.dialect.structured_output:
        written["strict"] = tool.strict
    elif tool.strict:
        ledger.dropped("strict", f"{path}.strict", "the model has no strict tool calls")
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    for extra in tool.extras:
        _add_extra(written, extra, path, ledger)
    return written


def _strict(schema: Raw, path: str, ledger: Ledger) -> dict[str, Any]:
    """Return the fields of a tool whose calls are held to its schema, as far as they can be."""
    held, lost = fitted(schema)
    if held is None:
        ledger.dropped("strict", f"{path}.strict", f"`input_schema{lost[0].path}`: {lost[0].reason}")
        return {}
    for loss in lost:
        ledger.degraded("strict_keyword", f"{path}.input_schema{loss.path}.{loss.keyword}", loss.reason)
    return {"input_schema": held, "strict": True}


def _add_extra(written: dict[str, Any], extra: Extra, path: str, ledger: Ledger) -> None:
    if extra.origin == NAME:
        written[extra.name] = extra.value
    else:
        ledger.dropped("extra_field", f"{path}.{extra.name}", f"only {extra.origin} has it")


def cache_control(cache: CacheBreakpoint) -> CacheControl:
    """Return a cache breakpoint as the wire has it."""
    return CacheControl(cache.ttl)


# Schemas --------------------------------------------------------------------------------------------------------------


def _schema(schema: Raw | None, path: str, ledger: Ledger) -> Raw:
    """Return a schema whose top level the API accepts: `type: object` without allOf, anyOf and oneOf."""
    if schema is None:
        return _EMPTY_SCHEMA
    try:
        top = _top(schema)
    except UNREADABLE:  # `true`, `null`: anything goes
        return _EMPTY_SCHEMA
    combinations = [name for name in _COMBINATIONS if getattr(top, name) is not UNSET]
    kind = bytes(top.type) if isinstance(top.type, Raw) else b""
    if kind == b'"object"' and not combinations:
        return schema
    fields = _fields(schema)
    if not kind and not combinations:
        return Raw(_json({"type": "object", "properties": {}} | fields))
    if combinations:
        ledger.degraded("schema", path, f"`{combinations[0]}` may not stand at the top: its branches are put together")
        return _flattened(fields, combinations)
    if b'"object"' in kind:
        ledger.degraded("schema", path, f"the top level has to be an object, not `{kind.decode()}`")
        return Raw(_json(fields | {"type": "object"}))
    ledger.degraded("schema", path, f"the top level has to be an object: `{kind.decode()}` is put into `value`")
    return Raw(_json({"type": "object", "properties": {"value": schema}, "required": ["value"]}))


def _flattened(fields: dict[str, Raw], combinations: list[str]) -> Raw:
    """Put the branches' properties together; required is what all branches require (of allOf: what any does)."""
    properties = _read(fields.get("properties"), _fields, {})
    required = _read(fields.get("required"), _words, [])
    rest = {name: value for name, value in fields.items() if name not in _COMBINATIONS}
    for name in combinations:
        branches = [_read(raw, _fields, {}) for raw in _read(fields[name], _items, [])]
        for branch in branches:
            for key, value in _read(branch.get("properties"), _fields, {}).items():
                properties.setdefault(key, value)
        needs = [_read(branch.get("required"), _words, []) for branch in branches]
        every = [word for need in needs for word in need]
        common = every if name == "allOf" else [word for word in every if all(word in need for need in needs)]
        required += [word for word in dict.fromkeys(common) if word not in required]
    flat: dict[str, Any] = {**rest, "type": "object", "properties": properties}
    return Raw(_json(flat | {"required": required} if required else flat))


def _read(raw: Raw | None, reader: Any, otherwise: Any) -> Any:  # noqa: ANN401 - as the reader
    """Return `raw` as `reader` reads it, or `otherwise` when it is something else."""
    if raw is None:
        return otherwise
    try:
        return reader(raw)
    except UNREADABLE:
        return otherwise


# The choice -----------------------------------------------------------------------------------------------------------


def encode_choice(request: Request, target: Target, ledger: Ledger, *, has_tools: bool) -> dict[str, Any] | None:
    """Return `tool_choice`; it may only be sent with tools."""
    choice = request.tool_choice
    if not has_tools:
        if choice is not None and choice.mode in ("any", "tool"):
            ledger.dropped("tool_choice", "tool_choice", "there are no tools to choose from", changes_meaning=True)
        return None
    is_switched = request.parallel_tools is False and target.dialect.parallel_tool_calls
    if choice is None and not is_switched:
        return None
    choice = _sent_choice(choice or ToolChoice("auto"), request, target, ledger)
    written: dict[str, Any] = {"type": choice.mode}
    if choice.mode == "tool":
        written["name"] = choice.name
    if choice.mode != "none" and request.parallel_tools is not None and target.dialect.parallel_tool_calls:
        written["disable_parallel_tool_use"] = not request.parallel_tools
    return written


def _sent_choice(choice: ToolChoice, request: Request, target: Target, ledger: Ledger) -> ToolChoice:
    """Return the choice with the name under which its tool is sent; a choice of a tool that is not becomes `auto`."""
    hosted = next((tool for tool in request.tools if tool.name == choice.name and isinstance(tool, HostedTool)), None)
    if choice.mode != "tool" or hosted is None:
        return choice
    name = sent_name(hosted, target)
    if name is None:
        ledger.dropped("tool_choice", "tool_choice", f"`{choice.name}` is not sent", changes_meaning=True)
        return ToolChoice("auto")
    return ToolChoice("tool", name)
