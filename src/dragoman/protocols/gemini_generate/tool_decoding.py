"""A client's tools and tool choice to the IR. https://ai.google.dev/api/caching#Tool."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Extra, FunctionTool, HostedTool, Tool, ToolChoice, WebSearch
from dragoman.protocols.gemini_generate.schemas import from_gemini, looks_like_google
from dragoman.protocols.gemini_generate.wire import (
    NAME,
    FunctionDeclaration,
    GoogleSearch,
    ToolConfig,
    camel_cased,
    is_given,
    read_shape,
)
from dragoman.wire.carried import ANYTHING, FLAG, OBJECT, typed
from dragoman.wire.reading import join, malformed, read, read_with

_declaration: Final = msgspec.json.Decoder(FunctionDeclaration)
_google_search: Final = msgspec.json.Decoder(GoogleSearch)
_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_items: Final[msgspec.json.Decoder[list[Raw]]] = msgspec.json.Decoder(list[Raw])
_any: Final = msgspec.json.Decoder().decode

_DECLARATIONS: Final = "functionDeclarations"
_SEARCHES: Final = frozenset({"googleSearch", "googleSearchRetrieval"})
_HOSTED: Final = msgspec.json.Decoder(dict[str, Any] | list[dict[str, Any]])
_TOOL_EXTRAS: Final = {
    "response": OBJECT,
    "response_json_schema": ANYTHING,
    "behavior": msgspec.json.Decoder(str | int),
}
_MODES: Final = {0: "MODE_UNSPECIFIED", 1: "AUTO", 2: "ANY", 3: "NONE", 4: "VALIDATED"}
"""Protobuf takes the number of an enumeration's word. google/ai/generativelanguage/v1beta/content.proto"""
_CONFIG_EXTRAS: Final = {"retrieval_config": OBJECT, "include_server_side_tool_invocations": FLAG}


def items_of(raw: Raw, path: str, ledger: Ledger) -> list[tuple[str, Raw]]:
    """Return the values of a list with their paths; one value alone stands for a list of one."""
    if not is_given(raw):
        return []
    if not bytes(raw).lstrip().startswith(b"["):
        return [(path, raw)]
    items = read(_items, raw, path, ledger)
    return [(f"{path}[{place}]", item) for place, item in enumerate(items)]


def decode_tools(raw: Raw, ledger: Ledger) -> tuple[Tool, ...]:
    """Return every function of every tool object, and the tools that Google runs."""
    return tuple(tool for path, item in items_of(raw, "tools", ledger) for tool in _decode_tool(item, path, ledger))


def _decode_tool(raw: Raw, path: str, ledger: Ledger) -> Iterator[Tool]:
    for written, value in read(_fields, raw, path, ledger).items():
        name, where = camel_cased(written), join(path, written)
        if not is_given(value):
            continue
        if name != _DECLARATIONS:
            typed(value, _HOSTED, where)
            yield HostedTool(NAME, name, name, Raw(msgspec.json.encode({name: value})), _search(name, value, where))
            continue
        for place, item in items_of(value, where, ledger):
            yield _decode_function(read_shape(_declaration, item, place, ledger), place)


def _search(name: str, raw: Raw, path: str) -> WebSearch | None:
    """Return what a tool asks for when it searches the web, else None."""
    if name not in _SEARCHES:
        return None
    asked = read_with(_google_search, raw, path, lambda _path, _value: None, camel_cased)
    return WebSearch(blocked_domains=tuple(asked.exclude_domains or ()))


def _decode_function(function: FunctionDeclaration, path: str) -> FunctionTool:
    extras = tuple(
        Extra(NAME, name, typed(value, kind, f"{path}.{name}"))
        for field, kind in _TOOL_EXTRAS.items()
        if is_given(value := getattr(function, field)) and (name := camel_cased(field))
    )
    if is_given(function.parameters_json_schema):
        schema = decode_schema(function.parameters_json_schema, f"{path}.parametersJsonSchema")
    else:
        schema = decode_schema(function.parameters, f"{path}.parameters")
    return FunctionTool(function.name, function.description, schema, extras=extras)


def decode_schema(raw: Raw, path: str) -> Raw | None:
    """Return a schema as JSON Schema; None when there is none. Some clients write Google's words in either field."""
    if not is_given(raw):
        return None
    if not bytes(raw).lstrip().startswith(b"{"):
        raise RequestError(f"`{path}`: Expected `object`", param=path)
    if not looks_like_google(bytes(raw)):
        return raw
    try:
        return Raw(msgspec.json.encode(from_gemini(_any(raw))))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise malformed(raw, path, error) from None


# The choice -----------------------------------------------------------------------------------------------------------


def decode_choice(config: ToolConfig | None, extras: list[Extra]) -> ToolChoice | None:
    """Return which functions may or must be called; what only this protocol has is added to `extras`."""
    if config is None:
        return None
    extras += (
        Extra(NAME, name, typed(value, kind, name))
        for field, kind in _CONFIG_EXTRAS.items()
        if is_given(value := getattr(config, field)) and (name := f"toolConfig.{camel_cased(field)}")
    )
    calling = config.function_calling_config
    if calling is None:
        return None
    path = "toolConfig.functionCallingConfig"
    if is_given(calling.stream_function_call_arguments):
        where = f"{path}.streamFunctionCallArguments"
        extras.append(Extra(NAME, where, typed(calling.stream_function_call_arguments, FLAG, where)))
    allowed = tuple(calling.allowed_function_names or ()) or None
    mode = _MODES.get(calling.mode, "") if isinstance(calling.mode, int) else calling.mode or "AUTO"
    match mode.upper():
        case "AUTO" | "MODE_UNSPECIFIED":
            return ToolChoice("auto", allowed=allowed)
        case "VALIDATED":
            extras.append(Extra(NAME, f"{path}.mode", Raw(b'"VALIDATED"')))
            return ToolChoice("auto", allowed=allowed)
        case "NONE":
            return ToolChoice("none")
        case "ANY" if allowed and len(allowed) == 1:
            return ToolChoice("tool", allowed[0])
        case "ANY":
            return ToolChoice("any", allowed=allowed)
        case _:
            raise RequestError(f"`{path}.mode` is `{calling.mode}`", param=f"{path}.mode", hint="AUTO, ANY, NONE")
