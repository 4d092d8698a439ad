"""Streams of the many servers that speak Chat, read."""

import json

import pytest

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import FailureKind
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Block, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from tests.protocols.openai_chat.support import DONE, call, chunk, events_of, streamed

PLAIN = Seal("openai-chat", "", "deep", "m1", "reasoning_content")
CUT = (FailureKind.UPSTREAM_CUT, FailureKind.UPSTREAM_INVALID)


def blocks_of(*chunks: bytes) -> tuple[Block, ...]:
    return streamed(*chunks).blocks


def ended(word: str = "stop") -> bytes:
    return chunk({}, word) + DONE


def failure_of(*chunks: bytes) -> ReplyFailed:
    last = events_of(*chunks)[-1]
    assert isinstance(last, ReplyFailed)
    return last


# Words


def test_the_first_delta_may_have_role_and_text() -> None:
    assert blocks_of(chunk({"role": "assistant", "content": "a"}), chunk({"content": "b"}), ended()) == (Text("ab"),)


def test_a_missing_role_is_no_matter() -> None:
    assert isinstance(events_of(chunk({"content": "a"}))[0], ReplyStart)


def test_azures_first_chunk_is_skipped() -> None:
    events = events_of(chunk(id="", model="", prompt_filter_results=[]), chunk({"content": "a"}), ended())
    assert events[0] == ReplyStart("chatcmpl-1", "m1")


def test_an_empty_piece_opens_no_block() -> None:
    deltas = [{"role": "assistant", "content": ""}, {"content": None}, call(0, "c", "f", "{}")]
    assert blocks_of(*map(chunk, deltas), ended()) == (ToolCall("c", "f", "{}"),)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thought_is_a_block_of_its_own(field: str) -> None:
    deltas = [{field: "h"}, {field: "m", "content": ""}, {"content": "x", field: None}]
    assert blocks_of(*map(chunk, deltas), ended()) == (Reasoning(("hm",), seal=PLAIN), Text("x"))


def test_thought_after_words_is_another_block() -> None:
    deltas = [{"reasoning": "a"}, {"content": "x"}, {"reasoning": "b"}, {"content": "y"}]
    kinds = [type(block) for block in blocks_of(*map(chunk, deltas), ended())]
    assert kinds == [Reasoning, Text, Reasoning, Text]


def test_content_in_parts() -> None:
    deltas = [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "text", "text": "x"}]},
        {"content": "y"},
    ]
    assert blocks_of(*map(chunk, deltas), ended()) == (Reasoning(("hm",), seal=PLAIN), Text("xy"))


def test_a_refusal() -> None:
    reply = streamed(chunk({"refusal": "n"}), chunk({"refusal": "o"}), ended())
    assert reply.blocks == (Refusal("no"),)
    assert reply.finish is Finish.REFUSAL


def test_details_without_words_are_redacted_thought() -> None:
    detail = {"type": "reasoning.encrypted", "data": "x", "index": 0}
    (thought, _) = blocks_of(chunk({"reasoning_details": [detail]}), chunk({"content": "y"}), ended())
    assert isinstance(thought, Reasoning)
    assert thought.is_redacted
    assert thought.seal
    assert thought.seal.form == "reasoning_details"


def test_sources_belong_to_the_text() -> None:
    page = {"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}
    (text,) = blocks_of(chunk({"content": "x"}), chunk({"annotations": [page]}), ended())
    assert isinstance(text, Text)
    assert text.citations[0].url == "u"


def test_only_the_first_answer_counts() -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}])
    assert blocks_of(chunk({"content": "a"}), other, chunk({"content": "b"}), ended()) == (Text("ab"),)


# Calls


def test_arguments_in_pieces_and_in_one() -> None:
    pieces = [call(0, "c", "f", ""), call(0, arguments='{"a"'), call(0, arguments=":1}")]
    assert blocks_of(*map(chunk, pieces), ended("tool_calls")) == (ToolCall("c", "f", '{"a":1}'),)
    assert blocks_of(chunk(call(0, "c", "f", '{"a":1}')), ended()) == (ToolCall("c", "f", '{"a":1}'),)


def test_calls_win_over_a_normal_end() -> None:
    assert streamed(chunk(call(0, "c", "f", "{}")), ended("stop")).finish is Finish.TOOL_CALLS


def test_a_new_id_at_the_same_index_is_a_new_call() -> None:
    pieces = [call(0, "a", "f", "{}"), call(0, "b", "f", '{"x"'), call(0, arguments=":1}")]
    assert blocks_of(*map(chunk, pieces), ended()) == (ToolCall("a", "f", "{}"), ToolCall("b", "f", '{"x":1}'))


def test_without_an_index_there_is_one_call_for_each_id() -> None:
    pieces = [
        call(None, "a", "f", "{"),
        call(None, arguments="}"),
        call(None, "b", "g", "{}"),
        call(None, "a", "f", ""),
    ]
    assert blocks_of(*map(chunk, pieces), ended()) == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))


def test_calls_may_interleave() -> None:
    pieces = [call(0, "a", "f", '{"x"'), call(1, "b", "g", '{"y"'), call(0, arguments=":1}"), call(1, arguments=":2}")]
    assert blocks_of(*map(chunk, pieces), ended()) == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}'))


def test_later_names_and_ids_are_ignored() -> None:
    pieces = [call(0, "a", "f", "{"), call(0, "a", "f", "}"), call(0, "", "", "")]
    assert blocks_of(*map(chunk, pieces), ended()) == (ToolCall("a", "f", "{}"),)


def test_arguments_wait_for_the_name_and_the_id() -> None:
    late_name = [call(0, "a"), call(0, arguments='{"x"'), call(0, name="f"), call(0, arguments=":1}")]
    assert blocks_of(*map(chunk, late_name), ended()) == (ToolCall("a", "f", '{"x":1}'),)
    late_id = [call(0, name="f"), call(0, arguments='{"x"'), call(0, "a"), call(0, arguments=":1}")]
    assert blocks_of(*map(chunk, late_id), ended()) == (ToolCall("a", "f", '{"x":1}'),)


def test_calls_that_never_get_an_id_get_one_from_us() -> None:
    pieces = [call(0, None, "f", "{}"), call(1, "", "g", "{}")]
    first, second = (blocks_of(*map(chunk, pieces), ended()) for _ in range(2))
    assert first == second
    ids = {block.id for block in first if isinstance(block, ToolCall)}
    assert len(ids) == 2
    assert all(id_.startswith("call_") for id_ in ids)


def test_null_fields_are_ignored() -> None:
    nulls = {"tool_calls": [{"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": None}}]}
    assert blocks_of(chunk(call(0, "a", "f", "{")), chunk(nulls), chunk(call(0, arguments="}")), ended()) == (
        ToolCall("a", "f", "{}"),
    )


def test_arguments_that_look_whole_may_go_on() -> None:
    events = events_of(chunk(call(0, "a", "f", "{}")), chunk(call(0, arguments=" ")))
    assert not any(isinstance(event, BlockEnd) for event in events)


def test_words_after_calls_are_another_block() -> None:
    deltas = [{"content": "a"}, call(0, "c", "f", "{"), {"content": "b"}, call(0, arguments="}")]
    assert blocks_of(*map(chunk, deltas), ended()) == (Text("a"), ToolCall("c", "f", "{}"), Text("b"))


def test_custom_calls_and_the_function_call_of_old() -> None:
    custom = [
        {"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "p", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "free {"}}]},
    ]
    assert blocks_of(*map(chunk, custom), ended()) == (ToolCall("c", "p", "free {", ToolKind.CUSTOM),)
    old = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    (block,) = blocks_of(*map(chunk, old), ended("function_call"))
    assert isinstance(block, ToolCall)
    assert (block.name, block.arguments) == ("f", "{}")


def test_a_call_without_arguments_is_an_empty_object() -> None:
    assert blocks_of(chunk(call(0, "c", "f", "")), ended()) == (ToolCall("c", "f", "{}"),)
    assert blocks_of(chunk(call(0, "c", "f", " ")), ended()) == (ToolCall("c", "f", " {}"),)


def test_googles_signature_is_the_calls_seal() -> None:
    piece = {
        "index": 0,
        "id": "c",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "s"}},
    }
    (block,) = blocks_of(chunk({"tool_calls": [piece]}), ended())
    assert isinstance(block, ToolCall)
    assert block.seal == Seal("openai-chat", '{"google": {"thought_signature": "s"}}', "deep", "m1", "extra_content")


# The end


def test_usage_behind_the_end_is_in_the_end() -> None:
    late = chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}})
    assert streamed(chunk({"content": "x"}), chunk({}, "stop"), late, DONE).usage == Usage(5, 4, None, 2)


def test_the_reply_ends_with_the_usage_and_does_not_wait_for_more() -> None:
    events = events_of(
        chunk({"content": "x"}), chunk({}, "stop"), chunk(usage={"prompt_tokens": 1, "completion_tokens": 1})
    )
    assert isinstance(events[-1], ReplyEnd)


def test_of_usage_in_each_chunk_the_last_counts() -> None:
    def usage(tokens: int) -> dict[str, int]:
        return {"prompt_tokens": 9, "completion_tokens": tokens}

    chunks = [
        chunk({"content": "a"}, usage=usage(1)),
        chunk({"content": "b"}, usage=usage(2)),
        chunk({}, "stop", usage=usage(3)),
    ]
    assert streamed(*chunks, DONE).usage == Usage(9, None, None, 3)


def test_a_finish_without_done_is_an_end() -> None:
    assert streamed(chunk({"content": "x"}), chunk({}, "stop")).finish is Finish.DONE


def test_done_without_a_finish_is_an_end() -> None:
    assert streamed(chunk({"content": "x"}), DONE).finish is Finish.DONE


def test_what_comes_after_done_is_ignored() -> None:
    events = events_of(
        chunk({"content": "x"}), ended(), chunk({"content": "more"}), b'data: {"choices":[],"cost":"1"}\n\n'
    )
    assert isinstance(events[-1], ReplyEnd)
    assert sum(isinstance(event, TextDelta) for event in events) == 1


def test_neither_finish_nor_done_is_a_cut() -> None:
    assert failure_of(chunk({"content": "x"})).failure.kind in CUT


@pytest.mark.parametrize("end", [b"", DONE, ended("tool_calls"), ended("stop"), ended("length")])
@pytest.mark.parametrize("arguments", ['{"a": "hal', "{", '{"a":1}}'])
def test_a_broken_call_never_looks_whole(end: bytes, arguments: str) -> None:
    events = events_of(chunk({"content": "I call"}), chunk(call(0, "c", "f", arguments)), end)
    assert isinstance(events[-1], ReplyFailed)
    started = next(
        event.index for event in events if isinstance(event, BlockStart) and isinstance(event.block, ToolCall)
    )
    assert BlockEnd(started) not in events


def test_a_call_that_the_token_limit_cut_off_before_it_began_is_left_out() -> None:
    reply = streamed(chunk({"content": "I call"}), chunk(call(0, None, "f", '{"a')), ended("length"))
    assert reply.blocks == (Text("I call"),)
    assert reply.finish is Finish.LENGTH


def test_a_call_without_a_name_is_the_upstreams_fault() -> None:
    assert failure_of(chunk(call(0, "c", None, "{}")), ended()).failure.kind is FailureKind.UPSTREAM_INVALID


def test_an_empty_reply_is_a_failure() -> None:
    for stream in (DONE, ended(), chunk({"role": "assistant", "content": ""}) + ended("tool_calls"), b""):
        assert failure_of(stream).failure.kind in CUT


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b'{"error":{"message":"busy","code":503}}', FailureKind.OVERLOADED, "busy"),
        (b'{"error":{"message":"slow","type":"rate_limit_error"}}', FailureKind.RATE_LIMITED, "slow"),
        (b'{"error":"plain words"}', FailureKind.UPSTREAM_ERROR, "plain words"),
        (
            b'{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"message":"died","code":502}}]}',
            FailureKind.UPSTREAM_ERROR,
            "died",
        ),
        (
            b'{"error":{"message":"maximum context length is 8 tokens"}}',
            FailureKind.CONTEXT_TOO_LONG,
            "maximum context length is 8 tokens",
        ),
    ],
)
def test_an_error_in_mid_stream_keeps_its_words(data: bytes, kind: FailureKind, words: str) -> None:
    failure = failure_of(chunk({"content": "x"}), b"data: " + data + b"\n\n", DONE).failure
    assert (failure.kind, failure.message) == (kind, words)


def test_an_event_named_error_is_one() -> None:
    stream = b'event: error\ndata: {"message":"gone"}\n\n'
    assert failure_of(chunk({"content": "x"}), stream).failure.message == "gone"


def test_an_event_named_error_is_one_when_it_looks_like_the_words_before_it() -> None:
    words = [chunk({"content": word}) for word in "abc"]
    assert failure_of(*words, b"event: error\n" + chunk({"content": "gone"})).failure.kind is FailureKind.UPSTREAM_ERROR


def test_a_line_that_is_no_field_stays_none_behind_events_of_several_lines() -> None:
    rest = b'"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    broken = failure_of(*[b"data: {\ndata: " + rest] * 3, b"data: {\n" + rest)
    assert broken.failure.kind is FailureKind.UPSTREAM_INVALID


@pytest.mark.parametrize("place", ["chunk", "choice"])
def test_the_figures_beside_words_are_the_last_ones(place: str) -> None:
    """Also where figures come again: whatever tells some is read whole, and not as words alone."""

    def telling(count: int) -> bytes:
        usage = {"prompt_tokens": count, "completion_tokens": count}
        if place == "chunk":
            return chunk({"content": "a"}, usage=usage)
        return chunk(choices=[{"index": 0, "delta": {"content": "a"}, "usage": usage}])

    words = [telling(count) for count in (1, 2, 3, 4, 5, 6, 5)]
    assert streamed(*words, ended()).usage == Usage(5, None, None, 5)


def test_a_null_error_is_none() -> None:
    assert streamed(chunk({"content": "x"}, error=None), ended()).blocks == (Text("x"),)


def test_junk_in_the_stream_is_a_failure() -> None:
    assert failure_of(chunk({"content": "x"}), b"data: <html>\n\n").failure.kind is FailureKind.UPSTREAM_INVALID


def test_comments_line_ends_and_missing_spaces_make_no_difference() -> None:
    stream = b": OPENROUTER PROCESSING\r\n\r\n" + chunk({"content": "x"}).replace(b"data: ", b"data:").replace(
        b"\n", b"\r\n"
    )
    assert blocks_of(stream, ended()) == (Text("x"),)


def test_a_large_event_is_read() -> None:
    (block,) = blocks_of(chunk(call(0, "c", "f", '{"a":"' + "x" * 300_000 + '"}')), ended())
    assert isinstance(block, ToolCall)
    assert len(block.arguments) > 300_000


def test_a_delta_is_given_in_the_step_it_came_in() -> None:
    from dragoman.codec import Source
    from dragoman.protocols.openai_chat import PROTOCOL
    from dragoman.receiver import Receiver

    receiver = Receiver(PROTOCOL, Source("deep", "m1"))
    receiver.feed(chunk(call(0, "c", "f", "")))
    assert receiver.feed(chunk(call(0, arguments='{"a'))) == [ArgumentsDelta(0, '{"a')]


def test_a_calls_seal_that_comes_with_its_name_is_known_when_it_begins() -> None:
    delta = call(0, "c1", "f", "{}")
    delta["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    events = events_of(chunk(delta), ended("tool_calls"))
    (start,) = (event for event in events if isinstance(event, BlockStart))
    assert isinstance(start.block, ToolCall)
    assert start.block.seal is not None
    assert not any(isinstance(event, SealDelta) for event in events)


# Ends that are none


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource"])
def test_a_finish_reason_that_tells_of_an_interruption_is_no_end(word: str) -> None:
    failure = failure_of(chunk({"content": "half"}), ended(word)).failure
    assert failure.kind is FailureKind.UPSTREAM_CUT
    assert word in failure.message


def test_a_full_context_is_told_from_a_normal_end() -> None:
    assert streamed(chunk({"content": "a"}), ended("model_context_window_exceeded")).finish is Finish.CONTEXT_FULL


def test_usage_may_stand_in_the_choice() -> None:
    """Moonshot's place. https://platform.moonshot.ai/docs/api/chat#streaming."""
    last = json.dumps(
        {
            "id": "c",
            "choices": [
                {
                    "index": 0,
                    "delta": {},
                    "finish_reason": "stop",
                    "usage": {"prompt_tokens": 19, "completion_tokens": 13, "total_tokens": 32, "cached_tokens": 9},
                }
            ],
        }
    ).encode()
    reply = streamed(chunk({"content": "a"}), b"data: " + last + b"\n\n" + DONE)
    assert reply.usage == Usage(10, 9, None, 13)
