"""Schemas in the subset that Anthropic holds answers and strict tools to."""

# ruff: noqa: ANN401 - schemas are any JSON

import json
from typing import Any

import jsonschema
import pytest
from anthropic import transform_schema
from hypothesis import given
from msgspec import Raw

from dragoman.ir.request import FunctionTool, Message, OutputFormat, Request, Role, Text
from dragoman.protocols.anthropic_messages.schemas import fitted
from tests.protocols.anthropic_messages.sdk import encoded
from tests.wire.test_schemas import CLOSED, KEYWORDS, LEAF, OPEN, schemas, values, within


def compiled(schema: Any) -> tuple[Any, list[str]]:
    form, losses = fitted(Raw(json.dumps(schema).encode()))
    return None if form is None else json.loads(bytes(form)), [f"{loss.path}.{loss.keyword}" for loss in losses]


@pytest.mark.parametrize(
    ("schema", "form", "losses"),
    [
        (CLOSED, CLOSED, []),
        (OPEN, CLOSED, []),
        ({**OPEN, "required": []}, {**CLOSED, "required": []}, []),
        ({**OPEN, "$schema": "s", "$comment": "c"}, CLOSED, []),
        ({**OPEN, "additionalProperties": True}, CLOSED, [".additionalProperties"]),
        (
            within({"type": "integer", "minimum": 1, "maximum": 9, "description": "A digit"}),
            within({"type": "integer", "description": "A digit\n\n{minimum: 1, maximum: 9}"}),
            [".properties.a.minimum", ".properties.a.maximum"],
        ),
        (
            within({"type": "string", "format": "color"}),
            within({"type": "string", "description": '{format: "color"}'}),
            [".properties.a.format"],
        ),
        (within({"type": "string", "format": "uri"}), within({"type": "string", "format": "uri"}), []),
        (within({"type": "array", "items": LEAF, "minItems": 1}), within({"type": "array", "items": LEAF, "minItems": 1}), []),
        (
            within({"type": "array", "items": LEAF, "minItems": 2}),
            within({"type": "array", "items": LEAF, "description": "{minItems: 2}"}),
            [".properties.a.minItems"],
        ),
        (within({"oneOf": [LEAF, OPEN]}), within({"anyOf": [LEAF, CLOSED]}), [".properties.a.oneOf"]),
        (within({"allOf": [LEAF], "title": "T"}), within({"type": "string", "title": "T"}), []),
        (
            {**within({"$ref": "#/$defs/d", "description": "x"}), "$defs": {"d": OPEN}},
            {**within({"$ref": "#/$defs/d"}), "$defs": {"d": CLOSED}},
            [".properties.a.description"],
        ),
        (
            within({"enum": [{"a": 1}], "type": "object", "properties": {}}),
            within({"type": "object", "properties": {}, "additionalProperties": False, "description": '{enum: [{"a":1}]}'}),
            [".properties.a.enum"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_told(schema: Any, form: Any, losses: list[str]) -> None:
    assert compiled(schema) == (form, losses)


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_property_named_like_a_keyword_is_no_keyword(name: str) -> None:
    schema = {**CLOSED, "properties": {name: LEAF}, "required": [name]}
    assert compiled(schema) == (schema, [])


TREE = {**within({"$ref": "#/$defs/node"}), "$defs": {"node": {**OPEN, "properties": {"a": {"$ref": "#/$defs/node"}}}}}
PAIR = {
    "x": {**OPEN, "properties": {"a": {"$ref": "#/$defs/y"}}},
    "y": {**OPEN, "properties": {"a": {"$ref": "#/$defs/x"}}},
}


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (True, "."),
        ({}, ".type"),
        ({"type": "object"}, ".properties"),
        ({"type": "object", "additionalProperties": LEAF}, ".additionalProperties"),
        ({**OPEN, "patternProperties": {"^x": LEAF}}, ".patternProperties"),
        (within({}), ".properties.a.type"),
        (within(True), ".properties.a."),
        (within({"$ref": "https://elsewhere.example/s.json"}), ".$ref"),
        (within({"$ref": "#/$defs/gone"}), ".$ref"),
        (within({"$ref": "#"}), ".$ref"),
        (TREE, ".$ref"),
        ({**within({"$ref": "#/$defs/x"}), "$defs": PAIR}, ".$ref"),
        (within({"allOf": [OPEN, {**OPEN, "title": "b"}]}), ".properties.a.allOf"),
        (within({"allOf": [{"$ref": "#/$defs/d"}, LEAF]}) | {"$defs": {"d": LEAF}}, ".properties.a.allOf"),
        (within({"allOf": [OPEN], "properties": {}}), ".properties.a.allOf"),
    ],
)
def test_what_has_no_form_says_why(schema: Any, where: str) -> None:
    assert compiled(schema) == (None, [where])


def test_deep_nesting_is_no_crash() -> None:
    deep = b'{"type":"object","properties":{"a":' * 400 + b"{}" + b"}}" * 400
    assert fitted(Raw(deep))[0] is None


@given(schema=schemas, value=values)
def test_what_fits_the_form_fits_the_schema_unless_something_is_told_instead(schema: Any, value: Any) -> None:
    form, losses = compiled(schema)
    if form is not None and not losses and jsonschema.Draft202012Validator(form).is_valid(value):
        assert jsonschema.Draft202012Validator(schema).is_valid(value)


@given(schema=schemas)
def test_the_sdk_finds_nothing_left_to_do(schema: Any) -> None:
    """Of what the official SDK does to a schema, all that matters has been done."""
    form, _ = compiled(schema)
    if form is not None:
        theirs = transform_schema(form)
        assert compiled(theirs)[0] == theirs


def asking(**fields: Any) -> Request:
    return Request("m", (Message(Role.USER, (Text("hi"),)),), max_tokens=9, **fields)


def test_losses_of_a_schema_are_reported_by_their_path() -> None:
    schema = Raw(json.dumps(within({"type": "integer", "minimum": 1})).encode())
    body, codes = encoded(asking(output=OutputFormat(schema)))
    assert codes == ["json_schema_keyword"]
    assert "minimum" in body["output_config"]["format"]["schema"]["properties"]["a"]["description"]
    body, codes = encoded(asking(tools=(FunctionTool("f", schema=schema, strict=True),)))
    assert codes == ["strict_keyword"]
    assert (body["tools"][0]["strict"], body["tools"][0]["input_schema"]["additionalProperties"]) == (True, False)
    anything = FunctionTool("f", schema=Raw(b'{"type":"object"}'), strict=True)
    body, codes = encoded(asking(tools=(anything,)))
    assert codes == ["strict"]
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    loose = FunctionTool("f", schema=Raw(b'{"type":"object"}'), strict=False)
    assert encoded(asking(tools=(loose,)))[0]["tools"][0]["strict"] is False
