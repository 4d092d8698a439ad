"""JSON Schema to Google's subset of it, and back. Pure: JSON values in, JSON values out.

https://ai.google.dev/api/caching#Schema. What stands in a schema's place is a schema; what stands among `properties` is named by
the client, so that a property called `$schema` or `type` is nothing special.
"""

# ruff: noqa: ANN401 - schemas are any JSON

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dragoman.protocols.gemini_generate.wire import camel_cased

Json = dict[str, Any]


class SchemaLoss(NamedTuple):
    """What a schema's compilation left out: where (`properties.a`), which keyword, and what became of it."""

    path: str
    keyword: str
    reason: str


_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
_KEPT: Final = (
    "title",
    "description",
    "default",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
)
_FORMATS: Final = {
    "STRING": frozenset({"enum", "date-time"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}
_SILENT: Final = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "examples", "deprecated", "readOnly", "writeOnly"}
)
"""Keywords that describe nothing of the value; definitions are put where they are used."""
_READ: Final = frozenset(
    {
        *_KEPT,
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "format",
        "nullable",
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "prefixItems",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "propertyOrdering",
        "example",
    }
)
_KINDS: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_DEEPEST: Final = 64
_MOST_SCHEMAS: Final = 5000
"""How many schemas one may consist of: where references are put in place, a short schema can mean a very long one."""
_ANY: Final[Json] = {"type": "STRING"}
"""For what may be anything: the subset wants a type."""


def to_gemini(schema: Any) -> tuple[Json, list[SchemaLoss]]:
    """Return `schema` in Google's subset, and what the subset cannot say."""
    compiler = _Compiler(schema)
    return compiler.compiled(schema, ""), compiler.losses


class _Compiler:
    """Compiles one schema; references lead into its root."""

    def __init__(self, root: Any) -> None:
        self.losses: list[SchemaLoss] = []
        self._root = root
        self._left = _MOST_SCHEMAS
        self._open: list[str] = []
        self._merging: list[Json] = []

    def compiled(self, schema: Any, path: str) -> Json:
        self._left -= 1
        if not isinstance(schema, dict) or path.count(".") > _DEEPEST or self._left < 0:
            if schema is not True:
                self._lose(path, "schema", "it is no schema, nested too deeply or too large with all that it refers to")
            return dict(_ANY)
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred(schema, reference, path)
        if isinstance(schema.get("allOf"), list):
            return self.compiled(self._merged(schema, path), path)
        for keyword in schema.keys() - _READ - _SILENT:
            self._lose(path, keyword, "Google's schemas have no such keyword")
        branches = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(branches, list):
            if "oneOf" in schema:
                self._lose(path, "oneOf", "it becomes `anyOf`")
            return self._any_of(schema, branches, path)
        kinds = _kinds_of(schema)
        if len(kinds) > 1:
            rest = {name: value for name, value in schema.items() if name not in ("type", "nullable", "description")}
            return self._any_of(schema, [{**rest, "type": kind} for kind in kinds], path)
        return self._plain(schema, kinds[0] if kinds else None, path)

    # --- one type ---

    def _plain(self, schema: Json, kind: str | None, path: str) -> Json:
        kind = kind or _implied(schema)
        if kind is None:
            if schema.keys() - _SILENT - {"title", "description", "default"}:
                self._lose(path, "type", "anything may stand here, which Google's schemas cannot say")
            kind = "string"
        written: Json = {"type": kind.upper()}
        written |= {name: schema[name] for name in _KEPT if schema.get(name) is not None}
        if _is_nullable(schema):
            written["nullable"] = True
        self._add_values(written, schema, path)
        self._add_bounds(written, schema, path)
        if kind == "object":
            self._add_properties(written, schema, path)
        if kind == "array":
            written["items"] = self._items(schema, path)
        if isinstance(schema.get("format"), str):
            if schema["format"] in _FORMATS.get(written["type"], ()):
                written["format"] = schema["format"]
            else:
                self._lose(path, "format", f"`{schema['format']}` is not known")
        return written

    def _add_values(self, written: Json, schema: Json, path: str) -> None:
        """Write the values that are allowed: only strings can be listed, others are told in words."""
        values = schema.get("enum")
        if "const" in schema:
            values = [schema["const"]]
        if not isinstance(values, list):
            return
        if None in values:
            written["nullable"] = True
        values = [value for value in values if value is not None]
        if written["type"] == "STRING" and values and all(isinstance(value, str) and value for value in values):
            written["enum"] = values
        elif values:
            allowed = f"One of: {', '.join(json.dumps(value) for value in values)}."
            written["description"] = " ".join(filter(None, (written.get("description"), allowed)))
            self._lose(path, "enum", "only strings can be listed: the values stand in the description")

    def _add_bounds(self, written: Json, schema: Json, path: str) -> None:
        for keyword, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            limit = schema.get(keyword)
            if not isinstance(limit, int | float):
                continue
            if isinstance(limit, bool):
                if limit:
                    self._lose(path, keyword, "the bound is included")
            elif written["type"] == "INTEGER" and float(limit).is_integer():
                written[bound] = int(limit) + step
            else:
                written[bound] = limit
                self._lose(path, keyword, "the bound is included")

    def _add_properties(self, written: Json, schema: Json, path: str) -> None:
        given = schema.get("properties")
        properties = {
            name: self.compiled(value, _below(path, f"properties.{name}"))
            for name, value in (given.items() if isinstance(given, dict) else ())
        }
        if properties:
            written["properties"] = properties
        required = schema.get("required")
        known = [name for name in required if name in properties] if isinstance(required, list) else []
        if known:
            written["required"] = known

    def _items(self, schema: Json, path: str) -> Json:
        branches = schema.get("prefixItems")
        if isinstance(branches, list) and branches:
            self._lose(path, "prefixItems", "every item may be any of them")
            return self._any_of({}, branches, _below(path, "items"))
        if "items" not in schema:
            return dict(_ANY)
        return self.compiled(schema["items"], _below(path, "items"))

    # --- several ---

    def _any_of(self, schema: Json, branches: Sequence[Any], path: str) -> Json:
        """Return a schema with `anyOf` and nothing beside it, which is how Google wants it."""
        is_nullable = _is_nullable(schema) or any(map(_is_null, branches))
        outside = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf", "nullable", "type")}
        said: Json = {name: outside.pop(name) for name in ("description", "title", "default") if name in outside}
        written = [
            self.compiled(_joined(outside, branch) if isinstance(branch, dict) else branch, _below(path, "anyOf"))
            for branch in branches
            if not _is_null(branch)
        ]
        flat = [inner for branch in written for inner in branch.get("anyOf", (branch,))] or [dict(_ANY)]
        if is_nullable:
            flat = [{**branch, "nullable": True} for branch in flat]
        if len(flat) == 1:
            return {**flat[0], **said}
        words = {"description": said["description"]} if "description" in said else {}
        return {"anyOf": [{**words, **branch} for branch in flat]}

    def _merged(self, schema: Json, path: str) -> Json:
        """Return a schema with its `allOf` put into it."""
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for branch in schema["allOf"]:
            resolved = self._resolved(branch)
            if not isinstance(resolved, dict):
                continue
            if isinstance(resolved.get("allOf"), list):
                if any(resolved is one for one in self._merging):
                    self._lose(path, "allOf", "it leads into itself")
                    continue
                self._merging.append(resolved)
                resolved = self._merged(resolved, path)
                self._merging.pop()
            merged = _joined(resolved, merged)
        return merged

    # --- references ---

    def _referred(self, schema: Json, reference: str, path: str) -> Json:
        target = self._resolved(schema)
        if reference in self._open or target is schema or not isinstance(target, dict):
            reason = "it leads into itself" if reference in self._open else "it leads nowhere in this schema"
            self._lose(path, "$ref", reason)
            return {"type": "OBJECT"}
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        self._open.append(reference)
        try:
            return self.compiled({**target, **beside}, path)
        finally:
            self._open.pop()

    def _resolved(self, schema: Any) -> Any:
        """Return what a schema's `$ref` leads to; the schema itself when it has none, or it leads nowhere."""
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        found = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not key:
                continue
            if not isinstance(found, dict) or key not in found:
                return schema
            found = found[key]
        return found

    def _lose(self, path: str, keyword: str, reason: str) -> None:
        self.losses.append(SchemaLoss(path, keyword, reason))


def _below(path: str, rest: str) -> str:
    return f"{path}.{rest}" if path else rest


def _kinds_of(schema: Json) -> list[str]:
    """Return the types that a schema names, lower-case, but null."""
    given = schema.get("type")
    names = given if isinstance(given, list) else [given]
    lower = [name.lower() for name in names if isinstance(name, str)]
    return [name for name in dict.fromkeys(lower) if name in _TYPES and name != "null"]


def _implied(schema: Json) -> str | None:
    """Return the type that a schema without one means."""
    if isinstance(schema.get("properties"), dict):
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    kinds = {type(value) for value in values if value is not None} if isinstance(values, list) else set()
    if len(kinds) != 1:
        return None
    return _KINDS.get(kinds.pop())


def _is_nullable(schema: Json) -> bool:
    given = schema.get("type")
    return schema.get("nullable") is True or (isinstance(given, list) and "null" in given)


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in ("null", "NULL", ["null"])


def _joined(first: Json, second: Json) -> Json:
    """Return two schemas as one: their properties and what they require together, the second's word where they differ."""
    joined = {**first, **second}
    for keyword in ("properties", "required"):
        one, other = first.get(keyword), second.get(keyword)
        if isinstance(one, dict) and isinstance(other, dict):
            joined[keyword] = {**one, **other}
        elif isinstance(one, list) and isinstance(other, list):
            joined[keyword] = list(dict.fromkeys([*one, *other]))
    return joined


# Back -----------------------------------------------------------------------------------------------------------------

_UPPER: Final = frozenset(name.upper() for name in _TYPES)
_COUNTS: Final = frozenset({"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"})
_OF_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_OF_ONE: Final = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties"}
)
_OF_MANY: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SPELLED: Final = frozenset({*_READ, *_OF_ONE, *_OF_MANY})
_may_be_google: Final = re.compile(
    rb'"(?:[A-Z]{4,7}|nullable|property_?[oO]rdering|example|(?:min|max)_[a-z]+|any_of)"'
).search


def looks_like_google(raw: bytes) -> bool:
    """Tell whether a schema may hold words of Google's subset: a look at its bytes, which may be wrong when it says yes."""
    return _may_be_google(raw) is not None


def from_gemini(schema: Any) -> Any:
    """Return a schema in Google's subset as JSON Schema; keywords of JSON Schema itself stay as they are."""
    if not isinstance(schema, dict):
        return schema
    written: Json = {}
    for spelled, value in schema.items():
        name = camel_cased(spelled) if camel_cased(spelled) in _SPELLED else spelled
        if name in _OF_SCHEMAS and isinstance(value, dict):
            written[name] = {key: from_gemini(inner) for key, inner in value.items()}
        elif name in _OF_ONE:
            written[name] = from_gemini(value)
        elif name in _OF_MANY and isinstance(value, list):
            written[name] = [from_gemini(inner) for inner in value]
        elif name == "type":
            written[name] = _lowered(value)
        elif name in _COUNTS and isinstance(value, str) and value.isdigit():
            written[name] = int(value)  # protobuf writes 64-bit numbers as strings
        elif name == "example":
            written["examples"] = [value]
        elif name not in ("nullable", "propertyOrdering") and (name, value) != ("format", "enum"):
            written[name] = value
    _order(written, schema.get("propertyOrdering") or schema.get("property_ordering"))
    return _with_null(written) if schema.get("nullable") is True else written


def _lowered(value: Any) -> Any:
    if isinstance(value, list):
        return [_lowered(one) for one in value]
    return value.lower() if isinstance(value, str) and value in _UPPER else value


def _order(written: Json, names: Any) -> None:
    """Put the properties into the order that is asked for: JSON Schema has no other way to say it."""
    properties = written.get("properties")
    if isinstance(properties, dict) and isinstance(names, list):
        first: Iterable[str] = (name for name in names if isinstance(name, str) and name in properties)
        ordered: Mapping[str, Any] = {name: properties[name] for name in first}
        written["properties"] = {**ordered, **properties}


def _with_null(written: Json) -> Json:
    if "anyOf" in written:
        return {**written, "anyOf": [*written["anyOf"], {"type": "null"}]}
    if isinstance(kind := written.get("type"), str):
        written = {**written, "type": [kind, "null"]}
    if isinstance(values := written.get("enum"), list) and None not in values:
        written = {**written, "enum": [*values, None]}
    return written
