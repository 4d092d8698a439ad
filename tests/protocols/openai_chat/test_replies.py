"""Whole replies, read and written."""

import json
from typing import Any

import pytest
from msgspec import Raw
from openai.types.chat import ChatCompletion

from dragoman.ir.failures import DragomanError, FailureKind
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
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import SOURCE, Json, audience

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
PLAIN = Seal("openai-chat", "", "deep", "m1", "reasoning_content")


def read(message: dict[str, Any], finish: str | None = "stop", **fields: Json) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return PROTOCOL.decode_reply(
        json.dumps({"id": "r1", "model": "m1", "choices": [choice], **fields}).encode(), SOURCE
    )


def usage_of(**usage: Json) -> Usage:
    return read({"content": "x"}, usage=usage).usage


def write(
    *blocks: Block, finish: Finish = Finish.DONE, usage: Usage | None = None, id_: str = "msg_1"
) -> dict[str, Any]:
    data = PROTOCOL.encode_reply(Reply(id_, "m1", blocks, finish, usage or Usage()), audience())
    ChatCompletion.model_validate_json(data, strict=False)
    written: dict[str, Any] = json.loads(data)
    return written


def message_of(*blocks: Block) -> dict[str, Any]:
    message: dict[str, Any] = write(*blocks)["choices"][0]["message"]
    return message


# Read


def test_calls_win_over_a_normal_end() -> None:
    reply = read({"content": None, "tool_calls": [CALL]}, "stop")
    assert reply.blocks == (ToolCall("c1", "f", '{"a":1}'),)
    assert (reply.finish, reply.finish_word) == (Finish.TOOL_CALLS, "stop")


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish.DONE),
        ("length", Finish.LENGTH),
        ("content_filter", Finish.FILTERED),
        ("tool_calls", Finish.DONE),
        ("eos_token", Finish.DONE),
        (None, Finish.DONE),
    ],
)
def test_words_for_the_end(word: str | None, finish: Finish) -> None:
    assert read({"content": "x"}, word).finish is finish


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource"])
def test_a_reply_that_was_interrupted_is_a_failure(word: str) -> None:
    with pytest.raises(DragomanError) as caught:
        read({"content": "half"}, word)
    assert caught.value.failure.kind is FailureKind.UPSTREAM_CUT


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thought_comes_first(field: str) -> None:
    reply = read({"content": "x", field: "hm"})
    assert reply.blocks == (Reasoning(("hm",), seal=PLAIN), Text("x"))


def test_content_in_parts_is_joined() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert read({"content": parts}).blocks == (Reasoning(("hm",), seal=PLAIN), Text("ab"))


def test_a_refusal_is_words_and_an_end() -> None:
    reply = read({"content": None, "refusal": "no"})
    assert reply.blocks == (Refusal("no"),)
    assert reply.finish is Finish.REFUSAL


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", "{}"), (None, "{}"), ("{broken", '{"_raw":"{broken"}'), ("[1]", '{"_raw":"[1]"}'), ({"a": 1}, '{"a":1}')],
)
def test_arguments_are_always_an_object(arguments: object, expected: str) -> None:
    reply = read({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": arguments}}]})
    assert reply.blocks == (ToolCall("c", "f", expected),)


def test_a_call_that_the_token_limit_cut_off_is_left_out() -> None:
    cut = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": '{"a": "hal'}}
    reply = read({"content": "I call", "tool_calls": [CALL, cut]}, "length")
    assert reply.blocks == (Text("I call"), ToolCall("c1", "f", '{"a":1}'))
    assert reply.finish is Finish.LENGTH


def test_calls_without_ids_get_different_ones_always_the_same() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"id": "", "function": {"name": "f", "arguments": "{}"}}]
    first, second = (read({"tool_calls": calls}).blocks for _ in range(2))
    assert first == second
    assert len({block.id for block in first if isinstance(block, ToolCall) and block.id}) == 2


def test_custom_calls_and_the_function_call_of_old() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "p", "input": "free"}}
    assert read({"tool_calls": [custom]}).blocks == (ToolCall("c", "p", "free", ToolKind.CUSTOM),)
    (old,) = read({"function_call": {"name": "f", "arguments": "{}"}}, "function_call").blocks
    assert isinstance(old, ToolCall)
    assert old.id
    assert old.name == "f"


def test_pictures_and_sources() -> None:
    annotation = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
    images = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]
    text, image = read({"content": "x", "annotations": [annotation, {"type": "file"}], "images": images}).blocks
    assert isinstance(text, Text)
    assert [(citation.url, citation.title, citation.end) for citation in text.citations] == [
        ("u", "t", 1),
        (None, None, None),
    ]
    assert image == Image(Base64Data("image/png", "aGk="))


def test_only_the_first_answer_counts() -> None:
    choices = [
        {"index": 1, "message": {"content": "b"}},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
    ]
    reply = PROTOCOL.decode_reply(json.dumps({"id": "r", "choices": choices}).encode(), SOURCE)
    assert reply.blocks == (Text("a"),)
    assert reply.model == "m1"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(9, None, None, 2)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            Usage(2, 4, 3, 2),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1},
            Usage(1, 8, None, 2),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}, Usage(5, 4, None, 2)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 1,
            },
            Usage(4, 4, 1, 2),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 4}, Usage(0, 4, None, 2)),
        ({"prompt_tokens": 9.0, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(9, None, None, 2)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 11,
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            Usage(9, None, None, 2, 1),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 18,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(9, None, None, 9, 7),
        ),
    ],
)
def test_every_vendors_figures(usage: dict[str, Any], expected: Usage) -> None:
    assert usage_of(**usage) == expected


def test_no_usage_is_not_known() -> None:
    assert read({"content": "x"}).usage == Usage()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"error": {"message": "no credits", "code": 402}}, 402, "no credits"),
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429, "slow down"),
        ({"error": "text", "choices": None}, 500, "text"),
        ({"choices": [{"error": {"message": "provider died", "code": 502}, "message": {}}]}, 502, "provider died"),
    ],
)
def test_an_error_that_came_with_status_200_is_one(body: dict[str, Any], status: int, words: str) -> None:
    with pytest.raises(DragomanError) as caught:
        PROTOCOL.decode_reply(json.dumps(body).encode(), SOURCE)
    assert caught.value.failure.http_status == status
    assert caught.value.failure.message == words


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"", b"[]", b"null", b"{}", b'{"choices":[]}', b'{"choices":3}', b"[" * 100_000]
)
def test_what_is_no_reply_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(DragomanError) as caught:
        PROTOCOL.decode_reply(body, SOURCE)
    assert caught.value.failure.kind is FailureKind.UPSTREAM_INVALID
    assert caught.value.failure.http_status == 502


def test_a_call_without_a_name_is_the_upstreams_fault() -> None:
    with pytest.raises(DragomanError):
        read({"tool_calls": [{"id": "c", "function": {"arguments": "{}"}}]})


# Written


def test_a_reply_of_every_kind_of_block() -> None:
    usage = Usage(10, 100, 1000, 7, 3)
    written = write(
        Reasoning(("hm",), seal=Seal("anthropic-messages", "sig", "a", "m")),
        Text("one "),
        Text("string", (Citation("anthropic-messages", Raw(b"{}"), "https://x", "t", 1, 2), Citation("x", Raw(b"{}")))),
        ToolCall("c1", "f", "{}"),
        ToolCall("c2", "p", "free", ToolKind.CUSTOM),
        finish=Finish.TOOL_CALLS,
        usage=usage,
    )
    choice = written["choices"][0]
    assert (written["id"], written["model"], written["created"]) == ("chatcmpl-new", "asked", 7)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "one string"
    assert choice["message"]["reasoning_content"] == "hm"
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["c1", "c2"]
    assert choice["message"]["annotations"][0]["url_citation"]["url"] == "https://x"
    assert len(choice["message"]["annotations"]) == 1
    assert written["usage"] == {
        "prompt_tokens": 1110,
        "completion_tokens": 7,
        "total_tokens": 1117,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 1000},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish.DONE, "stop"),
        (Finish.STOP_SEQUENCE, "stop"),
        (Finish.PAUSED, "stop"),
        (Finish.LENGTH, "length"),
        (Finish.CONTEXT_FULL, "length"),
        (Finish.REFUSAL, "content_filter"),
        (Finish.FILTERED, "content_filter"),
        (Finish.TOOL_CALLS, "tool_calls"),
    ],
)
def test_every_end_has_a_word_of_the_enum(finish: Finish, word: str) -> None:
    assert write(Text("x"), finish=finish)["choices"][0]["finish_reason"] == word


def test_a_refusal_in_its_own_field_ends_as_at_openai() -> None:
    choice = write(Refusal("no"), finish=Finish.REFUSAL)["choices"][0]
    assert (choice["message"]["refusal"], choice["message"]["content"], choice["finish_reason"]) == ("no", None, "stop")


def test_an_own_id_is_kept() -> None:
    assert write(Text("x"), id_="chatcmpl-9")["id"] == "chatcmpl-9"


def test_figures_that_are_not_known_are_numbers_nevertheless() -> None:
    usage = write(Text("x"))["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_what_a_vendor_ran_itself_is_no_call_of_the_clients() -> None:
    message = message_of(
        Foreign("anthropic-messages", "server_tool_use", Raw(b"{}")),
        Foreign("anthropic-messages", "web_search_tool_result", Raw(b"{}"), "pages", search=Search()),
        Foreign("anthropic-messages", "code_execution_tool_result", Raw(b"{}"), "found"),
        ToolCall("h", "search", "{}", ToolKind.HOSTED),
        Text(" it"),
    )
    assert "tool_calls" not in message
    assert message["content"] == "found it"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert message_of(ToolCall("c", "f", ""))["tool_calls"][0]["function"]["arguments"] == "{}"


def test_seals_travel_in_details_and_redacted_ones_without_words() -> None:
    seal = Seal("anthropic-messages", "sig", "a", "m")
    message = message_of(Reasoning(is_redacted=True, seal=seal), Reasoning(("hm",), seal=seal))
    first, second = message["reasoning_details"]
    assert (first["type"], first["index"], second["type"], second["index"]) == (
        "reasoning.encrypted",
        0,
        "reasoning.text",
        1,
    )
    assert read_seal(first["data"]) == read_seal(second["signature"]) == seal
    assert second["format"] == "anthropic-claude-v1"


def test_an_upstreams_own_details_are_given_on_as_they_were() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "id": "k"}]
    seal = Seal("openai-chat", json.dumps(details), "deep", "m", "reasoning_details")
    assert message_of(Reasoning(seal=seal))["reasoning_details"] == [{**details[0], "index": 0}]
    assert "reasoning_details" not in message_of(Reasoning(("hm",), seal=PLAIN))


def test_a_calls_seal_travels_in_extra_content() -> None:
    foreign = Seal("gemini-generate", "c2ln", "g", "m")
    own = Seal("openai-chat", '{"google":{"thought_signature":"x"}}', "deep", "m", "extra_content")
    first, second = message_of(ToolCall("a", "f", "{}", seal=foreign), ToolCall("b", "f", "{}", seal=own))["tool_calls"]
    assert read_seal(first["extra_content"]["google"]["thought_signature"]) == foreign
    assert second["extra_content"] == {"google": {"thought_signature": "x"}}


def test_pictures_leave_in_openrouters_form() -> None:
    images = message_of(Image(Base64Data("image/png", "aGk=")))["images"]
    assert images == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]


@pytest.mark.parametrize(
    "message",
    [
        b'{"content":"\xff"}',
        b'{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"},"extra_content":{"x":"\xff"}}]}',
    ],
)
def test_a_reply_that_is_not_utf_8_is_the_upstreams_mistake(message: bytes) -> None:
    with pytest.raises(DragomanError) as caught:
        PROTOCOL.decode_reply(b'{"id":"r","model":"m","choices":[{"index":0,"message":%b}]}' % message, SOURCE)
    assert caught.value.failure.kind is FailureKind.UPSTREAM_INVALID


def test_an_error_that_is_not_utf_8_has_words() -> None:
    failure = PROTOCOL.decode_failure(500, {}, b'{"error":{"message":"\xff"}}')
    assert failure.kind is FailureKind.UPSTREAM_INVALID
    assert "error" in failure.message
