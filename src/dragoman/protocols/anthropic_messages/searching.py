"""The web search that Anthropic runs, as others may run it. https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.losses import Ledger
from dragoman.ir.request import HostedTool, Page, Search, UserLocation, WebSearch
from dragoman.protocols.anthropic_messages import wire
from dragoman.wire.reading import read

SEARCH_NAME: Final = "web_search"
"""How the tool is called, by the API's own rule."""
SEARCH_TYPE: Final = "web_search_20250305"
"""The version that every model with web search takes."""
_PREFIX: Final = "web_search_"
_tool: Final = msgspec.json.Decoder(wire.WebSearchTool)


def decode_search(kind: str, raw: Raw, path: str, ledger: Ledger) -> WebSearch | None:
    """Return what the tool `raw` asks for when its type says that it searches the web, else None."""
    if not kind.startswith(_PREFIX):
        return None
    tool = read(_tool, raw, path, ledger)
    return WebSearch(
        tuple(tool.allowed_domains or ()),
        tuple(tool.blocked_domains or ()),
        None if tool.user_location is None else _location(tool.user_location),
        tool.max_uses,
    )


def _location(place: wire.LocationParam) -> UserLocation:
    return UserLocation(place.city, place.region, place.country, place.timezone)


def encode_search(tool: HostedTool, search: WebSearch, path: str, ledger: Ledger) -> dict[str, Any]:
    """Return the tool for a search that another protocol's `tool` asks for."""
    ledger.emulated("web_search", path, f"`{tool.type}` becomes Anthropic's own search")
    if search.context_size is not None:
        ledger.dropped("web_search_size", path, "how much the model reads of what it finds cannot be set")
    # The API takes one list or the other.
    allowed = [domain for domain in search.allowed_domains if domain not in search.blocked_domains]
    blocked = () if search.allowed_domains else search.blocked_domains
    place = search.location and {"type": "approximate", **_given(msgspec.structs.asdict(search.location))}
    asked = {
        "allowed_domains": allowed,
        "blocked_domains": blocked,
        "max_uses": search.max_uses,
        "user_location": place,
    }
    return {"type": SEARCH_TYPE, "name": SEARCH_NAME, **_given(asked)}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def told_search(kind: str, fields: dict[str, Any]) -> Search | None:
    """Return what a block with these fields tells of a web search; None when it is about something else."""
    match kind, fields:
        case "server_tool_use", {"name": "web_search", "input": {"query": str(query)}}:
            return Search(query)
        case "server_tool_use", {"name": "web_search"}:
            return Search()
        case "web_search_tool_result", {"content": list(found)}:
            return Search(pages=tuple(_page(item) for item in found if _is_page(item)))
        case "web_search_tool_result", _:
            return Search()
        case _:
            return None


def _is_page(item: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(item, dict) and isinstance(item.get("url"), str)


def _page(item: dict[str, Any]) -> Page:
    title = item.get("title")
    return Page(item["url"], title if isinstance(title, str) else None)
