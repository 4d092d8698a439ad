"""OpenAI's own SDK reads what we write."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from msgspec import Raw
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import Event
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Block, Citation, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import audience, chunks_in, decoded, written
from tests.support.ir_strategies import event_lists

SEAL = Seal("anthropic-messages", "sig", "claude", "m")


def accumulated(events: Iterable[Event]) -> ChatCompletion:
    """Return what the SDK's accumulator makes of our stream."""
    state = ChatCompletionStreamState()
    for chunk in chunks_in(written(list(events))):
        # As the SDK itself does with what comes from the wire: without validation.
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))
    # What the SDK's final step adds is parsing, which refuses replies that were cut off and custom calls.
    return state.current_completion_snapshot


@given(events=event_lists())
def test_each_chunk_has_the_sdks_types(events: list[Event]) -> None:
    for chunk in chunks_in(written(events)):
        ChatCompletionChunk.model_validate(chunk)


@given(events=event_lists())
def test_the_accumulated_stream_is_the_whole_reply(events: list[Event]) -> None:
    """Whatever a model says: the SDK puts together from the stream what it reads from the whole reply."""
    reply = collect(events)
    whole = ChatCompletion.model_validate_json(PROTOCOL.encode_reply(reply, audience()))
    (streamed,), (expected,) = accumulated(events).choices, whole.choices
    assert streamed.message.content == expected.message.content
    assert streamed.message.refusal == expected.message.refusal
    assert streamed.finish_reason == expected.finish_reason
    assert calls_of(streamed.message.tool_calls) == calls_of(expected.message.tool_calls)


def calls_of(calls: object) -> list[tuple[object, ...]]:
    assert calls is None or isinstance(calls, list)
    return [(call.id, call.type, call.function.name, call.function.arguments) for call in calls or ()]


def test_the_sdk_has_the_usage() -> None:
    usage = accumulated(expand(Reply("r", "m", (Text("x"),), Finish.DONE, Usage(1, 2, 4, 8, 3)))).usage
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 8, 15)
    assert usage.prompt_tokens_details
    assert usage.prompt_tokens_details.cached_tokens == 2


@pytest.mark.parametrize(
    "blocks",
    [
        (Reasoning(("hm",), seal=SEAL), Text("x"), ToolCall("c", "f", "{}")),
        (
            Reasoning(("a",), seal=SEAL),
            Text("x"),
            Reasoning(is_redacted=True, seal=SEAL),
            Reasoning(("b",), seal=SEAL),
            ToolCall("c", "f", "{}"),
        ),
        (
            Text("x"),
            ToolCall("c", "f", '{"a":1}', seal=Seal("gemini-generate", "c2ln", "g", "m")),
            ToolCall("d", "g", "{}"),
        ),
        (Refusal("no"),),
    ],
)
def test_seals_come_back_with_what_the_sdk_accumulated(blocks: tuple[Block, ...]) -> None:
    """A client that sends the accumulated message back brings every seal, and the words that it signs, home."""
    message = accumulated(expand(Reply("r", "m", blocks, Finish.DONE))).choices[0].message.model_dump(exclude_none=True)
    spoken = decoded({"role": "user", "content": "hi"}, message).messages[1].blocks
    assert sorted(spoken, key=repr) == sorted(blocks, key=repr)


def test_sources_are_put_together() -> None:
    sources = (Citation("a", Raw(b"{}"), "u", "t"), Citation("a", Raw(b"{}"), "v", "t"))
    message = accumulated(expand(Reply("r", "m", (Text("x", sources),), Finish.DONE))).choices[0].message
    assert [note.url_citation.url for note in message.annotations or ()] == ["u", "v"]


def test_custom_calls_are_put_together() -> None:
    calls = (ToolCall("c", "p", "free", ToolKind.CUSTOM), ToolCall("d", "f", '{"a":1}'))
    message = accumulated(expand(Reply("r", "m", calls, Finish.TOOL_CALLS))).choices[0].message
    custom, function = json.loads(message.model_dump_json())["tool_calls"]
    assert custom["custom"] == {"name": "p", "input": "free"}
    assert function["function"]["arguments"] == '{"a":1}'
