"""JSON Schema in Google's subset: what it can say stays, what it cannot say is named, and names are no keywords."""

# ruff: noqa: ANN401 - schemas are any JSON

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.protocols.gemini_generate.schemas import from_gemini, looks_like_google, to_gemini

STRING = {"type": "STRING"}
KEPT = {
    "type", "format", "title", "description", "nullable", "enum", "items", "maxItems", "minItems", "properties",
    "required", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "anyOf", "default", "minimum",
    "maximum",
}  # fmt: skip


def compiled(schema: Any) -> Any:
    return to_gemini(schema)[0]


def lost(schema: Any) -> list[str]:
    return [f"{loss.path}:{loss.keyword}".removeprefix(":") for loss in to_gemini(schema)[1]]


@pytest.mark.parametrize(
    ("schema", "subset"),
    [
        ({"type": "string", "minLength": 1}, {"type": "STRING", "minLength": 1}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [STRING, {"type": "INTEGER"}]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}], "description": "d"},
            {
                "anyOf": [
                    {"type": "STRING", "description": "d", "nullable": True},
                    {"type": "INTEGER", "description": "d", "nullable": True},
                ]
            },
        ),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, {"anyOf": [STRING, {"type": "NUMBER"}]}),
        (
            {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "number"}}}]},
            {"type": "OBJECT", "properties": {"a": STRING, "b": {"type": "NUMBER"}}, "required": ["a"]},
        ),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": ["a", "", None]}, {"type": "STRING", "nullable": True, "description": 'One of: "a", "".'}),
        ({"enum": ["a", None]}, {"type": "STRING", "nullable": True, "enum": ["a"]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "INTEGER", "description": "One of: 1, 2."}),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}, {"type": "INTEGER", "minimum": 1, "maximum": 8}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "NUMBER", "minimum": 0}),
        ({"type": "array"}, {"type": "ARRAY", "items": STRING}),
        ({"items": {"type": "integer"}}, {"type": "ARRAY", "items": {"type": "INTEGER"}}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]},
            {"type": "ARRAY", "items": {"anyOf": [STRING, {"type": "NUMBER"}]}},
        ),
        (
            {"type": "object", "required": ["a", "b"], "properties": {"a": {}}},
            {"type": "OBJECT", "properties": {"a": STRING}, "required": ["a"]},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "uri"}, STRING),
        (True, STRING),
    ],
)  # fmt: skip
def test_what_the_subset_says_of_it(schema: Any, subset: Any) -> None:
    assert compiled(schema) == subset


def test_a_property_that_is_named_like_a_keyword_stays() -> None:
    names = ("$schema", "propertyNames", "patternProperties", "const", "type", "enum", "anyOf", "required", "items")
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
    assert compiled(schema)["properties"] == dict.fromkeys(names, STRING)
    assert compiled(schema)["required"] == list(names)
    assert lost(schema) == []


def test_keywords_that_are_lost_are_named_with_their_place() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {"a": {"type": "string", "not": {"const": "b"}}},
    }
    assert lost(schema) == ["additionalProperties", "properties.a:not"]


def test_references_are_put_where_they_are_used() -> None:
    schema = {
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Point", "description": "where"}, "b": {"$ref": "#/$defs/Point"}},
    }
    point = {"type": "OBJECT", "properties": {"x": {"type": "NUMBER"}}}
    assert compiled(schema)["properties"] == {"a": {**point, "description": "where"}, "b": point}
    assert lost(schema) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}, "$ref": "#/$defs/Node"},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#/nowhere"},
        {"$ref": "https://elsewhere.test/schema.json"},
    ],
)
def test_a_reference_that_leads_nowhere_new_ends(schema: Any) -> None:
    assert compiled(schema)
    assert any(name.endswith(("$ref", "allOf")) for name in lost(schema))


def test_a_short_schema_that_means_a_very_long_one_is_cut_off() -> None:
    """Each definition uses the next one twice: put in place they would be 2 to the power of 40."""
    pairs = {
        f"d{depth}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/d{depth + 1}"} for side in "ab"}}
        for depth in range(40)
    }
    assert any(name.endswith("schema") for name in lost({"$defs": pairs, "$ref": "#/$defs/d0"}))


def test_alternatives_within_alternatives_are_one_list() -> None:
    inner = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert compiled({"anyOf": [inner, {"type": "null"}]}) == {
        "anyOf": [{"type": "STRING", "nullable": True}, {"type": "INTEGER", "nullable": True}]
    }
    assert compiled({"anyOf": [inner, {"type": "number"}]}) == {
        "anyOf": [STRING, {"type": "INTEGER"}, {"type": "NUMBER"}]
    }


json_schemas = st.recursive(
    st.sampled_from(
        [True, {}, {"type": "string"}, {"type": ["integer", "null"]}, {"const": 3}, {"enum": ["a", 1]}, {"$ref": "#"}]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=3), inner)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=3)}),
    ),
    max_leaves=8,
)


def assert_in_subset(schema: Any) -> None:
    assert schema.keys() <= KEPT
    if "anyOf" in schema:
        assert len(schema) == 1
        for branch in schema["anyOf"]:
            assert_in_subset(branch)
        return
    assert schema["type"].isupper()
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    if schema["type"] == "ARRAY":
        assert_in_subset(schema["items"])
    for inner in schema.get("properties", {}).values():
        assert_in_subset(inner)


@given(schema=json_schemas)
def test_whatever_comes_is_in_the_subset_and_stays_there(schema: Any) -> None:
    once = compiled(schema)
    assert_in_subset(once)
    assert compiled(from_gemini(once)) == once


def test_a_schema_without_googles_words_is_not_touched() -> None:
    assert not looks_like_google(b'{"type":"object","properties":{"city":{"type":"string","enum":["Rome"]}}}')
    assert looks_like_google(b'{"type": "OBJECT"}')
    assert looks_like_google(b'{"property_ordering":[]}')
