"""The vendor's own web search: `web_search_options`. https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.losses import Ledger
from dragoman.ir.request import HostedTool, UserLocation, WebSearch
from dragoman.protocols.openai_chat.losses import Tally
from dragoman.protocols.openai_chat.wire import ORIGIN, SearchOptions, UserPlace
from dragoman.wire.reading import read

OPTIONS: Final = "web_search_options"
_NAME: Final = "web_search"
_OPTIONS: Final = msgspec.json.Decoder(SearchOptions)


def decode_options(raw: Raw, ledger: Ledger) -> HostedTool:
    """Return the tool that `web_search_options` stands for."""
    return HostedTool(ORIGIN, OPTIONS, _NAME, raw, decode_search(raw, OPTIONS, ledger))


def decode_search(raw: Raw, path: str, ledger: Ledger) -> WebSearch:
    """Return what the options, or a tool in Responses' shape, ask for."""
    options = read(_OPTIONS, raw, path, ledger)
    domains = options.filters.allowed_domains if options.filters else None
    return WebSearch(
        tuple(domains or ()),
        location=None if options.user_location is None else _location(options.user_location),
        context_size=options.search_context_size,
    )


def _location(place: UserPlace) -> UserLocation:
    inner = place.approximate or place
    return UserLocation(inner.city, inner.region, inner.country, inner.timezone)


def encode_search(tool: HostedTool, search: WebSearch, path: str, tally: Tally) -> Any:  # noqa: ANN401 - JSON
    """Return `web_search_options` for a search that `tool` asks for, whichever protocol's it is."""
    if tool.origin == ORIGIN and tool.type == OPTIONS:
        return tool.raw
    tally.add("web_search", path, f"`{tool.type}`")
    if search.allowed_domains or search.blocked_domains:
        tally.add("web_search_domains", path)
    if search.max_uses is not None:
        tally.add("web_search_uses", path)
    options: dict[str, Any] = {}
    if search.context_size is not None:
        options["search_context_size"] = search.context_size
    if search.location is not None:
        place = {name: text for name, text in msgspec.structs.asdict(search.location).items() if text is not None}
        options["user_location"] = {"type": "approximate", "approximate": place}
    return options
