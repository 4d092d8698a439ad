"""What a reply's head is made of, and the replies that the server makes itself (RFC 9112)."""

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final

_INVALID_NAME: Final = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]|\A\Z")
CLOSE: Final = b"\r\nconnection: close"

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".encode()


STATUS_LINES: Final = {status: _status_line(status) for status in range(200, 600)}
"""The first line of a reply, by its status. In a head, every other line brings the CRLF before it."""


def _plain(status: int, text: bytes) -> bytes:
    fields = b"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d" % len(text)
    return b"".join((STATUS_LINES[status], fields, CLOSE, b"\r\n\r\n", text))


BROKEN: Final = _plain(500, b"Internal Server Error")
BROKEN_WITHOUT_BODY: Final = BROKEN.removesuffix(b"Internal Server Error")
MALFORMED: Final = _plain(400, b"Invalid HTTP request received.")
TOO_SLOW: Final = _plain(408, b"The request's head took too long.")
TOO_LONG: Final = _plain(431, b"The request's head is too long.")
UNKNOWN_VERSION: Final = _plain(505, b"Only HTTP/1.1 and HTTP/1.0 are spoken here.")


@lru_cache(maxsize=1024)
def field_start(name: bytes) -> bytes:
    """Return what stands in a head before a header's value."""
    if _INVALID_NAME.search(name):
        raise RuntimeError(f"`{name!r}` is no name for a header")
    return b"\r\n%b: " % name.lower()
