"""Whatever comes in: a reply, or a 400 in the client's dialect that names the field. Never a 500, never a silent drop."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.upstream import RunningUpstream

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
LANES = [(path, model) for path in (MESSAGES, CHAT) for model in ("messages/x", "chat/x", "demo/echo")]
IDS = [f"{path.rpartition('/')[2]} to {model.partition('/')[0]}" for path, model in LANES]
DEEP = 20_000

PNG = "iVBORw0KGgo="
USE = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}
BODIES: dict[str, dict[str, Any]] = {
    MESSAGES: {
        "model": "",
        "max_tokens": 100,
        "stream": False,
        "temperature": 1.0,
        "top_p": 0.5,
        "top_k": 3,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "low"},
        "service_tier": "auto",
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "read", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "t"}, USE]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "r"}],
                        "is_error": False,
                    },
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                        "title": "t",
                    },
                ],
            },
        ],
    },
    CHAT: {
        "model": "",
        "max_tokens": 100,
        "stream": False,
        "stream_options": {"include_usage": True},
        "temperature": 1.0,
        "top_p": 0.5,
        "stop": ["x"],
        "user": "u",
        "seed": 1,
        "n": 1,
        "reasoning_effort": "low",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "prompt_cache_key": "k",
        "tools": [
            {"type": "function", "function": {"name": "read", "description": "d", "parameters": {"type": "object"}}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "read"}},
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "hi", "name": "jane"},
            {
                "role": "assistant",
                "content": "t",
                "reasoning_content": "r",
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "r"}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
                ],
            },
        ],
    },
}
Place = tuple[str | int, ...]


def body_for(path: str, model: str) -> dict[str, Any]:
    return {**copy.deepcopy(BODIES[path]), "model": model}


def text_of(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return the JSON text; the word DEEP stands for deep nesting, and big numbers and lone surrogates are written out."""
    return json.dumps(body).replace('"DEEP"', "[" * DEEP + "]" * DEEP).encode()


def post(client: httpx2.Client, path: str, content: bytes, **headers: str) -> httpx2.Response:
    return client.post(path, content=content, headers={"content-type": "application/json", **headers})


def check_error(reply: httpx2.Response, path: str) -> str:
    """Check that an error is one of the endpoint's dialect; return its message and, where there is one, the field."""
    body = reply.json()
    error = body["error"]
    assert error["message"]
    if path.startswith(MESSAGES):
        assert body["type"] == "error"
        assert error["type"] in ("invalid_request_error", "not_found_error")
        return str(error["message"])
    assert error["type"] == "invalid_request_error"
    return f"{error['message']} {error['param']}"


def check(reply: httpx2.Response, path: str) -> None:
    """Check that it is a legal reply, or a 400 (404: no such model) in the endpoint's dialect."""
    if reply.status_code == 200:
        if reply.headers["content-type"].startswith("text/event-stream"):
            assert reply.text.rstrip().endswith(("[DONE]", '"type":"message_stop"}'))
            return
        body = reply.json()
        assert body.get("type") == "message" if path == MESSAGES else body["object"] == "chat.completion"
        return
    assert reply.status_code in (400, 404), f"{reply.status_code}: {reply.text}"
    check_error(reply, path)


@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
def test_the_body_that_is_spoilt_below_is_fine_itself(client: httpx2.Client, path: str, model: str) -> None:
    assert post(client, path, text_of(body_for(path, model))).status_code == 200


# --- what is no JSON object -------------------------------------------------------------------------------------------

BROKEN: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "no JSON": b"hello",
    "cut": b'{"model": "chat/x", "messages": [',
    "two objects": b'{"model":"chat/x"}{"model":"chat/x"}',
    "an array": b"[]",
    "null": b"null",
    "a number": b"3",
    "a string": b'"chat/x"',
    "a form": b"model=chat/x&messages=hi",
    "a trailing comma": b'{"model": "chat/x",}',
    "single quotes": b"{'model': 'chat/x'}",
    "a comment": b'{"model": "chat/x" /* x */}',
    "NaN": b'{"model": "chat/x", "temperature": NaN}',
    "Infinity": b'{"model": "chat/x", "temperature": -Infinity}',
    "a BOM": b'\xef\xbb\xbf{"model": "chat/x"}',
    "UTF-16": '{"model": "chat/x"}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00\x00",
    "control characters": b'{"model": "chat\x00/x"}',
    "no model": b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}',
    "a null model": b'{"model": null, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}',
    "a list of models": b'{"model": ["chat/x"], "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}',
    "deep": b'{"model": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep and open": b'{"a": ' + b'{"a":' * DEEP,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"{MESSAGES}/count_tokens"])
def test_what_is_no_request_is_a_400(client: httpx2.Client, path: str, body: bytes) -> None:
    reply = post(client, path, body)
    assert reply.status_code == 400
    message = check_error(reply, path)
    assert any(f"`{field}`" in message for field in ("body", "model", "a"))


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", ""]
)
@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
def test_the_body_counts_and_not_its_content_type(client: httpx2.Client, path: str, model: str, kind: str) -> None:
    check(post(client, path, text_of(body_for(path, model)), **{"content-type": kind}), path)
    assert post(client, path, b"model=chat/x", **{"content-type": kind}).status_code == 400


def test_a_compressed_body_is_refused_by_its_name(client: httpx2.Client) -> None:
    for path in (MESSAGES, CHAT):
        reply = post(client, path, b"\x1f\x8b\x08\x00", **{"content-encoding": "gzip"})
        assert reply.status_code == 400
        assert "gzip" in check_error(reply, path)


# --- one field that is wrong, a table ---------------------------------------------------------------------------------

CASES: dict[str, list[tuple[Place, Any, str]]] = {
    MESSAGES: [
        (("messages",), {}, "messages"),
        (("messages",), "hi", "messages"),
        (("messages",), [], "messages"),
        (("messages",), [3], "messages[0]"),
        (("messages", 0), None, "messages[0]"),
        (("messages", 0, "role"), "owner", "messages[0].role"),
        (("messages", 0, "role"), "tool", "messages[0].role"),
        (("messages", 0, "role"), None, "messages[0].role"),
        (("messages", 0, "content"), 5, "messages[0].content"),
        (("messages", 0, "content"), {"type": "text"}, "messages[0].content"),
        (("messages", 0, "content"), "\ud800", "messages[0].content"),
        (("messages", 1, "content", 0), "text", "messages[1].content[0]"),
        (("messages", 1, "content", 0, "text"), 5, "messages[1].content[0].text"),
        (("messages", 1, "content", 0, "text"), "\udfff", "messages[1].content[0].text"),
        (("messages", 1, "content", 0, "type"), 5, "messages[1].content[0].type"),
        (("messages", 1, "content", 1, "input"), "{", "messages[1].content[1].input"),
        (("messages", 1, "content", 1, "input"), ["a"], "messages[1].content[1].input"),
        (("messages", 1, "content", 1, "name"), 5, "messages[1].content[1].name"),
        (("messages", 2, "content", 0, "tool_use_id"), 5, "messages[2].content[0].tool_use_id"),
        (("messages", 2, "content", 1, "source"), "x", "messages[2].content[1].source"),
        (("messages", 2, "content", 1, "source", "data"), 5, "messages[2].content[1].source.data"),
        (("max_tokens",), "many", "max_tokens"),
        (("max_tokens",), -1, "max_tokens"),
        (("max_tokens",), 1.5, "max_tokens"),
        (("max_tokens",), 10**30, "max_tokens"),
        (("max_tokens",), True, "max_tokens"),
        (("stream",), "yes", "stream"),
        (("temperature",), "hot", "temperature"),
        (("temperature",), [], "temperature"),
        (("top_k",), "x", "top_k"),
        (("stop_sequences",), "x", "stop_sequences"),
        (("stop_sequences",), [5], "stop_sequences[0]"),
        (("system",), 5, "system"),
        (("system",), [5], "system[0]"),
        (("system", 0, "text"), None, "system[0].text"),
        (("tools",), {}, "tools"),
        (("tools",), [5], "tools[0]"),
        (("tools", 0, "name"), None, "tools[0].name"),
        (("tools", 0, "input_schema"), "x", "tools[0].input_schema"),
        (("tool_choice",), "auto", "tool_choice"),
        (("tool_choice",), {"type": "maybe"}, "tool_choice.type"),
        (("tool_choice",), {"type": "tool"}, "tool_choice.name"),
        (("thinking",), True, "thinking"),
        (("thinking",), {"type": "hard"}, "thinking.type"),
        (("metadata",), "me", "metadata"),
        (("metadata",), {"user_id": 5}, "metadata.user_id"),
        (("output_config",), {"effort": 5}, "output_config.effort"),
    ],
    CHAT: [
        (("messages",), {}, "messages"),
        (("messages",), "hi", "messages"),
        (("messages",), [], "messages"),
        (("messages",), [3], "messages[0]"),
        (("messages", 0), None, "messages[0]"),
        (("messages", 1, "role"), "owner", "messages[1]"),
        (("messages", 1, "role"), None, "messages[1]"),
        (("messages", 1, "content"), 5, "messages[1].content"),
        (("messages", 1, "content"), {"type": "text"}, "messages[1].content"),
        (("messages", 1, "content"), "\ud800", "messages[1].content"),
        (("messages", 4, "content", 0, "text"), 5, "messages[4].content[0].text"),
        (("messages", 4, "content", 0, "type"), "smell", "messages[4].content[0]"),
        (("messages", 4, "content", 1, "image_url"), 5, "messages[4].content[1].image_url"),
        (("messages", 4, "content", 2, "file"), "x", "messages[4].content[2].file"),
        (("messages", 2, "tool_calls"), {}, "messages[2].tool_calls"),
        (("messages", 2, "tool_calls", 0, "id"), 5, "messages[2].tool_calls[0].id"),
        (("messages", 2, "tool_calls", 0, "function"), None, "messages[2].tool_calls[0]"),
        (("messages", 2, "tool_calls", 0, "function", "arguments"), 5, "messages[2].tool_calls[0].function.arguments"),
        (("messages", 3, "tool_call_id"), 7, "messages[3].tool_call_id"),
        (("max_tokens",), "many", "max_tokens"),
        (("max_tokens",), -1, "max_tokens"),
        (("max_tokens",), 1.5, "max_tokens"),
        (("max_tokens",), 10**30, "max_tokens"),
        (("stream",), "yes", "stream"),
        (("temperature",), "hot", "temperature"),
        (("stop",), 5, "stop"),
        (("stop",), [5], "stop[0]"),
        (("n",), "x", "n"),
        (("seed",), "x", "seed"),
        (("tools",), {}, "tools"),
        (("tools",), [5], "tools[0]"),
        (("tools", 0, "function"), None, "tools[0]"),
        (("tools", 0, "function", "name"), 5, "tools[0].function.name"),
        (("tools", 0, "function", "parameters"), "x", "tools[0].function.parameters"),
        (("tool_choice",), "maybe", "tool_choice"),
        (("tool_choice",), 5, "tool_choice"),
        (("response_format",), "json", "response_format"),
        (("response_format",), {"type": "xml"}, "response_format.type"),
        (("response_format",), {"type": "json_schema"}, "response_format.json_schema"),
        (("reasoning_effort",), "extreme", "reasoning_effort"),
        (("stream_options",), 5, "stream_options"),
        (("user",), 5, "user"),
        (("prompt_cache_key",), 5, "prompt_cache_key"),
    ],
}


def with_value(body: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    spoilt: Any = copy.deepcopy(body)
    inner = spoilt
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return dict(spoilt)


def rows() -> Iterator[Any]:
    for (path, model), lane in zip(LANES, IDS, strict=True):
        for place, value, field in CASES[path]:
            dotted = ".".join(map(str, place))
            yield pytest.param(path, model, place, value, field, id=f"{lane}: {dotted}={str(value)[:12]!a}")


@pytest.mark.parametrize(("path", "model", "place", "value", "field"), list(rows()))
def test_what_is_wrong_is_named(
    client: httpx2.Client, path: str, model: str, place: Place, value: object, field: str
) -> None:
    reply = post(client, path, text_of(with_value(body_for(path, model), place, value)))
    assert reply.status_code == 400, reply.text
    assert field in check_error(reply, path)


@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
def test_deep_nesting_is_refused_or_carried(client: httpx2.Client, path: str, model: str) -> None:
    places: list[Place] = [
        ("messages",),
        ("messages", 0, "content"),
        ("metadata",),
        ("unheard_of",),
        ("tools",),
        ("max_tokens",),
    ]
    for place in places:
        check(post(client, path, text_of(with_value(body_for(path, model), place, "DEEP"))), path)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        '{"a":',
        "[]",
        "null",
        "5",
        '"x"',
        "hello",
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        "{}{}",
        pytest.param("[" * DEEP, id="deep"),
    ],
)
@pytest.mark.parametrize("model", ["messages/x", "chat/x", "demo/echo"])
def test_broken_tool_arguments_in_the_history_are_no_mistake_of_ours(
    client: httpx2.Client, model: str, arguments: str, streams: bool
) -> None:
    place = ("messages", 2, "tool_calls", 0, "function", "arguments")
    body = with_value(body_for(CHAT, model), place, arguments)
    reply = post(client, CHAT, text_of({**body, "stream": streams}))
    check(reply, CHAT)
    if model == "messages/x" and reply.status_code == 200 and arguments:
        assert reply.headers["x-dragoman-loss"] != "0"


@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
def test_the_last_of_duplicate_keys_counts_for_everybody(
    client: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    path: str,
    model: str,
) -> None:
    """Who is asked, and what: else two readers of the same body would see two requests."""
    text = text_of(body_for(path, model)).decode()[:-1]
    reply = post(client, path, f'{{"model": "demo/echo", "max_tokens": 7, {text[1:]}, "max_tokens": 50}}'.encode())
    assert reply.status_code == 200
    assert reply.json()["model"] == model
    assert reply.headers["x-dragoman-provider"] == model.partition("/")[0]
    for seen in scripted_chat.seen + scripted_messages.seen:
        assert seen.json["model"] == "x"
        assert seen.json["max_tokens"] == 50


@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
def test_an_unknown_field_is_passed_on_or_reported(
    client: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    path: str,
    model: str,
) -> None:
    places: list[Place] = [("unheard_of",), ("messages", 0, "unheard_of"), ("tools", 0, "unheard_of")]
    places.append(
        ("messages", 1, "content", 0, "unheard_of") if path == MESSAGES else ("messages", 3, "content", 0, "unheard_of")
    )
    for place in places:
        reply = post(client, path, text_of(with_value(body_for(path, model), place, {"a": [1]})))
        assert reply.status_code == 200
        seen = b"".join(one.body for one in scripted_chat.seen + scripted_messages.seen)
        is_raw = (path == MESSAGES) == (model == "messages/x") and model != "demo/echo"
        assert (b"unheard_of" in seen) == is_raw
        if not is_raw and model != "demo/echo":
            assert any(
                code in reply.headers["x-dragoman-loss"] for code in ("unknown_field", "extra_field", "tool_field")
            ), place
        scripted_chat.seen.clear()
        scripted_messages.seen.clear()


# --- anything anywhere ------------------------------------------------------------------------------------------------

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1e308, 1e-320, 10**400, -(2**63) - 1, 2**64, "", "x", "\ud800", "\x00", "DEEP"]
    ),
    st.sampled_from([[], [[]], [None], {}, {"type": "nothing"}, {"type": None}, {"role": "user"}, [{"type": "text"}]]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)


def places_in(value: Any, here: Place = ()) -> Iterator[Place]:  # noqa: ANN401 - any JSON
    if here:
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places_in(item, (*here, key))


PLACES = {path: list(places_in(body)) for path, body in BODIES.items()}
FIELDS = sorted(
    {str(place[-1]) for places in PLACES.values() for place in places if isinstance(place[-1], str)} | {"unheard_of"}
)


@st.composite
def spoilt(draw: st.DrawFn, path: str, model: str) -> bytes:
    """Return a request in which something was replaced, left out, or put where it does not belong."""
    body: Any = body_for(path, model)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(PLACES[path]))
        inner = body
        try:
            for part in place[:-1]:
                inner = inner[part]
            match draw(st.sampled_from(["replace", "remove", "add"])):
                case "replace":
                    inner[place[-1]] = copy.deepcopy(draw(JUNK))
                case "remove":
                    del inner[place[-1]]
                case _:
                    inner[place[-1]][draw(st.sampled_from(FIELDS))] = copy.deepcopy(draw(JUNK))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return text_of(body)


@pytest.mark.parametrize(("path", "model"), LANES, ids=IDS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_anything_anywhere_gets_a_reply_or_a_400(
    client: httpx2.Client, path: str, model: str, data: st.DataObject
) -> None:
    check(post(client, path, data.draw(spoilt(path, model))), path)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"{MESSAGES}/count_tokens"])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: json.dumps({"model": text}).encode()))
def test_any_bytes_get_a_4xx(client: httpx2.Client, path: str, body: bytes) -> None:
    reply = post(client, path, body)
    assert reply.status_code in (400, 404)
    check_error(reply, path)
