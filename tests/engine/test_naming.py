"""Errors name what is wrong with a request where its client wrote it, whatever the IR has made of it."""

import json
from typing import Any

import pytest

from dragoman.engine.naming import client_path, rename
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.protocols import discover

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
        ("anthropic-messages", MESSAGES, "stop", "stop_sequences"),
        ("openai-responses", RESPONSES, "messages[0].content[1]", "input[1].content[1]"),
        ("openai-responses", RESPONSES, "messages[1].content[2]", "input[4]"),
        ("openai-responses", RESPONSES, "messages[3].content[0].content[1]", "input[6].output[1]"),
        ("openai-responses", {"model": "m", "input": "hi"}, "messages[0].content[0]", "messages[0].content[0]"),
        ("openai-responses", RESPONSES, "messages", "input"),
        ("openai-responses", RESPONSES, "max_tokens", "max_output_tokens"),
        ("gemini-generate", GEMINI, "messages[0].content[1]", "contents[0].parts[2]"),
        ("gemini-generate", GEMINI, "messages[1].content[0]", "contents[1].parts[0]"),
        ("gemini-generate", GEMINI, "messages[1].content[1]", "contents[1]"),
        ("gemini-generate", GEMINI, "messages[7].content[1]", "messages[7].content[1]"),
        ("gemini-generate", GEMINI, "n", "generationConfig.candidateCount"),
        ("gemini-generate", GEMINI, "tools[0].name", "tools[0].name"),
    ],
)
def test_a_place_in_the_ir_is_found_in_the_clients_body(
    name: str, body: dict[str, Any], path: str, expected: str
) -> None:
    assert client_path(CODECS[name], json.dumps(body).encode(), path) == expected


@pytest.mark.parametrize("kind", [RequestError, UnsupportedError])
def test_an_error_is_renamed_in_its_field_and_its_words(kind: type[RequestError | UnsupportedError]) -> None:
    error = kind("`n` is more than 1", param="n", hint="ask again")
    rename(error, CODECS["gemini-generate"], json.dumps(GEMINI).encode())
    failure = error.failure
    assert (failure.param, failure.hint) == ("generationConfig.candidateCount", "ask again")
    assert failure.message == "`generationConfig.candidateCount` is more than 1"


def test_an_error_without_a_field_stays_as_it_is() -> None:
    error = RequestError("no field")
    rename(error, CODECS["gemini-generate"], b"broken")
    assert error.failure == RequestError("no field").failure
