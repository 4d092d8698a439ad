"""What has to be true of the requests that an upstream saw. Each check tells the faults that it finds, one sentence each."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from tests.clients.client import Fault
from tests.clients.sockets import Asked
from tests.clients.story import Story
from tests.clients.upstream import JSON, Speech

Message = JSON


# --- any protocol ---


def count(seen: Sequence[Asked], strays: Sequence[Asked], expected: int) -> Iterator[Fault]:
    """Exactly the expected calls are made."""
    if len(seen) != expected:
        yield f"the upstream was called {len(seen)} times, not {expected}"
    for stray in strays:
        yield f"the upstream was asked for `{stray.method} {stray.target}`"


def sign_in(asked: Asked, speech: Speech, upstream_key: str, client_key: str) -> Iterator[Fault]:
    """The upstream gets its own key and nobody else's."""
    shown = (asked.header(speech.key_header) or "").removeprefix("Bearer ")
    if shown != upstream_key:
        yield f"the upstream's `{speech.key_header}` is `{shown}`, not its own key"
    if client_key.encode() in asked.raw:
        yield "the client's key reached the upstream"


def model(asked: Asked, expected: str) -> Iterator[Fault]:
    """The upstream is asked for its own model."""
    named = asked.json().get("model")
    if named != expected:
        yield f"the upstream was asked for the model `{named}`, not `{expected}`"


def asked_again_whole(seen: Sequence[Asked]) -> Iterator[Fault]:
    """The same request comes first as a stream, then without."""
    if [asked.json().get("stream", False) for asked in seen] != [True, False]:
        yield f"`stream` was {[asked.json().get('stream') for asked in seen]}, not true and then false"
    for one, other in pairwise(asked.json() for asked in seen):
        yield from _same_but(("stream", "stream_options", "max_tokens", "thinking"), one, other)


# --- OpenAI Chat ---


def chat_request(asked: Asked) -> Iterator[Fault]:
    """A request is one that the strictest server of this protocol takes."""
    request = asked.json()
    if request.get("stream") and request.get("stream_options") != {"include_usage": True}:
        yield f"`stream_options` is `{request.get('stream_options')}`: no usage would be told"
    messages: list[Message] = request["messages"]
    waiting: list[str] = []
    for place, message in enumerate(messages):
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


def chat_loop(seen: Sequence[Asked], story: Story) -> Iterator[Fault]:
    """The second turn is the first, unchanged, with the model's own words and the results of its calls after it."""
    first, second = (asked.json() for asked in seen)
    keys = [first.get("prompt_cache_key"), second.get("prompt_cache_key")]
    if not keys[0] or keys[0] != keys[1]:
        yield f"`prompt_cache_key` is not one and the same: {keys}"
    yield from _same_but(("messages",), first, second)
    before, after = first["messages"], second["messages"]
    yield from _begins_with(before, after)
    said, *results = after[len(before) :] or [{}]
    expected = {
        "role": "assistant",
        "content": story.opening.text,
        "reasoning_content": story.opening.reasoning,
        "tool_calls": [(call.id, "function", call.name, call.arguments) for call in story.calls],
    }
    yield from _differences("the assistant message", expected, _chat_said(said))
    answered = [result.get("tool_call_id") for result in results]
    if answered != [call.id for call in story.calls]:
        yield f"after the model's turn come the results {answered}, not those of {[call.id for call in story.calls]}"
    yield from _words_missing(story, [text_of(result.get("content")) for result in results])


def _chat_said(message: Message) -> JSON:
    calls = [
        (call["id"], call["type"], call["function"]["name"], msgspec.json.decode(call["function"]["arguments"]))
        for call in message.get("tool_calls", [])
    ]
    return {**message, "content": text_of(message.get("content")), "tool_calls": calls}


# --- Anthropic Messages ---


def messages_loop(seen: Sequence[Asked], story: Story) -> Iterator[Fault]:
    """The second turn is the first with the model's own blocks, signature included, and the results after it."""
    first, second = (asked.json() for asked in seen)
    before, after = ([_plain(message) for message in request["messages"]] for request in (first, second))
    yield from _same_but(("messages",), first, second)
    yield from _begins_with(before, after)
    said, results = [*after[len(before) :], {}, {}][:2]
    opening = story.opening
    expected = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": opening.reasoning, "signature": opening.signature},
            {"type": "text", "text": opening.text},
            *({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in story.calls),
        ],
    }
    yield from _differences("the assistant message", expected, said)
    blocks = results.get("content", [])
    answered = [block.get("tool_use_id") for block in blocks if block["type"] == "tool_result"]
    if answered != [call.id for call in story.calls]:
        yield f"after the model's turn come the results {answered}, not those of {[call.id for call in story.calls]}"
    yield from _words_missing(story, [text_of(block.get("content")) for block in blocks])


def _plain(message: Message) -> Message:
    """Give a message without what may change from turn to turn: cache breakpoints, and text as a string or a block."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    bare = [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]
    return {**message, "content": bare}


def untouched(client: Asked, upstream: Asked, asked_model: str, upstream_model: str) -> Iterator[Fault]:
    """On the raw lane a body arrives byte for byte, but for the model's name, and so do the protocol's headers."""
    old, new = (b'"model":' + msgspec.json.encode(name) for name in (asked_model, upstream_model))
    expected = client.body.replace(old, new, 1)
    if upstream.body != expected:
        place = next((at for at, (a, b) in enumerate(zip(expected, upstream.body, strict=False)) if a != b), -1)
        yield (
            f"the body was changed at byte {place}: from `{_around(expected, place)}` to `{_around(upstream.body, place)}`"
        )
    for name, value in client.headers:
        if name.startswith("anthropic-") and upstream.header(name) != value:
            yield f"the header `{name}: {value}` arrived as `{upstream.header(name)}`"


def _around(body: bytes, place: int) -> str:
    return body[max(0, place - 40) : place + 80].decode(errors="replace")


# --- from Anthropic Messages to OpenAI Chat ---


def carried(client: Asked, upstream: Asked, private_marks: tuple[str, ...]) -> Iterator[Fault]:
    """Every text of the client's request stands in the upstream's, in the same order; so does every tool."""
    request, translated = client.json(), upstream.json()
    whole = "\n\n".join(text_of(message.get("content")) for message in translated["messages"])
    place = 0
    for text in _texts(request):
        if text.startswith(private_marks):
            continue
        found = whole.find(text, place)
        if found < 0:
            yield f"the text `{text[:120]}` is missing, or not in its place"
        else:
            place = found + len(text)
    for mark in private_marks:
        if mark.encode() in upstream.body:
            yield f"`{mark}` reached the upstream"
    functions = {tool["function"]["name"]: tool["function"] for tool in translated.get("tools", [])}
    for tool in request["tools"]:
        function = functions.get(tool["name"])
        if function is None and not tool.get("defer_loading"):
            yield f"the tool `{tool['name']}` is missing"
        if function is not None:
            wanted = {"description": tool["description"], "parameters": _schema(tool["input_schema"])}
            given = {"description": function.get("description"), "parameters": _schema(function["parameters"])}
            yield from _differences(f"the tool `{tool['name']}`", wanted, given)


def _schema(schema: JSON) -> JSON:
    return {key: value for key, value in schema.items() if key != "$schema"}


def _texts(request: JSON) -> Iterator[str]:
    for content in (request["system"], *(message["content"] for message in request["messages"])):
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            match block["type"]:
                case "text":
                    yield block["text"]
                case "tool_result":
                    yield text_of(block["content"])
                case _:
                    pass


# --- shared ---


def text_of(content: Any) -> str:  # noqa: ANN401 - a string, a list of parts or nothing, as both protocols have it
    """Give all text of a message's content."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def _same_but(fields: tuple[str, ...], first: JSON, second: JSON) -> Iterator[Fault]:
    for name in first.keys() | second.keys():
        if name not in fields and first.get(name) != second.get(name):
            yield f"`{name}` changed between the turns"


def _begins_with(before: Sequence[Message], after: Sequence[Message]) -> Iterator[Fault]:
    for place, message in enumerate(before):
        if place >= len(after) or after[place] != message:
            now = after[place] if place < len(after) else None
            yield f"`messages[{place}]` changed between the turns: from `{_short(message)}` to `{_short(now)}`"


def _differences(what: str, expected: JSON, found: JSON) -> Iterator[Fault]:
    for name, value in expected.items():
        if found.get(name) != value:
            yield f"{what} has `{name}`: `{_short(found.get(name))}` instead of `{_short(value)}`"


def _words_missing(story: Story, results: Sequence[str]) -> Iterator[Fault]:
    for word, result in zip(story.words, (*results, *[""] * len(story.words)), strict=False):
        if word not in result:
            yield f"the result `{result[:200]}` has not the word `{word}`"


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) < 600 else f"{text[:300]} ... {text[-300:]}"
