"""JSON that is only carried: what reading would have refused in it is refused here."""

import json
import re
from typing import Final

from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.wire.reading import malformed

_LONE_SURROGATE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


def object_text(value: Raw, path: str) -> str:
    """Return the JSON object at `path` as text, digits and order as they came. Raises RequestError when it is none."""
    text = str(value, "utf-8")
    if not text.startswith("{"):
        raise RequestError(f"`{path}`: Expected `object`", param=path)
    if "\\u" in text and _LONE_SURROGATE.search(text):
        _refuse_surrogates(value, path)
    return text


def checked(value: Raw, path: str) -> Raw:
    """Return `value`. Raises RequestError when a string in it is not Unicode."""
    data = bytes(value)
    if b"\\u" in data and _LONE_SURROGATE.search(data.decode()):
        _refuse_surrogates(value, path)
    return value


def _refuse_surrogates(value: Raw, path: str) -> None:
    """The pattern also fits escaped backslashes: only reading tells."""
    try:
        json.dumps(json.loads(bytes(value)), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise malformed(value, path, error) from None
    except RecursionError as error:
        raise malformed(value, path, error) from None
