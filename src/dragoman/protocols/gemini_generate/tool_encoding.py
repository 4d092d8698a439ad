"""Tools and their choice for an upstream. https://ai.google.dev/api/caching#Tool."""

from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import CustomTool, FunctionTool, HostedTool, Request, ToolChoice, WebSearch
from dragoman.protocols.gemini_generate.schemas import to_gemini
from dragoman.protocols.gemini_generate.wire import NAME

Json = dict[str, Any]
_MOST_FUNCTIONS: Final = 512
"""https://github.com/google-gemini/gemini-cli/issues/19083."""
_SEARCH: Final = "googleSearch"
_FREE_TEXT: Final = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
_any: Final = msgspec.json.Decoder().decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def encode_tools(request: Request, target: Target, ledger: Ledger) -> list[Json]:
    """Return the tool objects: one with all functions, and one for each tool that Google runs."""
    declarations: dict[str, Json] = {}
    hosted: dict[str, Json] = {}
    for place, tool in enumerate(request.tools):
        path = f"tools[{place}]"
        match tool:
            case FunctionTool() | CustomTool() if tool.name in declarations:
                ledger.dropped("duplicate_tool", path, f"there already is a tool `{tool.name}`")
            case FunctionTool():
                declarations[tool.name] = _function(tool, path, target, ledger)
            case CustomTool():
                declarations[tool.name] = _custom(tool, path, target, ledger)
            case HostedTool(origin=origin, raw=raw) if origin == NAME:
                hosted[tool.type] = _fields(raw)
            case HostedTool(search=search) if search is not None and target.dialect.web_search:
                hosted.setdefault(_SEARCH, _google_search(tool, search, path, ledger))
            case HostedTool():
                ledger.dropped("hosted_tool", path, f"`{tool.type}` is run by another vendor", changes_meaning=True)
            case _:
                assert_never(tool)
    if len(declarations) > _MOST_FUNCTIONS:
        raise UnsupportedError(
            f"`tools`: {len(declarations)} functions, and {_MOST_FUNCTIONS} are allowed", param="tools"
        )
    functions: list[Json] = [{"functionDeclarations": list(declarations.values())}] if declarations else []
    return [*functions, *hosted.values()]


def _google_search(tool: HostedTool, search: WebSearch, path: str, ledger: Ledger) -> Json:
    """Return Google's search in place of another vendor's `tool`: it can hardly be told anything."""
    ledger.emulated("web_search", path, f"`{tool.type}` becomes Google's own search")
    if search.allowed_domains or search.blocked_domains:
        ledger.dropped("web_search_domains", path, "Google's search takes no domains", changes_meaning=True)
    for field in ("location", "max_uses", "context_size"):
        if getattr(search, field) is not None:
            ledger.dropped("web_search_settings", path, f"Google's search has no `{field}`")
    return {_SEARCH: {}}


def _function(tool: FunctionTool, path: str, target: Target, ledger: Ledger) -> Json:
    written: Json = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    written |= encode_schema(tool.schema, ("parametersJsonSchema", "parameters"), path, target, ledger)
    if tool.cache is not None:
        ledger.dropped("cache_breakpoint", f"{path}.cache_control", "Google's servers cache prefixes by themselves")
    for extra in tool.extras:
        if extra.origin == NAME:
            written[extra.name] = extra.value
        else:
            ledger.dropped("tool_field", f"{path}.{extra.name}", f"only {extra.origin} has it")
    return written


def _custom(tool: CustomTool, path: str, target: Target, ledger: Ledger) -> Json:
    ledger.emulated("custom_tool", path, "free text becomes the string `input` of a function")
    said = [tool.description or "", "`input` is the tool's whole input as plain text."]
    if tool.format is not None:
        said.append(f"It must fit this format:\n{_grammar(tool.format)}")
    schema = encode_schema(_FREE_TEXT, ("parametersJsonSchema", "parameters"), path, target, ledger)
    return {"name": tool.name, "description": "\n\n".join(filter(None, said)), **schema}


def _grammar(raw: Raw) -> str:
    match _any(raw):
        case {"definition": str(text)} | {"grammar": {"definition": str(text)}}:
            return text
        case _:
            return str(raw, "utf-8")


def encode_schema(
    schema: Raw | None, names: tuple[str, str], path: str, target: Target, ledger: Ledger
) -> dict[str, Json | Raw]:
    """Return the field for `schema`: the first of `names` takes JSON Schema, the second what it is compiled to."""
    json_schema, subset = names
    if schema is None:
        return {}
    if target.dialect.json_schema:
        return {json_schema: schema}
    compiled, losses = to_gemini(_any(schema))
    for loss in losses:
        where = ".".join(filter(None, (path, loss.path, loss.keyword)))
        ledger.degraded("schema", where, loss.reason)
    # Google wants an object to have properties: a function that takes nothing has no parameters.
    is_empty = compiled.get("type") == "OBJECT" and not compiled.get("properties")
    return {} if is_empty else {subset: compiled}


# The choice -----------------------------------------------------------------------------------------------------------


def encode_choice(request: Request, target: Target, ledger: Ledger, *, has_tools: bool) -> Json | None:
    """Return `functionCallingConfig`; it may only be sent with tools."""
    choice = request.tool_choice
    if request.parallel_tools is False:
        ledger.dropped(
            "parallel_tools", "parallel_tool_calls", "parallel calls cannot be forbidden", changes_meaning=True
        )
    is_strict = any(isinstance(tool, FunctionTool) and tool.strict for tool in request.tools)
    if is_strict and not target.dialect.validated_calls:
        ledger.dropped("strict", "tools", "the model has no strict calls")
    if not has_tools:
        if choice is not None and choice.mode in ("any", "tool"):
            ledger.dropped("tool_choice", "tool_choice", "there are no tools to choose from", changes_meaning=True)
        return None
    if choice is None:
        return {"mode": "VALIDATED"} if is_strict and target.dialect.validated_calls else None
    can_validate = target.dialect.validated_calls
    if choice.mode == "auto" and choice.allowed and not can_validate:
        ledger.dropped("tool_choice", "tool_choice", "a choice among some tools has to be forced", changes_meaning=True)
        return {"mode": "AUTO"}
    return _choice(choice, validates=is_strict and can_validate)


def _choice(choice: ToolChoice, *, validates: bool) -> Json:
    allowed = {"allowedFunctionNames": list(choice.allowed)} if choice.allowed else {}
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "tool":
            return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        case "any":
            return {"mode": "ANY", **allowed}
        case "auto":
            # Google takes names with AUTO only where calls are held to their schemas.
            return {"mode": "VALIDATED" if validates or allowed else "AUTO", **allowed}
        case _:
            assert_never(choice.mode)
