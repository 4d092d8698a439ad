"""Values that are made up fit the schemas they are made for."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstreams.scripted_values import answer_for, arguments_for


def made(schema: object, *, is_answer: bool = False) -> object:
    raw = msgspec.Raw(json.dumps(schema).encode())
    return json.loads(answer_for(raw) if is_answer else arguments_for(raw))


leaves = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind}),
    st.tuples(st.integers(-50, 50), st.integers(0, 50)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(
        lambda pair: {"type": "string", "minLength": pair[0], "maxLength": sum(pair)}
    ),
    st.lists(st.one_of(st.text(), st.integers()), min_size=1).map(lambda values: {"enum": values}),
    st.text().map(lambda value: {"const": value}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.integers(0, 3)).map(lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]}),
        st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3).map(
            lambda fields: {"type": "object", "properties": fields, "required": list(fields)}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=6,
)


def fits(value: object, schema: dict[str, object]) -> bool:
    if "anyOf" in schema:
        return any(fits(value, choice) for choice in schema["anyOf"])  # type: ignore[attr-defined]
    if "enum" in schema:
        return value in schema["enum"]  # type: ignore[operator]
    if "const" in schema:
        return value == schema["const"]
    match schema["type"], value:
        case "object", dict():
            fields: dict[str, dict[str, object]] = schema["properties"]  # type: ignore[assignment]
            return all(name in value and fits(value[name], field) for name, field in fields.items())
        case "array", list():
            items: dict[str, object] = schema["items"]  # type: ignore[assignment]
            return len(value) >= schema["minItems"] and all(fits(item, items) for item in value)  # type: ignore[operator]
        case "string", str():
            return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 99)  # type: ignore[operator]
        case ("boolean", bool()) | ("null", None):
            return True
        case "integer", int() if not isinstance(value, bool):
            return schema.get("minimum", value) <= value <= schema.get("maximum", value)  # type: ignore[operator]
        case "number", int() | float():
            return True
        case _:
            return False


@given(st.dictionaries(st.text(min_size=1, max_size=5), schemas, max_size=4))
def test_arguments_and_answers_fit(fields: dict[str, object]) -> None:
    schema: dict[str, object] = {"type": "object", "properties": fields, "required": list(fields)}
    assert fits(made(schema), schema)
    assert fits(made(schema, is_answer=True), schema)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "properties", "items", "$ref", "allOf", "anyOf", "enum", "required", "minItems", "object"]
                ),
                x,
            )
        ),
    )
)
def test_a_nonsensical_schema_still_gets_an_object(schema: object) -> None:
    assert isinstance(made(schema), dict)


@pytest.mark.parametrize("schema", [None, msgspec.Raw(b""), msgspec.Raw(b"{"), msgspec.Raw(b"true")])
def test_without_a_usable_schema_there_are_no_arguments(schema: msgspec.Raw | None) -> None:
    assert arguments_for(schema) == "{}"


def test_a_tool_gets_what_it_requires_and_an_answer_has_everything() -> None:
    schema = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
    assert made(schema) == {"city": "Paris"}
    assert made(schema, is_answer=True) == {"city": "Paris", "days": 1}


def test_references_unions_and_parts_are_followed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "point": {"$ref": "#/$defs/point"},
            "kind": {"type": ["null", "string"], "format": "uuid"},
            "both": {
                "allOf": [{"$ref": "#/$defs/point"}, {"properties": {"z": {"type": "number"}}, "required": ["z"]}]
            },
            "either": {"oneOf": [{"type": "integer", "exclusiveMinimum": 4, "multipleOf": 5}, {"type": "string"}]},
            "preset": {"type": "string", "default": "usual"},
        },
        "required": ["point", "kind", "both", "either", "preset"],
        "$defs": {"point": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}},
    }
    assert made(schema) == {
        "point": {"x": 1},
        "kind": "00000000-0000-4000-8000-000000000000",
        "both": {"x": 1, "z": 1.5},
        "either": 10,
        "preset": "usual",
    }


def test_a_schema_without_an_end_ends_all_the_same() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "v": {"type": "integer"}},
        "required": ["next", "v"],
    }
    value = made(node)
    assert isinstance(value, dict)
    assert value["v"] == 1
