"""What Claude Code's auto mode is told where nobody can judge its tool calls. https://code.claude.com/docs/en/llm-gateway-protocol.

A request names the `safeguards` that it wants; Anthropic answers with `safeguard_results`. On the way to another upstream there are
none, and saying nothing, or worse "not flagged", would be made up: each is answered as unsupported.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.ir.request import Extra, Request
from dragoman.protocols.anthropic_messages.wire import NAME, Tag

ASKED: Final = "safeguards"
ANSWERED: Final = "safeguard_results"

_safeguards: Final = msgspec.json.Decoder(list[Tag]).decode


def with_results(extras: list[Extra], request: Request | None) -> list[Extra]:
    """Return a reply's extras, with an answer to the safeguards that `request` asks for if the upstream gave none."""
    asked = _asked(request.extras) if request else ()
    if not asked or any(extra.name == ANSWERED for extra in extras):
        return extras
    results = [{"type": kind, "status": {"type": "unsupported"}} for kind in asked]
    return [*extras, Extra(NAME, ANSWERED, Raw(msgspec.json.encode(results)))]


def _asked(extras: Iterable[Extra]) -> Collection[str]:
    value = next((extra.value for extra in extras if extra.origin == NAME and extra.name == ASKED), None)
    if value is None:
        return ()
    try:
        return dict.fromkeys(safeguard.type for safeguard in _safeguards(value))
    except (msgspec.DecodeError, RecursionError):
        return ()
