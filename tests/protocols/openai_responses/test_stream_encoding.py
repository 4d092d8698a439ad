"""Streams for clients: the events that the SDK's accumulator and Codex need, in their order."""

import pytest
from msgspec import Raw

from dragoman.ir.collecting import expand
from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Block, Citation, Foreign, Page, Reasoning, Refusal, Search, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal, read_seal
from dragoman.protocols.openai_responses import PROTOCOL
from tests.protocols.openai_responses.support import Json, codes, decoded, events_in, types_in, whole, written

START = ReplyStart("up_1", "up")


def streamed(*blocks: Block, finish: Finish = Finish.DONE, **fields: Json) -> bytes:
    return written(expand(Reply("up_1", "up", blocks, finish, **fields)))


def test_a_text_has_every_event_of_its_course() -> None:
    assert types_in(streamed(Text("hi"))) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_reasoning_has_its_parts_and_a_call_its_arguments() -> None:
    stream = streamed(Reasoning(("a", "b")), ToolCall("c", "f", '{"a":1}'), finish=Finish.TOOL_CALLS)
    part = ["part.added", "text.delta", "text.done", "part.done"]
    assert types_in(stream)[2:] == [
        "output_item.added",
        *(f"reasoning_summary_{name}" for name in part * 2),
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_events_are_numbered_without_a_gap() -> None:
    said = events_in(streamed(Reasoning(("t",)), Text("hi"), ToolCall("c", "f", "{}"), finish=Finish.TOOL_CALLS))
    assert [one["sequence_number"] for one in said] == list(range(len(said)))


def test_each_item_is_one_from_its_beginning_to_the_end() -> None:
    stream = streamed(
        Reasoning(("t",), seal=Seal("anthropic-messages", "s", "c", "m")),
        Text("hi"),
        Refusal("no"),
        ToolCall("c", "f", "{}"),
        ToolCall("d", "patch", "x", ToolKind.CUSTOM),
        finish=Finish.TOOL_CALLS,
    )
    said = events_in(stream)
    added = {one["output_index"]: one["item"] for one in said if one["type"].endswith("item.added")}
    done = {one["output_index"]: one["item"] for one in said if one["type"].endswith("item.done")}
    last = said[-1]["response"]["output"]
    assert [done[place] for place in sorted(done)] == last
    assert sorted(added) == sorted(done) == list(range(len(last)))
    for place, item in added.items():
        assert (item["id"], item["type"]) == (done[place]["id"], done[place]["type"])
        assert item.get("status", "in_progress") == "in_progress"
    for one in said:
        if "item_id" in one:
            assert one["item_id"] == added[one["output_index"]]["id"]


def test_the_response_at_the_end_is_the_whole_reply() -> None:
    reply = Reply("resp_1", "up", (Reasoning(("t",)), Text("hi")), Finish.DONE, Usage(1, 2, 3, 4, 5))
    said = events_in(written(expand(reply)))
    assert said[-1]["response"] == whole(reply)
    assert {one["response"]["id"] for one in said if "response" in one} == {"resp_1"}


def test_usage_behind_the_beginning_reaches_the_end() -> None:
    events: list[Event] = [
        ReplyStart("r", "m", Usage(10, 5)),
        BlockStart(0, Text("")),
        TextDelta(0, "x"),
        BlockEnd(0),
        ReplyEnd(Finish.DONE, Usage(output_tokens=3)),
    ]
    usage = events_in(written(events))[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (15, 3, 18)


@pytest.mark.parametrize(
    ("finish", "last"), [(Finish.LENGTH, "max_output_tokens"), (Finish.FILTERED, "content_filter")]
)
def test_a_reply_that_is_not_complete_says_so(finish: Finish, last: str) -> None:
    end = events_in(streamed(Text("hi"), finish=finish))[-1]
    assert end["type"] == "response.incomplete"
    assert end["response"]["incomplete_details"] == {"reason": last}


def test_several_calls_may_be_open_at_once() -> None:
    events: list[Event] = [
        START,
        BlockStart(0, ToolCall("a", "f", "")),
        BlockStart(1, ToolCall("b", "g", "")),
        ArgumentsDelta(0, "{"),
        ArgumentsDelta(1, "{}"),
        ArgumentsDelta(0, "}"),
        BlockEnd(1),
        BlockEnd(0),
        ReplyEnd(Finish.TOOL_CALLS),
    ]
    said = events_in(written(events))
    deltas = [(one["output_index"], one["delta"]) for one in said if one["type"].endswith("arguments.delta")]
    assert deltas == [(0, "{"), (1, "{}"), (0, "}")]
    assert [item["arguments"] for item in said[-1]["response"]["output"]] == ["{}", "{}"]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events: list[Event] = [START, BlockStart(0, ToolCall("a", "f", "")), BlockEnd(0), ReplyEnd(Finish.TOOL_CALLS)]
    said = events_in(written(events))
    assert [one["delta"] for one in said if one["type"].endswith("arguments.delta")] == ["{}"]
    assert said[-1]["response"]["output"][0]["arguments"] == "{}"


def test_free_text_streams_as_input() -> None:
    said = events_in(streamed(ToolCall("c", "patch", "*** x", ToolKind.CUSTOM), finish=Finish.TOOL_CALLS))
    assert [one["delta"] for one in said if one["type"] == "response.custom_tool_call_input.delta"] == ["*** x"]
    (done,) = (one for one in said if one["type"] == "response.custom_tool_call_input.done")
    assert done["input"] == "*** x"
    assert said[-1]["response"]["output"][0]["input"] == "*** x"


def test_the_clients_own_kinds_of_calls_come_whole() -> None:
    request = decoded(tools=[{"type": "local_shell"}])
    reply = Reply("", "up", (ToolCall("c", "local_shell", '{"command":["ls"]}'), Text("a")), Finish.TOOL_CALLS)
    said = events_in(written(expand(reply), request))
    assert [one["type"].rpartition(".")[2] for one in said[2:4]] == ["added", "done"]
    assert said[2]["item"]["type"] == "local_shell_call"
    assert said[-1]["response"]["output"][0]["action"]["command"] == ["ls"]


def test_a_calls_seal_travels_in_a_thought_before_it() -> None:
    seal = Seal("gemini-generate", "s", "g", "m")
    said = events_in(streamed(ToolCall("c", "f", "{}", seal=seal), finish=Finish.TOOL_CALLS))
    thought, call = said[-1]["response"]["output"]
    assert read_seal(thought["encrypted_content"]) == seal
    assert (call["type"], call["id"]) == ("function_call", "fc_new_1")


def test_sources_are_annotations() -> None:
    own = Citation("openai-responses", Raw(b'{"type":"file_path","file_id":"f","index":0}'))
    page = Citation("anthropic-messages", Raw(b"{}"), "https://x", "X", 0, 2)
    bare = Citation("anthropic-messages", Raw(b"{}"))
    ledger = Ledger()
    events: list[Event] = [
        START,
        BlockStart(0, Text("")),
        TextDelta(0, "hi"),
        *(CitationDelta(0, one) for one in (own, page, bare)),
        BlockEnd(0),
        ReplyEnd(Finish.DONE),
    ]
    said = events_in(written(events, ledger=ledger))
    added = [(one["annotation_index"], one["annotation"]["type"]) for one in said if "annotation" in one]
    assert added == [(0, "file_path"), (1, "url_citation")]
    annotations = said[-1]["response"]["output"][0]["content"][0]["annotations"]
    assert [one["type"] for one in annotations] == ["file_path", "url_citation"]
    assert codes(ledger) == ["reply_citation"]


@pytest.mark.parametrize("has_found", [True, False])
@pytest.mark.parametrize("is_followed", [True, False])
def test_another_vendors_search_is_one_item(has_found: bool, is_followed: bool) -> None:
    searched = Foreign("anthropic-messages", "server_tool_use", Raw(b"{}"), "[s]", search=Search("q"))
    found = Foreign("anthropic-messages", "r", Raw(b"{}"), "[f]", search=Search(pages=(Page("https://x"),)))
    stream = streamed(searched, *([found] if has_found else []), *([Text("a")] if is_followed else []))
    assert types_in(stream)[2:7] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    item = events_in(stream)[-1]["response"]["output"][0]
    assert [source["url"] for source in item["action"]["sources"]] == (["https://x"] if has_found else [])


def test_what_others_have_of_their_own_comes_whole_or_is_reported() -> None:
    ledger = Ledger()
    own = Foreign("openai-responses", "mcp_call", Raw(b'{"type":"mcp_call","id":"mcp_1"}'))
    reply = Reply("", "m", (own, Foreign("x", "y", Raw(b"{}")), ToolCall("h", "n", "", ToolKind.HOSTED)), Finish.DONE)
    said = events_in(written(expand(reply), ledger=ledger))
    assert [item["type"] for item in said[-1]["response"]["output"]] == ["mcp_call"]
    assert codes(ledger) == ["reply_foreign"] * 2


def test_a_seal_that_comes_too_late_is_reported() -> None:
    ledger = Ledger()
    events: list[Event] = [
        START,
        BlockStart(0, ToolCall("a", "f", "{}")),
        SealDelta(0, Seal("gemini-generate", "s")),
        BlockEnd(0),
        ReplyEnd(Finish.TOOL_CALLS),
    ]
    written(events, ledger=ledger)
    assert codes(ledger) == ["reply_seal"]


# Failures

WORDS = "This model's maximum context length is 7."
WHY = Failure(FailureKind.CONTEXT_TOO_LONG, WORDS)


def test_a_failure_is_told_to_the_sdks_and_to_codex() -> None:
    events: list[Event] = [START, BlockStart(0, Text("")), TextDelta(0, "hi"), BlockEnd(0), ReplyFailed(WHY)]
    *before, error, failed = events_in(written(events))
    assert (error["type"], error["code"], error["message"]) == ("error", "context_length_exceeded", WORDS)
    assert error["error"]["message"] == WORDS
    assert failed["type"] == "response.failed"
    assert failed["response"]["id"] == before[0]["response"]["id"]
    assert failed["response"]["error"] == {"code": "context_length_exceeded", "message": WORDS}
    assert failed["response"]["output"][0]["content"][0]["text"] == "hi"
    assert [one["sequence_number"] for one in (*before, error, failed)] == list(range(len(before) + 2))


def test_a_failure_before_anything_else_is_told_the_same_way() -> None:
    for stream in (written([ReplyFailed(WHY)]), PROTOCOL.encode_failure_event(WHY, "req_7")):
        error, failed = events_in(stream)
        assert error["error"]["code"] == "context_length_exceeded"
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["id"].startswith("resp_")


def test_a_failure_without_a_code_has_one_in_the_response() -> None:
    _, failed = events_in(PROTOCOL.encode_failure_event(Failure(FailureKind.UPSTREAM_ERROR, "x"), "req_7"))
    assert failed["response"]["error"]["code"] == "server_error"
