"""A request for an upstream that speaks Chat, written."""

import json
from typing import Any

import pytest
from msgspec import Raw

from dragoman.codec import Target
from dragoman.dialects import Dialect
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    BlockContent,
    CacheBreakpoint,
    Citation,
    CustomTool,
    Document,
    Effort,
    Extra,
    FileId,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Refusal,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import Json, asking, assistant, codes, decoded, encoded, user

HI = user(Text("hi"))
PICTURE = Image(Base64Data("image/png", "iVBORw0KGgo="))
PICTURE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PDF = Document(Base64Data("application/pdf", "JVBERi0="), "a.pdf")
CALL = ToolCall("c1", "f", '{"n": 9007199254740993}')
FUNCTION = FunctionTool("f", schema=Raw(b'{"type":"object","properties":{}}'))


def messages_of(
    *messages: Message, ledger: Ledger | None = None, provider: str = "deep", **dialect: Json
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = encoded(asking(*messages), ledger, provider=provider, **dialect)["messages"]
    return sent


# System


def test_system_blocks_are_one_message_in_order() -> None:
    sent = encoded(asking(HI, system=(Text("a "), Text(""), Text("\nb"))))["messages"]
    assert sent == [{"role": "system", "content": "a \n\n\nb"}, {"role": "user", "content": "hi"}]


def test_an_empty_system_is_no_message() -> None:
    assert encoded(asking(HI, system=(Text(""), Text("  \n"))))["messages"] == [{"role": "user", "content": "hi"}]


def test_claude_codes_attribution_line_stays_behind() -> None:
    ledger = Ledger()
    system = (Text("x-anthropic-billing-header: cc_version=1;"), Text("You are"))
    assert encoded(asking(HI, system=system), ledger)["messages"][0] == {"role": "system", "content": "You are"}
    assert codes(ledger) == ["attribution_block"]


def test_a_system_message_in_mid_talk_keeps_its_place() -> None:
    note = Message(Role.SYSTEM, (Text("note"),))
    assert [message["role"] for message in messages_of(HI, note)] == ["user", "system"]
    developer = Message(Role.DEVELOPER, (Text("note"),))
    assert messages_of(HI, developer)[1]["role"] == "system"
    assert messages_of(HI, developer, developer_role=True)[1]["role"] == "developer"


def test_a_server_that_takes_system_only_first_gets_marked_text() -> None:
    ledger = Ledger()
    sent = messages_of(HI, Message(Role.SYSTEM, (Text("note"),)), ledger=ledger, system_only_first=True)
    assert sent[1] == {"role": "user", "content": "<system>\nnote\n</system>"}
    assert codes(ledger) == ["mid_system"]
    first = messages_of(Message(Role.DEVELOPER, (Text("d"),)), HI, system_only_first=True)
    assert first[0] == {"role": "system", "content": "d"}


def test_a_request_without_messages_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        encoded(asking(system=(Text("only"),)))
    assert caught.value.failure.param == "messages"


# User


def test_a_request_of_which_nothing_can_be_sent_is_refused_by_its_first_block() -> None:
    with pytest.raises(RequestError) as caught:
        messages_of(user(CALL))
    assert caught.value.failure.param == "messages[0].content[0]"


def test_words_alone_are_one_string_and_pictures_make_parts() -> None:
    assert messages_of(user(Text("a"), Text("b")))[0]["content"] == "a\nb"
    assert messages_of(user(Text("a"), PICTURE))[0]["content"] == [{"type": "text", "text": "a"}, PICTURE_PART]
    url = Image(UrlData("https://x/y.png"), "low")
    assert messages_of(user(url))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}
    ]


def test_consecutive_user_messages_stay_apart() -> None:
    assert [message["content"] for message in messages_of(user(Text("a")), user(Text("b")))] == ["a", "b"]


def test_documents_are_files_or_words() -> None:
    (message,) = messages_of(
        user(
            PDF,
            Document(PlainText("body"), "title", "context"),
            Document(BlockContent((Text("x"), PICTURE)), "t"),
            Document(Base64Data("text/plain", "aGk=")),
        )
    )
    assert message["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "text", "text": "title\ncontext\nbody"},
        {"type": "text", "text": "t"},
        {"type": "text", "text": "x"},
        PICTURE_PART,
        {"type": "text", "text": "hi"},
    ]


@pytest.mark.parametrize(
    ("media_type", "name"),
    [("application/pdf", "document.pdf"), ("application/json", "document.json"), ("application/zip", "document.bin")],
)
def test_a_file_without_a_name_gets_one_of_its_type(media_type: str, name: str) -> None:
    (message,) = messages_of(user(Document(Base64Data(media_type, "AA=="))))
    assert message["content"][0]["file"]["filename"] == name


@pytest.mark.parametrize(
    ("block", "dialect"),
    [
        (PDF, {"files": False}),
        (Document(UrlData("https://x/a.pdf")), {}),
        (Document(FileId("anthropic-messages", "file_1")), {}),
        (Image(FileId("anthropic-messages", "file_1")), {}),
        (Audio("AAAA", "l16;codec=pcm;rate=24000"), {}),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(block: Json, dialect: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        messages_of(HI, user(Text("see"), block), **dialect)
    assert caught.value.failure.param == "messages[1].content[1]"


def test_foreign_blocks_are_told_in_words_or_reported() -> None:
    ledger = Ledger()
    search = Foreign("anthropic-messages", "search_result", Raw(b"{}"), "found: x")
    silent = Foreign("anthropic-messages", "container_upload", Raw(b"{}"))
    assert messages_of(user(search, silent), ledger=ledger)[0]["content"] == "found: x"
    assert codes(ledger) == ["foreign_block", "foreign_block_dropped"]


# Tool loops


def test_results_stand_before_what_the_user_says() -> None:
    for turn in ((ToolResult("c1", (Text("r"),)), Text("go on")), (Text("go on"), ToolResult("c1", (Text("r"),)))):
        sent = messages_of(HI, assistant(CALL), user(*turn))
        assert sent[2:] == [
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": "go on"},
        ]


def test_results_stand_directly_behind_their_calls_even_past_a_system_message() -> None:
    note = Message(Role.SYSTEM, (Text("note"),))
    sent = messages_of(HI, assistant(CALL), note, user(ToolResult("c1", (Text("r"),))))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "system"]


def test_a_turn_of_calls_alone_has_no_words_and_its_arguments_are_exact() -> None:
    assert messages_of(HI, assistant(CALL))[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"n": 9007199254740993}'}}
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "expected", "losses"),
    [
        ("", "{}", []),
        ('{"a":1}{"b":2}', '{"_raw":"{\\"a\\":1}{\\"b\\":2}"}', ["broken_arguments"]),
        ("[1]", '{"_raw":"[1]"}', ["broken_arguments"]),
        ('{"s":"\u2028\\"ü"}', '{"s":"\u2028\\"ü"}', []),
    ],
)
def test_arguments_are_always_an_object(arguments: str, expected: str, losses: list[str]) -> None:
    ledger = Ledger()
    sent = messages_of(HI, assistant(ToolCall("c", "f", arguments)), ledger=ledger)
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == expected
    assert codes(ledger) == losses


def test_a_run_of_assistant_messages_with_calls_is_one_turn() -> None:
    second = ToolCall("c2", "g", "{}")
    results = (user(ToolResult("c1")), user(ToolResult("c2")))
    sent = messages_of(HI, assistant(Text("I look")), assistant(CALL), assistant(second), *results)
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert sent[1]["content"] == "I look"
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["c1", "c2"]


def test_assistant_messages_of_words_stay_apart_and_a_last_one_stays_last() -> None:
    sent = messages_of(HI, assistant(Text("a")), assistant(Text("b"), Text("c")))
    assert [message["content"] for message in sent] == ["hi", "a", "bc"]


def test_results_without_words_and_with_several() -> None:
    sent = messages_of(HI, assistant(CALL), user(ToolResult("c1"), ToolResult("c2", (Text("a"), Text("b")))))
    assert [message["content"] for message in sent[2:]] == ["", "a\nb"]


def test_a_failed_tool_says_so() -> None:
    ledger = Ledger()
    sent = messages_of(HI, assistant(CALL), user(ToolResult("c1", (Text("no"),), is_error=True)), ledger=ledger)
    assert sent[2]["content"] == "Error: no"
    assert codes(ledger) == ["tool_error_flag"]


def test_pictures_in_results_follow_all_tool_messages() -> None:
    ledger = Ledger()
    results = user(ToolResult("c1", (PICTURE,)), ToolResult("c2", (Text("read"), PDF)), Text("and?"))
    sent = messages_of(HI, assistant(CALL, ToolCall("c2", "g", "{}")), results, ledger=ledger)
    assert [message["role"] for message in sent[2:]] == ["tool", "tool", "user", "user"]
    assert sent[2]["content"]
    assert sent[3]["content"] == "read"
    assert [part["type"] for part in sent[4]["content"]] == ["text", "image_url", "text", "file"]
    assert "c1" in sent[4]["content"][0]["text"]
    assert sent[5]["content"] == "and?"
    assert codes(ledger) == ["tool_result_media"]


def test_pictures_stay_in_the_tool_message_where_that_is_allowed() -> None:
    result = user(ToolResult("c1", (Text("x"), PICTURE)))
    sent = messages_of(HI, assistant(CALL), result, images_in_tool_messages=True)
    assert sent[2]["content"] == [{"type": "text", "text": "x"}, PICTURE_PART]
    assert len(sent) == 3


def test_custom_tools_are_native_where_the_server_has_them() -> None:
    call = ToolCall("c", "patch", "free\ntext", ToolKind.CUSTOM)
    request = asking(
        HI,
        assistant(call),
        user(ToolResult("c")),
        tools=(CustomTool("patch", "d", Raw(b'{"type":"grammar","syntax":"lark","definition":"x"}')),),
    )
    body = encoded(request, custom_tools=True)
    assert body["messages"][1]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "free\ntext"}}
    ]
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    assert body["tools"] == [{"type": "custom", "custom": {"name": "patch", "description": "d", "format": grammar}}]
    ledger = Ledger()
    body = encoded(request, ledger)
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": "free\ntext"}
    (tool,) = body["tools"]
    assert tool["type"] == "function"
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert tool["function"]["description"].startswith("d\n\n")
    assert tool["function"]["description"].endswith("\nx")
    assert codes(ledger) == ["custom_tool"]


def test_what_an_assistant_message_cannot_hold_is_reported() -> None:
    ledger = Ledger()
    cited = Text("x", (Citation("anthropic-messages", Raw(b"{}")),))
    sent = messages_of(HI, assistant(cited, PICTURE, Refusal("no"), Document(PlainText("d"))), ledger=ledger)
    assert sent[1] == {"role": "assistant", "content": "xd", "refusal": "no"}
    assert codes(ledger) == ["citations", "assistant_media"]


# Reasoning


def thought(seal: Seal | None, text: str = "hm") -> Message:
    return assistant(Reasoning((text,) if text else (), seal=seal), Text("a"), CALL)


OWN = Seal("openai-chat", "", "deep", "m1", "reasoning_content")
DETAILS = Seal("openai-chat", '[{"type":"reasoning.encrypted","data":"x"}]', "deep", "m1", "reasoning_details")


def test_reasoning_returns_to_where_it_came_from() -> None:
    assert messages_of(HI, thought(OWN))[1]["reasoning_content"] == "hm"
    assert messages_of(HI, thought(OWN), reasoning_field="reasoning")[1]["reasoning"] == "hm"
    native = Seal("openai-chat", "", form="reasoning_content")
    assert messages_of(HI, thought(native))[1]["reasoning_content"] == "hm"


@pytest.mark.parametrize(
    "seal",
    [
        None,
        Seal("anthropic-messages", "sig"),
        Seal("anthropic-messages", "sig", "deep", "m"),
        Seal("openai-chat", "", "other", "m"),
    ],
)
def test_foreign_reasoning_is_never_shown(seal: Seal | None) -> None:
    ledger = Ledger()
    sent = messages_of(HI, thought(seal, "secret"), ledger=ledger)
    assert "secret" not in json.dumps(sent)
    assert "sig" not in json.dumps(sent)
    assert codes(ledger) == ["foreign_reasoning"]


def test_details_return_where_they_are_known() -> None:
    sent = messages_of(HI, thought(DETAILS), reasoning_details=True)[1]
    assert sent["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "x"}]
    assert "reasoning_content" not in sent
    assert messages_of(HI, thought(DETAILS))[1]["reasoning_content"] == "hm"


def test_a_server_that_wants_the_field_beside_calls_gets_it_empty() -> None:
    assert messages_of(HI, assistant(CALL), reasoning_required_with_tools=True)[1]["reasoning_content"] == ""
    assert "reasoning_content" not in messages_of(HI, assistant(Text("x")), reasoning_required_with_tools=True)[1]


def test_reasoning_that_nobody_takes_back_is_reported() -> None:
    ledger = Ledger()
    assert "reasoning_content" not in messages_of(HI, thought(OWN), ledger=ledger, reasoning_field=None)[1]
    assert codes(ledger) == ["reasoning_not_returned"]


def test_what_a_thought_carries_for_the_call_behind_it_returns_in_that_call() -> None:
    """Anthropic's `tool_use` has no field for a seal: its clients hold it in an empty thought."""
    seal = Seal("openai-chat", '{"google":{"thought_signature":"x"}}', "deep", "up", "extra_content")
    turn = assistant(Reasoning(seal=seal), ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))
    first, second = messages_of(HI, turn)[1]["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": "x"}}
    assert "extra_content" not in second
    assert "extra_content" not in messages_of(HI, turn, provider="other")[1]["tool_calls"][0]
    ledger = Ledger()
    encoded(asking(HI, assistant(Reasoning(seal=seal), Text("no call"))), ledger)
    assert [loss.code for loss in ledger] == ["reasoning_not_returned"]


def test_a_calls_own_extra_content_returns() -> None:
    seal = Seal("openai-chat", '{"google":{"thought_signature":"x"}}', "deep", "up", "extra_content")
    own = assistant(ToolCall("c", "f", "{}", seal=seal))
    assert messages_of(HI, own)[1]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "x"}}
    assert "extra_content" not in messages_of(HI, own, provider="other")[1]["tool_calls"][0]


def test_a_thought_signature_of_another_model_stays_behind() -> None:
    """Gemini refuses it: https://ai.google.dev/gemini-api/docs/thought-signatures."""
    seal = Seal("openai-chat", '{"google":{"thought_signature":"x"}}', "deep", "another", "extra_content")
    ledger = Ledger()
    sent = messages_of(HI, assistant(ToolCall("c", "f", "{}", seal=seal)), ledger=ledger)
    assert "extra_content" not in sent[1]["tool_calls"][0]
    assert codes(ledger) == ["foreign_reasoning"]


# Tools


def test_functions_always_have_properties() -> None:
    tools = (
        FunctionTool("a"),
        FunctionTool("b", "d", Raw(b'{"type":"object","$schema":"s"}'), strict=True),
        FunctionTool(
            "c", schema=Raw(b'{"type":"object","properties":{"x":{"type":"integer","maximum":9007199254740993}}}')
        ),
    )
    sent = encoded(asking(HI, tools=tools))["tools"]
    assert [tool["function"]["parameters"].get("properties") for tool in sent] == [
        {},
        {},
        {"x": {"type": "integer", "maximum": 9007199254740993}},
    ]
    assert sent[1]["function"]["strict"] is True
    assert "strict" not in sent[0]["function"]


def test_tools_that_have_no_counterpart_are_reported() -> None:
    ledger = Ledger()
    tools = (
        HostedTool("anthropic-messages", "web_search_20250305", "web_search", Raw(b"{}")),
        HostedTool("openai-chat", "builtin_function", "own", Raw(b'{"type":"builtin_function"}')),
        FunctionTool("f", extras=(Extra("anthropic-messages", "defer_loading", Raw(b"true")),)),
        FunctionTool("g", extras=(Extra("anthropic-messages", "defer_loading", Raw(b"true")),)),
        FunctionTool("f", "again"),
    )
    sent = encoded(asking(HI, tools=tools, tool_choice=ToolChoice("auto")), ledger)["tools"]
    assert [tool["type"] for tool in sent] == ["builtin_function", "function", "function"]
    assert codes(ledger) == ["hosted_tool", "tool_field", "duplicate_tool"]
    assert next(iter(ledger)).changes_meaning


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("any"), "required"),
        (ToolChoice("none"), "none"),
        (ToolChoice("tool", "f"), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("tool", "p"), {"type": "custom", "custom": {"name": "p"}}),
        (
            ToolChoice("any", allowed=("f", "gone")),
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: object) -> None:
    assert (
        encoded(asking(HI, tools=(FUNCTION, CustomTool("p")), tool_choice=choice), custom_tools=True)["tool_choice"]
        == expected
    )


@pytest.mark.parametrize(
    ("choice", "code", "names"),
    [
        (ToolChoice("any"), ["tool_choice_required"], ["f", "p"]),
        (ToolChoice("tool", "f"), ["tool_choice_required"], ["f", "p"]),
        (ToolChoice("auto", allowed=("p",)), ["allowed_tools"], ["p"]),
        (ToolChoice("any", allowed=("p",)), ["allowed_tools", "tool_choice_required"], ["p"]),
        (ToolChoice("auto"), [], ["f", "p"]),
    ],
)
def test_a_server_that_knows_no_demands_gets_auto(choice: ToolChoice, code: list[str], names: list[str]) -> None:
    ledger = Ledger()
    request = asking(HI, tools=(FUNCTION, CustomTool("p")), tool_choice=choice)
    body = encoded(request, ledger, tool_choice_required=False, custom_tools=True)
    assert body["tool_choice"] == "auto"
    assert [tool[tool["type"]]["name"] for tool in body["tools"]] == names
    assert codes(ledger) == code


def test_without_tools_there_is_no_choice() -> None:
    body = encoded(asking(HI, tool_choice=ToolChoice("auto"), parallel_tools=False))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
    ledger = Ledger()
    hosted = HostedTool("anthropic-messages", "web_search_1", "web_search", Raw(b"{}"))
    encoded(asking(HI, tools=(hosted,), tool_choice=ToolChoice("tool", "web_search")), ledger)
    assert codes(ledger) == ["hosted_tool", "tool_choice"]


def test_switches_that_a_server_lacks_are_reported() -> None:
    ledger = Ledger()
    request = asking(HI, tools=(FUNCTION,), tool_choice=ToolChoice("any"), parallel_tools=False)
    body = encoded(request, ledger, tool_choice_required=False, parallel_tool_calls=False)
    assert body["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in body
    assert codes(ledger) == ["tool_choice_required", "parallel_tools"]
    assert encoded(request)["parallel_tool_calls"] is False


# Settings


def test_the_limit_of_output_tokens() -> None:
    ledger = Ledger()
    assert encoded(asking(HI, max_tokens=5))["max_tokens"] == 5
    assert encoded(asking(HI, max_tokens=5), max_tokens_field="max_completion_tokens")["max_completion_tokens"] == 5
    assert encoded(asking(HI, max_tokens=64_000), ledger, max_output=8192)["max_tokens"] == 8192
    assert codes(ledger) == ["max_tokens"]
    with pytest.raises(UnsupportedError) as caught:
        encoded(asking(HI, max_tokens=0))
    assert caught.value.failure.param == "max_tokens"


def test_a_server_gets_neither_stops_nor_penalties_nor_a_seed_that_it_would_refuse() -> None:
    sampling = Sampling(stop=("x",), seed=7, frequency_penalty=0.1, presence_penalty=0.2)
    ledger = Ledger()
    body = encoded(asking(HI, sampling=sampling), ledger, stop=False, penalties=False, seed_field=None)
    assert set(body) == {"model", "messages"}
    assert codes(ledger) == ["penalties", "penalties", "seed", "stop_dropped"]
    assert [loss.code for loss in ledger if loss.changes_meaning] == ["stop_dropped"]
    assert encoded(asking(HI, sampling=sampling), seed_field="random_seed")["random_seed"] == 7


@pytest.mark.parametrize(
    ("asked", "taken", "sent"),
    [
        ("standard_only", ("default",), "default"),
        ("flex", ("auto", "flex"), "flex"),
        ("priority", ("auto", "flex"), None),
        ("default", (), None),
        ("unheard-of", ("default",), None),
    ],
)
def test_a_service_tier_is_sent_where_the_server_has_it(asked: str, taken: tuple[str, ...], sent: str | None) -> None:
    ledger = Ledger()
    body = encoded(asking(HI, service_tier=asked), ledger, service_tiers=taken)
    assert body.get("service_tier") == sent
    assert codes(ledger) == ([] if sent else ["service_tier"])


def test_sampling_goes_as_far_as_the_server_takes_it() -> None:
    sampling = Sampling(0.5, 0.9, 40, ("a", "b", "c", "d", "e"), 7, 0.1, 0.2)
    ledger = Ledger()
    body = encoded(asking(HI, sampling=sampling), ledger)
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.5, 0.9, 7)
    assert body["stop"] == ["a", "b", "c", "d"]
    assert codes(ledger) == ["top_k", "stop"]
    assert encoded(asking(HI, sampling=sampling), top_k=True)["top_k"] == 40
    ledger = Ledger()
    body = encoded(asking(HI, sampling=Sampling(0.5, 0.9, 40)), ledger, sampling=False, top_k=True)
    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert codes(ledger) == ["sampling"] * 3


def test_one_stop_sequence_is_a_list() -> None:
    assert encoded(asking(HI, sampling=Sampling(stop=("x",))))["stop"] == ["x"]


def test_several_answers_are_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        encoded(asking(HI, sampling=Sampling(candidates=2)))
    assert caught.value.failure.param == "n"


@pytest.mark.parametrize(
    ("control", "dialect", "expected", "losses"),
    [
        (ReasoningControl(), {}, {}, []),
        (ReasoningControl("adaptive"), {}, {}, ["reasoning_control"]),
        (ReasoningControl("adaptive", effort=Effort.XHIGH), {}, {"reasoning_effort": "xhigh"}, []),
        (
            ReasoningControl("adaptive", effort=Effort.MAX),
            {"efforts": ("low", "high")},
            {"reasoning_effort": "high"},
            ["effort"],
        ),
        (ReasoningControl("enabled", 31_999), {}, {"reasoning_effort": "high"}, ["thinking_budget"]),
        (
            ReasoningControl("enabled", 2048),
            {"thinking_switch": "enable_thinking"},
            {"enable_thinking": True, "thinking_budget": 2048},
            [],
        ),
        (ReasoningControl("adaptive"), {"thinking_switch": "thinking"}, {"thinking": {"type": "enabled"}}, []),
        (ReasoningControl("disabled"), {}, {"reasoning_effort": "none"}, []),
        (ReasoningControl("disabled"), {"thinking_switch": "thinking"}, {"thinking": {"type": "disabled"}}, []),
        (ReasoningControl("disabled"), {"thinking_switch": "enable_thinking"}, {"enable_thinking": False}, []),
        (ReasoningControl("disabled"), {"efforts": ("low",)}, {}, ["reasoning_control"]),
        (ReasoningControl("adaptive", effort=Effort.LOW), {}, {"reasoning_effort": "low"}, []),
        (
            ReasoningControl("adaptive", effort=Effort.LOW, visible=False, display="omitted"),
            {},
            {"reasoning_effort": "low"},
            ["reasoning_display"],
        ),
        (
            ReasoningControl("adaptive", effort=Effort.LOW, visible=True, display="summarized"),
            {},
            {"reasoning_effort": "low"},
            [],
        ),
        (ReasoningControl("disabled", visible=False), {}, {"reasoning_effort": "none"}, []),
        (ReasoningControl(effort=Effort.HIGH), {"efforts": ()}, {}, ["reasoning_control"]),
    ],
)
def test_thinking_in_the_servers_words(
    control: ReasoningControl, dialect: dict[str, Any], expected: dict[str, Any], losses: list[str]
) -> None:
    ledger = Ledger()
    body = encoded(asking(HI, reasoning=control), ledger, **dialect)
    fields = ("reasoning_effort", "thinking", "enable_thinking", "thinking_budget")
    assert {name: body[name] for name in fields if name in body} == expected
    assert codes(ledger) == losses


def test_a_schema_for_the_answer_has_a_name() -> None:
    schema = {"type": "object", "title": "My Answer!"}
    output = OutputFormat(Raw(json.dumps(schema).encode()), strict=False)
    assert encoded(asking(HI, output=output))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "My_Answer", "schema": schema, "strict": False},
    }
    plain = encoded(asking(HI, output=OutputFormat(Raw(b"{}"), strict=False)))["response_format"]["json_schema"]
    assert plain["name"] == "response"


OPEN = Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
LOOSE = Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')


@pytest.mark.parametrize(
    ("output", "is_closed", "is_strict", "losses"),
    [
        (OutputFormat(OPEN), True, True, []),
        (OutputFormat(OPEN, strict=True), True, True, []),
        (OutputFormat(LOOSE), False, False, ["json_schema_strict"]),
        (OutputFormat(LOOSE, strict=False), False, False, []),
        (OutputFormat(LOOSE, strict=True, origin="openai-chat"), False, True, []),  # who wrote it knows
    ],
)
def test_the_model_is_held_to_a_schema_where_that_can_be(
    output: OutputFormat, is_closed: bool, is_strict: bool, losses: list[str]
) -> None:
    ledger = Ledger()
    written = encoded(asking(HI, output=output), ledger)["response_format"]["json_schema"]
    closed = {"additionalProperties": False} if is_closed else {}
    assert written["schema"] == json.loads(bytes(output.schema or b"")) | closed
    assert written["strict"] is is_strict
    assert codes(ledger) == losses


def test_what_no_field_can_say_of_the_answer_is_said_in_the_system_prompt() -> None:
    ledger = Ledger()
    output = OutputFormat(OPEN)
    body = encoded(asking(HI, output=output, system=(Text("Be kind."),)), ledger, structured_output=False)
    assert body["response_format"] == {"type": "json_object"}
    system = body["messages"][0]["content"]
    assert system.startswith("Be kind.\n\n")
    assert bytes(OPEN).decode() in system
    body = encoded(asking(HI, output=output), ledger, structured_output=False, json_object=False)
    assert "response_format" not in body
    assert bytes(OPEN).decode() in body["messages"][0]["content"]
    listed = OutputFormat(Raw(b'{"type":"array","items":{"type":"string"}}'))
    assert "response_format" not in encoded(asking(HI, output=listed), ledger, structured_output=False)
    assert codes(ledger) == ["json_schema"] * 3


def test_json_mode_is_asked_for_in_words_too_where_nobody_has_said_the_word() -> None:
    ledger = Ledger()
    body = encoded(asking(HI, output=OutputFormat()), ledger)
    assert body["response_format"] == {"type": "json_object"}
    assert "JSON" in body["messages"][0]["content"]
    asked = user(Text("Answer in JSON."))
    assert [one["role"] for one in encoded(asking(asked, output=OutputFormat()), ledger)["messages"]] == ["user"]
    assert codes(ledger) == []
    body = encoded(asking(asked, output=OutputFormat()), ledger, json_object=False)
    assert "response_format" not in body
    assert codes(ledger) == ["json_object"]


def test_a_strict_tool_is_strict_where_its_schema_can_be() -> None:
    ledger = Ledger()
    tools = (FunctionTool("a", schema=OPEN, strict=True), FunctionTool("b", schema=LOOSE, strict=True))
    first, second = (tool["function"] for tool in encoded(asking(HI, tools=tools), ledger)["tools"])
    assert (first["strict"], first["parameters"]["additionalProperties"]) == (True, False)
    assert (second["strict"], second["parameters"]) == (False, json.loads(bytes(LOOSE)))
    assert [(loss.code, loss.path) for loss in ledger] == [("strict", "tools[1].parameters")]


@pytest.mark.parametrize(
    ("user_id", "dialect", "expected"),
    [
        ("u1", {}, {"user": "u1"}),
        ("u1", {"user_field": "safety_identifier"}, {"safety_identifier": "u1"}),
        ('{"device_id":"x"}', {}, {}),
        ("x" * 65, {}, {}),
        ("u1", {"user_field": None}, {}),
    ],
)
def test_the_users_id(user_id: str, dialect: dict[str, Any], expected: dict[str, str]) -> None:
    ledger = Ledger()
    body = encoded(asking(HI, user=user_id), ledger, **dialect)
    assert {name: body[name] for name in ("user", "safety_identifier") if name in body} == expected
    assert codes(ledger) == ([] if expected else ["user_id"])


def test_tiers_and_cache_keys() -> None:
    assert encoded(asking(HI, service_tier="standard_only"))["service_tier"] == "default"
    assert encoded(asking(HI, cache_key="k"))["prompt_cache_key"] == "k"
    ledger = Ledger()
    body = encoded(asking(HI, service_tier="gold", cache_key="k"), ledger, prompt_cache_key=False)
    assert not {"service_tier", "prompt_cache_key"} & set(body)
    assert codes(ledger) == ["service_tier", "cache_key"]


@pytest.mark.parametrize("name", ["prompt_cache_retention", "prompt_cache_options"])
def test_a_server_without_cache_keys_gets_no_settings_of_the_cache(name: str) -> None:
    request, ledger = asking(HI, extras=(Extra("openai-chat", name, Raw(b'"24h"')),)), Ledger()
    assert encoded(request)[name] == "24h"
    assert name not in encoded(request, ledger, prompt_cache_key=False)
    assert codes(ledger) == ["cache_key"]


def test_cache_breakpoints_go_where_they_are_known_and_are_else_reported_once() -> None:
    here = CacheBreakpoint("1h")
    request = asking(
        user(Text("a", cache=here)),
        assistant(Text("b", cache=here), CALL),
        user(ToolResult("c1", (Text("r"),), cache=here)),
        system=(Text("s"), Text("t", cache=here)),
        tools=(FunctionTool("f", cache=here),),
    )
    ledger = Ledger()
    plain = encoded(request, ledger)
    assert "cache_control" not in json.dumps(plain)
    assert codes(ledger) == ["cache_control"]
    assert "5 times" in next(iter(ledger)).reason
    marked = encoded(request, cache_control=True)
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert [message["content"][-1]["cache_control"] for message in marked["messages"]] == [mark] * 4
    assert marked["tools"][0]["cache_control"] == mark
    assert marked["messages"][0]["content"][0] == {"type": "text", "text": "s"}


def test_streams_always_ask_for_the_usage() -> None:
    assert "stream_options" not in encoded(asking(HI))
    assert encoded(asking(HI, stream=True, wants_usage=False))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encoded(asking(HI, stream=True), stream_options=False)


def test_fields_of_other_protocols_stay_behind_and_the_grave_ones_are_refused() -> None:
    ledger = Ledger()
    own, foreign = Extra("openai-chat", "store", Raw(b"true")), Extra("anthropic-messages", "container", Raw(b"{}"))
    body = encoded(asking(HI, extras=(own, foreign)), ledger)
    assert body["store"] is True
    assert "container" not in body
    assert codes(ledger) == ["extra_field"]
    with pytest.raises(UnsupportedError) as caught:
        encoded(asking(HI, extras=(Extra("gemini-generate", "responseLogprobs", Raw(b"true"), matters=True),)))
    assert caught.value.failure.param == "responseLogprobs"
    with pytest.raises(UnsupportedError):
        encoded(asking(HI, extras=(Extra("openai-chat", "logprobs", Raw(b"true"), matters=True),)))


# Laws


def test_the_same_history_begins_with_the_same_bytes() -> None:
    talk = (HI, assistant(CALL), user(ToolResult("c1", (PICTURE,))), assistant(Text("done")), user(Text("more")))
    target = Target("deep", "up", Dialect())

    def body(messages: tuple[Message, ...]) -> bytes:
        return PROTOCOL.encode_request(Request("m", messages, (Text("s"),), (FUNCTION,)), target, Ledger())

    for length in (1, 3, 5):
        shorter = body(talk[:length])
        beginning = shorter[: shorter.index(b'],"tools"')]
        assert body(talk).startswith(beginning)


def test_a_chat_request_that_is_read_and_written_says_the_same() -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, PICTURE_PART], "name": "ann"},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "system", "content": "note"},
        {"role": "user", "content": "go"},
    ]  # fmt: skip
    fields: dict[str, Json] = {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "tool_choice": "auto", "max_tokens": 7, "temperature": 1.5, "reasoning_effort": "low", "seed": 3,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        "logit_bias": {"1": 2}, "metadata": {"a": "b"}, "parallel_tool_calls": True, "user": "u",
    }  # fmt: skip
    ledger = Ledger()
    body = encoded(decoded(*messages, **fields), ledger)
    assert body == {"model": "up", "messages": messages, **fields}
    assert not len(ledger)
