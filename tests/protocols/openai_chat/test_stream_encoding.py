"""A client's stream, written."""

import json

import pytest
from msgspec import Raw

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import (
    Base64Data,
    Block,
    Citation,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
)
from dragoman.ir.seals import Seal, read_seal
from tests.protocols.openai_chat.support import chunks_in, deltas_in, written

START = ReplyStart("msg_1", "m1")
SEAL = Seal("anthropic-messages", "sig", "claude", "m")


def stream(*events: Event, finish: Finish = Finish.DONE, usage: Usage | None = None, wants_usage: bool = True) -> bytes:
    return written([START, *events, ReplyEnd(finish, usage or Usage())], wants_usage=wants_usage)


def block(index: int, head: Text | Reasoning | ToolCall | Refusal | Foreign | Image, *deltas: Event) -> list[Event]:
    return [BlockStart(index, head), *deltas, BlockEnd(index)]


def test_a_stream_of_words_byte_for_byte() -> None:
    data = stream(*block(0, Text(""), TextDelta(0, 'hi "you"\n')), wants_usage=False)
    head = b'data: {"id":"chatcmpl-new","object":"chat.completion.chunk","created":7,"model":"asked","choices":[{"index":0,"delta":'
    assert data == b"".join([
        head, b'{"role":"assistant","content":null},"finish_reason":null}]}\n\n',
        head, b'{"content":"hi \\"you\\"\\n"},"finish_reason":null}]}\n\n',
        head, b'{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n",
    ])  # fmt: skip


def test_usage_has_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    *others, last = chunks_in(stream(*block(0, Text(""), TextDelta(0, "x")), usage=Usage(1, 2, 4, 8, 3)))
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 8,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    unasked = chunks_in(stream(*block(0, Text(""), TextDelta(0, "x")), wants_usage=False))
    assert not any("usage" in chunk for chunk in unasked)


def test_the_start_knows_figures_that_the_end_does_not() -> None:
    events = [
        ReplyStart("m", "m", Usage(5)),
        *block(0, Text(""), TextDelta(0, "x")),
        ReplyEnd(Finish.DONE, Usage(output_tokens=2)),
    ]
    assert chunks_in(written(events))[-1]["usage"]["total_tokens"] == 7


def test_calls_are_counted_by_themselves_and_may_interleave() -> None:
    data = stream(
        *block(0, Text(""), TextDelta(0, "x")),
        BlockStart(1, ToolCall("a", "f", "")),
        BlockStart(2, ToolCall("b", "g", "")),
        ArgumentsDelta(2, '{"y"'),
        ArgumentsDelta(1, '{"x":1}'),
        ArgumentsDelta(2, ":2}"),
        BlockEnd(2),
        BlockEnd(1),
        finish=Finish.TOOL_CALLS,
    )
    pieces = [delta["tool_calls"][0] for delta in deltas_in(data) if "tool_calls" in delta]
    assert pieces == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": '{"y"'}},
        {"index": 0, "function": {"arguments": '{"x":1}'}},
        {"index": 1, "function": {"arguments": ":2}"}},
    ]
    assert chunks_in(data)[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_call_without_arguments_gets_an_empty_object_at_its_end() -> None:
    data = stream(*block(0, ToolCall("a", "f", ""), ArgumentsDelta(0, "")))
    pieces = [delta["tool_calls"][0]["function"] for delta in deltas_in(data) if "tool_calls" in delta]
    assert pieces == [{"name": "f", "arguments": ""}, {"arguments": "{}"}]


def test_custom_calls_have_input() -> None:
    events = block(0, ToolCall("a", "p", "", ToolKind.CUSTOM), ArgumentsDelta(0, "free"))
    pieces = [delta["tool_calls"][0] for delta in deltas_in(stream(*events)) if "tool_calls" in delta]
    assert pieces == [
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": ""}},
        {"index": 0, "custom": {"input": "free"}},
    ]


def test_a_calls_seal_comes_with_a_last_piece() -> None:
    seal = Seal("gemini-generate", "c2ln", "g", "m")
    events = block(0, ToolCall("a", "f", ""), SealDelta(0, seal))
    last = deltas_in(stream(*events))[-2]["tool_calls"][0]
    assert last["function"] == {"arguments": "{}"}
    assert read_seal(last["extra_content"]["google"]["thought_signature"]) == seal


def test_thought_comes_as_words_and_its_seal_behind_them() -> None:
    events = block(0, Reasoning(), ReasoningDelta(0, "a"), ReasoningDelta(0, "b"), SealDelta(0, SEAL))
    deltas = deltas_in(stream(*events))[1:-1]
    assert [delta["reasoning_content"] for delta in deltas[:2]] == ["a", "b"]
    (detail,) = deltas[2]["reasoning_details"]
    assert (detail["type"], detail["text"], detail["format"], detail["index"]) == (
        "reasoning.text",
        "",
        "anthropic-claude-v1",
        0,
    )
    assert read_seal(detail["signature"]) == SEAL


def test_thoughts_and_their_parts_are_set_apart() -> None:
    events = [
        *block(0, Reasoning(is_summary=True), ReasoningDelta(0, "a"), ReasoningDelta(0, "b", 1), SealDelta(0, SEAL)),
        *block(1, Text(""), TextDelta(1, "x")),
        *block(2, Reasoning(is_redacted=True), SealDelta(2, SEAL)),
        *block(3, Reasoning(), ReasoningDelta(3, "c"), SealDelta(3, SEAL)),
    ]
    deltas = deltas_in(stream(*events))
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "a\n\nb\n\nc"
    details = [detail for delta in deltas for detail in delta.get("reasoning_details", ())]
    assert [detail["index"] for detail in details] == [0, 1, 2]
    assert [detail["type"] for detail in details] == ["reasoning.summary", "reasoning.encrypted", "reasoning.text"]
    assert details[2]["text"] == "c"


def test_plain_thought_has_no_details() -> None:
    plain = Seal("openai-chat", "", "deep", "m", "reasoning_content")
    data = stream(*block(0, Reasoning(), ReasoningDelta(0, "a"), SealDelta(0, plain)))
    assert b"reasoning_details" not in data


def test_refusals_sources_pictures_and_foreign_blocks() -> None:
    events = [
        *block(0, Text(""), TextDelta(0, "x"), CitationDelta(0, Citation("a", Raw(b"{}"), "https://u", "t", 0, 1))),
        *block(1, Foreign("anthropic-messages", "server_tool_use", Raw(b"{}"))),
        *block(2, Foreign("anthropic-messages", "result", Raw(b"{}"), "found")),
        *block(3, ToolCall("h", "s", "", ToolKind.HOSTED), ArgumentsDelta(3, "{}")),
        *block(4, Image(Base64Data("image/png", "aGk="))),
        *block(5, Refusal(""), TextDelta(5, "no")),
    ]
    data = stream(*events, finish=Finish.REFUSAL)
    deltas = deltas_in(data)[1:-1]
    assert deltas == [
        {"content": "x"},
        {
            "annotations": [
                {
                    "type": "url_citation",
                    "index": 0,
                    "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "https://u"},
                }
            ]
        },
        {"content": "found"},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
        {"refusal": "no"},
    ]
    assert chunks_in(data)[-2]["choices"][0]["finish_reason"] == "stop"


def test_a_failure_is_the_last_word() -> None:
    failure = Failure(FailureKind.OVERLOADED, "busy")
    data = written([START, *block(0, Text(""), TextDelta(0, "x")), ReplyFailed(failure)])
    assert b"[DONE]" not in data
    assert chunks_in(data)[-1] == {
        "error": {"message": "busy", "type": "server_error", "param": None, "code": "overloaded"}
    }


def test_a_failure_before_the_start_is_an_event_too() -> None:
    data = written([ReplyFailed(Failure(FailureKind.UPSTREAM_CUT, "gone"))])
    assert chunks_in(data)[0]["error"]["message"] == "gone"


@pytest.mark.parametrize(
    "block_", [Text("early"), Refusal("early"), ToolCall("c", "f", '{"a":1}'), Reasoning(("early",))]
)
def test_what_a_block_brings_at_its_start_is_not_lost(block_: Block) -> None:
    assert isinstance(block_, Text | Refusal | ToolCall | Reasoning)
    assert b"early" in (data := stream(*block(0, block_))) or b'{\\"a\\":1}' in data
    assert "{}" not in json.dumps([delta.get("tool_calls") for delta in deltas_in(data)])
