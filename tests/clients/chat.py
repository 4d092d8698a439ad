"""OpenAI Chat: platform.openai.com/docs/api-reference/chat-streaming; `reasoning_content`: api-docs.deepseek.com."""

from collections.abc import Iterator, Sequence
from itertools import takewhile, zip_longest

import msgspec

from tests.clients.script import CACHED, FRESH, JSON, SPOKEN, Break, Fail, Fault, Say
from tests.clients.sockets import Asked
from tests.clients.speech import (
    Speech,
    Tool,
    Wanted,
    argument_pieces,
    begins_with,
    differences,
    pieces,
    results_faults,
    same_but,
    text_of,
)
from tests.clients.story import Story

USAGE = {
    "prompt_tokens": FRESH + CACHED,
    "completion_tokens": SPOKEN,
    "total_tokens": FRESH + CACHED + SPOKEN,
    "prompt_tokens_details": {"cached_tokens": CACHED},
}
OVERLOADED = {"error": {"message": "The engine is overloaded (scripted).", "type": "server_error", "code": None}}
TOO_LONG = Fail(
    400,
    {
        "error": {
            "message": "This model's maximum context length is 200000 tokens. However, your messages resulted in 250000.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
)
BAD_KEY = Fail(
    401,
    {"error": {"message": "Incorrect API key provided: scripted.", "type": "invalid_request_error", "code": None}},
)


# --- what the upstream says ---


def _deltas(say: Say) -> Iterator[JSON]:
    yield {"role": "assistant", "content": None, "reasoning_content": ""}
    yield from ({"content": None, "reasoning_content": piece} for piece in pieces(say.reasoning, 11))
    yield from ({"content": piece} for piece in pieces(say.text, 7))
    for index, call in enumerate(say.calls):
        opening = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": opening}]}
    # Parallel calls arrive interleaved: whoever keeps but one of them open at a time mixes them up.
    for row in zip_longest(*map(argument_pieces, say.calls)):
        for index, piece in enumerate(row):
            if piece is not None:
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _stream(say: Say, model: str) -> Iterator[bytes]:
    frame = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": model}

    def chunk(choices: Sequence[JSON], usage: JSON | None = None) -> bytes:
        return b"data: " + msgspec.json.encode({**frame, "choices": choices, "usage": usage}) + b"\n\n"

    for delta in _deltas(say):
        yield chunk([{"index": 0, "delta": delta, "finish_reason": None}])
    yield chunk([{"index": 0, "delta": {}, "finish_reason": _finish(say)}])
    yield chunk([], USAGE)
    yield b"data: [DONE]\n\n"


def _whole(say: Say, model: str) -> JSON:
    message: JSON = {"role": "assistant", "content": say.text, "refusal": None}
    if say.reasoning:
        message["reasoning_content"] = say.reasoning
    if say.calls:
        functions = [(call.id, call.name, msgspec.json.encode(call.arguments).decode()) for call in say.calls]
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in functions
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish(say), "logprobs": None}
    frame = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1_790_000_000, "model": model}
    return {**frame, "choices": [choice], "usage": USAGE}


def _finish(say: Say) -> str:
    return "tool_calls" if say.calls else "stop"


def _break_off(broken: Break, model: str) -> Iterator[bytes]:
    yield from takewhile(lambda event: b'"finish_reason":"' not in event, _stream(Say(broken.text), model))
    if not broken.silently:
        yield b"data: " + msgspec.json.encode(OVERLOADED) + b"\n\n"


# --- what it is asked ---


def _wanted(asked: Asked) -> Wanted | None:
    if (asked.method, asked.path) != ("POST", "/v1/chat/completions"):
        return None
    request = asked.json()
    return Wanted(request["model"], request.get("stream") is True)


def _added(request: JSON) -> bytes:
    """The log is to have a stream's usage even if its client does not ask for it."""
    asks = not request.get("stream") or "stream_options" in request
    return b"" if asks else b',"stream_options":{"include_usage":true}'


def _texts(request: JSON) -> Iterator[str]:
    for message in request["messages"]:
        content = message.get("content")
        yield from [content] if isinstance(content, str) else (part.get("text", "") for part in content or [])


def _tools(request: JSON) -> Iterator[Tool]:
    for tool in request.get("tools", []):
        function = tool["function"]
        yield Tool(function["name"], function.get("description", ""), function["parameters"])


def _request_faults(request: JSON) -> Iterator[Fault]:
    if request.get("stream") and request.get("stream_options") != {"include_usage": True}:
        yield f"`stream_options` is `{request.get('stream_options')}`: no usage would be told"
    waiting: list[str] = []
    for place, message in enumerate(request["messages"]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"`messages[{place}]` answers `{message['tool_call_id']}`, which nobody waits for"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"`messages[{place}]` ({message['role']}) comes before the results of {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls", [])]
    if waiting:
        yield f"the results of {waiting} are missing"


def _loop_faults(requests: Sequence[JSON], story: Story) -> Iterator[Fault]:
    """The second turn is the first, unchanged, with the model's own words and the results of its calls after it."""
    first, second = requests
    yield from same_but(("messages",), first, second)
    before, after = first["messages"], second["messages"]
    yield from begins_with(before, after)
    said, *results = after[len(before) :] or [{}]
    expected = {
        "role": "assistant",
        "content": story.opening.text,
        "reasoning_content": story.opening.reasoning or None,
        "tool_calls": [(call.id, "function", call.name, call.arguments) for call in story.calls],
    }
    yield from differences("the assistant message", expected, _said(said))
    ids = [result.get("tool_call_id") for result in results]
    yield from results_faults(story, ids, [text_of(result.get("content")) for result in results])


def _said(message: JSON) -> JSON:
    calls = [
        (call["id"], call["type"], call["function"]["name"], msgspec.json.decode(call["function"]["arguments"]))
        for call in message.get("tool_calls", [])
    ]
    return {**message, "content": text_of(message.get("content")), "tool_calls": calls}


CHAT = Speech(
    protocol="openai-chat",
    provider="chat",
    model="coder-1",
    base="/v1",
    key="sk-chat-upstream-5d41402abc4b2a76",
    key_header="authorization",
    wanted=_wanted,
    stream=_stream,
    whole=_whole,
    break_off=_break_off,
    too_long=TOO_LONG,
    bad_key=BAD_KEY,
    texts=_texts,
    tools=_tools,
    request_faults=_request_faults,
    loop_faults=_loop_faults,
    added=_added,
    cache_key="prompt_cache_key",
)
