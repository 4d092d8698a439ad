"""Whatever a client sends, it gets a request or an error that names the field."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import DragomanError, Failure, RequestError
from dragoman.ir.losses import Ledger
from dragoman.protocols.anthropic_messages import PROTOCOL
from tests.protocols.anthropic_messages.sdk import TARGET

CITATION = {
    "type": "char_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
NO_INPUT = {"type": "object", "properties": {}, "additionalProperties": False}
BODY: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 4096,
    "stream": True,
    "temperature": 1,
    "stop_sequences": ["x"],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "context_management": {"edits": []},
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "tools": [
        {"name": "f", "description": "d", "input_schema": NO_INPUT, "strict": True},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "a", "citations": [CITATION]},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "source": {"type": "url", "url": "https://u"}, "title": "t"},
            ],
        },
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
    ],
}

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    "",
    "x",
    "\ud800",
    [],
    {},
    [[]],
    [{}],
    {"type": "text"},
    {"type": 5},
    ["x"],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside `value`."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, inner in steps for place in places(inner, (*path, step)))]


PLACES = places(BODY)[1:]


def mutated(path: tuple[Any, ...], change: Any, name: str | None) -> bytes:
    """Return the body with the value at `path` changed, or with a field beside it."""
    body = json.loads(json.dumps(BODY))
    holder = body
    for step in path[:-1]:
        holder = holder[step]
    if name is not None and isinstance(holder, dict):
        holder[name] = change
    else:
        holder[path[-1]] = change
    return json.dumps(body).encode()


@given(
    path=st.sampled_from(PLACES),
    change=st.sampled_from(JUNK),
    name=st.none() | st.sampled_from(["type", "novelty", "a.b"]),
)
def test_a_body_with_one_thing_wrong_is_read_or_refused(path: tuple[Any, ...], change: Any, name: str | None) -> None:
    failure = failure_of(mutated(path, change, name))
    assert failure is None or failure.http_status == 400
    assert failure is None or failure.param or "body" in failure.message


def failure_of(data: bytes) -> Failure | None:
    """Return what is wrong with a body, if reading it or writing it anew says so."""
    try:
        PROTOCOL.encode_request(PROTOCOL.decode_request(data, Ledger()), TARGET, Ledger())
    except DragomanError as error:
        return error.failure
    return None


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (PROTOCOL.peek, lambda body: PROTOCOL.decode_request(body, Ledger())):
        with pytest.raises(RequestError):
            read(data)


@given(data=st.data())
def test_a_damaged_body_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(json.dumps(BODY).encode())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    failure = failure_of(bytes(body))
    assert failure is None or failure.http_status == 400


def field_of(body: dict[str, Any]) -> str | None:
    with pytest.raises(RequestError) as caught:
        PROTOCOL.decode_request(json.dumps(body).encode(), Ledger())
    assert caught.value.failure.param is None or caught.value.failure.param in caught.value.failure.message
    return caught.value.failure.param


def with_block(block: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [block]}],
    }


def based(kind: str, media_type: str, data: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": data}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "text"}]}, "system[0]"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"thinking": {"type": "maybe"}}, "thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "zzz"}}, "thinking.display"),
        ({"tools": [{"name": "f", "input_schema": "x"}]}, "tools[0].input_schema"),
        ({"tools": [5]}, "tools[0]"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"context_management": {"a": "\udfff"}}, "context_management.a"),
        ({"context_management": 5}, "context_management"),
        ({"betas": "x"}, "betas"),
        ({"mcp_servers": {}}, "mcp_servers"),
        ({"container": 5}, "container"),
        ({"speed": 5}, "speed"),
        ({"tools": [{"name": "f", "input_examples": 5}]}, "tools[0].input_examples"),
    ],
)
def test_an_error_names_the_field(change: dict[str, Any], field: str) -> None:
    assert field_of({"model": "m", "max_tokens": 1, "messages": []} | change) == field


@pytest.mark.parametrize("schema", [5, "zzz", [], True, None])
def test_a_schema_that_is_no_object_is_named(schema: Any) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}
    form = {"type": "json_schema", "schema": schema}
    assert field_of({**body, "output_config": {"format": form}}) == "output_config.format.schema"
    assert field_of({**body, "output_format": form}) == "output_format.schema"


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": 5}}, "source.data"),
        ({"type": "image", "source": {"type": "ftp"}}, "source.type"),
        (based("image", "image/png", "not base64!!"), "source.data"),
        (based("image", "image/png", ""), "source.data"),
        (based("image", "text/plain", "AA=="), "source.media_type"),
        (based("document", "", "AA=="), "source.media_type"),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [based("image", "a", "AA==")]},
            "content[0].source.media_type",
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [based("image", "image/png", "?")]}},
            "source.content[0].source.data",
        ),
        ({"type": "tool_use", "id": "t", "name": "f", "input": []}, "input"),
        ({"type": "tool_use", "id": "t", "name": "f", "input": {"a": ["\ud800"]}}, "input.a[0]"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": 1}]}, "content[0].text"),
        ({"type": "text", "text": "\ud83d"}, "text"),
        ({"type": "novel", "x": "\ud83d"}, "x"),
        ({"type": 5}, "type"),
        ({"type": "search_result", "source": 5, "title": "t", "content": []}, "source"),
        ({"type": "search_result", "source": "s", "title": {}, "content": []}, "title"),
        ({"type": "search_result", "source": "s", "title": "t", "content": 5}, "content"),
        ({"type": "tool_reference", "tool_name": 5}, "tool_name"),
        ({"type": "server_tool_use", "id": "t", "name": "f", "input": 5}, "input"),
        ({"type": "tool_use", "id": "t", "name": "f", "caller": 5}, "caller"),
    ],
)
def test_an_error_names_the_place_inside_a_block(block: dict[str, Any], field: str) -> None:
    assert field_of(with_block(block)) == f"messages[1].content[0].{field}"


def test_a_missing_field_is_named() -> None:
    assert field_of({"max_tokens": 1, "messages": []}) == "model"
    assert field_of({"model": "m", "max_tokens": 1}) == "messages"
    assert field_of({"model": "m", "messages": []}) == "max_tokens"


@pytest.mark.parametrize("path", ["messages", "system", "tools", "context_management"])
def test_deep_nesting_is_refused(path: str) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    body = b'{"model":"m","max_tokens":1,"messages":[],"%b":%b}' % (path.encode(), deep)
    with pytest.raises(RequestError, match="nested"):
        PROTOCOL.decode_request(body, Ledger())


def test_escaped_backslashes_are_no_surrogates() -> None:
    body = json.dumps(
        with_block({"type": "tool_use", "id": "t", "name": "f", "input": {"a": "\\ud800", "b": "\U0001f98a"}})
    )
    PROTOCOL.decode_request(body.encode(), Ledger())


def test_bytes_that_are_not_utf8_are_refused_also_where_they_are_only_carried() -> None:
    with pytest.raises(RequestError, match="UTF-8"):
        PROTOCOL.decode_request(b'{"model":"m","max_tokens":1,"messages":[],"safeguards":"\xff"}', Ledger())


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", -0.1), ("temperature", 2.1), ("top_p", 1.5), ("top_k", -1)]
)
def test_a_number_out_of_its_range_is_named(name: str, value: float) -> None:
    with pytest.raises(RequestError) as caught:
        PROTOCOL.decode_request(json.dumps({**BODY, name: value}).encode(), Ledger())
    assert caught.value.failure.param == name
