"""JSON Schema to the subset that Anthropic holds answers and strict tools to.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations. What the subset cannot enforce is
told in the description, as the official SDK does it.
"""

# ruff: noqa: ANN401 - schemas are any JSON

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.wire.schemas import Schema, SchemaLoss, children, is_object, mapped, walk

_KEPT: Final = frozenset(
    {
        "$ref",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "format",
        "minItems",
    }
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_SILENT: Final = frozenset({"$schema", "$id", "$anchor", "$comment", "deprecated", "readOnly", "writeOnly"})
"""Keywords that hold a value to nothing and tell a model nothing."""
_KINDS: Final = ("type", "anyOf", "oneOf", "allOf", "enum", "const", "$ref")
_WORDS: Final = frozenset({"title", "description", "default"})
_MOST_MIN_ITEMS: Final = 1


def fitted(schema: Raw) -> tuple[Raw | None, list[SchemaLoss]]:
    """Return `schema` in the subset and what it no longer enforces; None with the reason when it has no form there."""
    try:
        root = msgspec.json.decode(schema)
        obstacle = next(_obstacles(root), None)
        if obstacle is not None:
            return None, [obstacle]
        losses: list[SchemaLoss] = []
        compiled = mapped(root, lambda one, path: _compiled(one, path, losses))
    except RecursionError:
        return None, [SchemaLoss("", "", "it is nested too deeply")]
    return (schema if compiled == root else Raw(msgspec.json.encode(compiled))), losses


# What has no form -----------------------------------------------------------------------------------------------------


def _obstacles(root: Any) -> Iterator[SchemaLoss]:
    if not isinstance(root, dict):
        yield SchemaLoss("", "", "anything may stand here")
        return
    if (reference := _recursive(root)) is not None:
        yield SchemaLoss("", "$ref", f"`{reference}` leads back to itself")
    for path, schema in walk(root):
        if not any(keyword in schema for keyword in (*_KINDS, "properties")):
            yield SchemaLoss(path, "type", "anything may stand here")
        if is_object(schema):
            yield from _maps(schema, path)
        if not _is_joinable(schema):
            yield SchemaLoss(path, "allOf", "it joins what cannot be closed or put together")
        for step, inner in children(schema):
            if isinstance(inner, bool) and not step.endswith("Properties"):
                yield SchemaLoss(path + step, "", "anything may stand here")


def _maps(schema: Schema, path: str) -> Iterator[SchemaLoss]:
    """Yield what says that an object's properties have names that the schema does not know."""
    for keyword in ("additionalProperties", "patternProperties"):
        value = schema.get(keyword)
        if value and (isinstance(value, dict) or not schema.get("properties")):
            yield SchemaLoss(path, keyword, "its properties may have any name")
            return
    if "properties" not in schema and "additionalProperties" not in schema and "allOf" not in schema:
        yield SchemaLoss(path, "properties", "its properties may have any name")


def _parts(schema: Schema) -> list[Schema]:
    parts = schema.get("allOf")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _is_joinable(schema: Schema) -> bool:
    """Tell whether `allOf` may stay (nothing in it has to be closed) or its one part can be put in its place."""
    parts = _parts(schema)
    if len(parts) == 1:
        return not parts[0].keys() & schema.keys() - _WORDS
    return not any("$ref" in part or is_object(part) for part in parts) and not (parts and is_object(schema))


def _recursive(root: Schema) -> str | None:
    """Return a reference that leads out of the document, or back to itself; None when there is none."""
    leads: dict[str, list[str]] = {}
    todo = [one["$ref"] for _, one in walk(root) if isinstance(one.get("$ref"), str)]
    while todo:
        reference = todo.pop()
        if reference in leads:
            continue
        target = _resolved(root, reference)
        if target is None:
            return str(reference)
        leads[reference] = [one["$ref"] for _, one in walk(target) if isinstance(one.get("$ref"), str)]
        todo += leads[reference]
    return next((reference for reference in leads if reference in _reached(reference, leads)), None)


def _reached(start: str, leads: dict[str, list[str]]) -> set[str]:
    reached: set[str] = set()
    todo = list(leads[start])
    while todo:
        reference = todo.pop()
        if reference not in reached:
            reached.add(reference)
            todo += leads[reference]
    return reached


def _resolved(root: Schema, reference: str) -> Schema | None:
    """Return what a JSON pointer within the document leads to; None when it leads nowhere."""
    if not reference.startswith("#"):
        return None
    place: Any = root
    for step in filter(None, reference[1:].split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None


# What is told instead of being enforced -------------------------------------------------------------------------------


def _compiled(schema: Schema, path: str, losses: list[SchemaLoss]) -> Schema:
    if len(parts := _parts(schema)) == 1:
        schema = {**parts[0], **{name: value for name, value in schema.items() if name != "allOf"}}
    if "$ref" in schema:
        beside = [name for name in schema if name not in _SILENT and name not in ("$ref", "$defs", "definitions")]
        losses += (SchemaLoss(path, name, "nothing may stand beside a reference") for name in beside)
        return {name: schema[name] for name in ("$ref", "$defs", "definitions") if name in schema}
    if "oneOf" in schema and "anyOf" not in schema:
        losses.append(SchemaLoss(path, "oneOf", "it becomes `anyOf`"))
        schema = {("anyOf" if name == "oneOf" else name): value for name, value in schema.items()}
    kept = {name: value for name, value in schema.items() if _is_kept(name, value)}
    told = {name: value for name, value in schema.items() if name not in kept and name not in _SILENT}
    losses += (SchemaLoss(path, name, "it is told in the description, and not enforced") for name in told)
    if told:
        words = ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in told.items())
        described = f"{kept['description']}\n\n" if kept.get("description") else ""
        kept["description"] = f"{described}{{{words}}}"
    if is_object(kept):
        if kept.get("additionalProperties"):
            losses.append(SchemaLoss(path, "additionalProperties", "other properties are not allowed"))
        kept["additionalProperties"] = False
    return kept


def _is_kept(name: str, value: Any) -> bool:
    match name:
        case "format":
            return value in _FORMATS
        case "minItems":
            return isinstance(value, int) and value <= _MOST_MIN_ITEMS
        case "enum":
            return isinstance(value, list) and not any(isinstance(one, dict | list) for one in value)
        case "const":
            return not isinstance(value, dict | list)
        case _:
            return name in _KEPT
