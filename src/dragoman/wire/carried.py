"""JSON that is only carried: what reading would have refused in it is refused here."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.wire.reading import malformed, read_with

Type = msgspec.json.Decoder[Any]
"""What a field may hold whose value is only carried."""

FLAG: Final[Type] = msgspec.json.Decoder(bool)
WORD: Final[Type] = msgspec.json.Decoder(str)
WORDS: Final[Type] = msgspec.json.Decoder(list[str])
OBJECT: Final[Type] = msgspec.json.Decoder(dict[str, Any])
OBJECTS: Final[Type] = msgspec.json.Decoder(list[dict[str, Any]])
ANYTHING: Final[Type] = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Own:
    """A field that one protocol alone has: its type, and whether a value of it asks for something that may not be left out."""

    type: Type
    matters: Callable[[bytes], bool] = lambda _: False


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


def typed(value: Raw, kind: Type, path: str) -> Raw:
    """Return `value`, which stays as it came. Raises RequestError naming what in it is not of its type, or not Unicode."""
    read_with(kind, value, path, lambda _path, _value: None)
    return value


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
