"""Whatever a client or an upstream sends, it is a value or one of our errors."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Target
from dragoman.dialects import Dialect
from dragoman.ir.failures import DragomanError, RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import SOURCE, Json

SIGNED = write_seal(Seal("anthropic-messages", "sig", "a", "m"))
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}]},
        ]},
        {"role": "assistant", "content": "x", "reasoning_content": "hm",
         "reasoning_details": [{"type": "reasoning.text", "text": "", "signature": SIGNED}, {"type": "x", "data": "y"}],
         "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": SIGNED}}},
            {"id": "d", "type": "custom", "custom": {"name": "p", "input": "i"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "function", "name": "f", "content": "r"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "p", "format": {"type": "text"}}},
        {"name": "flat", "input_schema": {}},
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "t"}}},
    "reasoning": {"effort": "low"}, "thinking": {"type": "enabled", "budget_tokens": 5}, "stop": ["x"], "temperature": 1,
    "stream": True, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}, "max_tokens": 5,
}  # fmt: skip
REPLY: dict[str, Any] = {
    "id": "r", "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": [{"type": "text", "text": "x"}], "reasoning": "hm", "refusal": "no",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
        "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
        "images": [{"image_url": {"url": "data:image/png;base64,aGk="}}],
    }}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["", "\ud800", "data:", "data:,x", "tool", "user", "text", "custom", SIGNED, "DRAGOMAN", "DRAGOMANeyJ9"]
    ),
    st.just([]),
    st.just({}),
    st.just([[[[]]]]),
    st.just({"type": "text", "text": "x"}),
)


def places(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything in a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def drawn(data: st.DataObject) -> Json:
    """Return junk of its own, so that changing it changes no other."""
    return json.loads(json.dumps(data.draw(junk)))


def mutated(data: st.DataObject, value: dict[str, Any]) -> bytes:
    """Return a body with a few things in it replaced, removed or added."""
    copy = json.loads(json.dumps(value))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(copy)))
        inner = copy
        for key in path:
            inner = inner[key]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                inner[last] = drawn(data)
            case "remove":
                del inner[last]
            case _ if isinstance(inner, dict):
                inner[data.draw(st.text(max_size=8))] = drawn(data)
            case _:
                inner.append(drawn(data))
        if not copy:
            break
    return json.dumps(copy).encode()


@given(data=st.data())
def test_any_request_is_read_or_refused_by_name(data: st.DataObject) -> None:
    target = Target("deep", "up", Dialect(cache_control=True, reasoning_details=True))
    with suppress(RequestError, UnsupportedError):
        PROTOCOL.encode_request(PROTOCOL.decode_request(mutated(data, REQUEST), Ledger()), target, Ledger())


@given(data=st.data())
def test_any_request_passes_the_raw_lane(data: st.DataObject) -> None:
    body = mutated(data, REQUEST)
    try:
        PROTOCOL.peek(body)
    except RequestError:
        return
    PROTOCOL.unseal(body, Target("deep", "up"), Ledger())


@given(data=st.data())
def test_any_reply_is_read_or_is_the_upstreams_fault(data: st.DataObject) -> None:
    try:
        PROTOCOL.decode_reply(mutated(data, REPLY), SOURCE)
    except DragomanError as error:
        failure = error.failure
    else:
        return
    assert failure.http_status >= 400


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=50) | junk.map(lambda value: json.dumps({"error": value}).encode()),
)
def test_any_error_body_is_a_failure(status: int, body: bytes) -> None:
    failure = PROTOCOL.decode_failure(status, {}, body)
    assert failure.http_status >= 400
    PROTOCOL.encode_failure(failure, "r")
