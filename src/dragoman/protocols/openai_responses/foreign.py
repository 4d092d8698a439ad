"""What another protocol may say in place of an item that only this one has."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.request import Foreign, Page, Search
from dragoman.protocols.openai_responses.wire import ORIGIN
from dragoman.wire.reading import UNREADABLE

_Fields = dict[str, Any]
_fields_of: Final = msgspec.json.Decoder(_Fields).decode
_OPAQUE: Final = frozenset({"compaction", "compaction_trigger", "configuration_update"})
"""Items without anything to read in them."""
_ENVELOPE: Final = frozenset({"type", "id", "call_id", "status", "result"})


def foreign(kind: str, raw: Raw) -> Foreign:
    """Return the item `raw`, whose type is `kind`, with words that another protocol may say instead."""
    if kind in _OPAQUE:
        return Foreign(ORIGIN, kind, raw)
    fields = _read(raw)
    if kind == "tool_search_output":
        return Foreign(ORIGIN, kind, raw, f"[These tools can be called from here on: {_names(fields)}]")
    said = {name: value for name, value in fields.items() if name not in _ENVELOPE and value is not None}
    return Foreign(ORIGIN, kind, raw, f"[{kind}: {msgspec.json.encode(said).decode()}]" if said else None)


def web_search(raw: Raw) -> Foreign:
    """Return a search of the web, with what it looked for and where."""
    match _read(raw).get("action"):
        case {"type": "search", **action}:
            query = action.get("query") or _first(action.get("queries"))
            search = Search(query if isinstance(query, str) else None, _pages(action.get("sources")))
        case {"url": str(url), **_others}:
            search = Search(pages=(Page(url),))
        case _:
            search = Search()
    about = search.query or ", ".join(page.url for page in search.pages)
    return Foreign(ORIGIN, "web_search_call", raw, f"[web search: {about}]" if about else None, search=search)


def _names(fields: Mapping[str, Any]) -> str:
    tools = fields.get("tools")
    items = tools if isinstance(tools, list) else []
    return ", ".join(str(item.get("name") or item.get("type")) for item in items if isinstance(item, dict)) or "none"


def _pages(sources: Any) -> tuple[Page, ...]:  # noqa: ANN401 - any JSON
    items = sources if isinstance(sources, list) else []
    return tuple(Page(item["url"]) for item in items if isinstance(item, dict) and isinstance(item.get("url"), str))


def _first(queries: Any) -> Any:  # noqa: ANN401 - any JSON
    return queries[0] if isinstance(queries, list) and queries else None


def _read(raw: Raw) -> _Fields:
    try:
        return _fields_of(raw)
    except UNREADABLE:
        return {}
