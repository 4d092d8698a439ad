"""JSON Schemas as OpenAI's protocols and the servers that speak them want them."""

from typing import Final

import msgspec
from msgspec import Raw

from dragoman.wire.reading import UNREADABLE

_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
_LONGEST_NAME: Final = 64


class _Schema(msgspec.Struct):
    properties: Raw = Raw()


class _Titled(msgspec.Struct):
    title: str | None = None


_schema_of: Final = msgspec.json.Decoder(_Schema).decode
_title_of: Final = msgspec.json.Decoder(_Titled).decode
_fields_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def with_properties(schema: Raw | None) -> Raw:
    """Return a tool's schema, with the `properties` that strict servers insist on."""
    if schema is None:
        return _NO_PARAMETERS
    try:
        if _schema_of(schema).properties:
            return schema
        return Raw(msgspec.json.encode(_fields_of(schema) | {"properties": Raw(b"{}")}))
    except UNREADABLE:
        return schema


def schema_name(schema: Raw) -> str:
    """Return a name for an answer's schema, which is required: its title, as far as the characters of names go."""
    try:
        title = _title_of(schema).title or ""
    except UNREADABLE:
        title = ""
    name = "".join(character if character.isalnum() and character.isascii() else "_" for character in title)
    return name.strip("_")[:_LONGEST_NAME] or "response"
