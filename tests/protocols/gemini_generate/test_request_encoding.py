"""Requests for a Gemini upstream: what no other test over real sockets looks at."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from typing import Any

import pytest
from msgspec import Raw

from dragoman.codec import Target
from dragoman.dialects import Dialect
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    ATTRIBUTION,
    Base64Data,
    BlockContent,
    CacheBreakpoint,
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
    PlainText,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
    UrlData,
    WebSearch,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.gemini_generate import PROTOCOL
from dragoman.protocols.gemini_generate.sealing import PLACEHOLDER

HI = Message(Role.USER, (Text("Hi"),))


def encoded(
    *messages: Message, dialect: Dialect | None = None, ledger: Ledger | None = None, model: str = "m", **fields: Any
) -> Any:
    request = Request("asked", messages or (HI,), **fields)
    target = Target("google", model, dialect or Dialect(), max_output=8000)
    return json.loads(PROTOCOL.encode_request(request, target, ledger if ledger is not None else Ledger()))


def codes(*messages: Message, **fields: Any) -> list[str]:
    ledger = Ledger()
    encoded(*messages, ledger=ledger, **fields)
    return [loss.code for loss in ledger]


def said(*blocks: Any) -> Message:
    return Message(Role.ASSISTANT, blocks)


def told(*blocks: Any) -> Message:
    return Message(Role.USER, blocks)


def test_nothing_is_sent_that_nobody_asked_for() -> None:
    assert encoded() == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_messages_of_one_side_are_one_content() -> None:
    body = encoded(HI, told(Text("there")), said(Text("a")), said(Text("b")), told(Text("c")))
    assert [(one["role"], len(one["parts"])) for one in body["contents"]] == [("user", 2), ("model", 2), ("user", 1)]


def test_a_conversation_begins_with_the_user() -> None:
    assert encoded(said(Text("a")), HI)["contents"][0] == {"role": "user", "parts": [{"text": "Continue."}]}
    assert codes(said(Text("a")), HI) == ["no_user_turn"]


def test_instructions_at_the_beginning_are_the_system_instruction() -> None:
    body = encoded(
        Message(Role.SYSTEM, (Text("b"),)),
        Message(Role.DEVELOPER, (Text("c"), Text(" "))),
        HI,
        system=(Text(f"{ATTRIBUTION} cc_version=1"), Text("a"), Foreign("x", "y", Raw(b"{}"))),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert "attribution_block" in codes(HI, system=(Text(f"{ATTRIBUTION} 1"),))


def test_without_messages_there_is_nothing_to_ask() -> None:
    with pytest.raises(RequestError, match="messages"):
        PROTOCOL.encode_request(Request("m", ()), Target("p", "m"), Ledger())


SIGNED = Seal("gemini-generate", "c2ln", "google", "m", "call")


def test_a_calls_signature_may_stand_before_it() -> None:
    """Anthropic's clients carry it as an empty thought."""
    body = encoded(HI, said(Reasoning((), seal=SIGNED), ToolCall("1", "f", "{}")), told(ToolResult("1")))
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    ]


@pytest.mark.parametrize(
    ("seal", "signature"),
    [
        (SIGNED, "c2ln"),
        (Seal("gemini-generate", "c2ln", form="call"), "c2ln"),
        (Seal("gemini-generate", "c2ln", "other", "m", "call"), PLACEHOLDER),
        (Seal("gemini-generate", "c2ln", "google", "other", "call"), PLACEHOLDER),
        (Seal("anthropic-messages", "c2ln", "google", "m"), PLACEHOLDER),
        (None, PLACEHOLDER),
    ],
)
def test_a_signature_goes_to_nobody_but_its_maker(seal: Seal | None, signature: str) -> None:
    history = (
        HI,
        said(ToolCall("1", "f", "{}", seal=seal), ToolCall("2", "g", "{}")),
        told(ToolResult("1"), ToolResult("2")),
    )
    first, second = encoded(*history)["contents"][1]["parts"]
    assert first["thoughtSignature"] == signature
    assert "thoughtSignature" not in second
    plain = encoded(*history, dialect=Dialect(placeholder_signatures=False))["contents"][1]["parts"][0]
    assert plain.get("thoughtSignature") == (None if signature == PLACEHOLDER else signature)


def test_words_and_thoughts_keep_their_signatures() -> None:
    on_thought = Seal("gemini-generate", "dGhpbms=", "google", "m")
    on_text = Seal("gemini-generate", "dGV4dA==", "google", "m", "text")
    body = encoded(HI, said(Reasoning(("Hm",), seal=on_thought), Text("So", seal=on_text), Text("", seal=on_text)), HI)
    assert body["contents"][1]["parts"] == [
        {"text": "Hm", "thought": True, "thoughtSignature": "dGhpbms="},
        {"text": "So", "thoughtSignature": "dGV4dA=="},
        {"text": "", "thoughtSignature": "dGV4dA=="},
    ]


def test_thoughts_of_others_are_left_out_and_named() -> None:
    foreign = Reasoning(("Hm",), seal=Seal("anthropic-messages", "c2ln", "up", "claude"))
    assert encoded(HI, said(foreign), HI)["contents"][1]["parts"] == [{"text": "(no content)"}]
    assert codes(HI, said(foreign, Reasoning(("a",)), Reasoning(("b",)), Text("x")), HI) == [
        "foreign_reasoning",
        "unsigned_thought",
    ]


def test_results_stand_first_and_in_the_order_of_their_calls() -> None:
    body = encoded(
        HI,
        said(ToolCall("1", "f", "{}"), ToolCall("2", "g", "broken")),
        told(Text("and"), ToolResult("2", (Text("two"),))),
        told(ToolResult("1", (Text("one"), Text("more")), is_error=True)),
    )
    first, second, text = body["contents"][2]["parts"]
    assert first["functionResponse"] == {"id": "1", "name": "f", "response": {"error": "one\nmore"}}
    assert second["functionResponse"] == {"id": "2", "name": "g", "response": {"output": "two"}}
    assert text == {"text": "and"}
    assert body["contents"][1]["parts"][1]["functionCall"]["args"] == {"_raw": "broken"}


def test_a_server_that_refuses_ids_gets_none() -> None:
    dialect = Dialect(call_ids=False)
    body = encoded(HI, said(ToolCall("1", "f", "{}")), told(ToolResult("1")), dialect=dialect)
    assert body["contents"][1]["parts"][0]["functionCall"] == {"name": "f", "args": {}}
    assert body["contents"][2]["parts"][0]["functionResponse"] == {"name": "f", "response": {"output": ""}}


def test_a_tool_with_free_text_is_a_function_with_one_string() -> None:
    tool = CustomTool("patch", "Patches.", Raw(b'{"type":"grammar","syntax":"lark","definition":"start: x"}'))
    call = ToolCall("1", "patch", 'say "hi"', ToolKind.CUSTOM)
    body = encoded(HI, said(call), told(ToolResult("1")), tools=(tool,))
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert "start: x" in declared["description"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": 'say "hi"'}


def test_tools_that_google_runs_and_those_of_others() -> None:
    own = HostedTool("gemini-generate", "urlContext", "urlContext", Raw(b'{"urlContext":{}}'))
    search = HostedTool(
        "anthropic-messages", "web_search_20250305", "web_search", Raw(b"{}"), WebSearch(("a.test",), max_uses=3)
    )
    other = HostedTool("anthropic-messages", "bash_20250124", "bash", Raw(b"{}"))
    tools = (own, FunctionTool("f"), FunctionTool("f"), search, other)
    searching = encoded(tools=tools, dialect=Dialect(web_search=True))
    assert searching["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"urlContext": {}}, {"googleSearch": {}}]
    assert codes(HI, tools=tools, dialect=Dialect(web_search=True)) == [
        "duplicate_tool",
        "web_search",
        "web_search_domains",
        "web_search_settings",
        "hosted_tool",
    ]
    assert encoded(tools=tools)["tools"] == searching["tools"][:2]


def test_more_functions_than_google_takes_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="512 are allowed"):
        encoded(tools=tuple(FunctionTool(f"f{number}") for number in range(513)))


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        (ToolChoice("auto", allowed=("f",)), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice("any", allowed=("f", "g")), None, {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
        (ToolChoice("none"), True, {"mode": "NONE"}),
    ],
)
def test_the_choice_of_tools(choice: ToolChoice | None, strict: bool | None, config: Any) -> None:
    body = encoded(tools=(FunctionTool("f", strict=strict),), tool_choice=choice)
    assert body.get("toolConfig", {}).get("functionCallingConfig") == config


def test_a_choice_without_tools_is_none() -> None:
    assert "toolConfig" not in encoded(tool_choice=ToolChoice("any"))
    assert codes(HI, tool_choice=ToolChoice("any")) == ["tool_choice"]
    old = Dialect(validated_calls=False)
    tools = (FunctionTool("f", strict=True),)
    assert codes(HI, tools=tools, tool_choice=ToolChoice("auto", allowed=("f",)), dialect=old) == [
        "strict",
        "tool_choice",
    ]


def test_documents_are_files_or_words() -> None:
    body = encoded(
        told(
            Document(Base64Data("application/pdf", "JVBERi0="), context="from Monday"),
            Document(PlainText("Buy milk."), "Notes"),
            Document(BlockContent((Text("inside"), Image(Base64Data("image/jpg", "AA==")))), "Box"),
            Document(FileId("gemini-generate", "https://generativelanguage.googleapis.com/v1beta/files/x")),
            Image(UrlData("gs://bucket/a.webp")),
        )
    )
    assert body["contents"][0]["parts"] == [
        {"text": "from Monday"},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        {"text": "Notes\nBuy milk."},
        {"text": "Box"},
        {"text": "inside"},
        {"inlineData": {"mimeType": "image/jpeg", "data": "AA=="}},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/a.webp"}},
    ]


@pytest.mark.parametrize("source", [UrlData("https://pictures.test/a.png"), FileId("openai-chat", "file-1")])
def test_what_google_cannot_read_is_refused_by_its_place(source: Any) -> None:
    with pytest.raises(UnsupportedError) as caught:
        encoded(told(Text("a"), Image(source)))
    assert caught.value.failure.param == "messages[0].content[1]"
    if isinstance(source, UrlData):
        (part,) = encoded(told(Image(source)), dialect=Dialect(fetches_urls=True))["contents"][0]["parts"]
        assert part == {"fileData": {"mimeType": "image/png", "fileUri": source.url}}


def test_limits_and_sampling() -> None:
    sampling = Sampling(0.5, 0.9, 40, ("a", "b", "c", "d", "e", "f"), 7, 0.1, 0.2)
    assert encoded(max_tokens=9000, sampling=sampling)["generationConfig"] == {
        "maxOutputTokens": 8000,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "seed": 7,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "stopSequences": ["a", "b", "c", "d", "e"],
    }
    assert codes(HI, max_tokens=9000, sampling=sampling) == ["max_tokens", "stop"]
    assert codes(HI, sampling=Sampling(0.5, top_k=1), dialect=Dialect(sampling=False)) == ["sampling", "sampling"]
    for fields in ({"max_tokens": 0}, {"sampling": Sampling(candidates=2)}):
        with pytest.raises(UnsupportedError):
            encoded(**fields)


def test_numbers_that_google_has_no_room_for_are_made_to_fit() -> None:
    large = Sampling(seed=2**62 + 5)
    assert encoded(sampling=large)["generationConfig"] == {"seed": 6}
    assert codes(HI, sampling=large) == ["seed"]
    assert codes(HI, sampling=Sampling(seed=-7)) == []
    ledger = Ledger()
    body = json.loads(PROTOCOL.encode_request(Request("m", (HI,), max_tokens=2**53), Target("p", "m"), ledger))
    assert body["generationConfig"] == {"maxOutputTokens": 2**31 - 1}
    assert [loss.code for loss in ledger] == ["max_tokens"]


@pytest.mark.parametrize(
    ("dialect", "control", "config"),
    [
        (Dialect(), ReasoningControl(effort=Effort.MINIMAL), {"thinkingBudget": 512, "includeThoughts": True}),
        (Dialect(), ReasoningControl("enabled", 100, visible=False), {"thinkingBudget": 100}),
        (Dialect(), ReasoningControl(effort=Effort.MAX), {"thinkingBudget": -1, "includeThoughts": True}),
        (Dialect(thinking_budgets=(128, 32_768)), ReasoningControl(effort=Effort.NONE), {"thinkingBudget": 128}),
        (Dialect(), ReasoningControl(visible=True), {"includeThoughts": True}),
        (
            Dialect(thinking_levels=("low", "high")),
            ReasoningControl(effort=Effort.MEDIUM),
            {"thinkingLevel": "LOW", "includeThoughts": True},
        ),
        (Dialect(thinking_levels=("low", "high")), ReasoningControl("adaptive"), {"includeThoughts": True}),
    ],
)
def test_how_hard_to_think(dialect: Dialect, control: ReasoningControl, config: Any) -> None:
    assert encoded(reasoning=control, dialect=dialect)["generationConfig"]["thinkingConfig"] == config


def test_googles_own_fields_go_back_where_they_stood_and_others_are_named() -> None:
    extras = (
        Extra("gemini-generate", "safetySettings", Raw(b"[]")),
        Extra("gemini-generate", "generationConfig.mediaResolution", Raw(b'"LOW"')),
        Extra("openai-chat", "logit_bias", Raw(b"{}")),
    )
    body = encoded(extras=extras)
    assert (body["safetySettings"], body["generationConfig"]) == ([], {"mediaResolution": "LOW"})
    assert codes(HI, extras=extras) == ["extra_field"]
    with pytest.raises(UnsupportedError, match="logprobs"):
        encoded(extras=(Extra("openai-chat", "logprobs", Raw(b"true"), matters=True),))


def test_who_asks_and_what_to_cache_stay_behind() -> None:
    cached = CacheBreakpoint()
    told_all = codes(
        told(Text("a", cache=cached), Image(Base64Data("image/png", "AA=="), "high", cached)),
        user="somebody",
        cache_key="k",
        cache=cached,
        service_tier="scale",
        parallel_tools=False,
    )
    assert sorted(told_all) == sorted(
        [
            "cache_breakpoint",
            "image_detail",
            "parallel_tools",
            "service_tier",
            "user_id",
            "cache_key",
            "cache_breakpoint",
        ]
    )
    assert encoded(service_tier="default")["serviceTier"] == "standard"
