"""Which headers travel: from the client to the upstream, and back."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""https://www.rfc-editor.org/rfc/rfc9110#field.connection"""

_NOT_UP: Final = _HOP_BY_HOP | {
    "api-key",
    "accept-encoding",  # the raw lane edits bytes, so they have to come as they are
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "origin",
    "referer",
    "via",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-real-ip",
    "x-request-id",
    "x-upstream-format",
    "x-upstream-url",
}
_NOT_UP_PREFIXES: Final = ("x-forwarded-", "x-dragoman-", "sec-", "cf-")
_NOT_DOWN: Final = _HOP_BY_HOP | {
    "content-encoding",
    "content-length",
    "set-cookie",
    "server",
    "x-request-id",
    "alt-svc",
}
_NOT_DOWN_PREFIXES: Final = ("access-control-", "x-dragoman-")


def upward(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the client's headers that an upstream of the same protocol gets: all but the connection's and the keys."""
    rows = [(name, value) for name, value in headers.items() if _goes_up(name)]
    connection = headers.get("connection")
    if connection is None or connection.lower() in ("keep-alive", "close"):
        return rows
    # The client may name more headers that are the connection's only.
    named = {name.strip().lower() for name in connection.split(",")}
    return [row for row in rows if row[0] not in named]


@lru_cache(1024)
def _goes_up(name: str) -> bool:
    return name not in _NOT_UP and not name.startswith(_NOT_UP_PREFIXES)


@lru_cache(1024)
def _goes_down(name: str) -> bytes | None:
    """Return the header's name on its way to the client; None when it stays."""
    return None if name in _NOT_DOWN or name.startswith(_NOT_DOWN_PREFIXES) else name.encode("latin-1")


def downward(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the upstream's headers that a client of the same protocol gets; the upstream's request id under a name of its own."""
    rows = [
        (kept, value.encode("latin-1")) for name, value in headers.items() if (kept := _goes_down(name)) is not None
    ]
    if "x-request-id" in headers:
        rows.append((b"x-upstream-request-id", headers["x-request-id"].encode("latin-1")))
    return rows


def header_value(text: str) -> bytes:
    """Return `text` as a header's value: one line of printable Latin-1."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return text.encode("latin-1", "replace")


def chosen(headers: Mapping[str, str], prefixes: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers whose names begin with one of `prefixes`."""
    wanted = tuple(prefixes)
    return [(name, value) for name, value in headers.items() if wanted and name.startswith(wanted)]


def with_item(rows: Iterable[tuple[str, str]], name: str, item: str) -> list[tuple[str, str]]:
    """Return `rows` with `item` in the list that the header `name` holds, behind what is in it already."""
    rows = list(rows)
    items = [one.strip() for header, value in rows if header == name for one in value.split(",")]
    if item in items:
        return rows
    return [*(row for row in rows if row[0] != name), (name, ",".join([*items, item]))]
