"""What answers in an API's place: a web page, say, from a proxy in between or from a wrong base URL."""

import re
from typing import Final

from dragoman.ir.failures import Failure, FailureKind

PROXY_STATUSES: Final = frozenset({401, 403, 413, 429, 529})
"""What proxies answer in their own words, and what clients act on: such a status stands even when the body is no API's."""

_LENGTH: Final = 200
_MARKUP: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>?", re.DOTALL)
_CHECK: Final = "check the provider's base URL"


def excerpt_of(body: bytes) -> str:
    """Return the first words of a page, 200 letters at the most, without its markup."""
    return " ".join(_MARKUP.sub(" ", body[: 16 * _LENGTH].decode(errors="replace")).split())[:_LENGTH]


def refusal_of(status: int, body: bytes) -> str:
    """Return what a proxy says with one of its statuses, in its own words if it has any."""
    return excerpt_of(body) or f"the upstream answered with status {status} and no words"


def page_failure(status: int, body: bytes) -> Failure:
    """Return the failure for what is no API's answer, whatever its HTTP `status`: the upstream's kind says nothing of it."""
    excerpt = excerpt_of(body)
    return Failure(
        FailureKind.UPSTREAM_INVALID,
        f"the upstream answered with status {status} and " + (f"no JSON: `{excerpt}`" if excerpt else "no words"),
        status=502,
        hint=f"try again later; if it stays so, {_CHECK}" if status >= 500 else _CHECK,
    )
