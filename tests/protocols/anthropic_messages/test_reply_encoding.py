"""Replies from the IR to the wire, whole and streamed: the official SDK reads each of them."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic import APIStatusError
from hypothesis import given

from dragoman.codec import Audience
from dragoman.ir.collecting import expand
from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import (
    Block,
    Citation,
    Extra,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    UrlData,
)
from dragoman.ir.seals import Seal, read_seal
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.protocols.anthropic_messages.ids import original_id
from tests.protocols.anthropic_messages.sdk import AUDIENCE, SOURCE, read_stream, read_whole, streamed
from tests.support.ir_strategies import event_lists

NAME = "anthropic-messages"
START = ReplyStart("msg_up", "model-1", Usage(10, output_tokens=1))
END = ReplyEnd(Finish.DONE, Usage(output_tokens=7))
RECORDINGS = sorted((Path(__file__).parents[2] / "recordings" / "anthropic_messages").glob("*.sse"))


def reply(*blocks: Block, finish: Finish = Finish.DONE, **fields: Any) -> Reply:
    return Reply("msg_up", "model-1", blocks, finish, **{"usage": Usage(10, output_tokens=7), **fields})


def whole(given: Reply, audience: Audience = AUDIENCE) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(PROTOCOL.encode_reply(given, audience))
    return body


def wire_events(data: bytes) -> list[dict[str, Any]]:
    """Return a stream's events; each `event:` line has to say its data's type."""
    events = []
    for part in data.decode().split("\n\n")[:-1]:
        name, _, content = part.partition("\n")
        event = msgspec.json.decode(content.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


def assert_legal(events: list[dict[str, Any]]) -> None:
    """The grammar: one open block at a time, indexes without gaps, deltas of the block's kind, one end."""
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    following, kind = 0, None
    for event in events[1:-2]:
        assert event["index"] == following
        match event["type"]:
            case "content_block_start":
                assert kind is None
                kind = event["content_block"]["type"]
            case "content_block_delta":
                assert event["delta"]["type"] in DELTAS[kind or ""]
            case "content_block_stop":
                assert kind is not None
                kind, following = None, following + 1
            case other:
                pytest.fail(other)
    assert kind is None


BLOCKS = [
    Text("Hello\n \u2028 \U0001f98a"),
    Reasoning(("hm",), seal=Seal(NAME, "sig", "upstream", "m")),
    Reasoning(("one", "two"), is_summary=True, seal=Seal("openai-responses", "enc", "up", "m")),
    Reasoning(("hm",)),
    Reasoning(is_redacted=True, seal=Seal(NAME, "data", "upstream", "m", "redacted")),
    Reasoning(is_redacted=True),
    ToolCall("call:1", "f", '{"a": 12345678901234567890123, "b": "\\"}"}'),
    ToolCall("", "f", "{}"),
    ToolCall("call_2", "patch", '*** "Begin"\n\\x', ToolKind.CUSTOM),
    Refusal("I can't."),
    Foreign(
        NAME, "server_tool_use", msgspec.Raw(b'{"type":"server_tool_use","id":"s","name":"web_search",\n"input":{}}')
    ),
    Foreign("openai-responses", "web_search_call", msgspec.Raw(b"{}"), "searched"),
    Foreign("openai-responses", "web_search_call", msgspec.Raw(b"{}")),
    Image(UrlData("https://u")),
]


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=f"{place}-{type(block).__name__}") for place, block in enumerate(BLOCKS)]
)
def test_the_sdk_reads_the_same_of_the_stream_and_of_the_whole(block: Block) -> None:
    given = reply(Text("first"), block, Text("last"))
    data = streamed(list(expand(given)))
    assert_legal(wire_events(data))
    message, stream = read_whole(PROTOCOL.encode_reply(given, AUDIENCE)), read_stream(data)
    assert [block.to_dict() for block in message.content] == [
        {name: value for name, value in block.to_dict().items() if name != "parsed_output"} for block in stream.content
    ]
    assert (message.stop_reason, message.usage, message.model) == (stream.stop_reason, stream.usage, "claude-x")


@given(events=event_lists())
def test_any_reply_is_a_legal_stream(events: list[Event]) -> None:
    assert_legal(wire_events(streamed(events)))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_sdk_reads_a_recording_and_our_translation_of_it_alike(path: Path) -> None:
    given = PROTOCOL.decode_reply(path.with_suffix(".json").read_bytes(), SOURCE)
    ours, theirs = read_stream(streamed(list(expand(given)))), read_stream(path.read_bytes())
    assert [comparable(block) for block in ours.content] == [comparable(block) for block in theirs.content]
    assert (ours.id, ours.stop_reason, ours.stop_sequence) == (theirs.id, theirs.stop_reason, theirs.stop_sequence)
    assert ours.stop_details == theirs.stop_details
    assert ours.usage.output_tokens == theirs.usage.output_tokens


def comparable(block: Any) -> dict[str, Any]:
    fields: dict[str, Any] = block.to_dict()
    return {name: value for name, value in fields.items() if name not in ("caller", "parsed_output") and value != []}


def test_reasoning_is_sealed_for_its_way_through_the_client() -> None:
    foreign = Seal("openai-responses", "enc", "up", "m")
    blocks = whole(
        reply(Reasoning(("a",), seal=foreign), Reasoning(("b",), seal=Seal(NAME, "sig", "up")), Reasoning(("c",)))
    )
    signatures = [block["signature"] for block in blocks["content"]]
    assert read_seal(signatures[0]) == foreign
    assert signatures[1:] == ["sig", ""]


def test_a_thought_has_one_signature_at_its_end() -> None:
    events: list[Event] = [START, BlockStart(0, Reasoning()), SealDelta(0, Seal(NAME, "s", "up")), ReasoningDelta(0, "hm"),
              BlockEnd(0), BlockStart(1, Text("x")), BlockEnd(1), END]  # fmt: skip
    deltas = [
        event["delta"]["type"] for event in wire_events(streamed(events)) if event["type"] == "content_block_delta"
    ]
    assert deltas == ["thinking_delta", "signature_delta", "text_delta"]


def test_summary_parts_are_parted_by_an_empty_line() -> None:
    events: list[Event] = [START, BlockStart(0, Reasoning(is_summary=True)), ReasoningDelta(0, "a"), ReasoningDelta(0, "b", 1),
              ReasoningDelta(0, "c", 1), BlockEnd(0), BlockStart(1, Text("x")), BlockEnd(1), END]  # fmt: skip
    assert getattr(read_stream(streamed(events)).content[0], "thinking", "") == "a\n\nbc"


def test_calls_that_come_interleaved_leave_one_after_the_other() -> None:
    events: list[Event] = [
        START,
        BlockStart(0, ToolCall("a", "f", "")),
        BlockStart(1, ToolCall("b", "g", "")),
        ArgumentsDelta(1, '{"y":'),
        ArgumentsDelta(0, '{"x":'),
        ArgumentsDelta(1, "2}"),
        BlockEnd(1),
        ArgumentsDelta(0, "1}"),
        BlockEnd(0),
        BlockStart(2, ToolCall("c", "h", "{}")),
        BlockEnd(2),
        END,
    ]
    data = streamed(events)
    assert_legal(wire_events(data))
    message = read_stream(data)
    assert [(getattr(block, "id", ""), getattr(block, "input", None)) for block in message.content] == [
        ("a", {"x": 1}), ("b", {"y": 2}), ("c", {}),
    ]  # fmt: skip
    assert message.stop_reason == "tool_use"


def test_the_first_open_block_streams_at_once_and_the_next_as_soon_as_it_closes() -> None:
    encoder = PROTOCOL.stream_encoder(AUDIENCE)
    encoder.feed([START, BlockStart(0, ToolCall("a", "f", "")), BlockStart(1, ToolCall("b", "g", ""))])
    assert b"partial_json" in encoder.feed([ArgumentsDelta(0, "{}")])
    assert encoder.feed([ArgumentsDelta(1, "{")]) == b""
    assert b'"name":"g"' in encoder.feed([BlockEnd(0)])
    assert b"partial_json" in encoder.feed([ArgumentsDelta(1, "}")])


def test_free_text_is_escaped_while_it_streams() -> None:
    text = '"\\\n\u2028\U0001f98a'
    events: list[Event] = [
        START,
        BlockStart(0, ToolCall("a", "patch", "", ToolKind.CUSTOM)),
        *(ArgumentsDelta(0, character) for character in text),
        BlockEnd(0),
        END,
    ]
    assert getattr(read_stream(streamed(events)).content[0], "input", None) == {"input": text}


@pytest.mark.parametrize(
    ("finish", "calls", "expected"),
    [
        (Finish.DONE, False, "end_turn"),
        (Finish.DONE, True, "tool_use"),
        (Finish.TOOL_CALLS, False, "end_turn"),
        (Finish.TOOL_CALLS, True, "tool_use"),
        (Finish.LENGTH, True, "max_tokens"),
        (Finish.STOP_SEQUENCE, False, "stop_sequence"),
        (Finish.REFUSAL, False, "refusal"),
        (Finish.FILTERED, False, "refusal"),
        (Finish.PAUSED, False, "pause_turn"),
        (Finish.CONTEXT_FULL, False, "model_context_window_exceeded"),
    ],
)
def test_why_it_stopped(finish: Finish, calls: bool, expected: str) -> None:
    given = reply(Text("x"), *([ToolCall("a", "f", "{}")] if calls else []), finish=finish)
    assert whole(given)["stop_reason"] == expected
    assert read_stream(streamed(list(expand(given)))).stop_reason == expected


def test_a_stop_sequence_is_named() -> None:
    given = reply(Text("x"), finish=Finish.STOP_SEQUENCE, stop_sequence="END")
    assert whole(given)["stop_sequence"] == "END"
    assert read_stream(streamed(list(expand(given)))).stop_sequence == "END"


def test_usage_is_always_whole_numbers() -> None:
    unknown = reply(Text("x"), usage=Usage())
    start, *_, delta, _ = wire_events(streamed(list(expand(unknown))))
    expected = {
        "input_tokens": 321,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert start["message"]["usage"] == delta["usage"] == whole(unknown)["usage"] == expected


def test_usage_at_the_end_tells_all_that_is_known() -> None:
    usage = Usage(5, 100, 20, 30, 12, 8)
    delta = wire_events(streamed([START, BlockStart(0, Text("x")), BlockEnd(0), ReplyEnd(Finish.DONE, usage)]))[-2]
    assert delta["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 12},
    }
    created = whole(reply(Text("x"), usage=usage))["usage"]["cache_creation"]
    assert created == {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8}


def test_the_clients_model_name_and_an_id_of_anthropics_form() -> None:
    assert whole(reply(Text("x")))["id"] == "msg_up"
    other = msgspec.structs.replace(reply(Text("x")), id="chatcmpl-1")
    assert (whole(other)["id"], whole(other)["model"]) == ("msg_1", "claude-x")


def test_ids_of_calls_are_legal_and_different() -> None:
    given = reply(ToolCall("f:0", "f", "{}"), ToolCall("f:0", "f", "{}"), ToolCall("f_0", "f", "{}"))
    first, second, third = (block["id"] for block in whole(given)["content"])
    assert (original_id(first), original_id(second), third) == ("f:0", "f:0_2", "f_0")
    assert first.replace("-", "").isalnum()


def test_extras_go_back_where_a_stream_has_them() -> None:
    extras = (
        Extra(NAME, "safeguard_results", msgspec.Raw(b'[{"type":"x"}]')),
        Extra(NAME, "context_management", msgspec.Raw(b'{"applied_edits":[]}')),
        Extra("openai-chat", "system_fingerprint", msgspec.Raw(b'"fp"')),
    )
    given = reply(Text("x"), extras=extras)
    delta = wire_events(streamed(list(expand(given))))[-2]
    assert delta["delta"]["safeguard_results"] == [{"type": "x"}]
    assert delta["context_management"] == {"applied_edits": []}
    assert whole(given)["safeguard_results"] == [{"type": "x"}]
    assert "system_fingerprint" not in whole(given)


def test_citations_of_this_protocol_stay_and_others_go() -> None:
    own = Citation(NAME, msgspec.Raw(b'{"type":"page_location",\n"cited_text":"c"}'))
    given = reply(Text("x", (own, Citation("openai-chat", msgspec.Raw(b"{}")))))
    assert whole(given)["content"][0]["citations"] == [{"type": "page_location", "cited_text": "c"}]
    assert_legal(wire_events(streamed(list(expand(given)))))


def test_a_failure_is_the_last_event() -> None:
    failure = Failure(FailureKind.RATE_LIMITED, "slow down", 429)
    data = streamed([START, BlockStart(0, ToolCall("a", "f", "")), BlockStart(1, Text("lost")), ReplyFailed(failure)])
    last = wire_events(data)[-1]
    assert last == {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    assert b"lost" not in data
    with pytest.raises(APIStatusError, match="slow down"):
        read_stream(data)


def test_a_ping_keeps_the_stream_alive_anywhere_between_events() -> None:
    events = list(expand(reply(Reasoning(("hm",)), Text("x"))))
    encoder = PROTOCOL.stream_encoder(AUDIENCE)
    data = b"".join(itertools.chain.from_iterable((encoder.feed([event]), PROTOCOL.heartbeat) for event in events))
    assert [block.type for block in read_stream(data).content] == ["thinking", "text"]


def test_a_text_after_its_block_has_begun_leaves_in_the_same_step() -> None:
    encoder = PROTOCOL.stream_encoder(AUDIENCE)
    encoder.feed([START, BlockStart(0, Text(""))])
    assert b'"text":"word"' in encoder.feed([TextDelta(0, "word")])


def test_a_seal_on_a_call_comes_back_with_the_history() -> None:
    seal = Seal("gemini-generate", "thought", "up", "m")
    blocks = whole(reply(ToolCall("a", "f", "{}", seal=seal)))["content"]
    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    assert read_seal(blocks[0]["signature"]) == seal
    message = read_stream(streamed([START, BlockStart(0, ToolCall("a", "f", "{}", seal=seal)), BlockEnd(0), END]))
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    assert getattr(message.content[0], "signature", "") == blocks[0]["signature"]
