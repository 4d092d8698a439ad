"""A client's request in Chat, read."""

import json
from base64 import b64encode
from typing import Any

import pytest

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    CacheBreakpoint,
    CustomTool,
    Document,
    Effort,
    FileId,
    FunctionTool,
    HostedTool,
    Image,
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import Json, codes, decoded

PNG = "iVBORw0KGgo="
URL = "data:image/png;base64,"


def parts(*content: Json) -> tuple[Any, ...]:
    return decoded({"role": "user", "content": list(content)}).messages[0].blocks


def spoken(**message: Json) -> tuple[Any, ...]:
    """Return the blocks of an assistant message with these fields."""
    messages = ({"role": "user", "content": "hi"}, {"role": "assistant", **message})
    return decoded(*messages).messages[1].blocks


def refused(*messages: Json, **fields: Json) -> str:
    """Return the field that the error for such a request names."""
    with pytest.raises(RequestError) as caught:
        decoded(*messages, **fields)
    assert caught.value.failure.param is not None
    return caught.value.failure.param


# Roles


def test_text_is_kept_to_the_byte() -> None:
    text = "  \t leading,  \u2028 and trailing \n\n"
    assert parts({"type": "text", "text": text}) == (Text(text),)


def test_system_and_developer_messages_at_the_beginning_are_the_system() -> None:
    request = decoded(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "hi"},
    )
    assert request.system == (Text("a"), Text("b"))
    assert [message.role for message in request.messages] == [Role.USER]


def test_system_messages_in_mid_talk_keep_their_place() -> None:
    request = decoded(
        {"role": "user", "content": "hi"}, {"role": "system", "content": "s"}, {"role": "developer", "content": "d"}
    )
    assert [message.role for message in request.messages] == [Role.USER, Role.SYSTEM, Role.DEVELOPER]


def test_a_request_of_system_messages_alone_still_has_messages() -> None:
    request = decoded({"role": "system", "content": "only"})
    assert request.messages == (Message(Role.SYSTEM, (Text("only"),)),)


def test_a_tool_message_is_a_result() -> None:
    request = decoded(
        {"role": "tool", "tool_call_id": "c1", "content": "plain"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "x"}]},
        {"role": "tool", "tool_call_id": "c3", "content": ""},
        {
            "role": "tool",
            "tool_call_id": "c4",
            "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
        },
    )
    assert [message.blocks[0] for message in request.messages] == [
        ToolResult("c1", (Text("plain"),)),
        ToolResult("c2", (Text("x"),)),
        ToolResult("c3"),
        ToolResult("c4", (Image(Base64Data("image/png", PNG)),)),
    ]


def test_functions_of_before_there_were_tools_pair_up() -> None:
    request = decoded(
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    (call,), (result,) = request.messages[1].blocks, request.messages[2].blocks
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.id == result.call_id
    assert request.tool_choice == ToolChoice("tool", "f")
    assert [tool.name for tool in request.tools] == ["f"]


def test_a_participants_name_is_kept() -> None:
    assert decoded({"role": "user", "content": "x", "name": "ann"}).messages[0].name == "ann"


# Parts


def test_pictures_come_from_data_urls_and_addresses() -> None:
    assert parts(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;charset=utf-8,%3Csvg%2F%3E"}},
        {"type": "image_url", "image_url": {"url": "DATA:image/PNG;name=a;BASE64,aGk%3D"}},
    ) == (
        Image(Base64Data("image/png", PNG), "high"),
        Image(UrlData("https://example.com/a.png")),
        Image(Base64Data("image/svg+xml", b64encode(b"<svg/>").decode())),
        Image(Base64Data("image/png", "aGk=")),
    )


@pytest.mark.parametrize(
    "url", ["data:image/png;base64", "data:,text", "ftp://x/y", "file:///etc/passwd", "nonsense", ""]
)
def test_a_url_that_is_no_picture_names_its_field(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert refused({"role": "user", "content": [part]}) == "messages[0].content[0].image_url.url"


def test_files_and_sound() -> None:
    assert parts(
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"filename": "n.txt", "file_data": "data:text/plain;base64,aGk="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ) == (
        Document(Base64Data("application/pdf", "JVBERi0="), "a.pdf"),
        Document(Base64Data("application/pdf", "JVBERi0="), "a.pdf"),
        Document(FileId("openai-chat", "file-1")),
        Document(PlainText("hi"), "n.txt"),
        Audio("UklGRg==", "wav"),
    )


def test_a_file_without_data_names_its_field() -> None:
    part = {"type": "file", "file": {"filename": "a.pdf"}}
    assert refused({"role": "user", "content": [part]}) == "messages[0].content[0].file.file_data"


def test_anthropic_shaped_parts_are_accepted_one_by_one() -> None:
    request = decoded(
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"n": 9007199254740993}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}]},
    )
    assert [block for message in request.messages for block in message.blocks] == [
        Image(Base64Data("image/png", PNG)),
        Document(PlainText("d"), "t"),
        ToolCall("t1", "f", '{"n": 9007199254740993}'),
        ToolResult("t1", (Text("no"),), is_error=True),
    ]  # fmt: skip


def test_cache_breakpoints_are_read_from_parts_messages_and_the_request() -> None:
    request = decoded(
        {
            "role": "user",
            "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        },
        {"role": "user", "content": "b", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": [{"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        cache_control={"type": "ephemeral"},
    )
    assert [message.blocks[0] for message in request.messages] == [
        Text("a", cache=CacheBreakpoint("1h")),
        Text("b", cache=CacheBreakpoint()),
        Text("c", cache=CacheBreakpoint()),
    ]
    assert request.cache == CacheBreakpoint()


# The assistant


def test_an_assistant_message_holds_thought_then_words_then_calls() -> None:
    assert spoken(
        content=[{"type": "text", "text": "words"}, {"type": "refusal", "refusal": "no"}],
        reasoning_content="thought",
        tool_calls=[
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1'}},
            {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "free\ntext"}},
        ],
    ) == (
        Reasoning(("thought",), seal=Seal("openai-chat", "", form="reasoning_content")),
        Text("words"),
        Refusal("no"),
        ToolCall("c1", "f", '{"a": 1'),
        ToolCall("c2", "patch", "free\ntext", ToolKind.CUSTOM),
    )


@pytest.mark.parametrize("content", [None, "", []])
def test_a_turn_of_calls_alone_has_no_text(content: object) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]
    assert spoken(content=content, tool_calls=calls) == (ToolCall("c", "f", ""),)


def test_what_the_sdk_dumps_of_a_message_is_accepted_without_a_loss() -> None:
    ledger = Ledger()
    message = {
        "role": "assistant", "content": "x", "refusal": None, "annotations": [], "audio": None, "function_call": None,
        "tool_calls": [{"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}],
    }  # fmt: skip
    decoded({"role": "user", "content": "hi"}, message, ledger=ledger)
    assert not len(ledger)


@pytest.mark.parametrize("id_", [{}, {"id": None}, {"id": ""}])
def test_calls_and_results_may_lack_their_id(id_: Json) -> None:
    function = {"function": {"name": "f", "arguments": "{}"}}
    assert spoken(tool_calls=[{**id_, **function}]) == (ToolCall("", "f", "{}"),)
    assert spoken(tool_calls=[{**id_, "type": "custom", "custom": {"name": "p"}}])[0].id == ""
    answer = {f"tool_call_{name}": value for name, value in id_.items()}
    (message,) = decoded({"role": "tool", "content": "x", **answer}).messages
    assert message.blocks == (ToolResult("", (Text("x"),)),)


@pytest.mark.parametrize("index", [-1, "0", 0.0, 7, None, 10**30])
def test_a_calls_index_says_nothing_in_a_request(index: object) -> None:
    ledger = Ledger()
    call = {"id": "c", "index": index, "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "tool_calls": [call]}
    assert decoded(message, ledger=ledger).messages[0].blocks == (ToolCall("c", "f", "{}"),)
    assert not len(ledger)


# Reasoning that comes back


SEAL = Seal("anthropic-messages", "sig==", "claude", "m2")


def test_our_seals_in_details_are_opened() -> None:
    details = [{"type": "reasoning.text", "text": "", "signature": write_seal(SEAL), "index": 0}]
    assert spoken(content="x", reasoning_content="thought", reasoning_details=details) == (
        Reasoning(("thought",), seal=SEAL),
        Text("x"),
    )


def test_several_sealed_thoughts_are_told_apart() -> None:
    second = with_data(SEAL, data="other")
    details = [
        {"type": "reasoning.text", "text": "", "signature": write_seal(SEAL)},
        {"type": "reasoning.encrypted", "data": write_seal(second)},
        {"type": "reasoning.text", "text": "later", "signature": write_seal(second)},
    ]
    assert spoken(content="x", reasoning_content="first\n\nlater", reasoning_details=details)[:3] == (
        Reasoning(("first",), seal=SEAL),
        Reasoning(is_redacted=True, seal=second),
        Reasoning(("later",), seal=second),
    )


def with_data(seal: Seal, *, data: str) -> Seal:
    return Seal(seal.protocol, data, seal.provider, seal.model, seal.form)


def test_native_details_are_sealed_as_they_are() -> None:
    details = [{"type": "reasoning.encrypted", "data": "abc", "id": None, "index": 0}]
    (block,) = spoken(reasoning_details=details)
    assert block.is_redacted
    assert block.seal.is_native
    assert (block.seal.protocol, block.seal.form) == ("openai-chat", "reasoning_details")
    assert json.loads(block.seal.data) == details


def test_googles_thought_signature_comes_back_as_the_seal_that_it_was() -> None:
    seal = Seal("gemini-generate", "c2ln", "google", "g")
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    native = {"google": {"thought_signature": "bmF0aXZl"}}
    ours = {"google": {"thought_signature": write_seal(seal)}}
    (first, second) = spoken(tool_calls=[{**call, "extra_content": ours}, {**call, "extra_content": native}])
    assert first.seal == seal
    assert second.seal.form == "extra_content"
    assert json.loads(second.seal.data) == native


# Tools


def test_tools_of_every_shape() -> None:
    schema = {"type": "object", "properties": {}}
    request = decoded(tools=[
        {"type": "function", "function": {"name": "a", "description": "d", "parameters": schema, "strict": True}},
        {"type": "function", "function": {"name": "b"}},
        {"type": "function", "name": "c", "parameters": schema},
        {"name": "d", "input_schema": schema, "cache_control": {"type": "ephemeral"}},
        {"type": "custom", "custom": {"name": "e", "format": {"type": "text"}}},
        {"type": "custom", "name": "f", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ])  # fmt: skip
    kinds = [type(tool) for tool in request.tools]
    assert kinds == [FunctionTool] * 4 + [CustomTool] * 2 + [HostedTool]
    first, second, _, fourth, *_, hosted = request.tools
    assert isinstance(first, FunctionTool)
    assert (first.description, first.strict) == ("d", True)
    assert json.loads(bytes(first.schema or b"")) == schema
    assert isinstance(second, FunctionTool)
    assert second.schema is None
    assert isinstance(fourth, FunctionTool)
    assert fourth.cache == CacheBreakpoint()
    assert isinstance(hosted, HostedTool)
    assert (hosted.type, hosted.name) == ("web_search_20250305", "web_search")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("any")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", "f")),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("tool", "f")),
        ({"type": "tool", "name": "f"}, ToolChoice("tool", "f")),
        ({"type": "any"}, ToolChoice("any")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice("any", allowed=("f",)),
        ),
    ],
)
def test_tool_choices(choice: object, expected: ToolChoice) -> None:
    assert decoded(tool_choice=choice).tool_choice == expected


# Settings


def test_settings_find_their_places() -> None:
    request = decoded(
        max_tokens=5, max_completion_tokens=9, temperature=1.6, top_p=0.5, top_k=3, stop="END", seed=1, n=2,
        frequency_penalty=0.1, presence_penalty=0.2, user="u", safety_identifier="s", service_tier="flex",
        prompt_cache_key="k", parallel_tool_calls=False,
    )  # fmt: skip
    sampling = request.sampling
    assert request.max_tokens == 9
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.stop) == (1.6, 0.5, 3, ("END",))
    assert (sampling.seed, sampling.candidates, sampling.frequency_penalty, sampling.presence_penalty) == (
        1,
        2,
        0.1,
        0.2,
    )
    assert (request.user, request.service_tier, request.cache_key) == ("s", "flex", "k")
    assert request.parallel_tools is False


def test_what_careless_clients_send_is_understood() -> None:
    call = {"id": "c", "type": "", "function": {"name": "f", "arguments": "{}"}}
    ledger = Ledger()
    request = decoded(
        {"role": "user", "content": None},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": None},
        ledger=ledger,
    )
    nothing, asked, answered = request.messages
    assert (nothing.role, nothing.blocks) == (Role.USER, ())
    assert asked.blocks == (ToolCall("c", "f", "{}"),)
    assert answered.blocks == (ToolResult("c"),)
    assert list(ledger) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ReasoningControl()),
        ({"reasoning_effort": "high"}, ReasoningControl(effort=Effort.HIGH)),
        ({"reasoning_effort": "default"}, ReasoningControl()),
        ({"reasoning_effort": "default", "reasoning": {"effort": "low"}}, ReasoningControl(effort=Effort.LOW)),
        ({"reasoning_effort": None}, ReasoningControl()),
        ({"reasoning_effort": "none"}, ReasoningControl("disabled", effort=Effort.NONE)),
        ({"reasoning": {"effort": "low", "exclude": True}}, ReasoningControl(effort=Effort.LOW, visible=False)),
        ({"reasoning": {"max_tokens": 2000}}, ReasoningControl("enabled", 2000)),
        ({"reasoning": {"enabled": True}}, ReasoningControl("adaptive")),
        ({"reasoning": {"enabled": False}}, ReasoningControl("disabled")),
        ({"thinking": {"type": "enabled"}}, ReasoningControl("adaptive")),
        ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, ReasoningControl("enabled", 4000)),
        ({"thinking": {"type": "disabled"}}, ReasoningControl("disabled")),
        ({"enable_thinking": True, "thinking_budget": 100}, ReasoningControl("enabled", 100)),
        ({"enable_thinking": False}, ReasoningControl("disabled")),
    ],
)
def test_every_vendors_word_for_thinking(fields: dict[str, Any], expected: ReasoningControl) -> None:
    assert decoded(**fields).reasoning == expected


def test_output_formats() -> None:
    assert decoded(response_format={"type": "text"}).output is None
    assert decoded(response_format={"type": "json_object"}).output == OutputFormat()
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    output = decoded(response_format={"type": "json_schema", "json_schema": schema}).output
    assert output
    assert (output.name, output.strict, output.description) == ("n", True, "d")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": True, "stream_options": None}, False),
    ],
)
def test_usage_is_wanted_where_it_was_asked_for(fields: dict[str, Any], expected: bool) -> None:
    assert decoded(**fields).wants_usage is expected


def test_fields_that_only_chat_has_are_kept_and_the_grave_ones_matter() -> None:
    extras = decoded(
        logprobs=True, top_logprobs=3, modalities=["text", "audio"], audio={"voice": "x"},
        logit_bias={"1": 2}, store=True, metadata={"a": "b"}, verbosity="low", brand_new=[1], nothing=None,
    ).extras  # fmt: skip
    assert {extra.name: extra.matters for extra in extras} == {
        "logprobs": True, "top_logprobs": True, "modalities": True, "audio": True,
        "logit_bias": False, "store": False, "metadata": False, "verbosity": False, "brand_new": False,
    }  # fmt: skip
    assert all(extra.origin == "openai-chat" for extra in extras)
    harmless = decoded(logprobs=False, top_logprobs=0, modalities=["text"]).extras
    assert not any(extra.matters for extra in harmless)


def test_unknown_fields_inside_are_reported_by_their_path() -> None:
    ledger = Ledger()
    decoded({"role": "user", "content": [{"type": "text", "text": "x", "novel": 1}]}, ledger=ledger)
    assert [(loss.code, loss.path) for loss in ledger] == [("unknown_field", "messages[0].content[0].novel")]


# Bad input


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "system", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "tool_call_id": "c"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "tool_call_id": 5, "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": 5}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "assistant", "reasoning_details": "x"}]}, "messages[0].reasoning_details"),
        ({"model": 3}, "model"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 10**40}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stop": 3}, "stop"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"tool_choice": "whatever"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]}, "tools[0].function.parameters"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function"),
        ({"tools": [7]}, "tools[0]"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"seed": 10**400}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"top_k": 10**30}, "top_k"),
        ({"top_k": -2}, "top_k"),
        ({"n": 10**30}, "n"),
        ({"top_logprobs": 10**30}, "top_logprobs"),
        ({"logprobs": "zzz"}, "logprobs"),
        ({"top_logprobs": "zzz"}, "top_logprobs"),
        ({"store": 5}, "store"),
        ({"verbosity": 5}, "verbosity"),
        ({"metadata": 5}, "metadata"),
        ({"modalities": 5}, "modalities"),
        ({"modalities": ["text", 5]}, "modalities[1]"),
        ({"audio": 5}, "audio"),
        ({"prediction": 7}, "prediction"),
        ({"logit_bias": "x"}, "logit_bias"),
        ({"prompt_cache_retention": 24}, "prompt_cache_retention"),
        ({"tools": [{"type": "custom", "custom": {"name": "p", "format": 5}}]}, "tools[0].custom.format"),
        ({"tools": [{"type": "custom", "name": "p", "format": 5}]}, "tools[0].format"),
        ({"messages": [{"role": "assistant", "audio": 5}]}, "messages[0].audio"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": 5}]}]},
            "messages[0].content[0].input",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: dict[str, Any], field: str) -> None:
    data = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}).encode()
    with pytest.raises(RequestError) as caught:
        PROTOCOL.decode_request(data, Ledger())
    assert caught.value.failure.param == field


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "image_url", "image_url": {"url": URL + "not it!"}}, "image_url.url"),
        ({"type": "image_url", "image_url": URL}, "image_url"),
        ({"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}, "input_audio.data"),
        ({"type": "file", "file": {"file_data": "?", "filename": "a.pdf"}}, "file.file_data"),
        ({"type": "image", "source": {"type": "base64", "media_type": "a/b", "data": "AA=="}}, "source.media_type"),
        ({"type": "document", "source": {"type": "base64", "media_type": "a/b", "data": ""}}, "source.data"),
    ],
)
def test_bytes_that_are_none_are_named(part: Json, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        parts(part)
    assert caught.value.failure.param == f"messages[0].content[0].{field}"


def test_media_types_come_in_their_standard_form() -> None:
    document = {"type": "base64", "media_type": "text/plain; charset=latin-1", "data": "6Q=="}
    (*seen,) = parts(
        {"type": "image_url", "image_url": {"url": "data:IMAGE/PNG;x=y;base64,AAAA"}},
        {"type": "image", "source": {"type": "base64", "media_type": "IMAGE/PNG", "data": "AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "WAV"}},
        {"type": "file", "file": {"file_data": "data:text/plain;charset=latin-1;base64,6Q=="}},
        {"type": "file", "file": {"file_data": "data:;charset=latin-1,%E9"}},
        {"type": "document", "source": document},
    )
    picture, words = Image(Base64Data("image/png", "AAAA")), Document(PlainText("\u00e9"))
    assert seen == [picture, picture, Audio("AAAA", "wav"), words, words, words]


def test_a_text_file_may_be_empty() -> None:
    file = {"filename": "a.txt", "file_data": "data:text/plain;base64,"}
    (block,) = parts({"type": "file", "file": file})
    assert block == Document(PlainText(""), "a.txt")


def test_seeds_of_64_bits_and_vllms_word_for_all_tokens_are_read() -> None:
    sampling = decoded(seed=-(2**63), top_k=-1).sampling
    assert (sampling.seed, sampling.top_k) == (-(2**63), None)


def test_a_body_of_responses_is_told_where_to_go() -> None:
    with pytest.raises(RequestError, match="Responses") as caught:
        PROTOCOL.decode_request(b'{"model":"m","input":"hi"}', Ledger())
    assert caught.value.failure.param == "input"
    assert "/v1/responses" in caught.value.failure.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"model":"m"}',
        b'{"messages":[]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"novel":"\xff"}',
        b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1e999}',
    ],
)
def test_what_is_no_request_at_all_is_a_400(body: bytes) -> None:
    with pytest.raises(RequestError):
        PROTOCOL.decode_request(body, Ledger())


def test_the_same_history_is_read_message_by_message() -> None:
    """A longer conversation begins as the shorter one did."""
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert decoded(*talk).messages[:2] == decoded(*talk[:2]).messages


def test_an_unknown_field_is_no_reason_to_lose_the_others() -> None:
    ledger = Ledger()
    request = decoded({"role": "user", "content": "x", "novel": {"deep": 1}}, ledger=ledger, brand_new=1)
    assert request.messages == (Message(Role.USER, (Text("x"),)),)
    assert codes(ledger) == ["unknown_field"]


def test_pages_that_the_model_cited_are_citations_of_its_words() -> None:
    page = {
        "type": "url_citation",
        "url_citation": {"url": "https://u", "title": "T", "start_index": 0, "end_index": 1},
    }
    said: dict[str, Any] = {"role": "assistant", "content": "x", "annotations": [page, {"type": "new"}]}
    (text,) = spoken(**said)
    assert [(citation.url, citation.title) for citation in text.citations] == [("https://u", "T"), (None, None)]
    changes: list[dict[str, Any]] = [{"annotations": []}, {"annotations": None}]
    for change in changes:
        assert spoken(**(said | change)) == (Text("x"),)
    assert spoken(**(said | {"content": None})) == ()
    assert refused(said | {"annotations": 5}) == "messages[0].annotations"
