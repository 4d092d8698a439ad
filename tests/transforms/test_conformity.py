"""An answer is held to the schema that was asked for, whole and streamed."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from dragoman.ir.collecting import expand
from dragoman.ir.events import BlockStart, Event, ReplyEnd, ReplyFailed, ReplyStart, TextDelta
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import OutputFormat, Refusal, Text, ToolCall
from dragoman.transforms.conformity import Conformity
from tests.support.ir_strategies import event_lists

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def held_to(schema: Any) -> Conformity:  # noqa: ANN401 - any JSON
    return Conformity(OutputFormat(Raw(json.dumps(schema).encode())))


def fault(text: str, schema: Any = NUMBER) -> str | None:  # noqa: ANN401 - any JSON
    failure = held_to(schema).fault(text)
    return failure.message.partition("asked for: ")[2] if failure else None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"n": 3}', None),
        (' \n{"n": 123456789012345678901234567890}\n', None),
        ('{"n": "3"}', "`$.n`: '3' is not of type 'integer'"),
        ("{}", "`$`: 'n' is a required property"),
        ("[]", "`$`: [] is not of type 'object'"),
        ('```json\n{"n": 3}\n```', "it is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("", "it is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"n": NaN}', "it is no JSON: `NaN`"),
        ("[" * 100_000, "it is nested too deeply to be checked"),
    ],
)
def test_an_answer_fits_or_the_reason_is_told(text: str, reason: str | None) -> None:
    assert fault(text) == reason


def test_any_object_will_do_where_no_schema_was_given() -> None:
    conformity = Conformity(OutputFormat())
    assert conformity.fault('{"anything": 1}') is None
    assert conformity.fault("[1]") is not None


@pytest.mark.parametrize("schema", [{"type": "strange"}, {"required": 5}, {"properties": []}, []])
def test_what_is_no_schema_is_the_clients_mistake(schema: Any) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(RequestError) as refused:
        held_to(schema)
    assert refused.value.failure.param == "schema"


def test_a_schema_that_is_nested_too_deeply_is_the_clients_mistake() -> None:
    deep = b'{"properties":{"a":' * 300 + b"{}" + b"}}" * 300
    with pytest.raises(RequestError):
        Conformity(OutputFormat(Raw(deep)))


def test_a_reference_out_of_the_schema_is_not_followed() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/schema.json"
        with pytest.raises(RequestError, match="leads to no schema in it"):
            held_to({"$ref": url})
        server.shutdown()
    assert not asked


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TREE = {"type": "object", "properties": {"inner": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "#"}, "it refers to itself without end"),
        ({"anyOf": [{"type": "string"}, {"$ref": "#"}]}, "it refers to itself without end"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "it refers to itself without end"),
        ({"$ref": "http://x/y"}, "`http://x/y` leads to no schema in it"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "`#/$defs/none` leads to no schema in it"),
        ({"$ref": "#none"}, "`#none` leads to no schema in it"),
        ({"$dynamicRef": "#none"}, "`#none` leads to no schema in it"),
        ({"$ref": "#/required", "required": ["a"]}, "`#/required` leads to no schema in it"),
        ({"$ref": "#/required/x", "required": ["a"]}, "`#/required/x` leads to no schema in it"),
        ({"$ref": "#/const", "const": {"pattern": "^(a+)+$"}}, "`#/const` leads to no schema in it"),
        ({"$ref": "#/%63onst", "const": {"pattern": "^(a+)+$"}}, "`#/%63onst` leads to no schema in it"),
        ({"$ref": "#/x", "x": {"$id": "http://a/"}}, "`#/x` leads to no schema in it"),
        ({"$ref": "#/x", "x": {"$ref": "#/y"}}, "`#/y` leads to no schema in it"),
        ({"$ref": "#/x", "x": {"anyOf": [{"$ref": "#/x"}]}}, "it refers to itself without end"),
        ({"$ref": "#/x", "x": {"type": 5}}, "`$.type`: 5 is not valid under any of the given schemas"),
        ({"$ref": "http://[x"}, "`http://[x` leads to no schema in it"),
        ({"$id": "http://a/", "properties": {"a": {"$id": "http://[x"}}}, "a name in it is no URI"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "$ref": 5}, "`5` leads to no schema in it"),
    ],
)
def test_a_reference_that_leads_nowhere_or_round_is_the_clients_mistake(schema: Any, reason: str) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(RequestError) as refused:
        held_to(schema)
    failure = refused.value.failure
    assert (failure.message, failure.param) == (f"`schema` is no JSON Schema: {reason}", "schema")


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"$id": "https://x.example/tree", **TREE},
        {"$ref": "#/$defs/tree", "$defs": {"tree": {"properties": {"inner": {"$ref": "#/$defs/tree"}}}}},
        {"$ref": "#tree", "$defs": {"a~b": {"$anchor": "tree", "properties": {"inner": {"$ref": "#/$defs/a~0b"}}}}},
        {"$schema": DRAFT_7, "$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": True}},
        {"$dynamicAnchor": "node", "properties": {"inner": {"$dynamicRef": "#node"}}},
        {"properties": {"$ref": {"type": "string"}}, "default": {"$ref": "#/none"}},
        {"$ref": "#/$defs/inner", "$defs": {"inner": {"$id": "inner", "$ref": "#/$defs/a", "$defs": {"a": {}}}}},
    ],
)
def test_references_within_the_schema_are_followed(schema: Any) -> None:  # noqa: ANN401 - any JSON
    assert fault('{"inner": {"inner": null}}', schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": DRAFT_7, "dependencies": {"p": {"properties": {"p": {"pattern": "^(a+)+$"}}}}},
        {"$schema": "http://json-schema.org/draft-03/schema#", "properties": {"p": {"type": [{"pattern": "^(a+)+$"}]}}},
        {
            "$schema": "http://json-schema.org/draft-03/schema#",
            "extends": {"properties": {"p": {"pattern": "^(a+)+$"}}},
        },
    ],
)
def test_patterns_of_older_drafts_cannot_hold_the_gateway_up(schema: Any) -> None:  # noqa: ANN401 - any JSON
    assert fault(json.dumps({"p": "a" * 50 + "!"}), schema) is None


def test_a_reference_makes_a_schema_of_what_stands_elsewhere() -> None:
    """As documents of OpenAPI have them. Patterns there are not checked either."""
    name = {"pattern": "^(a+)+$", "type": "string"}
    person = {"properties": {"name": {"$ref": "#/components/schemas/name"}}, "required": ["name"]}
    schema = {"$ref": "#/components/schemas/person", "components": {"schemas": {"person": person, "name": name}}}
    assert fault(json.dumps({"name": "a" * 50 + "!"}), schema) is None
    wrong = fault('{"name": 5}', schema)
    assert wrong is not None
    assert "`$.name`: 5 is not of type 'string'" in wrong


def test_patterns_cannot_hold_the_gateway_up() -> None:
    evil = "^(a+)+$"
    schema = {
        "type": "object",
        "properties": {"p": {"pattern": evil}, "pattern": {"type": "string"}},
        "patternProperties": {evil: {"type": "integer"}},
        "additionalProperties": False,
    }
    began = time.monotonic()
    assert fault(json.dumps({"p": "a" * 50 + "!", "pattern": "x", "a" * 50 + "!": "x"}), schema) is None
    assert time.monotonic() - began < 2
    assert fault('{"pattern": 5}', schema) == "`$.pattern`: 5 is not of type 'string'"


def test_a_long_value_is_not_told_whole() -> None:
    assert len(fault(json.dumps({"n": "x" * 10_000})) or "") < 300


@pytest.mark.parametrize("finish", [finish for finish in Finish if finish is not Finish.DONE])
def test_only_an_answer_that_ended_normally_is_looked_at(finish: Finish) -> None:
    blocks = (ToolCall("c", "f", "{}"),) if finish is Finish.TOOL_CALLS else (Text("no json"), Refusal("no"))
    reply = Reply("r", "m", blocks, finish)
    held_to(NUMBER).require(reply)
    events = list(expand(reply))
    assert held_to(NUMBER).check().feed(events) is events


def test_a_whole_reply_is_refused() -> None:
    held_to(NUMBER).require(Reply("r", "m", (Text('{"n"'), Text(": 3}")), Finish.DONE))
    with pytest.raises(DragomanError) as refused:
        held_to(NUMBER).require(Reply("r", "m", (Text("three"),), Finish.DONE))
    failure = refused.value.failure
    assert (failure.kind, failure.code, failure.http_status) == (FailureKind.UPSTREAM_INVALID, "schema_mismatch", 502)


def streamed(*texts: str) -> tuple[list[Event], list[Event]]:
    """Return the events of such an answer, fed one by one, and what came out."""
    events: list[Event] = [ReplyStart("r", "m"), BlockStart(0, Text(""))]
    events += [TextDelta(0, text) for text in texts]
    events.append(ReplyEnd(Finish.DONE))
    check = held_to(NUMBER).check()
    return events, [out for event in events for out in check.feed([event])]


def test_every_word_of_a_stream_passes_and_only_its_end_changes() -> None:
    events, passed = streamed('{"n"', ": 3", "}")
    assert passed == events
    events, passed = streamed('{"n"', ": 3")
    assert passed[:-1] == events[:-1]
    last = passed[-1]
    assert isinstance(last, ReplyFailed)
    assert last.failure.code == "schema_mismatch"


@given(events=event_lists())
def test_a_stream_is_judged_like_the_whole(events: list[Event]) -> None:
    from dragoman.ir.collecting import collect

    conformity = held_to({"type": "string"})
    passed = list(conformity.check().feed(events))
    failure: Failure | None = None
    try:
        conformity.require(collect(events))
    except DragomanError as error:
        failure = error.failure
    assert passed == (events if failure is None else [*events[:-1], ReplyFailed(failure)])
