"""JSON Schemas, walked and held to a vendor's subset.

What stands in a schema's place is a schema; what stands among `properties` is named by the client, so that a property called
`not` or `$ref` is nothing special; what stands in `enum`, `const`, `default` and `examples` is data.
"""

# ruff: noqa: ANN401 - schemas are any JSON

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

Schema = dict[str, Any]

_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLES: Final = (
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
)


class SchemaLoss(NamedTuple):
    """What a subset cannot say: where (`.properties.a`; the root is ``), which keyword, and why, or what became of it."""

    path: str
    keyword: str
    reason: str


def children(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Yield the schemas right inside `schema`, each behind its path (`.properties.a`, `.anyOf[0]`)."""
    for keyword in _MAPS:
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            yield from ((f".{keyword}.{name}", one) for name, one in inner.items())
    for keyword in (*_LISTS, "items"):
        inner = schema.get(keyword)
        if isinstance(inner, list):
            yield from ((f".{keyword}[{place}]", one) for place, one in enumerate(inner))
    for keyword in _SINGLES:
        inner = schema.get(keyword)
        if isinstance(inner, dict | bool):
            yield f".{keyword}", inner


def walk(schema: Any, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema that is an object, the outermost first, behind its path."""
    if isinstance(schema, dict):
        yield path, schema
        for step, inner in children(schema):
            yield from walk(inner, path + step)


def mapped(schema: Any, change: Callable[[Schema, str], Schema], path: str = "") -> Any:
    """Return `schema` with `change` made to every schema in it that is an object, the innermost first; it stays as it is itself."""
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    for keyword in _MAPS:
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            changed[keyword] = {name: mapped(one, change, f"{path}.{keyword}.{name}") for name, one in inner.items()}
    for keyword in (*_LISTS, "items"):
        inner = schema.get(keyword)
        if isinstance(inner, list):
            changed[keyword] = [mapped(one, change, f"{path}.{keyword}[{place}]") for place, one in enumerate(inner)]
    for keyword in _SINGLES:
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            changed[keyword] = mapped(inner, change, f"{path}.{keyword}")
    return change(changed, path)


def is_object(schema: Schema) -> bool:
    """Tell whether a schema is one of an object, or may be."""
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


# OpenAI's strict schemas ----------------------------------------------------------------------------------------------

_STRICT_KEYWORDS: Final = frozenset(
    {
        "$schema",
        "$ref",
        "$defs",
        "definitions",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "pattern",
        "format",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
        "maxItems",
    }
)
_ANNOTATIONS: Final = frozenset({"$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"})
"""Keywords that hold a value to nothing; strict schemas refuse them."""
_STRICT_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


def strict_form(schema: Raw) -> tuple[Raw, SchemaLoss | None]:
    """Return `schema` in the form that OpenAI's strict mode takes, or as it is with the first thing that keeps it from having one.

    Objects that do not speak of other properties are closed, annotations are left out: whatever fits the form fits the schema.
    A property that may be missing has no such form: strict mode would have the model make one up.
    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    try:
        root = msgspec.json.decode(schema)
        obstacle = next(_obstacles(root), None)
        if obstacle is not None:
            return schema, obstacle
        closed = mapped(root, lambda one, _path: _closed(one))
    except RecursionError:
        return schema, SchemaLoss("", "", "it is nested too deeply")
    return (schema if closed == root else Raw(msgspec.json.encode(closed))), None


def _obstacles(root: Any) -> Iterator[SchemaLoss]:
    if not isinstance(root, dict) or root.get("type") != "object" or "anyOf" in root:
        yield SchemaLoss("", "type", "its top level is no plain object")
        return
    for path, schema in walk(root):
        for keyword in schema:
            if keyword not in _STRICT_KEYWORDS and keyword not in _ANNOTATIONS:
                yield SchemaLoss(path, keyword, "strict schemas have no such keyword")
        if "format" in schema and schema["format"] not in _STRICT_FORMATS:
            yield SchemaLoss(path, "format", f"strict schemas have no format `{schema['format']}`")
        if is_object(schema):
            yield from _open_ends(schema, path)
        for step, inner in children(schema):
            if isinstance(inner, bool) and not step.endswith(".additionalProperties"):
                yield SchemaLoss(path + step, "", "anything may stand here")


def _open_ends(schema: Schema, path: str) -> Iterator[SchemaLoss]:
    properties, required = schema.get("properties"), schema.get("required")
    if schema.get("additionalProperties", False) is not False or not isinstance(properties, dict):
        yield SchemaLoss(path, "additionalProperties", "its properties may have any name")
        return
    needed = required if isinstance(required, list) else []
    missing = next((name for name in properties if name not in needed), None)
    if missing is not None:
        yield SchemaLoss(path, "required", f"`{missing}` may be missing")


def _closed(schema: Schema) -> Schema:
    kept = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
    return {**kept, "additionalProperties": False} if is_object(schema) else kept
