"""Whole replies, both ways."""

import json

import pytest
from msgspec import Raw

from dragoman.ir.failures import DragomanError, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import (
    Base64Data,
    Block,
    Citation,
    Extra,
    Foreign,
    Image,
    Page,
    Reasoning,
    Refusal,
    Search,
    Text,
    ToolCall,
    ToolKind,
    UrlData,
)
from dragoman.ir.seals import Seal, read_seal
from dragoman.protocols.openai_responses import PROTOCOL
from tests.protocols.openai_responses.support import (
    SOURCE,
    Json,
    codes,
    decoded,
    output_of,
    read,
    response,
    whole,
)

TEXT = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}


# From an upstream


def test_a_reply_says_its_items_in_turn() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "t"}],
        "encrypted_content": "e",
    }
    reply = read(thought, TEXT, CALL)
    seal = Seal("openai-responses", "e", "deep", "up", "rs_1")
    assert reply.blocks == (Reasoning(("t",), is_summary=True, seal=seal), Text("hi"), ToolCall("c", "f", "{}"))
    assert (reply.id, reply.model, reply.finish, reply.finish_word) == ("resp_1", "up", Finish.TOOL_CALLS, "completed")


def test_the_figures_are_counted_as_the_ir_counts() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 15},
    }
    assert read(TEXT, usage=usage).usage == Usage(30, 60, 10, 20, 15)
    assert read(TEXT, usage=None).usage == Usage()


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({}, Finish.DONE),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, Finish.LENGTH),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, Finish.FILTERED),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}, Finish.PAUSED),
        ({"status": "incomplete"}, Finish.PAUSED),
    ],
)
def test_why_a_reply_ended(fields: Json, finish: Finish) -> None:
    assert read(TEXT, **fields).finish is finish


def test_a_refusal_ends_in_one() -> None:
    item = {**TEXT, "content": [{"type": "refusal", "refusal": "no"}]}
    assert (read(item).blocks, read(item).finish) == ((Refusal("no"),), Finish.REFUSAL)


def test_a_call_that_the_limit_cut_off_is_left_out() -> None:
    cut = {**CALL, "arguments": '{"a', "status": "incomplete"}
    reply = read(TEXT, cut, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert reply.blocks == (Text("hi"),)


def test_empty_items_say_nothing() -> None:
    empty = {**TEXT, "content": [{"type": "output_text", "text": ""}]}
    assert read(empty, {"type": "reasoning", "summary": []}, TEXT).blocks == (Text("hi"),)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (response(status="failed", error={"code": "server_error", "message": "why"}), FailureKind.UPSTREAM_ERROR),
        (response(status="failed", error={"code": "rate_limit_exceeded", "message": "why"}), FailureKind.RATE_LIMITED),
        ({"error": {"message": "why", "code": "context_length_exceeded"}}, FailureKind.CONTEXT_TOO_LONG),
        ({"error": "why"}, FailureKind.UPSTREAM_ERROR),
        (response(status="failed", note="why"), FailureKind.UPSTREAM_INVALID),
        (response(status="queued", note="why"), FailureKind.UPSTREAM_INVALID),
        ({"id": "resp_1", "note": "why"}, FailureKind.UPSTREAM_INVALID),
        (response(output=[{"type": "message", "why": 1}]), FailureKind.UPSTREAM_INVALID),
        (response(output=4), FailureKind.UPSTREAM_INVALID),
    ],
)
def test_what_is_no_reply_is_a_failure(body: Json, kind: FailureKind) -> None:
    with pytest.raises(DragomanError) as failed:
        PROTOCOL.decode_reply(json.dumps(body).encode(), SOURCE)
    assert failed.value.failure.kind is kind
    if kind is not FailureKind.UPSTREAM_INVALID:
        assert failed.value.failure.message == "why"


def test_a_web_page_is_a_502() -> None:
    with pytest.raises(DragomanError) as failed:
        PROTOCOL.decode_reply(b"<html>nginx</html>", SOURCE)
    assert failed.value.failure.http_status == 502


# To a client


def said(*blocks: Block, finish: Finish = Finish.DONE, ledger: Ledger | None = None, **fields: Json) -> dict[str, Json]:
    return whole(Reply("up_1", "up", blocks, finish, **fields), ledger=ledger)


def test_the_response_has_all_fields_that_the_sdk_declares() -> None:
    from openai.types.responses import Response

    body = said(Text("hi"), usage=Usage(7, 2, 1, 4, 3))
    parsed = Response.model_validate(body)
    assert (parsed.status, parsed.output_text, parsed.model, parsed.created_at) == ("completed", "hi", "asked", 7)
    assert body["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    }


def test_the_response_repeats_the_request() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    request = decoded(
        instructions="be brief", tools=tools, tool_choice="required", temperature=0.5, metadata={"a": "b"}, store=False
    )
    body = whole(Reply("", "up", (Text("x"),), Finish.DONE), request)
    assert body["instructions"] == "be brief"
    assert body["tools"] == tools
    assert (body["tool_choice"], body["temperature"], body["metadata"], body["store"]) == (
        "required",
        0.5,
        {"a": "b"},
        False,
    )
    assert (body["top_p"], body["parallel_tool_calls"]) == (1.0, True)


def test_ids_are_the_upstreams_where_it_speaks_the_protocol_and_items_have_their_own() -> None:
    assert said(Text("a"))["id"] == "resp_new"
    body = whole(Reply("resp_up", "up", (Text("a"), ToolCall("c", "f", "{}")), Finish.TOOL_CALLS))
    assert body["id"] == "resp_up"
    assert output_of(body, "id") == [{"id": "msg_up_0"}, {"id": "fc_up_1"}]


def test_calls_have_the_form_of_their_tools() -> None:
    tools = [{"type": "local_shell"}, {"type": "tool_search", "execution": "client"}]
    request = decoded(tools=tools)
    calls = (
        ToolCall("a", "f", "{}", namespace="ns"),
        ToolCall("b", "patch", "*** x", ToolKind.CUSTOM),
        ToolCall("c", "local_shell", '{"command":["ls"],"timeout_ms":5}'),
        ToolCall("d", "local_shell", '{"command":"ls -l"}'),
        ToolCall("e", "tool_search", '{"query":"x"}'),
        ToolCall("f", "local_shell", '{"command":7}'),
        ToolCall("g", "local_shell", "{}", namespace="ns"),
    )
    output = whole(Reply("", "up", calls, Finish.TOOL_CALLS), request)["output"]
    types = ["function_call", "custom_tool_call", *["local_shell_call"] * 2, "tool_search_call", *["function_call"] * 2]
    assert [item["type"] for item in output] == types
    assert [item["call_id"] for item in output] == list("abcdefg")
    assert (output[0]["namespace"], output[0]["arguments"]) == ("ns", "{}")
    assert output[1]["input"] == "*** x"
    assert output[2]["action"] == {"type": "exec", "command": ["ls"], "timeout_ms": 5, "env": {}}
    assert output[3]["action"]["command"] == ["bash", "-lc", "ls -l"]
    assert (output[4]["execution"], output[4]["arguments"]) == ("client", {"query": "x"})


def test_reasoning_is_a_summary_with_its_seal() -> None:
    ours = Seal("anthropic-messages", "sig", "claude", "m")
    native = Seal("openai-responses", "enc", "deep", "up", "rs_9")
    plain = Seal("openai-responses", "", "deep", "up", "rs_8")
    output = said(
        Reasoning(("t",), seal=ours), Reasoning(is_redacted=True, seal=native), Reasoning(("p",), seal=plain)
    )["output"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "t"}]
    assert read_seal(output[0]["encrypted_content"]) == ours
    assert (output[1]["id"], output[1]["encrypted_content"], output[1]["summary"]) == ("rs_9", "enc", [])
    assert read_seal(output[2]["encrypted_content"]) == plain


def test_a_calls_seal_travels_in_a_thought_before_it() -> None:
    seal = Seal("gemini-generate", "sig", "g", "m")
    thought, call = said(ToolCall("c", "f", "{}", seal=seal), finish=Finish.TOOL_CALLS)["output"]
    assert (thought["type"], thought["summary"]) == ("reasoning", [])
    assert read_seal(thought["encrypted_content"]) == seal
    assert call["type"] == "function_call"


def test_a_phase_comes_to_the_client() -> None:
    (item,) = said(Text("a", seal=Seal("openai-responses", "final_answer", "deep", "up", "phase")))["output"]
    assert item["phase"] == "final_answer"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (Finish.DONE, "completed", None),
        (Finish.TOOL_CALLS, "completed", None),
        (Finish.STOP_SEQUENCE, "completed", None),
        (Finish.PAUSED, "completed", None),
        (Finish.LENGTH, "incomplete", "max_output_tokens"),
        (Finish.CONTEXT_FULL, "incomplete", "max_output_tokens"),
        (Finish.FILTERED, "incomplete", "content_filter"),
        (Finish.REFUSAL, "incomplete", "content_filter"),
    ],
)
def test_how_a_response_ends(finish: Finish, status: str, reason: str | None) -> None:
    body = said(Text("x"), finish=finish)
    assert (body["status"], (body["incomplete_details"] or {}).get("reason")) == (status, reason)


def test_a_refusal_with_words_is_complete() -> None:
    body = said(Refusal("no"), finish=Finish.REFUSAL)
    assert body["status"] == "completed"
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_another_vendors_search_is_one_item_with_what_it_found() -> None:
    found = (Page("https://x", "X"),)
    searched = Foreign("anthropic-messages", "server_tool_use", Raw(b"{}"), "[search]", search=Search("q"))
    result = Foreign("anthropic-messages", "web_search_tool_result", Raw(b"{}"), "[found]", search=Search(pages=found))
    for blocks, sources in (
        ((searched, result), [{"type": "url", "url": "https://x"}]),
        ((searched,), []),
    ):
        item, text = said(*blocks, Text("a"))["output"]
        assert (item["type"], item["action"]) == (
            "web_search_call",
            {"type": "search", "query": "q", "sources": sources},
        )
        assert text["type"] == "message"


def test_blocks_of_others_are_said_in_words_or_reported() -> None:
    ledger = Ledger()
    own = Foreign("openai-responses", "code_interpreter_call", Raw(b'{"type":"code_interpreter_call","id":"ci"}'))
    told, silent = Foreign("x", "y", Raw(b"{}"), "words"), Foreign("x", "z", Raw(b"{}"))
    output = said(own, told, silent, Image(Base64Data("image/webp", "AA==")), ledger=ledger)["output"]
    assert [item["type"] for item in output] == ["code_interpreter_call", "message", "image_generation_call"]
    assert (output[2]["result"], output[2]["output_format"]) == ("AA==", "webp")
    assert codes(ledger) == ["reply_foreign"] * 2


def test_what_a_response_cannot_tell_is_recorded() -> None:
    ledger = Ledger()
    cited = Text(
        "x",
        (
            Citation("a", Raw(b"{}")),
            Citation("a", Raw(b"{}"), "https://x"),
            Citation("openai-responses", Raw(b'{"type":"file_path"}')),
        ),
        seal=Seal("gemini-generate", "s"),
    )
    call = ToolCall("h", "n", "{}", ToolKind.HOSTED)
    extras = (Extra("anthropic-messages", "container", Raw(b"{}")),)
    body = said(
        cited,
        call,
        Image(UrlData("https://y")),
        finish=Finish.PAUSED,
        stop_sequence="STOP",
        extras=extras,
        ledger=ledger,
    )
    assert [one["type"] for one in body["output"][0]["content"][0]["annotations"]] == ["url_citation", "file_path"]
    assert codes(ledger) == [
        "reply_seal",
        "reply_citation",
        "reply_foreign",
        "reply_foreign",
        "reply_stop_sequence",
        "reply_paused",
        "reply_field",
    ]
