"""Anthropic Messages: platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from uuid import uuid4

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
    "input_tokens": FRESH,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": CACHED,
    "output_tokens": SPOKEN,
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded (scripted)"}}
TOO_LONG = Fail(
    400,
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "prompt is too long: 250000 tokens > 200000 maximum",
        },
    },
)
BAD_KEY = Fail(
    401,
    {"type": "error", "error": {"type": "authentication_error", "message": "This key was revoked (scripted)."}},
)


# --- what the upstream says ---


def _blocks(say: Say) -> Iterator[tuple[JSON, list[JSON]]]:
    if say.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(say.reasoning, 11)]
        deltas.append({"type": "signature_delta", "signature": say.signature})
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if say.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(say.text, 7)]
    for call in say.calls:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *argument_pieces(call))]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas


def _stream(say: Say, model: str) -> Iterator[bytes]:
    def event(kind: str, **fields: object) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))

    message = {**_whole(Say(""), model), "stop_reason": None}
    yield event("message_start", message={**message, "usage": {**USAGE, "output_tokens": 1}})
    yield event("ping")
    for index, (block, deltas) in enumerate(_blocks(say)):
        yield event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ending = {"stop_reason": _stop(say), "stop_sequence": None}
    yield event("message_delta", delta=ending, usage={"output_tokens": SPOKEN})
    yield event("message_stop")


def _whole(say: Say, model: str) -> JSON:
    content: list[JSON] = []
    if say.reasoning:
        content.append({"type": "thinking", "thinking": say.reasoning, "signature": say.signature})
    if say.text:
        content.append({"type": "text", "text": say.text})
    content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in say.calls]
    # Another id each time: the CLI of the Agent SDK takes equal ones for parts of one message.
    message = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**message, "stop_reason": _stop(say), "stop_sequence": None, "usage": USAGE}


def _stop(say: Say) -> str:
    return "tool_use" if say.calls else "end_turn"


def _break_off(broken: Break, model: str) -> Iterator[bytes]:
    yield from takewhile(lambda event: b"content_block_stop" not in event, _stream(Say(broken.text), model))
    if not broken.silently:
        yield b"event: error\ndata: " + msgspec.json.encode(OVERLOADED) + b"\n\n"


# --- what it is asked ---


def _wanted(asked: Asked) -> Wanted | None:
    if (asked.method, asked.path) != ("POST", "/v1/messages"):
        return None
    request = asked.json()
    return Wanted(request["model"], request.get("stream") is True)


def _texts(request: JSON) -> Iterator[str]:
    for content in (request.get("system", []), *(message["content"] for message in request["messages"])):
        for block in _blocks_of(content):
            match block["type"]:
                case "text":
                    yield block["text"]
                case "tool_result":
                    yield text_of(block.get("content"))
                case _:
                    pass


def _tools(request: JSON) -> Iterator[Tool]:
    for tool in request.get("tools", []):
        if "input_schema" not in tool:
            continue  # it is the vendor's own, such as its search of the web
        deferred = tool.get("defer_loading", False)
        yield Tool(tool["name"], tool.get("description", ""), tool["input_schema"], deferred)


def _request_faults(request: JSON) -> Iterator[Fault]:
    if not request.get("max_tokens"):
        yield "`max_tokens` is missing, and required"
    waiting: list[str] = []
    for place, message in enumerate(request["messages"]):
        blocks = _blocks_of(message["content"])
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if message["role"] != "system" and sorted(answered) != sorted(waiting):
            yield f"`messages[{place}]` answers {answered}, where {waiting} have to be answered"
        if message["role"] != "system":
            waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if blocks[0]["type"] == "tool_use" and request.get("thinking", {}).get("type") == "enabled":
            yield f"`messages[{place}]` begins with a tool call, where thinking has to come first"
    if waiting:
        yield f"the results of {waiting} are missing"


def _loop_faults(requests: Sequence[JSON], story: Story) -> Iterator[Fault]:
    """The second turn is the first with the model's own blocks, signature included, and the results after it."""
    first, second = requests
    before, after = ([_plain(message) for message in request["messages"]] for request in (first, second))
    yield from same_but(("messages",), first, second)
    yield from begins_with(before, after)
    said, results = [*after[len(before) :], {}, {}][:2]
    yield from differences("the assistant message", {"role": "assistant", "content": _returned(story)}, said)
    blocks = [block for block in results.get("content", []) if block["type"] == "tool_result"]
    ids = [block.get("tool_use_id") for block in blocks]
    yield from results_faults(story, ids, [text_of(block.get("content")) for block in blocks])


def _returned(story: Story) -> list[JSON]:
    said = story.opening
    thought = [{"type": "thinking", "thinking": said.reasoning, "signature": said.signature}] if said.reasoning else []
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in said.calls]
    return [*thought, {"type": "text", "text": said.text}, *calls]


def _plain(message: JSON) -> JSON:
    """Give a message without what may change from turn to turn: cache breakpoints, and text as a string or a block."""
    blocks = _blocks_of(message["content"])
    bare = [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]
    return {**message, "content": bare}


def _blocks_of(content: str | list[JSON]) -> list[JSON]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


MESSAGES = Speech(
    protocol="anthropic-messages",
    provider="messages",
    model="writer-1",
    base="",
    key="sk-messages-upstream-7d793037a076",
    key_header="x-api-key",
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
)
