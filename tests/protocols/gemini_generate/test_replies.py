"""Replies of Gemini upstreams and to Gemini clients: what no other test over real sockets looks at."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw

from dragoman.codec import Audience, Source
from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event, ReplyEnd, ReplyFailed, ReplyStart, TextDelta
from dragoman.ir.failures import DragomanError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import (
    Base64Data,
    Block,
    Citation,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Search,
    Text,
    ToolCall,
    ToolKind,
)
from dragoman.ir.seals import Seal, read_seal
from dragoman.protocols.gemini_generate import PROTOCOL
from dragoman.receiver import Receiver
from tests.support.wires import content, function_call, said, thought

SOURCE = Source("google", "gemini-3")
CLAUDES = Seal("anthropic-messages", "EqoB", "up", "claude")


def received(*chunks: bytes) -> list[Event]:
    receiver = Receiver(PROTOCOL, SOURCE)
    return [event for chunk in chunks for event in receiver.feed(chunk)] + receiver.flush()


def audience(ledger: Ledger | None = None) -> Audience:
    ledger = ledger if ledger is not None else Ledger()
    return Audience("asked", created=1, new_id=lambda prefix: f"{prefix}1", ledger=ledger)


def whole(*blocks: Block, finish: Finish = Finish.DONE, **fields: Any) -> Any:
    """Return the whole reply that a client gets; its stream has to say the same."""
    reply = Reply("r1", "m", blocks, finish, **fields)
    written = json.loads(PROTOCOL.encode_reply(reply, audience()))
    streamed = collect(received(stream_of(list(expand(reply)))))
    again = PROTOCOL.decode_reply(json.dumps(written).encode(), SOURCE)
    assert (streamed.finish, streamed.usage) == (again.finish, again.usage)
    return written


def stream_of(events: Sequence[Event]) -> bytes:
    encoder = PROTOCOL.stream_encoder(audience())
    return b"".join(encoder.feed([event]) for event in events) + encoder.flush()


def parts_of(*blocks: Block) -> Any:
    return whole(*blocks)["candidates"][0]["content"]["parts"]


def losses_of(*blocks: Block, **fields: Any) -> list[str]:
    """Return what a whole reply loses; a stream has to lose the same."""
    whole_ledger, stream_ledger = Ledger(), Ledger()
    reply = Reply("r1", "m", blocks, fields.pop("finish", Finish.DONE), **fields)
    PROTOCOL.encode_reply(reply, audience(whole_ledger))
    PROTOCOL.stream_encoder(audience(stream_ledger)).feed(list(expand(reply)))
    codes = [loss.code for loss in whole_ledger]
    assert sorted(codes) == sorted(loss.code for loss in stream_ledger)
    return codes


# From an upstream -------------------------------------------------------------------------------------------------------


def test_words_leave_as_they_come_and_the_end_waits_for_nobody() -> None:
    receiver = Receiver(PROTOCOL, SOURCE)
    first = receiver.feed(said({"text": "Hel"}))
    assert [type(event) for event in first] == [ReplyStart, BlockStart, TextDelta]
    assert receiver.feed(said({"text": "lo"})) == [TextDelta(0, "lo")]
    last = receiver.feed(said({"text": ""}, finish="STOP"))
    assert [type(event) for event in last] == [BlockEnd, ReplyEnd]


def test_a_server_that_gives_a_reason_in_every_chunk_is_heard_to_its_end() -> None:
    events = received(said({"text": "One"}, finish="STOP"), said({"text": " two"}, finish="STOP"))
    assert collect(events).blocks == (Text("One two"),)


def test_figures_may_come_behind_the_reason() -> None:
    bare = json.loads(said({"text": "Hi"}, finish="STOP").removeprefix(b"data: "))
    del bare["usageMetadata"]
    figures = b'data: {"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2}}\n\n'
    reply = collect(received(b"data: %b\n\n" % json.dumps(bare).encode(), figures, b'data: {"cost":"0.1"}\n\n'))
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (5, 2)


def test_an_empty_text_opens_no_block() -> None:
    events = received(said({"text": ""}), said({"text": "", "thought": True}), said(function_call("f"), finish="STOP"))
    assert [type(block) for block in collect(events).blocks] == [ToolCall]


def test_a_signature_on_an_empty_piece_belongs_to_what_stands_before() -> None:
    events = received(
        said(thought("Hm")), said({"text": "So"}), said({"text": "", "thoughtSignature": "c2ln"}, finish="STOP")
    )
    reasoning, text = collect(events).blocks
    assert (reasoning, text) == (
        Reasoning(("Hm",)),
        Text("So", seal=Seal("gemini-generate", "c2ln", "google", "gemini-3", "text")),
    )


def test_only_the_first_candidate_counts() -> None:
    two = content({"text": "first"})
    two["candidates"].append({**content({"text": "second"})["candidates"][0], "index": 1})
    assert PROTOCOL.decode_reply(json.dumps(two).encode(), SOURCE).blocks == (Text("first"),)


def test_arguments_that_broke_off_are_no_call() -> None:
    begun = said(
        {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True}}
    )
    for chunks in ([begun], [begun, said({"text": ""}, finish="MAX_TOKENS")]):
        events = received(*chunks)
        assert isinstance(events[-1], ReplyFailed)
        assert not any(isinstance(event, BlockStart) for event in events)


@pytest.mark.parametrize(
    "part",
    [
        {"functionCall": {"args": {}}},
        {"functionCall": {"name": "f", "args": [1]}},
        {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$", "stringValue": "x"}]}},
        {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a[99999999]", "boolValue": True}]}},
    ],
)
def test_a_call_that_makes_no_sense_is_the_upstreams_mistake(part: Any) -> None:
    events = received(said(part, finish="STOP"))
    assert isinstance(events[-1], ReplyFailed)
    with pytest.raises(DragomanError) as caught:
        PROTOCOL.decode_reply(json.dumps(content(part)).encode(), SOURCE)
    assert caught.value.failure.http_status == 502


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"answer":42}', b"null", b"<html>", b'"x"', b""])
def test_what_is_no_reply_is_an_error(body: bytes) -> None:
    with pytest.raises(DragomanError):
        PROTOCOL.decode_reply(body, SOURCE)


def test_a_list_of_chunks_is_a_reply() -> None:
    """A server that does not know `alt=sse`, or a proxy that collects."""
    chunks = [content({"text": "Hel"}, finish=None), content({"text": "lo"})]
    assert PROTOCOL.decode_reply(json.dumps(chunks).encode(), SOURCE).blocks == (Text("Hello"),)


def test_what_comes_beside_the_words_is_kept_for_googles_clients() -> None:
    rated = content({"text": "a"}, safetyRatings=[{"category": "X"}], avgLogprobs=-0.5)
    reply = PROTOCOL.decode_reply(json.dumps(rated).encode(), SOURCE)
    candidate = json.loads(PROTOCOL.encode_reply(reply, audience()))["candidates"][0]
    assert (candidate["safetyRatings"], candidate["avgLogprobs"]) == ([{"category": "X"}], -0.5)


# To a client ------------------------------------------------------------------------------------------------------------


def test_a_reply_in_googles_form() -> None:
    usage = Usage(10, 5, 2, 9, 4)
    assert whole(Text("Hi"), usage=usage) == {
        "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 17,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 4,
            "cachedContentTokenCount": 5,
            "totalTokenCount": 26,
        },
        "modelVersion": "asked",
        "responseId": "r1",
    }


def test_more_thought_than_output_leaves_no_candidates_tokens() -> None:
    figures = whole(Text("Hi"), usage=Usage(10, None, None, 3, 7))["usageMetadata"]
    assert figures == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 0,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 17,
    }


def test_the_first_call_carries_what_was_thought() -> None:
    """Unless it bears a seal of its own."""
    thoughts = (Reasoning(("a",), seal=CLAUDES), Reasoning(("b",), seal=Seal("openai-chat", "", "x", "y", "plain")))
    *_, first, second = parts_of(*thoughts, ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}"))
    carried = read_seal(first["thoughtSignature"])
    assert carried is not None
    assert "EqoB" in carried.data
    assert "thoughtSignature" not in second
    *_, own = parts_of(*thoughts, ToolCall("1", "f", "{}", seal=Seal("gemini-generate", "c2ln", form="call")))
    assert own["thoughtSignature"] == "c2ln"


def test_googles_own_thoughts_are_carried_nowhere_else() -> None:
    native = Reasoning(("a",), seal=Seal("gemini-generate", "c2ln", "google", "m"))
    shown, called = parts_of(native, ToolCall("1", "f", "{}"))
    assert shown == {"text": "a", "thought": True, "thoughtSignature": "c2ln"}
    assert "thoughtSignature" not in called


def test_calls_that_arrive_together_leave_each_when_it_is_whole() -> None:
    encoder = PROTOCOL.stream_encoder(audience())
    assert (
        encoder.feed(
            [ReplyStart("r", "m"), BlockStart(0, ToolCall("1", "f", "")), BlockStart(1, ToolCall("2", "g", ""))]
        )
        == b""
    )
    assert encoder.feed([ArgumentsDelta(1, '{"b"'), ArgumentsDelta(0, '{"a":1}'), ArgumentsDelta(1, ":2}")]) == b""
    second = json.loads(encoder.feed([BlockEnd(1)]).removeprefix(b"data: "))
    assert second["candidates"][0]["content"]["parts"] == [{"functionCall": {"id": "2", "name": "g", "args": {"b": 2}}}]
    assert b'"a":1' in encoder.feed([BlockEnd(0)])


def test_blocks_of_every_kind() -> None:
    own = Foreign("gemini-generate", "executableCode", Raw(b'{"executableCode":{"code":"x"}}'), "said")
    assert parts_of(
        own,
        Foreign("anthropic-messages", "mcp_tool_use", Raw(b"{}"), "instead"),
        Image(Base64Data("image/png", "AA==")),
        ToolCall("1", "patch", "free text", ToolKind.CUSTOM),
        Refusal("No."),
    ) == [
        {"executableCode": {"code": "x"}},
        {"text": "instead"},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"functionCall": {"id": "1", "name": "patch", "args": {"input": "free text"}}},
        {"text": "No."},
    ]


def test_other_protocols_citations_are_sources_at_the_end() -> None:
    pages = (Citation("openai-chat", Raw(b"{}"), "https://pages.test/a", "A", 0, 2), Citation("x", Raw(b"{}")))
    (candidate,) = whole(Text("Hi", pages))["candidates"]
    source = {"uri": "https://pages.test/a", "title": "A", "startIndex": 0, "endIndex": 2}
    assert candidate["citationMetadata"] == {"citations": [source]}


def test_a_reply_that_says_nothing_still_has_a_part() -> None:
    """A content without parts is one that Gemini CLI takes for a broken answer."""
    (candidate,) = whole(finish=Finish.FILTERED)["candidates"]
    assert (candidate["content"]["parts"], candidate["finishReason"]) == ([{"text": ""}], "SAFETY")


@pytest.mark.parametrize(
    ("blocks", "fields", "codes"),
    [
        ((Text("a"),), {}, []),
        ((Refusal("No."),), {"finish": Finish.REFUSAL}, ["reply_refusal"]),
        ((Foreign("x", "y", Raw(b"{}"), "said"), Foreign("x", "z", Raw(b"{}"), "more")), {}, ["reply_foreign"]),
        ((Foreign("x", "y", Raw(b"{}")), Text("a")), {}, ["reply_foreign_dropped"]),
        ((Foreign("x", "y", Raw(b"{}"), "q", search=Search("q")), Text("a")), {}, ["reply_search"]),
        ((ToolCall("1", "f", "{}", namespace="n"),), {}, ["reply_namespace"]),
        ((ToolCall("1", "f", "t", ToolKind.CUSTOM),), {}, ["reply_custom_call"]),
        ((ToolCall("1", "f", "{}", ToolKind.HOSTED), Text("a")), {}, ["reply_hosted_call"]),
        ((Text("a", (Citation("x", Raw(b"{}")),)),), {}, ["reply_citations"]),
        ((Text("a"),), {"usage": Usage(cache_write=5)}, ["reply_cache_write"]),
        ((Text("a"),), {"finish": Finish.STOP_SEQUENCE, "stop_sequence": "S"}, ["reply_stop_sequence"]),
    ],
)
def test_what_a_reply_loses_is_recorded(blocks: tuple[Block, ...], fields: dict[str, Any], codes: list[str]) -> None:
    assert losses_of(*blocks, **fields) == codes
