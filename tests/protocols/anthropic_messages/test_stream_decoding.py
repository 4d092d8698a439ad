"""Streamed replies from the wire to the IR: what upstreams really send, and what they should not."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.ir.collecting import collect
from dragoman.ir.events import ArgumentsDelta, BlockEnd, Event, ReplyEnd, ReplyFailed, ReplyStart, SealDelta
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Foreign, Reasoning, Text, ToolCall
from dragoman.ir.seals import Seal
from tests.protocols.anthropic_messages.sdk import received, sse

RECORDINGS = Path(__file__).parents[2] / "recordings" / "anthropic_messages"
START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def opening(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def closing(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str | None = "end_turn", **delta: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": {"output_tokens": 5}}


TEXT = (opening(0, type="text", text=""), more(0, type="text_delta", text="hi"), closing(0))


def reply(*events: dict[str, Any]) -> Reply:
    return collect(received(sse(*events)))


def failure(*events: dict[str, Any]) -> Failure:
    last = received(sse(*events))[-1]
    assert isinstance(last, ReplyFailed)
    return last.failure


def test_usage_of_start_and_end_is_put_together() -> None:
    start = {**START, "message": {**START["message"], "usage": {"input_tokens": 9, "cache_read_input_tokens": 4}}}
    assert reply(start, *TEXT, ending(), STOP).usage == Usage(9, 4, None, 5)


def test_a_block_at_an_index_that_was_used_has_its_own_words() -> None:
    words = [more(0, type="text_delta", text=word) for word in "abc"]
    again = (opening(0, type="text", text=""), *words, closing(0))
    events = (START, TEXT[0], *words, closing(0), *again, ending(), STOP)
    assert reply(*events).blocks == (Text("abc"), Text("abc"))


def test_words_that_come_alternately_for_two_blocks_stay_apart() -> None:
    openings = [opening(index, type="text", text="") for index in (0, 1)]
    words = [more(index, type="text_delta", text=text) for _ in range(9) for index, text in enumerate("ab")]
    assert reply(START, *openings, *words, ending(), STOP).blocks == (Text("a" * 9), Text("b" * 9))


def test_pings_unknown_events_and_unknown_deltas_are_skipped() -> None:
    odd = ({"type": "novelty", "x": 1}, more(0, type="novel_delta", x=1))
    got = reply(START, PING, TEXT[0], *odd, *TEXT[1:], PING, ending(), STOP)
    assert got.blocks == (Text("hi"),)


def test_what_comes_behind_the_end_is_not_looked_at() -> None:
    data = sse(START, *TEXT, ending(), STOP, {"type": "ping", "cost": "0.1"}, *TEXT) + b"data: [DONE]\n\n"
    assert isinstance(received(data)[-1], ReplyEnd)


def test_a_repeated_start_of_the_same_message_is_ignored_and_another_one_fails() -> None:
    assert reply(START, START, *TEXT, ending(), STOP).blocks == (Text("hi"),)
    other = {**START, "message": {"id": "msg_2"}}
    assert failure(START, *TEXT, other).kind is FailureKind.UPSTREAM_INVALID


@pytest.mark.parametrize(
    ("kind", "expected", "status"),
    [
        ("overloaded_error", FailureKind.OVERLOADED, 529),
        ("rate_limit_error", FailureKind.RATE_LIMITED, 429),
        ("api_error", FailureKind.UPSTREAM_ERROR, 500),
        ("novel_error", FailureKind.UPSTREAM_ERROR, 500),
    ],
)
def test_an_error_event_is_the_failure_it_names(kind: str, expected: FailureKind, status: int) -> None:
    got = failure(START, *TEXT, {"type": "error", "error": {"type": kind, "message": "words"}})
    assert (got.kind, got.message, got.http_status, got.upstream_type) == (expected, "words", status, kind)


def test_an_error_event_in_another_servers_form_is_a_failure() -> None:
    events = received(sse(START) + b'data: {"error":{"message":"boom","code":500}}\n\n')
    assert isinstance(events[-1], ReplyFailed)
    assert events[-1].failure.message == "boom"


def test_a_missing_block_end_is_made_up_for_when_the_message_ended() -> None:
    got = reply(START, *TEXT[:2], ending(), STOP)
    assert (got.blocks, got.finish) == ((Text("hi"),), Finish.DONE)
    call = (
        opening(0, type="tool_use", id="t", name="f", input={}),
        more(0, type="input_json_delta", partial_json="{}"),
    )
    assert reply(START, *call, ending("tool_use"), STOP).blocks == (ToolCall("t", "f", "{}"),)


def test_a_call_that_breaks_off_is_never_completed() -> None:
    call = (
        opening(0, type="tool_use", id="t", name="f", input={}),
        more(0, type="input_json_delta", partial_json='{"a'),
    )
    assert failure(START, *call, ending("tool_use"), STOP).kind is FailureKind.UPSTREAM_INVALID
    assert failure(START, *call).kind is FailureKind.UPSTREAM_CUT
    assert failure(START, *call, STOP).kind is FailureKind.UPSTREAM_INVALID


def test_a_stream_without_its_last_event_is_whole_once_the_reason_is_known() -> None:
    assert reply(START, *TEXT, ending()).finish is Finish.DONE
    assert failure(START, *TEXT).kind is FailureKind.UPSTREAM_CUT
    assert failure(START, *TEXT, ending(None)).kind is FailureKind.UPSTREAM_CUT


def test_a_call_without_deltas_has_the_input_of_its_start() -> None:
    empty = (opening(0, type="tool_use", id="t", name="f", input={}), closing(0))
    assert reply(START, *empty, ending("tool_use"), STOP).blocks == (ToolCall("t", "f", "{}"),)
    given = (opening(0, type="tool_use", id="t", name="f", input={"a": 1}), closing(0))
    assert reply(START, *given, ending("tool_use"), STOP).blocks == (ToolCall("t", "f", '{"a":1}'),)
    both = (given[0], more(0, type="input_json_delta", partial_json='{"b":2}'), given[1])
    assert reply(START, *both, ending("tool_use"), STOP).blocks == (ToolCall("t", "f", '{"b":2}'),)


def test_a_call_that_ran_into_the_limit_stays_as_it_came() -> None:
    call = (
        opening(0, type="tool_use", id="t", name="f", input={}),
        more(0, type="input_json_delta", partial_json='{"a'),
    )
    got = reply(START, *call, closing(0), ending("max_tokens"), STOP)
    assert (got.blocks, got.finish) == ((ToolCall("t", "f", '{"a'),), Finish.LENGTH)


def test_signatures_name_where_they_come_from() -> None:
    events = received((RECORDINGS / "thinking_tools.sse").read_bytes())
    seals = [event.seal for event in events if isinstance(event, SealDelta)]
    assert [(seal.protocol, seal.provider, seal.model) for seal in seals] == [
        ("anthropic-messages", "upstream", "model-1")
    ]
    redacted = collect(received((RECORDINGS / "redacted.sse").read_bytes())).blocks[0]
    assert isinstance(redacted, Reasoning)
    assert redacted.is_redacted
    assert isinstance(redacted.seal, Seal)


def test_unsigned_thought_names_where_it_comes_from_too() -> None:
    """Servers other than Anthropic's may sign nothing, and want it back nevertheless."""
    said = (opening(0, type="thinking", thinking=""), more(0, type="thinking_delta", thinking="hm"), closing(0))
    empty = more(1, type="signature_delta", signature="")
    more_said = (opening(1, type="thinking", thinking="ha", signature=""), empty, closing(1))
    streamed = reply(START, *said, *more_said, ending(), STOP).blocks
    origin = Seal("anthropic-messages", "", "upstream", "model-1")
    assert streamed == (Reasoning(("hm",), seal=origin), Reasoning(("ha",), seal=origin))


def test_text_and_thought_may_begin_in_the_start_event() -> None:
    events = (
        opening(0, type="thinking", thinking="hm", signature="s"), closing(0),
        opening(1, type="text", text="He"), more(1, type="text_delta", text="llo"), closing(1),
    )  # fmt: skip
    thought, text = reply(START, *events, ending(), STOP).blocks
    assert isinstance(thought, Reasoning)
    assert (thought.text, thought.seal and thought.seal.data, text) == ("hm", "s", Text("Hello"))


def test_a_server_tools_call_comes_whole() -> None:
    blocks = collect(received((RECORDINGS / "server_tool.sse").read_bytes())).blocks
    call = blocks[1]
    assert isinstance(call, Foreign)
    assert msgspec.json.decode(call.raw)["input"] == {"query": "claude shannon birth date"}
    assert call.text == '[web_search: {"query":"claude shannon birth date"}]'


def test_a_compaction_comes_whole() -> None:
    events = (opening(0, type="compaction"), more(0, type="compaction_delta", content="summary"), closing(0))
    block = reply(START, *events, ending("compaction"), STOP).blocks[0]
    assert isinstance(block, Foreign)
    assert (msgspec.json.decode(block.raw), block.text) == ({"type": "compaction", "content": "summary"}, "summary")


def test_what_only_anthropic_tells_at_the_end_is_kept() -> None:
    end = {**ending(safeguard_results=[{"type": "x"}], container=None), "context_management": {"applied_edits": []}}
    extras = reply({**START, "message": {**START["message"], "diagnostics": {"a": 1}}}, *TEXT, end, STOP).extras
    assert {extra.name: msgspec.json.decode(extra.value) for extra in extras} == {
        "diagnostics": {"a": 1},
        "safeguard_results": [{"type": "x"}],
        "context_management": {"applied_edits": []},
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("refusal", Finish.REFUSAL),
        ("pause_turn", Finish.PAUSED),
        ("model_context_window_exceeded", Finish.CONTEXT_FULL),
        ("novel", Finish.DONE),
    ],
)
def test_why_it_stopped_and_the_upstreams_own_word(reason: str, finish: Finish) -> None:
    got = reply(START, *TEXT, ending(reason), STOP)
    assert (got.finish, got.finish_word) == (finish, reason)


@pytest.mark.parametrize(
    "events",
    [
        (TEXT[1],),
        (START, TEXT[1]),
        (START, TEXT[0], TEXT[0]),
        (START, TEXT[0], more(0, type="input_json_delta", partial_json="{")),
        (START, TEXT[0], more(0, type="thinking_delta", thinking="x")),
        (START, opening(0, type="tool_use", id="t")),
        (START, {"type": "content_block_start", "index": "x", "content_block": {}}),
        (START, STOP),
    ],
)
def test_what_the_protocol_forbids_is_a_failure(events: tuple[dict[str, Any], ...]) -> None:
    assert failure(*events).kind is FailureKind.UPSTREAM_INVALID


def test_every_delta_comes_at_once() -> None:
    events: list[Event] = received(sse(START, *TEXT, ending(), STOP))
    assert isinstance(events[0], ReplyStart)
    assert isinstance(events[-2], BlockEnd)
    parts = [event.text for event in received((RECORDINGS / "thinking_tools.sse").read_bytes()) if isinstance(event, ArgumentsDelta)]  # fmt: skip  # noqa: E501
    assert len(parts) == 4
