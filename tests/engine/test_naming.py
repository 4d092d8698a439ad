"""Errors name what is wrong with a request where its client wrote it, whatever the IR has made of it."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.naming import client_path, rename
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Base64Data, Image, Request
from dragoman.protocols import discover
from dragoman.transforms.history import repair

CODECS = discover()
PNG = "iVBORw0KGgo="
URL = f"data:image/png;base64,{PNG}"

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": URL}}]},
        {
            "role": "assistant",
            "content": "hm",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [{"type": "text", "text": "r"}, {"type": "image_url", "image_url": {"url": URL}}],
        },
    ],
}
MESSAGES = {
    "model": "m",
    "max_tokens": 5,
    "system": "s",
    "messages": [
        {"role": "user", "content": "t"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ],
        },
    ],
}
RESPONSES = {
    "model": "m",
    "input": [
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": URL}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {
            "type": "function_call_output",
            "call_id": "d",
            "output": [{"type": "input_text", "text": "r"}, {"type": "input_image", "image_url": URL}],
        },
    ],
}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "s"}]},
    "contents": [
        {
            "role": "user",
            "parts": [{"text": ""}, {"text": "t"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}],
        },
        {"role": "model", "parts": [{"text": "a"}, {"text": "b"}, {"functionCall": {"name": "f", "args": {}}}]},
    ],
}


def named(name: str, body: dict[str, Any], path: str) -> str:
    """Return what the client calls the part of `body` that is at `path` in the IR."""
    sent = json.dumps(body).encode()
    return client_path(CODECS[name], sent, path, CODECS[name].decode_request(sent, Ledger()))


@pytest.mark.parametrize(
    ("name", "body", "path", "expected"),
    [
        ("openai-chat", CHAT, "messages[0].content[1]", "messages[2].content[1]"),
        ("openai-chat", CHAT, "messages[1].content[1]", "messages[3]"),
        ("openai-chat", CHAT, "messages[2].content[0].content[1]", "messages[4].content[1]"),
        ("openai-chat", CHAT, "messages[0].name", "messages[2].name"),
        ("openai-chat", CHAT, "messages", "messages"),
        ("openai-chat", CHAT, "schema", "response_format.json_schema.schema"),
        ("anthropic-messages", MESSAGES, "messages[0].content[0]", "messages[0].content"),
        ("anthropic-messages", MESSAGES, "messages[1].content[1]", "messages[1].content[1]"),
        ("openai-chat", CHAT, "reasoning", "reasoning_effort"),
        ("anthropic-messages", MESSAGES, "stop", "stop_sequences"),
        ("anthropic-messages", MESSAGES, "reasoning", "thinking"),
        ("openai-responses", RESPONSES, "messages[0].content[1]", "input[1].content[1]"),
        ("openai-responses", RESPONSES, "messages[1].content[2]", "input[4]"),
        ("openai-responses", RESPONSES, "messages[3].content[0].content[1]", "input[6].output[1]"),
        ("openai-responses", {"model": "m", "input": "hi"}, "messages[0].content[0]", "messages[0].content[0]"),
        ("openai-responses", RESPONSES, "messages", "input"),
        ("openai-responses", RESPONSES, "max_tokens", "max_output_tokens"),
        ("gemini-generate", GEMINI, "messages[0].content[1]", "contents[0].parts[2]"),
        ("gemini-generate", GEMINI, "messages[1].content[0]", "contents[1]"),  # two pieces are one block
        ("gemini-generate", GEMINI, "messages[1].content[1]", "contents[1]"),
        ("gemini-generate", GEMINI, "messages[7].content[1]", "messages[7].content[1]"),
        ("gemini-generate", GEMINI, "n", "generationConfig.candidateCount"),
        ("gemini-generate", GEMINI, "tools[0].name", "tools[0].name"),
    ],
)
def test_a_place_in_the_ir_is_found_in_the_clients_body(
    name: str, body: dict[str, Any], path: str, expected: str
) -> None:
    assert named(name, body, path) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"text": "t"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}], "contents.parts[1]"),
        ({"inlineData": {"mimeType": "image/png", "data": PNG}}, "contents.parts"),
    ],
)
def test_one_object_of_gemini_stands_for_a_list(parts: object, expected: str) -> None:
    place = len(parts) - 1 if isinstance(parts, list) else 0
    assert named("gemini-generate", {"contents": {"parts": parts}}, f"messages[0].content[{place}]") == expected


@pytest.mark.parametrize("kind", [RequestError, UnsupportedError])
def test_an_error_is_renamed_in_its_field_and_its_words(kind: type[RequestError | UnsupportedError]) -> None:
    error = kind("`n` is more than 1", param="n", hint="ask again")
    body = json.dumps(GEMINI).encode()
    rename(error, CODECS["gemini-generate"], body, CODECS["gemini-generate"].decode_request(body, Ledger()))
    failure = error.failure
    assert (failure.param, failure.hint) == ("generationConfig.candidateCount", "ask again")
    assert failure.message == "`generationConfig.candidateCount` is more than 1"


def test_an_error_without_a_field_stays_as_it_is() -> None:
    error = RequestError("no field")
    rename(error, CODECS["gemini-generate"], b"broken", Request("m", ()))
    assert error.failure == RequestError("no field").failure


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def test_an_instruction_in_mid_talk_is_not_taken_for_one_at_its_beginning() -> None:
    """Cut off behind it, a conversation of instructions alone would be messages, and its second one would stand there."""
    roles = ("developer", "developer", "user", "developer")
    for name, field, kind in (("openai-chat", "messages", "text"), ("openai-responses", "input", "input_text")):
        items = [said(role, {"type": kind, "text": letter}) for role, letter in zip(roles, "ABCD", strict=True)]
        body = {"model": "m", field: items}
        assert named(name, body, "messages[0].content[0]") == f"{field}[2].content[0]"
        assert named(name, body, "messages[1].content[0]") == f"{field}[3].content[0]"


_PICTURES: dict[str, Callable[[str], dict[str, Any]]] = {
    "openai-chat": lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    "openai-responses": lambda data: {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
    "gemini-generate": lambda data: {"inlineData": {"mimeType": "image/png", "data": data}},
    "anthropic-messages": lambda data: {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": data},
    },
}
_SHAPE = st.lists(st.tuples(st.booleans(), st.lists(st.booleans(), min_size=1, max_size=4)), min_size=1, max_size=9)


def shown(name: str, shape: Sequence[tuple[bool, Sequence[bool]]]) -> dict[str, Any]:
    """Return a conversation of this shape: for each item whether it is the user's, for each part whether it is a picture."""
    places = CODECS[name].places
    assert places is not None
    words = {"openai-responses": ("input_text", "output_text")}.get(name, ("text", "text"))
    other = "model" if name == "gemini-generate" else "assistant"
    items: list[dict[str, Any]] = []
    for is_users, pictures in shape:
        text = {"text": "t"} if name == "gemini-generate" else {"type": words[not is_users], "text": "t"}
        parts = [
            _PICTURES[name](f"{len(items):02}{place:02}") if is_picture and is_users else text
            for place, is_picture in enumerate(pictures)
        ]
        items.append({"role": "user" if is_users else other, places.parts: parts})
    return {"model": "m", "max_tokens": 9, places.items: items}


@pytest.mark.parametrize("name", sorted(_PICTURES))
@given(shape=_SHAPE)
def test_a_picture_is_named_where_it_stands(name: str, shape: list[tuple[bool, list[bool]]]) -> None:
    """Whichever of them: each says in its data where its client put it."""
    sent = json.dumps(shown(name, shape)).encode()
    request, places = CODECS[name].decode_request(sent, Ledger()), CODECS[name].places
    assert places is not None
    for index, message in enumerate(request.messages):
        for place, block in enumerate(message.blocks):
            if isinstance(block, Image) and isinstance(block.source, Base64Data):
                item, part = int(block.source.data[:2]), int(block.source.data[2:])
                path = client_path(CODECS[name], sent, f"messages[{index}].content[{place}]", request)
                assert path == f"{places.items}[{item}].{places.parts}[{part}]"


def test_what_the_gateway_has_put_in_does_not_shift_what_is_named() -> None:
    """A call without its result gets one, which the client has not sent: no message behind it stands where it stood."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    picture = _PICTURES["openai-chat"](PNG)
    messages = [
        {"role": "user", "content": "t"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "assistant", "content": "hm"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, picture]},
    ]
    sent, codec = json.dumps({"model": "m", "messages": messages}).encode(), CODECS["openai-chat"]
    request = repair(codec.decode_request(sent, Ledger()), Ledger())
    (path,) = (
        f"messages[{index}].content[{place}]"
        for index, message in enumerate(request.messages)
        for place, block in enumerate(message.blocks)
        if isinstance(block, Image)
    )
    assert client_path(codec, sent, path, request) == "messages[3].content[1]"


@pytest.mark.parametrize("shape", ["many items", "many parts", "a long body"])
def test_what_would_take_long_to_find_keeps_its_name(shape: str) -> None:
    """The search is on the loop that answers everybody else."""
    codec = CODECS["openai-chat"]
    words = {"type": "text", "text": "t" * 9_000_000 if shape == "a long body" else "t"}
    parts = [words] * (2000 if shape == "many parts" else 1)
    items = [said("user", *parts)] * (2000 if shape == "many items" else 2)
    sent = json.dumps({"model": "m", "messages": items}).encode()
    request = codec.decode_request(sent, Ledger())
    decoded: list[int] = []

    def counting(body: bytes, ledger: Ledger) -> Request:
        decoded.append(len(body))
        return codec.decode_request(body, ledger)

    counted = dataclasses.replace(codec, decode_request=counting)
    path = f"messages[{len(request.messages) - 1}].content[0]"
    assert client_path(counted, sent, path, request) == path
    assert not decoded
