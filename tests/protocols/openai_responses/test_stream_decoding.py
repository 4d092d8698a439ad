"""Streams of upstreams, in all the ways in which servers differ."""

import pytest

from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, ReasoningDelta, ReplyEnd, ReplyFailed, TextDelta
from dragoman.ir.failures import DragomanError, FailureKind
from dragoman.ir.reply import Finish
from dragoman.ir.request import Block, Foreign, Reasoning, Refusal, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from tests.protocols.openai_responses.support import CREATED, Json, ended, event, events_of, response, streamed

MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
HELLO = {**MESSAGE, "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c",
    "name": "f",
    "arguments": '{"a":1}',
    "status": "completed",
}


def added(item: Json, output: int = 0) -> bytes:
    return event("response.output_item.added", output_index=output, item={**item, "status": "in_progress"})


def done(item: Json, output: int = 0) -> bytes:
    return event("response.output_item.done", output_index=output, item=item)


def words(text: str, output: int = 0, content: int = 0, **fields: Json) -> bytes:
    return event("response.output_text.delta", output_index=output, content_index=content, delta=text, **fields)


def arguments(text: str, output: int = 0) -> bytes:
    return event("response.function_call_arguments.delta", output_index=output, delta=text)


def blocks_of(*chunks: bytes) -> tuple[Block, ...]:
    return streamed(CREATED, *chunks).blocks


def failure_of(*chunks: bytes) -> DragomanError:
    with pytest.raises(DragomanError) as failed:
        streamed(CREATED, *chunks)
    return failed.value


# Words


def test_words_leave_as_they_come() -> None:
    events = events_of(CREATED, added(HELLO), words("Hel"), words("lo"), done(HELLO), ended(HELLO))
    assert [type(one) for one in events[1:]] == [BlockStart, TextDelta, TextDelta, BlockEnd, ReplyEnd]


def test_ids_that_rotate_do_not_matter() -> None:
    chunks = [words("Hel", item_id="msg_a"), words("lo", item_id="msg_b"), done({**HELLO, "id": "msg_c"})]
    assert blocks_of(added(HELLO), *chunks, ended({**HELLO, "id": "msg_d"})) == (Text("Hello"),)


@pytest.mark.parametrize(
    "chunks",
    [
        (added(HELLO), done(HELLO)),
        (done(HELLO),),
        (),
        (added(HELLO),),
        (added(HELLO), event("response.output_text.done", output_index=0, content_index=0, text="Hello"), done(HELLO)),
        (
            added(HELLO),
            words("Hello"),
            event("response.output_text.done", output_index=0, content_index=0, text="Hello"),
        ),
        (words("Hello"), done(HELLO)),
    ],
    ids=["item done", "no item added", "only at the end", "never done", "text done", "both", "no item at all"],
)
def test_what_was_not_said_in_deltas_is_taken_from_where_it_stands_and_never_twice(chunks: tuple[bytes, ...]) -> None:
    assert blocks_of(*chunks, ended(HELLO)) == (Text("Hello"),)


def test_the_response_at_the_end_may_be_empty() -> None:
    assert blocks_of(added(HELLO), words("Hello"), done(HELLO), ended()) == (Text("Hello"),)


def test_a_stream_may_begin_without_its_beginning() -> None:
    assert streamed(added(HELLO), words("Hello"), done(HELLO), ended(HELLO)).blocks == (Text("Hello"),)


def test_sources_come_in_events_or_with_the_item() -> None:
    page = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 5}
    item = {**MESSAGE, "content": [{"type": "output_text", "text": "Hello", "annotations": [page]}]}
    annotated = event("response.output_text.annotation.added", output_index=0, content_index=0, annotation=page)
    for chunks in ([words("Hello"), annotated], [words("Hello")], []):
        (block,) = blocks_of(added(item), *chunks, done(item), ended(item))
        assert isinstance(block, Text)
        assert [citation.url for citation in block.citations] == ["https://x"]


def test_several_parts_are_several_texts() -> None:
    content = [
        {"type": "output_text", "text": "a"},
        {"type": "refusal", "refusal": "no"},
        {"type": "output_text", "text": ""},
    ]
    item = {**MESSAGE, "content": content}
    no = event("response.refusal.delta", output_index=0, content_index=1, delta="no")
    assert blocks_of(added(item), words("a"), no, done(item), ended(item)) == (Text("a"), Refusal("no"))
    assert streamed(CREATED, added(item), words("a"), no, done(item), ended(item)).finish is Finish.REFUSAL


def test_the_phase_of_a_message_is_kept() -> None:
    item = {**HELLO, "phase": "commentary"}
    seal = Seal("openai-responses", "commentary", form="phase")
    for first in (item, HELLO):
        (block,) = blocks_of(added(first), words("Hello"), done(item), ended(item))
        assert block == Text("Hello", seal=seal)


# Reasoning


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"}
SEAL = Seal("openai-responses", "enc", "deep", "up", "rs_1")


def summary(text: str, part: int = 0) -> bytes:
    return event("response.reasoning_summary_text.delta", output_index=0, summary_index=part, delta=text)


def test_summaries_stream_part_by_part_and_end_in_their_seal() -> None:
    item = {**THOUGHT, "summary": [{"text": "ab"}, {"text": "c"}]}
    chunks = [added(THOUGHT), summary("a"), summary("b"), summary("c", 1), done(item), ended(item)]
    events = events_of(CREATED, *chunks)
    assert [one.part for one in events if isinstance(one, ReasoningDelta)] == [0, 0, 1]
    assert blocks_of(*chunks, ended(item)) == (Reasoning(("ab", "c"), is_summary=True, seal=SEAL),)
    assert blocks_of(added(THOUGHT), done(item), ended(item)) == (Reasoning(("ab", "c"), is_summary=True, seal=SEAL),)


def test_reasoning_without_words_is_only_its_seal() -> None:
    assert blocks_of(added(THOUGHT), done(THOUGHT), ended(THOUGHT)) == (Reasoning(is_redacted=True, seal=SEAL),)


def test_open_models_think_aloud() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    delta = event("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm")
    seal = Seal("openai-responses", "", "deep", "up", "rs_1")
    assert blocks_of(added(item), delta, done(item), done(HELLO, 1), ended(item, HELLO))[0] == Reasoning(
        ("hm",), seal=seal
    )


def test_an_empty_thought_is_none() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert blocks_of(added(item), done(item), done(HELLO, 1), ended(item, HELLO)) == (Text("Hello"),)


# Calls


def test_arguments_leave_as_they_come() -> None:
    events = events_of(CREATED, added(CALL), arguments('{"a"'), arguments(":1}"), done(CALL), ended(CALL))
    assert [one.text for one in events if isinstance(one, ArgumentsDelta)] == ['{"a"', ":1}"]
    assert streamed(CREATED, added(CALL), arguments('{"a":1}'), done(CALL), ended(CALL)).finish is Finish.TOOL_CALLS


@pytest.mark.parametrize(
    "chunks",
    [
        (added(CALL), event("response.function_call_arguments.done", output_index=0, arguments='{"a":1}'), done(CALL)),
        (added(CALL), done(CALL)),
        (
            added(CALL),
            arguments('{"a":1}'),
            event("response.function_call_arguments.done", output_index=0, arguments='{"a":1}'),
            done(CALL),
        ),
        (added(CALL), arguments('{"a":1}')),
        (arguments('{"a":1}'), done(CALL)),
        (added({"type": "function_call"}), arguments('{"a":1}'), done(CALL)),
        (),
    ],
    ids=[
        "only done",
        "only in the item",
        "both",
        "never done",
        "no item added",
        "a name that comes late",
        "at the end",
    ],
)
def test_arguments_are_put_together_however_they_come(chunks: tuple[bytes, ...]) -> None:
    assert blocks_of(*chunks, ended(CALL)) == (ToolCall("c", "f", '{"a":1}'),)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    item = {**CALL, "arguments": ""}
    assert blocks_of(added(item), done(item), ended(item)) == (ToolCall("c", "f", "{}"),)


def test_parallel_calls_are_told_apart() -> None:
    other = {**CALL, "id": "fc_2", "call_id": "d", "name": "g", "arguments": "{}", "namespace": "ns"}
    chunks = [
        added(CALL),
        added(other, 1),
        arguments('{"a"'),
        arguments("{}", 1),
        arguments(":1}"),
        done(other, 1),
        done(CALL),
    ]
    assert blocks_of(*chunks, ended(CALL, other)) == (
        ToolCall("c", "f", '{"a":1}'),
        ToolCall("d", "g", "{}", namespace="ns"),
    )


def test_free_text_is_not_json() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "patch", "input": "*** {"}
    delta = event("response.custom_tool_call_input.delta", output_index=0, delta="*** {")
    for chunks in ([delta], []):
        assert blocks_of(added(item), *chunks, done(item), ended(item)) == (
            ToolCall("c", "patch", "*** {", ToolKind.CUSTOM),
        )


def test_the_vendors_own_items_come_whole() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    progress = event("response.web_search_call.searching", output_index=0, item_id="ws")
    (block,) = blocks_of(added({"type": "web_search_call", "id": "ws"}), progress, done(item), ended(item))
    assert isinstance(block, Foreign)
    assert block.search is not None


def test_calls_that_are_not_whole_are_never_run() -> None:
    cut = {**CALL, "arguments": '{"a', "status": "incomplete"}
    limit: Json = {
        "type": "response.incomplete",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
    }
    error = failure_of(added(CALL), arguments('{"a'), ended(cut, **limit))
    assert "broke off" in error.failure.message
    assert "limit of output tokens" in (error.failure.hint or "")
    assert (
        "broke off"
        in failure_of(added(CALL), arguments('{"a'), done(CALL | {"arguments": '{"a'}), ended()).failure.message
    )
    assert blocks_of(done(HELLO), done(cut, 1), ended(HELLO, cut, **limit)) == (Text("Hello"),)


# Endings


@pytest.mark.parametrize(
    "chunks",
    [
        (added(HELLO), words("Hello")),
        (added(HELLO), words("Hello"), done(HELLO)),
        (added(HELLO), words("Hello"), done(HELLO), b"data: [DONE]\n\n"),
        (),
    ],
)
def test_without_its_end_a_stream_is_cut(chunks: tuple[bytes, ...]) -> None:
    assert failure_of(*chunks).failure.kind is FailureKind.UPSTREAM_CUT


def test_what_comes_behind_the_end_is_not_looked_at() -> None:
    assert blocks_of(done(HELLO), ended(HELLO), event("ping", cost="1"), words("more")) == (Text("Hello"),)


@pytest.mark.parametrize(
    ("last", "kind", "message"),
    [
        (
            event(
                "response.failed", response=response(status="failed", error={"code": "server_error", "message": "why"})
            ),
            FailureKind.UPSTREAM_ERROR,
            "why",
        ),
        (
            event(
                "response.failed",
                response=response(status="failed", error={"code": "context_length_exceeded", "message": "why"}),
            ),
            FailureKind.CONTEXT_TOO_LONG,
            "why",
        ),
        (event("error", code="rate_limit_exceeded", message="why", param=None), FailureKind.RATE_LIMITED, "why"),
        (
            event("error", error={"type": "invalid_request_error", "code": "x", "message": "why", "param": None}),
            FailureKind.INVALID_REQUEST,
            "why",
        ),
        (b'data: {"error":{"message":"why","type":"server_error"}}\n\n', FailureKind.UPSTREAM_ERROR, "why"),
        (event("response.failed", response=response(status="failed")), FailureKind.UPSTREAM_ERROR, "does not say why"),
    ],
)
def test_errors_in_mid_stream_keep_their_words(last: bytes, kind: FailureKind, message: str) -> None:
    error = failure_of(added(HELLO), words("Hel"), last)
    assert error.failure.kind is kind
    assert message in error.failure.message


def test_an_error_before_anything_else_is_one() -> None:
    events = events_of(event("error", code="server_error", message="why"))
    assert isinstance(events[-1], ReplyFailed)
    assert len(events) == 1


def test_events_of_tomorrow_are_passed_over_and_broken_ones_are_not() -> None:
    tomorrow = event("response.hologram.delta", delta=b"x".hex())
    assert blocks_of(tomorrow, done(HELLO), ended(HELLO)) == (Text("Hello"),)
    broken = event("response.output_text.delta", output_index="first", delta="x")
    assert failure_of(broken).failure.kind is FailureKind.UPSTREAM_INVALID


def test_an_item_that_begins_twice_breaks_the_protocol() -> None:
    assert "twice" in failure_of(added(HELLO), added(HELLO)).failure.message
