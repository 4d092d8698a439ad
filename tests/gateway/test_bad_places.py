"""Responses and Gemini clients: whatever stands in the wrong place is named in a 400, by every endpoint that reads it."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.gateway.test_bad_input import PNG, Place, places_in, text_of, with_value

RESPONSES, GEMINI = "responses", "gemini"
MODEL = "messages/x"
URL = f"data:image/png;base64,{PNG}"
BODIES: dict[str, dict[str, Any]] = {
    RESPONSES: {
        "stream": False,
        "instructions": "s",
        "max_output_tokens": 100,
        "temperature": 1.0,
        "parallel_tool_calls": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "read"},
        "metadata": {"a": "b"},
        "tools": [
            {"type": "function", "name": "read", "description": "d", "parameters": {"type": "object"}},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "namespace", "name": "ns", "description": "x", "tools": [{"type": "function", "name": "f"}]},
        ],
        "input": [
            {"role": "developer", "content": "d"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "hi"},
                    {"type": "input_image", "image_url": URL, "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
                ],
            },
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
            {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "r"},
        ],
    },
    GEMINI: {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "generationConfig": {
            "temperature": 1.0,
            "topK": 3,
            "maxOutputTokens": 100,
            "stopSequences": ["x"],
            "candidateCount": 1,
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 100},
        },
        "tools": [
            {"functionDeclarations": [{"name": "read", "description": "d", "parameters": {"type": "OBJECT"}}]},
            {"functionDeclarations": [{"name": "write", "parametersJsonSchema": {"type": "object"}}]},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read"]}},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
            {
                "role": "model",
                "parts": [{"text": "x", "thought": True}, {"functionCall": {"name": "read", "id": "c", "args": {}}}],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "read", "id": "c", "response": {"a": "b"}}}, {"text": "go"}],
            },
        ],
    },
}
ENDPOINTS = [
    (RESPONSES, "/v1/responses"),
    (RESPONSES, "/v1/responses/input_tokens"),
    (GEMINI, "/v1beta/models/{model}:generateContent"),
    (GEMINI, "/v1/models/{model}:streamGenerateContent?alt=sse"),
    (GEMINI, "/v1beta/models/{model}:countTokens"),
]
WRONG = [None, 10**30, "\ud800", [5]]


def told(reply: httpx2.Response) -> str:
    """Return what an error says, once it is one of its client's dialect."""
    error = reply.json()["error"]
    if "code" in error and "details" in error:
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    else:
        assert error["type"] == "invalid_request_error"
    return f"{error['message']} {error.get('param')}"


def spoilt(dialect: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    for place in places_in(BODIES[dialect]):
        for value in WRONG:
            yield place, with_value(BODIES[dialect], place, value)


@pytest.mark.parametrize(("dialect", "path"), ENDPOINTS, ids=[path for _, path in ENDPOINTS])
def test_what_is_wrong_is_named(client: httpx2.Client, dialect: str, path: str) -> None:
    url = path.replace("{model}", MODEL)
    own = {"model": MODEL} if dialect == RESPONSES else {}
    assert client.post(url, content=text_of({**copy.deepcopy(BODIES[dialect]), **own})).status_code == 200
    refused = 0
    for place, body in spoilt(dialect):
        reply = client.post(url, content=text_of({**body, **own}))
        if reply.status_code == 200:
            continue
        assert reply.status_code == 400, (place, reply.text)
        assert is_named(place, told(reply)), (place, reply.text)
        refused += 1
    assert refused > 100


def is_named(place: Place, message: str) -> bool:
    """Tell whether a message names the field, or else the part that is not fit for the upstream."""
    field = [part for part in place if isinstance(part, str)][-1]
    part = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, place[:-2])))
    return field in message or snake_cased(field) in message or f"`{part}`" in message


def snake_cased(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
