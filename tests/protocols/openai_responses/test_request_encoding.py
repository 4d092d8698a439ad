"""What an upstream gets: nothing that it would refuse, and all that was said."""

import json
import typing
from collections.abc import Iterator

import pytest
from hypothesis import given
from msgspec import Raw
from openai.types import responses as types
from openai.types.responses import response_create_params, response_input_item_param

from dragoman.ir.failures import DragomanError, RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    ATTRIBUTION,
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
    Namespace,
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
    UserLocation,
    WebSearch,
)
from dragoman.ir.seals import Seal
from tests.conformance.test_request_laws import requests
from tests.protocols.openai_responses.support import (
    Json,
    asking,
    assistant,
    codes,
    decoded,
    encoded,
    user,
)

HI = user(Text("hi"))
PICTURE = Image(Base64Data("image/png", "AA=="))
ENC = Seal("openai-responses", "enc", "deep", "up", "rs_1")


def items_of(*messages: Message, ledger: Ledger | None = None, **dialect: Json) -> list[Json]:
    items: list[Json] = encoded(asking(*messages), ledger, **dialect)["input"]
    return items


# What every request has


def test_nothing_is_kept_by_the_upstream_and_reasoning_comes_back_encrypted() -> None:
    assert encoded(asking(HI)) == {
        "model": "up",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    }
    assert "include" not in encoded(asking(HI), encrypted_reasoning=False)
    assert encoded(asking(HI, stream=True))["stream"] is True


KNOWN_FIELDS = frozenset(response_create_params.ResponseCreateParamsBase.__annotations__) | {"stream"}


def item_fields() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each type of item with the fields that the SDK's own types give it."""
    shapes = typing.get_args(response_input_item_param.ResponseInputItemParam)
    for shape in shapes:
        names = frozenset(typing.get_type_hints(shape, include_extras=True))
        for name in typing.get_args(typing.get_type_hints(shape).get("type", typing.Literal["message"])):
            yield name or "item_reference", names


ITEM_FIELDS: dict[str, frozenset[str]] = {}
for _name, _fields in item_fields():
    ITEM_FIELDS[_name] = ITEM_FIELDS.get(_name, frozenset()) | _fields


@given(request=requests())
def test_no_field_that_the_vendors_sdk_does_not_know_is_sent(request: Request) -> None:
    from dragoman.transforms.history import repair

    body = encoded(repair(request, Ledger()), web_search=True)
    assert set(body) <= KNOWN_FIELDS
    for item in body["input"]:
        assert set(item) <= ITEM_FIELDS[item["type"]], item
    for tool in body.get("tools", ()):
        assert set(tool) <= set(typing.get_type_hints(types.FunctionToolParam))


# System and messages


def test_the_system_prompt_is_the_instructions() -> None:
    ledger = Ledger()
    system = (Text(f"{ATTRIBUTION} cc"), Text("one"), Text(" "), Foreign("x", "y", Raw(b"{}"), "two"))
    assert encoded(asking(HI, system=system), ledger)["instructions"] == "one\n\ntwo"
    assert codes(ledger) == ["attribution_block", "foreign_block"]


def test_instructions_on_the_way_keep_their_role_and_place() -> None:
    system, developer = Message(Role.SYSTEM, (Text("s"),)), Message(Role.DEVELOPER, (Text("d"), PICTURE))
    ledger = Ledger()
    said = [(item["role"], item["content"]) for item in items_of(HI, system, developer, ledger=ledger)]
    assert said[1:] == [
        ("system", [{"type": "input_text", "text": "s"}]),
        ("developer", [{"type": "input_text", "text": "d"}]),
    ]
    assert codes(ledger) == ["system_media"]


def test_what_the_model_said_is_output_text_in_the_phase_it_was() -> None:
    phase = Seal("openai-responses", "commentary", form="phase")
    first, second = items_of(HI, assistant(Text("a", seal=phase), Text(""), Text("b"), Refusal("no")))[1:]
    assert first == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "a"}],
        "phase": "commentary",
    }
    assert second["content"] == [{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "no"}]


def test_pictures_and_files() -> None:
    content = items_of(
        user(
            PICTURE,
            Image(UrlData("https://x"), "low"),
            Image(FileId("openai-responses", "file-1")),
            Document(Base64Data("application/pdf", "AA=="), "a.pdf", "about"),
            Document(UrlData("https://x/y.pdf")),
            Document(PlainText("words"), "a.txt"),
            Document(Base64Data("text/plain", "aGk=")),
            Document(BlockContent((Text("in"), PICTURE)), "t"),
        )
    )[0]["content"]
    assert content == [
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_image", "detail": "low", "image_url": "https://x"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        {"type": "input_text", "text": "about"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_text", "text": "a.txt\nwords"},
        {"type": "input_text", "text": "hi"},
        {"type": "input_text", "text": "t"},
        {"type": "input_text", "text": "in"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="},
    ]


@pytest.mark.parametrize(
    "block",
    [Audio("AA==", "wav"), Image(FileId("anthropic-messages", "f")), Document(FileId("anthropic-messages", "f"))],
)
def test_what_the_target_cannot_read_is_refused_by_its_place(block: Json) -> None:
    with pytest.raises(UnsupportedError) as refused:
        encoded(asking(user(Text("x"), block)))
    assert refused.value.failure.param == "messages[0].content[1]"


def test_files_are_refused_where_the_model_takes_none() -> None:
    with pytest.raises(UnsupportedError, match="takes none"):
        encoded(asking(user(Document(Base64Data("application/pdf", "AA==")))), files=False)


def test_what_has_no_place_is_reported() -> None:
    ledger = Ledger()
    cited = Text("x", (Citation("anthropic-messages", Raw(b"{}")),), CacheBreakpoint())
    said = items_of(
        Message(Role.USER, (Text("hi"),), name="ann"),
        assistant(cited, PICTURE, Foreign("a", "b", Raw(b"{}")), ToolCall("h", "n", "{}", ToolKind.HOSTED)),
        ledger=ledger,
    )
    assert len(said) == 2
    assert codes(ledger) == [
        "message_name",
        "citations",
        "cache_control",
        "assistant_media",
        "foreign_block_dropped",
        "foreign_block_dropped",
    ]


def test_without_messages_there_is_nothing_to_ask() -> None:
    with pytest.raises(RequestError, match="at least one message"):
        encoded(asking())


# Calls and results


def test_calls_and_results_of_every_kind() -> None:
    said = items_of(
        HI,
        assistant(
            ToolCall("c", "f", '{"a": 1}', namespace="ns"),
            ToolCall("d", "patch", "*** x", ToolKind.CUSTOM),
            ToolCall("e", "g", ""),
        ),
        user(
            ToolResult("c", (Text("done"),)),
            ToolResult("d", kind=ToolKind.CUSTOM),
            ToolResult("e", (Text("a"), PICTURE)),
        ),
    )[1:]
    assert said == [
        {"type": "function_call", "call_id": "c", "name": "f", "namespace": "ns", "arguments": '{"a": 1}'},
        {"type": "custom_tool_call", "call_id": "d", "name": "patch", "input": "*** x"},
        {"type": "function_call", "call_id": "e", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": ""},
        {
            "type": "function_call_output",
            "call_id": "e",
            "output": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="},
            ],
        },
    ]


def test_results_stand_before_what_the_user_says_beside_them() -> None:
    said = items_of(HI, assistant(ToolCall("c", "f", "{}")), user(Text("and"), ToolResult("c")))
    assert [item["type"] for item in said] == ["message", "function_call", "function_call_output", "message"]


def test_a_failed_tool_says_so() -> None:
    ledger = Ledger()
    for blocks, output in (
        ((Text("no"),), "Error: no"),
        ((), "Error:"),
        ((PICTURE,), [{"type": "input_text", "text": "Error:"}, {"type": "input_image"}]),
    ):
        said = items_of(
            HI, assistant(ToolCall("c", "f", "{}")), user(ToolResult("c", blocks, is_error=True)), ledger=ledger
        )[-1]["output"]
        if isinstance(said, list):
            said = [{**part} for part in said]
            said[1] = {"type": said[1]["type"]}
        assert said == output
    assert set(codes(ledger)) == {"tool_error_flag"}


def test_broken_arguments_are_wrapped() -> None:
    ledger = Ledger()
    (call,) = items_of(HI, assistant(ToolCall("c", "f", '{"a"')), ledger=ledger)[1:]
    assert call["arguments"] == '{"_raw":"{\\"a\\""}'
    assert codes(ledger) == ["broken_arguments"]


def test_long_ids_are_shortened_in_pairs() -> None:
    long = "toolu_" + "x" * 80
    call, result = items_of(HI, assistant(ToolCall(long, "f", "{}")), user(ToolResult(long)))[1:]
    assert call["call_id"] == result["call_id"]
    assert len(call["call_id"]) == 64
    other = items_of(HI, assistant(ToolCall(long + "y", "f", "{}")))[1]["call_id"]
    assert other != call["call_id"]


def test_the_clients_own_kinds_of_tools_are_themselves_again() -> None:
    shell = {
        "type": "local_shell_call",
        "call_id": "c",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    }
    search = {
        "type": "tool_search_call",
        "call_id": "d",
        "execution": "client",
        "status": "completed",
        "arguments": {"q": 1},
    }
    found = {"type": "tool_search_output", "call_id": "d", "execution": "client", "tools": []}
    tools = [{"type": "local_shell"}, {"type": "tool_search", "execution": "client"}]
    request = decoded(
        {"role": "user", "content": "hi"}, shell, search, found, tools=tools, tool_choice={"type": "local_shell"}
    )
    body = encoded(request)
    assert body["input"][1:] == [shell, search, found]
    assert body["tools"] == tools
    assert body["tool_choice"] == {"type": "local_shell"}


# Reasoning


def test_encrypted_reasoning_goes_back_as_it_was_before_what_it_led_to() -> None:
    thought = Reasoning(("a", "b"), is_summary=True, seal=ENC)
    item, call = items_of(HI, assistant(thought, ToolCall("c", "f", "{}")), user(ToolResult("c")))[1:3]
    assert item == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "enc",
    }
    assert call["type"] == "function_call"


@pytest.mark.parametrize(
    "seal",
    [
        None,
        Seal("anthropic-messages", "sig", "deep", "up"),
        Seal("openai-responses", "enc", "another", "up"),
        Seal("openai-responses", "enc", "deep", "another model"),
        Seal("openai-responses", "", "deep", "up"),
    ],
)
def test_reasoning_that_this_model_did_not_encrypt_stays_behind(seal: Seal | None) -> None:
    ledger = Ledger()
    said = items_of(HI, assistant(Reasoning(("t",), seal=seal), Text("x")), ledger=ledger)
    assert [item["type"] for item in said] == ["message", "message"]
    assert codes(ledger) == ["foreign_reasoning"]


def test_open_models_take_their_reasoning_back_in_words() -> None:
    seal = Seal("openai-responses", "", "deep", "up", "rs_9")
    item = items_of(HI, assistant(Reasoning(("t",), seal=seal), Text("x")), plain_reasoning=True)[1]
    assert item == {
        "type": "reasoning",
        "id": "rs_9",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "t"}],
    }


def test_reasoning_that_leads_to_nothing_stays_behind() -> None:
    ledger = Ledger()
    thought = Reasoning(is_redacted=True, seal=ENC)
    said = items_of(HI, assistant(thought), HI, assistant(Text("x"), thought), ledger=ledger)
    assert [item.get("role") for item in said] == ["user", "user", "assistant"]
    assert codes(ledger) == ["reasoning_alone"]


def test_a_seal_of_a_call_is_another_vendors() -> None:
    ledger = Ledger()
    items_of(HI, assistant(ToolCall("c", "f", "{}", seal=Seal("gemini-generate", "s"))), ledger=ledger)
    assert codes(ledger) == ["foreign_reasoning"]


# Tools


FUNCTION = FunctionTool("f", "d", Raw(b'{"type":"object","properties":{}}'))


def test_functions_say_whether_they_are_strict() -> None:
    loose = FunctionTool("h", schema=Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'), strict=True)
    ledger = Ledger()
    tools = encoded(asking(HI, tools=(FUNCTION, FunctionTool("g", strict=True), loose)), ledger)["tools"]
    empty = {"type": "object", "properties": {}}
    assert tools[:2] == [
        {"type": "function", "name": "f", "description": "d", "parameters": empty, "strict": False},
        {"type": "function", "name": "g", "parameters": {**empty, "additionalProperties": False}, "strict": True},
    ]
    assert tools[2]["strict"] is False
    assert codes(ledger) == ["strict"]


def test_tools_under_a_first_name_stand_together() -> None:
    space = Namespace("ns", "all about it")
    tools = (FunctionTool("a", namespace=space), FUNCTION, CustomTool("b", namespace=space), FunctionTool("a"))
    group, plain, again = encoded(asking(HI, tools=tools))["tools"]
    assert (group["type"], group["name"], group["description"]) == ("namespace", "ns", "all about it")
    assert [tool["name"] for tool in group["tools"]] == ["a", "b"]
    assert (plain["name"], again["name"]) == ("f", "a")


def test_free_text_tools_keep_their_grammar_flat() -> None:
    nested = Raw(b'{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}')
    flat = {"type": "grammar", "syntax": "lark", "definition": "x"}
    for written in (nested, Raw(b'{"type":"grammar","syntax":"lark","definition":"x"}')):
        (tool,) = encoded(asking(HI, tools=(CustomTool("p", "d", written),)))["tools"]
        assert tool == {"type": "custom", "name": "p", "description": "d", "format": flat}


def test_another_vendors_search_of_the_web_is_openais() -> None:
    ledger = Ledger()
    search = WebSearch(("a",), ("b",), UserLocation("Paris", country="FR"), 3)
    tool = HostedTool("anthropic-messages", "web_search_1", "web_search", Raw(b"{}"), search)
    (written,) = encoded(asking(HI, tools=(tool,)), ledger, web_search=True)["tools"]
    assert written == {
        "type": "web_search",
        "filters": {"allowed_domains": ["a"]},
        "user_location": {"type": "approximate", "city": "Paris", "country": "FR"},
    }
    assert codes(ledger) == ["web_search_setting"] * 2
    choice = ToolChoice("tool", "web_search")
    assert encoded(asking(HI, tools=(tool,), tool_choice=choice), web_search=True)["tool_choice"] == {
        "type": "web_search"
    }
    ledger = Ledger()
    assert "tools" not in encoded(asking(HI, tools=(tool,)), ledger)
    assert codes(ledger) == ["hosted_tool"]


def test_what_is_not_the_vendors_is_left_out_aloud() -> None:
    ledger = Ledger()
    tools = (
        HostedTool("anthropic-messages", "bash_1", "bash", Raw(b"{}")),
        HostedTool("openai-responses", "code_interpreter", "code_interpreter", Raw(b'{"type":"code_interpreter"}')),
        FunctionTool(
            "f", cache=CacheBreakpoint(), extras=(Extra("anthropic-messages", "defer_loading", Raw(b"true")),)
        ),
        FunctionTool("f", "again"),
    )
    sent = encoded(asking(HI, tools=tools), ledger)["tools"]
    assert [tool["type"] for tool in sent] == ["code_interpreter", "function"]
    assert codes(ledger) == ["hosted_tool", "tool_field", "cache_control", "duplicate_tool"]
    assert next(iter(ledger)).changes_meaning


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("any"), "required"),
        (ToolChoice("none"), "none"),
        (ToolChoice("tool", "f"), {"type": "function", "name": "f"}),
        (ToolChoice("tool", "p"), {"type": "custom", "name": "p"}),
        (
            ToolChoice("any", allowed=("f", "gone")),
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: Json) -> None:
    assert encoded(asking(HI, tools=(FUNCTION, CustomTool("p")), tool_choice=choice))["tool_choice"] == expected


def test_without_tools_there_is_no_choice() -> None:
    ledger = Ledger()
    body = encoded(asking(HI, tool_choice=ToolChoice("any"), parallel_tools=False), ledger)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
    assert codes(ledger) == ["tool_choice"]
    ledger = Ledger()
    body = encoded(asking(HI, tools=(FUNCTION,), tool_choice=ToolChoice("tool", "gone")), ledger)
    assert "tool_choice" not in body
    assert codes(ledger) == ["tool_choice"]


def test_parallel_calls_can_be_forbidden_where_there_is_a_switch() -> None:
    request = asking(HI, tools=(FUNCTION,), parallel_tools=False)
    assert encoded(request)["parallel_tool_calls"] is False
    ledger = Ledger()
    assert "parallel_tool_calls" not in encoded(request, ledger, parallel_tool_calls=False)
    assert codes(ledger) == ["parallel_tools"]


# Settings


@pytest.mark.parametrize(
    ("limit", "max_output", "sent", "lost"),
    [(100, None, 100, []), (5, None, 16, ["max_tokens"]), (100, 50, 50, ["max_tokens"]), (None, 50, None, [])],
)
def test_the_limit_of_output_tokens(
    limit: int | None, max_output: int | None, sent: int | None, lost: list[str]
) -> None:
    ledger = Ledger()
    body = encoded(asking(HI, max_tokens=limit), ledger, max_output=max_output)
    assert body.get("max_output_tokens") == sent
    assert codes(ledger) == lost


def test_no_output_at_all_cannot_be_had() -> None:
    with pytest.raises(UnsupportedError, match="`max_tokens` is 0"):
        encoded(asking(HI, max_tokens=0))


def test_sampling_that_the_api_does_not_have_is_not_sent() -> None:
    ledger = Ledger()
    sampling = Sampling(0.3, 0.9, 5, ("STOP",), 7, 0.1, 0.2)
    body = encoded(asking(HI, sampling=sampling), ledger)
    assert (body["temperature"], body["top_p"]) == (0.3, 0.9)
    assert not {"top_k", "stop", "seed", "frequency_penalty", "presence_penalty"} & set(body)
    assert codes(ledger) == ["sampling_field"] * 4 + ["stop_cut"]
    ledger = Ledger()
    assert "temperature" not in encoded(asking(HI, sampling=Sampling(0.3)), ledger, sampling=False)
    assert codes(ledger) == ["sampling"]
    with pytest.raises(UnsupportedError) as refused:
        encoded(asking(HI, sampling=Sampling(candidates=2)))
    assert refused.value.failure.param == "n"


@pytest.mark.parametrize(
    ("control", "dialect", "sent", "lost"),
    [
        (ReasoningControl(), {}, None, []),
        (ReasoningControl(effort=Effort.HIGH), {}, {"effort": "high", "summary": "auto"}, []),
        (ReasoningControl("adaptive"), {}, {"summary": "auto"}, []),
        (ReasoningControl("adaptive", effort=Effort.MAX, visible=False), {}, {"effort": "max"}, []),
        (ReasoningControl("enabled", 8000), {}, {"effort": "medium", "summary": "auto"}, ["thinking_budget"]),
        (ReasoningControl("disabled"), {}, {"effort": "none"}, []),
        (ReasoningControl("disabled"), {"efforts": ("low", "high")}, {"effort": "low"}, ["effort"]),
        (
            ReasoningControl(effort=Effort.MAX),
            {"efforts": ("low", "high")},
            {"effort": "high", "summary": "auto"},
            ["effort"],
        ),
        (
            ReasoningControl(effort=Effort.LOW),
            {"efforts": (), "reasoning_summaries": False},
            None,
            ["reasoning_control"],
        ),
        (ReasoningControl(visible=True), {}, {"summary": "auto"}, []),
    ],
)
def test_how_hard_to_think(control: ReasoningControl, dialect: Json, sent: Json, lost: list[str]) -> None:
    ledger = Ledger()
    assert encoded(asking(HI, reasoning=control), ledger, **dialect).get("reasoning") == sent
    assert codes(ledger) == lost


def test_the_form_of_the_answer() -> None:
    schema = Raw(b'{"type":"object","title":"My Answer!","properties":{}}')
    sent = encoded(asking(HI, output=OutputFormat(schema, description="d")))["text"]["format"]
    assert sent == {
        "type": "json_schema",
        "name": "My_Answer",
        "schema": {"type": "object", "title": "My Answer!", "properties": {}, "additionalProperties": False},
        "description": "d",
        "strict": True,
    }
    own = OutputFormat(schema, strict=False, origin="openai-responses")
    sent = encoded(asking(HI, output=own))["text"]["format"]
    assert (sent["schema"], sent["strict"]) == (json.loads(bytes(schema)), False)
    ledger = Ledger()
    anything = encoded(asking(HI, output=OutputFormat(Raw(b'{"type":"object"}'))), ledger)["text"]["format"]
    assert anything["strict"] is False
    body = encoded(asking(HI, output=OutputFormat()), ledger)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert "JSON" in body["instructions"]
    body = encoded(asking(HI, output=OutputFormat(schema)), ledger, structured_output=False)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert bytes(schema).decode() in body["instructions"]
    body = encoded(asking(HI, output=OutputFormat()), ledger, json_object=False)
    assert "text" not in body
    assert codes(ledger) == ["json_schema_strict", "json_schema", "json_object"]


def test_whose_request_it_is() -> None:
    body = encoded(asking(HI, user="u", service_tier="standard_only", cache_key="k"))
    assert (body["user"], body["service_tier"], body["prompt_cache_key"]) == ("u", "default", "k")
    ledger = Ledger()
    body = encoded(
        asking(HI, user='{"device_id":"x"}', service_tier="odd", cache_key="k", cache=CacheBreakpoint()),
        ledger,
        prompt_cache_key=False,
    )
    assert not {"user", "service_tier", "prompt_cache_key"} & set(body)
    assert codes(ledger) == ["user_id", "service_tier", "cache_key", "cache_control"]


# Extras


def test_the_protocols_own_fields_come_back_to_their_places() -> None:
    request = decoded(
        metadata={"a": "b"},
        truncation="auto",
        text={"verbosity": "low", "format": {"type": "json_object"}},
        reasoning={"effort": "low", "summary": "detailed", "context": "auto"},
        include=["web_search_call.action.sources", "reasoning.encrypted_content"],
    )
    body = encoded(request)
    assert body["metadata"] == {"a": "b"}
    assert body["truncation"] == "auto"
    assert body["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert body["reasoning"] == {"effort": "low", "summary": "detailed", "context": "auto"}
    assert body["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]


def test_what_the_vendors_other_protocol_has_too_is_carried() -> None:
    extras = (Extra("openai-chat", "verbosity", Raw(b'"low"')), Extra("openai-chat", "logit_bias", Raw(b"{}")))
    ledger = Ledger()
    body = encoded(asking(HI, extras=extras), ledger)
    assert body["text"] == {"verbosity": "low"}
    assert codes(ledger) == ["extra_field"]


@pytest.mark.parametrize("origin", ["openai-chat", "openai-responses"])
@pytest.mark.parametrize("name", ["prompt_cache_retention", "prompt_cache_options"])
def test_a_server_without_cache_keys_gets_no_settings_of_the_cache(origin: str, name: str) -> None:
    request, ledger = asking(HI, extras=(Extra(origin, name, Raw(b'"24h"')),)), Ledger()
    assert encoded(request)[name] == "24h"
    assert name not in encoded(request, ledger, prompt_cache_key=False)
    assert codes(ledger) == ["cache_key"]


@pytest.mark.parametrize(
    "extra",
    [
        Extra("openai-chat", "logprobs", Raw(b"true"), matters=True),
        Extra("openai-responses", "background", Raw(b"true"), matters=True),
    ],
)
def test_what_may_neither_be_carried_nor_left_out_is_refused(extra: Extra) -> None:
    with pytest.raises(DragomanError) as refused:
        encoded(asking(HI, extras=(extra,)))
    assert refused.value.failure.param == extra.name
