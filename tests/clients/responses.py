"""OpenAI Responses: platform.openai.com/docs/api-reference/responses and .../responses-streaming."""

from collections.abc import Iterator, Sequence
from itertools import count, takewhile

import msgspec

from tests.clients.script import CACHED, FRESH, JSON, SPOKEN, Break, Call, Fail, Fault, Say
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
    "input_tokens": FRESH + CACHED,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": SPOKEN,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": FRESH + CACHED + SPOKEN,
}
OVERLOADED = {"code": "server_error", "message": "The server is overloaded (scripted)."}
TOO_LONG = Fail(
    400,
    {
        "error": {
            "message": "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "type": "invalid_request_error",
            "param": "input",
            "code": "context_length_exceeded",
        }
    },
)
BAD_KEY = Fail(
    401,
    {
        "error": {
            "message": "Incorrect API key provided: scripted.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    },
)
FIELDS = frozenset(
    {"background", "client_metadata", "conversation", "include", "input", "instructions", "max_output_tokens"}
    | {"max_tool_calls", "metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt"}
    | {"prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store"}
    | {"stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"}
    | {"truncation", "user"}
)
"""All that a request may have; anything else is an `unknown_parameter`."""

Event = tuple[str, JSON]
"""An event's type, and its fields without those that say which item it is about."""

PARTS = {
    "summary_text": ("response.reasoning_summary_part", "response.reasoning_summary_text", "summary_index"),
    "output_text": ("response.content_part", "response.output_text", "content_index"),
}
"""How the events of a part and of its text begin, and the field that numbers the part in its item."""


# --- what the upstream says ---


def _items(say: Say) -> Iterator[tuple[JSON, JSON, Sequence[Event]]]:
    """Give each item as it begins, as it ends, and the events in between."""
    if say.reasoning:
        thought = {"id": "rs_scripted", "type": "reasoning"}
        part: JSON = {"type": "summary_text", "text": say.reasoning}
        whole: JSON = {**thought, "summary": [part], "encrypted_content": say.signature}
        yield {**thought, "summary": []}, whole, _spoken(part, 11)
    if say.text:
        message = {"id": "msg_scripted", "type": "message", "role": "assistant"}
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": say.text}
        begun: JSON = {**message, "status": "in_progress", "content": []}
        yield begun, {**message, "status": "completed", "content": [part]}, _spoken(part, 7)
    for number, call in enumerate(say.calls):
        whole = {**_call(call), "id": f"fc_scripted_{number}", "status": "completed"}
        kind = "response.function_call_arguments"
        deltas: list[Event] = [(f"{kind}.delta", {"delta": piece}) for piece in argument_pieces(call)]
        done: Event = (f"{kind}.done", {"name": call.name, "arguments": whole["arguments"]})
        yield {**whole, "status": "in_progress", "arguments": ""}, whole, [*deltas, done]


def _spoken(part: JSON, size: int) -> Sequence[Event]:
    """Give the events of an item's only part, which is a text."""
    about, text, index = PARTS[part["type"]]
    deltas: list[Event] = [(f"{text}.delta", {index: 0, "delta": piece}) for piece in pieces(part["text"], size)]
    return [
        (f"{about}.added", {index: 0, "part": {**part, "text": ""}}),
        *deltas,
        (f"{text}.done", {index: 0, "text": part["text"]}),
        (f"{about}.done", {index: 0, "part": part}),
    ]


def _call(call: Call) -> JSON:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _stream(say: Say, model: str) -> Iterator[bytes]:
    numbers = count()

    def event(kind: str, **fields: object) -> bytes:
        return _event(kind, next(numbers), **fields)

    whole = _whole(say, model)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for place, (first, last, between) in enumerate(_items(say)):
        yield event("response.output_item.added", output_index=place, item=first)
        for kind, fields in between:
            yield event(kind, item_id=first["id"], output_index=place, **fields)
        yield event("response.output_item.done", output_index=place, item=last)
    yield event("response.completed", response=whole)


def _event(kind: str, number: int, **fields: object) -> bytes:
    data = {"type": kind, "sequence_number": number, **fields}
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(data))


def _whole(say: Say, model: str) -> JSON:
    frame = {"id": "resp_scripted", "object": "response", "created_at": 1_790_000_000, "model": model}
    output = [whole for _, whole, _ in _items(say)]
    return {**frame, "status": "completed", "error": None, "incomplete_details": None, "output": output, "usage": USAGE}


def _break_off(broken: Break, model: str) -> Iterator[bytes]:
    said = list(takewhile(lambda event: b"output_text.done" not in event, _stream(Say(broken.text), model)))
    yield from said
    if broken.silently:
        return
    failed = {**_whole(Say(""), model), "status": "failed", "error": OVERLOADED}
    error = {"type": "server_error", **OVERLOADED, "param": None}
    yield _event("error", len(said), error=error)
    yield _event("response.failed", len(said) + 1, response=failed)


# --- what it is asked ---


def _wanted(asked: Asked) -> Wanted | None:
    if (asked.method, asked.path) != ("POST", "/v1/responses"):
        return None
    request = asked.json()
    return Wanted(request["model"], request.get("stream") is True)


def _texts(request: JSON) -> Iterator[str]:
    yield request.get("instructions") or ""
    for item in request["input"]:
        match _kind(item):
            case "message":
                yield from _parts(item["content"])
            case "function_call_output":
                yield from _parts(item["output"])
            case _:
                pass


def _parts(content: str | list[JSON]) -> Iterator[str]:
    return iter((content,)) if isinstance(content, str) else (part.get("text", "") for part in content)


def _tools(request: JSON) -> Iterator[Tool]:
    """Give the functions, also those that come as an item. One of a namespace has both names where there are no namespaces."""
    late = [tool for item in request["input"] if _kind(item) == "additional_tools" for tool in item["tools"]]
    for tool in [*request.get("tools", []), *late]:
        if tool["type"] == "function":
            yield _function(tool)
        if tool["type"] == "namespace":
            for place, inner in enumerate(tool["tools"]):
                name = f"{tool['name']}__{inner['name']}"
                if inner["type"] == "function":
                    yield _function({**inner, "name": name}, "" if place else tool["description"])


def _function(tool: JSON, group: str = "") -> Tool:
    return Tool(tool["name"], tool.get("description") or "", tool["parameters"], group=group)


def _request_faults(request: JSON) -> Iterator[Fault]:
    unknown = sorted(request.keys() - FIELDS)
    if unknown:
        yield f"unknown parameters: {unknown}"
    if request.get("store") is not False or "reasoning.encrypted_content" not in request.get("include", []):
        yield "`store` and `include` are such that no encrypted reasoning would be told"
    called: list[str] = []
    for place, item in enumerate(request["input"]):
        match _kind(item):
            case "function_call":
                called.append(item["call_id"])
            case "function_call_output" if item["call_id"] in called:
                called.remove(item["call_id"])
            case "function_call_output":
                yield f"`input[{place}]` answers `{item['call_id']}`, which nobody waits for"
            case "message" if called:
                yield f"`input[{place}]` ({item['role']}) comes before the results of {called}"
            case _:
                pass
    if called:
        yield f"the results of {called} are missing"


def _loop_faults(requests: Sequence[JSON], story: Story) -> Iterator[Fault]:
    """The second turn is the first, unchanged, with the model's own items and the results of its calls after it."""
    first, second = requests
    yield from same_but(("input", "client_metadata"), first, second)
    before, after = first["input"], second["input"]
    yield from begins_with(before, after)
    said = list(takewhile(lambda item: _kind(item) != "function_call_output", after[len(before) :]))
    yield from differences(
        "what the model said", {"items": _returned(story)}, {"items": [_bare(item) for item in said]}
    )
    results = [item for item in after[len(before) :] if _kind(item) == "function_call_output"]
    ids = [result["call_id"] for result in results]
    yield from results_faults(story, ids, [text_of(result["output"]) for result in results])


def _returned(story: Story) -> list[tuple[object, ...]]:
    said = story.opening
    thought = [("reasoning", said.reasoning, said.signature)] if said.reasoning else []
    calls = [("function_call", call.id, call.name, call.arguments) for call in said.calls]
    return [*thought, ("message", said.text), *calls]


def _bare(item: JSON) -> tuple[object, ...]:
    """Give what of an item has to come back; its id and its status need not."""
    match _kind(item):
        case "reasoning":
            return ("reasoning", text_of(item["summary"]), item.get("encrypted_content"))
        case "function_call":
            return ("function_call", item["call_id"], item["name"], msgspec.json.decode(item["arguments"]))
        case kind:
            return (kind, text_of(item.get("content")))


def _kind(item: JSON) -> str:
    return str(item.get("type", "message"))


RESPONSES = Speech(
    protocol="openai-responses",
    provider="responses",
    model="reasoner-1",
    base="/v1",
    key="sk-responses-upstream-9b74c9897bac",
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
    cache_key="prompt_cache_key",
)
