"""Replies of the protocols, written by hand against their references, whole and as streams.

https://platform.claude.com/docs/en/build-with-claude/streaming,
https://platform.openai.com/docs/api-reference/chat-streaming, https://platform.openai.com/docs/api-reference/responses-streaming
and https://ai.google.dev/api/generate-content
"""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.exact_upstream import Answer, json_answer, stream_answer

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"

# Anthropic Messages


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def thinking(words: str, signature: str) -> Json:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(id: str, name: str, **input: Any) -> Json:  # noqa: A002 - the wire's own word
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def message(*blocks: Json, usage: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    """Return a reply of Anthropic's."""
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "claude-upstream-20260901",
        "content": list(blocks),
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7, **(usage or {})},
        **fields,
    }


def event(type: str, **fields: Any) -> bytes:  # noqa: A002 - the wire's own word
    """Return one event of Anthropic's, or of Responses."""
    return b"event: %b\ndata: %b\n\n" % (type.encode(), json.dumps({"type": type, **fields}).encode())


def message_start(**fields: Any) -> bytes:
    empty = message(stop_reason=None, usage={"output_tokens": 1}, **fields)
    return event("message_start", message=empty)


def block_events(index: int, block: Json) -> Iterator[bytes]:
    """Yield a block's events; what is long comes in two deltas."""
    kind = block["type"]
    empty: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield event("content_block_start", index=index, content_block=block | empty.get(kind, {}))
    deltas: list[Json] = []
    if kind == "text":
        deltas = [{"type": "text_delta", "text": half} for half in _halves(block["text"])]
    elif kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": half} for half in _halves(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind == "tool_use" and block["input"]:
        deltas = [{"type": "input_json_delta", "partial_json": half} for half in _halves(json.dumps(block["input"]))]
    for delta in deltas:
        yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_stop", index=index)


def message_events(reply: Mapping[str, Any]) -> list[bytes]:
    """Return the events that say `reply`."""
    start = {**reply, "content": [], "stop_reason": None, "usage": {**reply["usage"], "output_tokens": 1}}
    ending = {"stop_reason": reply["stop_reason"], "stop_sequence": reply["stop_sequence"]}
    blocks = [one for index, block in enumerate(reply["content"]) for one in block_events(index, block)]
    return [
        event("message_start", message=start),
        event("ping"),
        *blocks,
        event("message_delta", delta=ending, usage={"output_tokens": reply["usage"]["output_tokens"]}),
        event("message_stop"),
    ]


def messages_answer(reply: Mapping[str, Any], *, streams: bool) -> Answer:
    """Return the answer of a Messages upstream."""
    return stream_answer(*message_events(reply)) if streams else json_answer(reply)


# OpenAI Chat


def call(id: str, name: str, arguments: str) -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(
    content: str | None = None,
    calls: Sequence[Json] = (),
    *,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Json:
    """Return a reply of Chat; `fields` are the message's."""
    spoken: Json = {"role": "assistant", "content": content, **fields}
    if calls:
        spoken["tool_calls"] = list(calls)
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": "gpt-upstream-2026-09-01",
        "choices": [
            {"index": 0, "message": spoken, "finish_reason": finish or ("tool_calls" if calls else "stop")},
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, **(usage or {})},
    }


def piece(delta: Json | None = None, finish: str | None = None, **fields: Any) -> bytes:
    """Return one chunk of Chat; without a `delta` one without choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    whole = {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_767_225_600,
        "model": "gpt-upstream-2026-09-01",
        "choices": choices,
        **fields,
    }
    return b"data: %b\n\n" % json.dumps(whole).encode()


def call_piece(index: int | None, **fields: Any) -> bytes:
    """Return a chunk with one part of a tool call; `id`, `name` and `arguments` are left out where they are not given."""
    function = {name: fields[name] for name in ("name", "arguments") if name in fields}
    entry: Json = {} if index is None else {"index": index}
    if "id" in fields:
        entry |= {"id": fields["id"], "type": "function"}
    if "extra_content" in fields:
        entry["extra_content"] = fields["extra_content"]
    return piece({"tool_calls": [{**entry, "function": function}]})


def completion_chunks(reply: Mapping[str, Any]) -> list[bytes]:
    """Return the chunks that say `reply`, the usage in one of its own behind the finish reason."""
    choice = reply["choices"][0]
    spoken: Json = dict(choice["message"])
    calls, content = spoken.pop("tool_calls", []), spoken.pop("content")
    spoken.pop("role")
    chunks = [piece({"role": "assistant", "content": ""})]
    for name, value in spoken.items():
        chunks += [piece({name: half}) for half in (_halves(value) if isinstance(value, str) else [value])]
    chunks += [piece({"content": half}) for half in _halves(content or "")]
    for index, one in enumerate(calls):
        function = one["function"]
        sealed = {name: one[name] for name in one if name == "extra_content"}
        chunks.append(call_piece(index, id=one["id"], name=function["name"], arguments="", **sealed))
        chunks += [call_piece(index, arguments=half) for half in _halves(function["arguments"])]
    return [*chunks, piece({}, choice["finish_reason"]), piece(usage=reply["usage"]), DONE]


def chat_answer(reply: Mapping[str, Any], *, streams: bool) -> Answer:
    """Return the answer of a Chat upstream."""
    return stream_answer(*completion_chunks(reply)) if streams else json_answer(reply)


# Gemini


def function_call(name: str, id: str | None = None, signature: str | None = None, **args: Any) -> Json:
    """Return a part that calls a function."""
    call = {"name": name, "args": args} if id is None else {"name": name, "args": args, "id": id}
    part: Json = {"functionCall": call}
    return part if signature is None else {**part, "thoughtSignature": signature}


def thought(words: str, signature: str | None = None) -> Json:
    part: Json = {"text": words, "thought": True}
    return part if signature is None else {**part, "thoughtSignature": signature}


def content(*parts: Json, finish: str | None = "STOP", usage: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    """Return a reply of Gemini's, or a chunk of one; `fields` are the candidate's."""
    said: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **fields}
    if finish is not None:
        said["finishReason"] = finish
    counts = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18, **(usage or {})}
    return {
        "candidates": [said],
        "usageMetadata": counts,
        "modelVersion": "gemini-upstream-2026-09",
        "responseId": "resp-upstream",
    }


def said(*parts: Json, finish: str | None = None, **fields: Any) -> bytes:
    """Return one chunk of Gemini's; the servers end lines with CRLF."""
    return b"data: %b\r\n\r\n" % json.dumps(content(*parts, finish=finish, **fields)).encode()


def content_chunks(reply: Mapping[str, Any]) -> list[bytes]:
    """Return the chunks that say `reply`: words in halves, calls whole, the finish reason in the last."""
    (candidate,) = reply["candidates"]
    usage, fields = reply["usageMetadata"], dict(candidate)
    finish, parts = fields.pop("finishReason"), fields.pop("content")["parts"]
    chunks: list[bytes] = []
    for part in parts:
        if set(part) <= {"text", "thought"}:
            chunks += [said({**part, "text": half}, usage=usage) for half in _halves(part["text"])]
        else:
            chunks.append(said(part, usage=usage))
    return [*chunks, said({"text": ""}, finish=finish, usage=usage, **fields)]


def gemini_answer(reply: Mapping[str, Any], *, streams: bool) -> Answer:
    """Return the answer of a Gemini upstream."""
    return stream_answer(*content_chunks(reply)) if streams else json_answer(reply)


# OpenAI Responses


def output_text(words: str, id: str = "msg_up", **fields: Any) -> Json:
    """Return a message of the model."""
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": words}
    return {"id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part], **fields}


def call_item(call_id: str, name: str, arguments: str, **fields: Any) -> Json:
    """Return a call of a function."""
    item = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed", "call_id": call_id}
    return {**item, "name": name, "arguments": arguments, **fields}


def reasoning(encrypted: str, *summary: str, id: str = "rs_up") -> Json:
    parts = [{"type": "summary_text", "text": part} for part in summary]
    return {"id": id, "type": "reasoning", "summary": parts, "encrypted_content": encrypted}


def response(*items: Json, usage: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    """Return a reply of Responses."""
    return {
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1_767_225_600,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-upstream-2026-09-01",
        "output": list(items),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 18,
            **(usage or {}),
        },
        **fields,
    }


def response_start(**fields: Any) -> bytes:
    """Return the first event of a stream of Responses."""
    return event("response.created", response={**response(**fields), "status": "in_progress", "usage": None})


def item_events(place: int, item: Json) -> Iterator[bytes]:
    """Yield an item's events; what is long comes in two deltas."""
    where = {"output_index": place, "item_id": item["id"]}
    kind = item["type"]
    empty: dict[str, Json] = {
        "message": {"content": []},
        "function_call": {"arguments": ""},
        "custom_tool_call": {"input": ""},
        "reasoning": {"summary": []},
    }
    yield event("response.output_item.added", output_index=place, item=item | empty.get(kind, {}))
    if kind == "message":
        for index, part in enumerate(item["content"]):
            here = {**where, "content_index": index}
            yield event("response.content_part.added", **here, part={**part, "text": ""})
            for half in _halves(part["text"]):
                yield event("response.output_text.delta", **here, delta=half, logprobs=[])
            yield event("response.output_text.done", **here, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **here, part=part)
    elif kind in ("function_call", "custom_tool_call"):
        stem, field = (
            ("function_call_arguments", "arguments") if kind == "function_call" else ("custom_tool_call_input", "input")
        )
        for half in _halves(item[field]):
            yield event(f"response.{stem}.delta", **where, delta=half)
        yield event(f"response.{stem}.done", **where, **{field: item[field]})
    elif kind == "reasoning":
        for index, part in enumerate(item["summary"]):
            here = {**where, "summary_index": index}
            yield event("response.reasoning_summary_part.added", **here, part={**part, "text": ""})
            for half in _halves(part["text"]):
                yield event("response.reasoning_summary_text.delta", **here, delta=half)
            yield event("response.reasoning_summary_text.done", **here, text=part["text"])
    yield event("response.output_item.done", output_index=place, item=item)


def response_events(reply: Mapping[str, Any]) -> list[bytes]:
    """Return the events that say `reply`."""
    items = [one for place, item in enumerate(reply["output"]) for one in item_events(place, item)]
    return [response_start(), *items, event(f"response.{reply['status']}", response=dict(reply))]


def responses_answer(reply: Mapping[str, Any], *, streams: bool) -> Answer:
    """Return the answer of a Responses upstream."""
    return stream_answer(*response_events(reply)) if streams else json_answer(reply)


def _halves(words: str) -> list[str]:
    middle = len(words) // 2
    return [half for half in (words[:middle], words[middle:]) if half]
