"""Bytes in base64 as clients send them: refused where they are none, else made what every vendor reads."""

import re
from typing import Final

from dragoman.ir.failures import RequestError

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SPELLING: Final = bytes.maketrans(b"-_", b"+/")
"""From the other alphabet, which Google's clients use."""
_BLANKS: Final = b" \t\r\n\f"
"""What says nothing, as in browsers (https://infra.spec.whatwg.org/#forgiving-base64-decode): the lines of MIME, which
Python's `encodebytes` makes, and a space behind a data URL's comma."""
_PADDING: Final = "=="
_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;.*)?", re.ASCII)


def standard_base64(data: str, path: str) -> str:
    """Return `data` in the standard alphabet, on one line and padded. Raises RequestError when it is no base64, or nothing.

    Upstreams refuse broken data under their own field's name, or let the model look at nothing. Deleting the alphabet tells
    all that can be wrong for 0.5 ms a megabyte; decoding strictly takes 2.6, an expression 1.4. Only what is unusual is
    written anew.
    """
    if not data:
        raise RequestError(f"`{path}` is empty", param=path)
    written = data.encode("ascii", "replace")
    rest = written.translate(None, _ALPHABET)
    if rest.strip(b"="):
        written = written.translate(_SPELLING, _BLANKS)
        data, rest = written.decode(), written.translate(None, _ALPHABET)
    digits = data.rstrip("=")
    if rest.strip(b"=") or len(digits) + len(rest) != len(data) or len(digits) % 4 == 1 or not digits:
        raise RequestError(f"`{path}` is not valid base64", param=path)
    needed = -len(digits) % 4
    return data if needed == len(rest) else digits + _PADDING[:needed]


def require_type(media_type: str, path: str, family: str = "") -> None:
    """Raise RequestError when `media_type` is none (`image/png`), or none of its `family` (`image/`)."""
    if not _TYPE.fullmatch(media_type):
        raise RequestError(f"`{path}`: `{media_type}` is no media type", param=path)
    if not media_type.lower().startswith(family):
        raise RequestError(f"`{path}`: `{media_type}` is no type of an {family.rstrip('/')}", param=path)
