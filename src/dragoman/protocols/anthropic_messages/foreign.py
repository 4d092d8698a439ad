"""What another protocol may say in place of a block that only Anthropic has."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman.ir.request import CacheBreakpoint, Foreign
from dragoman.protocols.anthropic_messages.searching import told_search
from dragoman.protocols.anthropic_messages.wire import NAME

_Fields = dict[str, Any]
_fields_of: Final = msgspec.json.Decoder(_Fields).decode


def foreign(kind: str, raw: msgspec.Raw) -> Foreign:
    """Return the block `raw`, whose type is `kind`, with a readable summary where one is of use."""
    try:
        fields = _fields_of(raw)
    except (msgspec.DecodeError, RecursionError):
        return Foreign(NAME, kind, raw)
    return Foreign(NAME, kind, raw, _summary(kind, fields) or None, _breakpoint(fields), told_search(kind, fields))


def _breakpoint(fields: _Fields) -> CacheBreakpoint | None:
    match fields.get("cache_control"):
        case {"ttl": str(ttl)}:
            return CacheBreakpoint(ttl)
        case {}:
            return CacheBreakpoint()
        case _:
            return None


def _summary(kind: str, fields: _Fields) -> str:
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(fields)
    if kind.endswith("_tool_result"):
        return f"[{kind}: {_words(fields.get('content'))}]"
    text = fields.get("text")
    return text if isinstance(text, str) else ""


def _words(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the text that a block's content holds, or the content itself when it is not made of text."""
    if isinstance(value, str):
        return value
    items = value if isinstance(value, list) else []
    texts = [item["text"] for item in items if isinstance(item, dict) and isinstance(item.get("text"), str)]
    if texts and len(texts) == len(items):
        return "\n".join(texts)
    return msgspec.json.encode(value).decode()


def _search_result(fields: _Fields) -> str:
    return f"{fields.get('title', '')}\n{fields.get('source', '')}\n{_words(fields.get('content', ''))}"


def _tool_reference(fields: _Fields) -> str:
    return f"[The tool `{fields.get('tool_name', '')}` is available.]"


def _tool_addition(fields: _Fields) -> str:
    return f"[From here on this tool may be used: {_words(fields.get('tool'))}]"


def _tool_removal(fields: _Fields) -> str:
    return f"[From here on this tool may not be used: {_words(fields.get('tool'))}]"


def _server_call(fields: _Fields) -> str:
    return f"[{fields.get('name', '')}: {_words(fields.get('input'))}]"


def _web_search(fields: _Fields) -> str:
    found = fields.get("content")
    if not isinstance(found, list):
        return f"[web search: {_words(found)}]"
    lines = (f"- {item.get('title', '')} {item.get('url', '')}" for item in found if isinstance(item, dict))
    return "\n".join(["[web search results]", *lines])


def _compaction(fields: _Fields) -> str:
    return _words(fields.get("content") or "")


_WRITERS: Final[dict[str, Callable[[_Fields], str]]] = {
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "tool_addition": _tool_addition,
    "tool_removal": _tool_removal,
    "server_tool_use": _server_call,
    "mcp_tool_use": _server_call,
    "web_search_tool_result": _web_search,
    "compaction": _compaction,
}
