"""Walking JSON Schemas, and the form that OpenAI's strict mode takes: what fits the form fits the schema."""

# ruff: noqa: ANN401 - schemas are any JSON

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dragoman.wire.schemas import mapped, strict_form, walk

LEAF = {"type": "string"}
KEYWORDS = ["not", "$ref", "properties", "allOf", "if", "additionalProperties", "items", "enum"]


def test_every_place_of_a_schema_is_walked_and_no_other() -> None:
    schema: Any = {
        "properties": {"properties": LEAF, "$defs": {"items": LEAF}},
        "patternProperties": {"^x": LEAF},
        "$defs": {"d": LEAF},
        "definitions": {"e": LEAF},
        "dependentSchemas": {"a": LEAF},
        "anyOf": [LEAF, {"not": LEAF}],
        "items": [LEAF],
        "additionalProperties": {"contains": LEAF},
        "if": LEAF,
        "enum": [{"properties": {"no": LEAF}}],
        "const": {"items": LEAF},
        "default": {"anyOf": [LEAF]},
        "examples": [{"not": LEAF}],
        "x-vendor": {"properties": {"no": LEAF}},
    }
    assert {path for path, _ in walk(schema)} == {
        "",
        ".properties.properties",
        ".properties.$defs",
        ".properties.$defs.items",
        ".patternProperties.^x",
        ".$defs.d",
        ".definitions.e",
        ".dependentSchemas.a",
        ".anyOf[0]",
        ".anyOf[1]",
        ".anyOf[1].not",
        ".items[0]",
        ".additionalProperties",
        ".additionalProperties.contains",
        ".if",
    }
    seen: list[str] = []

    def mark(one: Any, path: str) -> Any:
        seen.append(path)
        return {**one, "title": "t"}

    marked = mapped(schema, mark)
    assert sorted(seen) == sorted(path for path, _ in walk(schema))
    assert marked["enum"] == schema["enum"]
    assert marked["anyOf"][1]["not"] == {**LEAF, "title": "t"}
    assert "title" not in json.dumps(schema)


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_property_named_like_a_keyword_is_no_keyword(name: str) -> None:
    schema = {"type": "object", "properties": {name: LEAF}, "required": [name], "additionalProperties": False}
    raw = Raw(json.dumps(schema).encode())
    assert strict_form(raw) == (raw, None)


OPEN = {"type": "object", "properties": {"a": LEAF}, "required": ["a"]}
CLOSED = {**OPEN, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        (CLOSED, CLOSED),
        (OPEN, CLOSED),
        ({**OPEN, "$comment": "c", "default": {}}, CLOSED),
        ({**OPEN, "properties": {"a": {**LEAF, "default": "x"}}}, CLOSED),
        (
            {**OPEN, "properties": {"a": {"anyOf": [OPEN, {"type": "null"}]}}},
            {**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}},
        ),
        (
            {**OPEN, "properties": {"a": {"$ref": "#/$defs/d"}}, "$defs": {"d": OPEN}},
            {**CLOSED, "properties": {"a": {"$ref": "#/$defs/d"}}, "$defs": {"d": CLOSED}},
        ),
        ({**OPEN, "properties": {"a": {"type": ["object", "null"], "properties": {}}}},
         {**CLOSED, "properties": {"a": {"type": ["object", "null"], "properties": {}, "additionalProperties": False}}}),
    ],
)  # fmt: skip
def test_objects_are_closed_and_annotations_go(schema: Any, form: Any) -> None:
    written, obstacle = strict_form(Raw(json.dumps(schema).encode()))
    assert obstacle is None
    assert json.loads(bytes(written)) == form


def within(inner: Any) -> Any:
    return {**CLOSED, "properties": {"a": inner}}


@pytest.mark.parametrize(
    ("schema", "path", "keyword"),
    [
        (True, "", "type"),
        ({"type": "array", "items": LEAF}, "", "type"),
        ({"anyOf": [CLOSED]}, "", "type"),
        ({"type": "object"}, "", "additionalProperties"),
        ({**OPEN, "additionalProperties": True}, "", "additionalProperties"),
        (within({"type": "object", "additionalProperties": LEAF}), ".properties.a", "additionalProperties"),
        ({**CLOSED, "required": []}, "", "required"),
        (within({"allOf": [LEAF]}), ".properties.a", "allOf"),
        (within({"type": "string", "minLength": 1}), ".properties.a", "minLength"),
        (within({"type": "string", "format": "uri"}), ".properties.a", "format"),
        (within({"type": "array", "items": {"oneOf": [LEAF]}}), ".properties.a.items", "oneOf"),
        (within(True), ".properties.a", ""),
    ],
)
def test_what_has_no_strict_form_stays_as_it_is_and_says_why(schema: Any, path: str, keyword: str) -> None:
    raw = Raw(json.dumps(schema).encode())
    written, obstacle = strict_form(raw)
    assert written is raw
    assert obstacle is not None
    assert (obstacle.path, obstacle.keyword) == (path, keyword)


def test_deep_nesting_is_no_crash() -> None:
    deep = b'{"type":"object","properties":{"a":' * 400 + b"{}" + b"}}" * 400
    _, obstacle = strict_form(Raw(deep))
    assert obstacle is not None


schemas = st.recursive(
    st.sampled_from([LEAF, {"type": "integer"}, {"type": "string", "enum": ["x", "y"]}, {"type": "null"}]),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=3).map(
            lambda properties: {"type": "object", "properties": properties, "required": list(properties)}
        ),
        st.builds(lambda one: {"type": "array", "items": one, "default": []}, inner),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
    ),
    max_leaves=8,
)
values = st.recursive(
    st.sampled_from(["x", "other", 3, None, True]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*KEYWORDS, "z"]), inner, max_size=3),
    max_leaves=6,
)


@given(schema=schemas, value=values)
def test_what_fits_the_form_fits_the_schema(schema: Any, value: Any) -> None:
    form, _ = strict_form(Raw(json.dumps(schema).encode()))
    if jsonschema.Draft202012Validator(json.loads(bytes(form))).is_valid(value):
        assert jsonschema.Draft202012Validator(schema).is_valid(value)
