"""Makes up a JSON value that fits a JSON Schema: the same one each time, and nothing that a person would stumble over.

Patterns and conditions (`pattern`, `if`, `not`) are not looked at; tools hardly have them on what is required.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

Schema = Mapping[str, object]

_MAX_DEPTH: Final = 8
_OPTIONAL_DEPTH: Final = 3

_BY_FORMAT: Final = {
    "date-time": "2030-01-02T03:04:05Z",
    "date": "2030-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_BY_NAME: Final = (
    ("city", "Paris"),
    ("location", "Paris"),
    ("country", "France"),
    ("path", "README.md"),
    ("file", "README.md"),
    ("command", "echo hello"),
    ("url", "https://example.com/"),
    ("query", "hello"),
    ("pattern", "hello"),
    ("email", "someone@example.com"),
    ("date", "2030-01-02"),
    ("language", "en"),
    ("unit", "celsius"),
    ("name", "example"),
)


def arguments_for(schema: msgspec.Raw | None) -> str:
    """Return the JSON text of arguments for a tool with this schema: an object with what is required."""
    return msgspec.json.encode(_object(_read(schema))).decode()


def answer_for(schema: msgspec.Raw) -> str:
    """Return the JSON text of an answer in this schema's form, with its optional properties."""
    root = _read(schema)
    return msgspec.json.encode(_Maker(root, is_full=True).value(root, "", 0)).decode()


def _read(schema: msgspec.Raw | None) -> Schema:
    try:
        return msgspec.json.decode(schema, type=dict[str, object]) if schema else {}
    except (msgspec.DecodeError, RecursionError):
        return {}


def _object(root: Schema) -> dict[str, object]:
    value = _Maker(root, is_full=False).value({"type": "object", **root}, "", 0)
    return value if isinstance(value, dict) else {}


class _Maker:
    """Makes values for one schema; `is_full` with the optional properties of the outer levels."""

    def __init__(self, root: Schema, *, is_full: bool) -> None:
        self._root = root
        self._is_full = is_full

    def value(self, schema: object, name: str, depth: int) -> object:
        """Return a value for `schema`, which a property called `name` has; null where it never ends."""
        if not isinstance(schema, Mapping):
            return "example"
        if depth > _MAX_DEPTH:
            return None
        if "const" in schema:
            return schema["const"]
        for word in ("enum", "examples"):
            choices = schema.get(word)
            if isinstance(choices, list) and choices:
                return choices[0]
        if schema.get("default") is not None:
            return schema["default"]
        return self._made(schema, name, depth)

    def _made(self, schema: Schema, name: str, depth: int) -> object:
        if isinstance(schema.get("$ref"), str):
            return self.value(self._target(str(schema["$ref"])), name, depth + 1)
        parts = schema.get("allOf")
        if isinstance(parts, list) and parts:
            return self.value(self._merged(schema, parts), name, depth + 1)
        for word in ("anyOf", "oneOf"):
            choices = schema.get(word)
            if isinstance(choices, list) and choices:
                return self.value({**_without(schema, word), **_mapping(choices[0])}, name, depth + 1)
        match _type_of(schema):
            case "object":
                return self._properties(schema, depth)
            case "array":
                return self._items(schema, name, depth)
            case "integer":
                return int(_number(schema, 1))
            case "number":
                return _number(schema, 1.5)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _string(schema, name)

    def _properties(self, schema: Schema, depth: int) -> dict[str, object]:
        properties = _mapping(schema.get("properties"))
        required = schema.get("required")
        names = [str(name) for name in required] if isinstance(required, list) else []
        if self._is_full and depth < _OPTIONAL_DEPTH:
            names = [*properties, *(name for name in names if name not in properties)]
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names}

    def _items(self, schema: Schema, name: str, depth: int) -> list[object]:
        first = schema.get("prefixItems")
        made = [self.value(item, name, depth + 1) for item in first] if isinstance(first, list) else []
        least = schema.get("minItems")
        wanted = least if isinstance(least, int) else 0 if depth >= _OPTIONAL_DEPTH or made else 1
        made += [self.value(schema.get("items", {}), name, depth + 1) for _ in range(wanted - len(made))]
        return made

    def _target(self, reference: str) -> object:
        """Return what a JSON pointer into the schema itself (`#/$defs/point`) points to."""
        place: object = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            place = _mapping(place).get(part.replace("~1", "/").replace("~0", "~"), {})
        return place

    def _merged(self, schema: Schema, parts: Sequence[object]) -> Schema:
        whole: dict[str, object] = {}
        properties: dict[str, object] = {}
        required: list[object] = []
        for part in (_without(schema, "allOf"), *parts):
            fields = _mapping(part)
            if isinstance(fields.get("$ref"), str):
                fields = _mapping(self._target(str(fields["$ref"])))
            properties.update(_mapping(fields.get("properties")))
            names = fields.get("required")
            required += names if isinstance(names, list) else []
            whole.update(fields)
        return {**whole, "properties": properties, "required": required} if properties else whole


def _mapping(value: object) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _without(schema: Schema, word: str) -> Schema:
    return {name: value for name, value in schema.items() if name != word}


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _number(schema: Schema, usual: float) -> float:
    """Return a number within the schema's bounds."""

    def bound(word: str) -> float | None:
        value = schema.get(word)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    step = bound("multipleOf")
    value = step or usual
    for least, gap in ((bound("minimum"), 0), (bound("exclusiveMinimum"), step or 1)):
        if least is not None and value < least + gap:
            value = least + gap
    for most, gap in ((bound("maximum"), 0), (bound("exclusiveMaximum"), step or 1)):
        if most is not None and value > most - gap:
            value = most - gap
    return -(-value // step) * step if step else value


def _string(schema: Schema, name: str) -> str:
    lowered = name.lower()
    text = _BY_FORMAT.get(str(schema.get("format"))) or next(
        (value for word, value in _BY_NAME if word in lowered), "example"
    )
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least:
        text = (text * least)[:least]
    return text[:most] if isinstance(most, int) else text
