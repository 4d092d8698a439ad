"""Requests from the IR to the wire, also from protocols that say things differently. The SDK's types approve each body."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import Dialect
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
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
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.protocols.anthropic_messages.ids import ToolIds, legal_id, original_id
from tests.protocols.anthropic_messages.sdk import TARGET, decoded, encoded, target
from tests.protocols.anthropic_messages.test_bad_requests import BODY, CITATION

NAME = "anthropic-messages"
CHAT = "openai-chat"
TOOL = FunctionTool("f", schema=msgspec.Raw(b'{"type":"object","properties":{}}'))
MARK = CacheBreakpoint()


def user(*blocks: Block | str) -> Message:
    return Message(Role.USER, _blocks(blocks))


def assistant(*blocks: Block | str) -> Message:
    return Message(Role.ASSISTANT, _blocks(blocks))


def system(text: str, role: Role = Role.SYSTEM) -> Message:
    return Message(role, (Text(text),))


def _blocks(blocks: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(block) if isinstance(block, str) else block for block in blocks)


def asking(*messages: Message, **fields: Any) -> Request:
    return Request("m", messages or (user("hi"),), **{"max_tokens": 4096, **fields})


def content(*messages: Message, **fields: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    body, _ = encoded(asking(*messages, **fields))
    return [(message["role"], message["content"]) for message in body["messages"]]


def kinds(*messages: Message) -> list[tuple[str, list[str]]]:
    return [(role, [block["type"] for block in blocks]) for role, blocks in content(*messages)]


# The same protocol on both sides --------------------------------------------------------------------------------------


def test_a_request_of_this_protocol_comes_out_as_it_went_in() -> None:
    request, codes = decoded(BODY)
    again, _ = decoded(encoded(request)[0])
    assert codes == []
    assert msgspec.structs.replace(again, model=request.model) == request


def test_extras_go_back_where_they_stood() -> None:
    fields = {
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "speed": "fast",
        "novelty": 1,
        "output_config": {"effort": "low", "task_budget": {"total": 5}},
        "thinking": {"type": "between_tools"},
        "metadata": {"user_id": "u", "novelty": True},
    }
    request, _ = decoded({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], **fields})
    body, codes = encoded(request)
    assert {name: body[name] for name in fields} == fields
    assert codes == []


def test_foreign_blocks_and_hosted_tools_of_this_protocol_go_back_raw() -> None:
    call = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    request, _ = decoded(
        {"model": "m", "max_tokens": 5, "tools": [search], "messages": [
            {"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": "y"},
        ]}
    )  # fmt: skip
    body, codes = encoded(request)
    assert body["messages"][1]["content"] == [call]
    assert body["tools"] == [search]
    assert codes == []


# Turns ----------------------------------------------------------------------------------------------------------------


def test_leading_system_and_developer_messages_become_the_prompt_in_order() -> None:
    body, codes = encoded(asking(system(" a\n"), system("b", Role.DEVELOPER), user("hi"), system=(Text("first"),)))
    assert [block["text"] for block in body["system"]] == ["first", " a\n", "b"]
    assert codes == []


def test_a_system_message_in_mid_talk_keeps_its_place() -> None:
    messages = (user("a"), assistant("b"), user("c"), system("now", Role.DEVELOPER))
    assert kinds(*messages)[-1] == ("system", ["text"])


def test_a_model_without_system_messages_in_mid_talk_reads_a_reminder() -> None:
    body, codes = encoded(asking(user("a"), assistant("b"), user("c"), system("now")), target(mid_system=False))
    assert body["messages"][-1]["content"][-1]["text"] == "<system-reminder>\nnow\n</system-reminder>"
    assert body["messages"][-1]["role"] == "user"
    assert codes == ["system_turn"]


def test_messages_of_one_role_in_a_row_become_one_turn() -> None:
    assert kinds(user("a"), user("b"), assistant("c"), assistant("d"), user("e")) == [
        ("user", ["text", "text"]),
        ("assistant", ["text", "text"]),
        ("user", ["text"]),
    ]


def test_all_results_stand_first_in_the_turn_behind_their_calls() -> None:
    calls = assistant(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    messages = (
        user("go"),
        calls,
        user("wait"),
        user(ToolResult("a", (Text("1"),))),
        user(ToolResult("b", (Text("2"),))),
    )
    blocks = content(*messages)[-1][1]
    assert [block.get("tool_use_id", block.get("text")) for block in blocks] == ["a", "b", "wait"]


def test_a_system_message_does_not_part_calls_from_results() -> None:
    messages = (user("go"), assistant(ToolCall("a", "f", "{}")), system("note"), user(ToolResult("a")), user("on"))
    assert kinds(*messages)[2:] == [("user", ["tool_result"]), ("system", ["text"]), ("user", ["text"])]


def test_a_conversation_begins_with_the_user() -> None:
    body, codes = encoded(asking(system("only")))
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert codes == ["no_user_turn"]
    assert encoded(asking(assistant("hello"), user("hi")))[0]["messages"][0]["role"] == "user"


def test_a_prefill_stays_last() -> None:
    assert kinds(user("a"), assistant("The answer is ("))[-1] == ("assistant", ["text"])


def test_the_same_history_gives_the_same_beginning() -> None:
    history = [
        user("go"),
        assistant(ToolCall("x:1", "f", '{"a":1}')),
        user(ToolResult("x:1", (Text("r"),))),
        assistant("k"),
    ]
    shorter = PROTOCOL.encode_request(asking(*history), TARGET, Ledger())
    longer = PROTOCOL.encode_request(asking(*history, user("more"), assistant("b")), TARGET, Ledger())
    assert longer.startswith(shorter.removesuffix(b"]}"))


# Blocks ---------------------------------------------------------------------------------------------------------------


def test_empty_text_is_left_out_and_blank_text_is_reported() -> None:
    body, codes = encoded(asking(user("", "a"), assistant(" \n", ToolCall("t", "f", "{}")), user(ToolResult("t"))))
    assert [[block["type"] for block in message["content"]] for message in body["messages"]] == [
        ["text"], ["tool_use"], ["tool_result"],
    ]  # fmt: skip
    assert codes == ["blank_text"]


def test_ids_fit_the_apis_pattern_and_pairs_stay_pairs() -> None:
    calls = assistant(ToolCall("functions.x:0", "f", "{}"), ToolCall("functions_x_0", "f", "{}"))
    results = user(ToolResult("functions_x_0", (Text("b"),)), ToolResult("functions.x:0", (Text("a"),)))
    turns = content(user("go"), calls, results)
    ids = [block["id"] for block in turns[1][1]]
    assert ids == ["dgm-ZnVuY3Rpb25zLng6MA", "functions_x_0"]
    assert {block["tool_use_id"]: block["content"] for block in turns[2][1]} == {ids[0]: "a", ids[1]: "b"}


@given(id_=st.text())
def test_what_stands_for_an_id_fits_and_is_read_back(id_: str) -> None:
    written = legal_id(id_)
    assert not id_ or re.fullmatch(r"[a-zA-Z0-9_-]+", written)
    assert original_id(written) == id_


@given(id_=st.text(st.sampled_from("dgm-AZ09_=")).map("dgm-".__add__))
def test_an_id_that_only_looks_like_one_of_ours_stays(id_: str) -> None:
    assert legal_id(original_id(id_)) == legal_id(id_) == id_ if re.fullmatch(r"[a-zA-Z0-9_-]+", id_) else True


def test_calls_of_one_id_get_ids_of_their_own() -> None:
    ids = ToolIds()
    issued = [ids.issue(one) for one in ("a:1", "a:1", "b", "b", "", "")]
    assert len(set(issued)) == 6
    assert [original_id(one) for one in issued] == ["a:1", "a:1_2", "b", "b_2", "toolu_0", "toolu_0_2"]


@given(ids=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
def test_any_ids_are_legal_and_different(ids: list[str]) -> None:
    turns = content(
        user("go"), assistant(*(ToolCall(id, "f", "{}") for id in ids)), user(*(ToolResult(id) for id in ids))
    )
    issued = [block["id"] for block in turns[1][1]]
    assert len(set(issued)) == len(ids)
    assert [block["tool_use_id"] for block in turns[2][1]] == issued
    assert all(id.isascii() and id.replace("_", "a").replace("-", "a").isalnum() for id in issued)


@pytest.mark.parametrize(
    ("arguments", "expected", "codes"),
    [
        ("", {}, []),
        ('{"a": 12345678901234567890123}', {"a": 12345678901234567890123}, []),
        ('{"a":', {"_raw": '{"a":'}, ["broken_arguments"]),
        ("[1]", {"_raw": "[1]"}, ["broken_arguments"]),
    ],
)
def test_arguments_are_always_an_object(arguments: str, expected: Any, codes: list[str]) -> None:
    body, got = encoded(asking(user("go"), assistant(ToolCall("t", "f", arguments)), user(ToolResult("t"))))
    assert body["messages"][1]["content"][0]["input"] == expected
    assert got == codes


def test_free_text_of_a_custom_tool_becomes_the_string_input() -> None:
    call = ToolCall("t", "patch", '*** "x"', ToolKind.CUSTOM)
    assert content(user("go"), assistant(call), user(ToolResult("t")))[1][1][0]["input"] == {"input": '*** "x"'}


def test_results_hold_text_images_and_documents() -> None:
    blocks = (
        Text("a"),
        Text(""),
        Image(Base64Data("image/png", "AA==")),
        Document(Base64Data("application/pdf", "AA==")),
    )
    result = ToolResult("t", blocks, is_error=True)
    block = content(user("go"), assistant(ToolCall("t", "f", "{}")), user(result))[2][1][0]
    assert [inner["type"] for inner in block["content"]] == ["text", "image", "document"]
    assert block["is_error"] is True
    plain = content(user("go"), assistant(ToolCall("t", "f", "{}")), user(ToolResult("t", (Text(" a "),))))[2][1][0]
    assert plain == {"type": "tool_result", "tool_use_id": "t", "content": " a "}


def test_reasoning_goes_back_to_the_upstream_that_signed_it_only() -> None:
    own = Reasoning(("hm",), seal=Seal(NAME, "sig+/=", "upstream", "m"))
    native = Reasoning(("hm",), seal=Seal(NAME, "sig+/="))
    other = Reasoning(("hm",), seal=Seal(NAME, "sig", "another", "m"))
    foreign = Reasoning(("hm",), seal=Seal(CHAT, "sig", "upstream", "m"))
    for block in (own, native):
        body, codes = encoded(asking(user("a"), assistant(block, "b"), user("c")))
        assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "sig+/="}
        assert codes == []
    for block in (other, foreign, Reasoning(("hm",)), Reasoning(("hm",), seal=Seal(NAME, "", "upstream"))):
        body, codes = encoded(asking(user("a"), assistant(block, "b"), user("c")))
        assert [inner["type"] for inner in body["messages"][1]["content"]] == ["text"]
        assert codes == ["foreign_reasoning"]


def test_redacted_reasoning_goes_back_as_it_came() -> None:
    block = Reasoning(is_redacted=True, seal=Seal(NAME, "data", "upstream", "m", "redacted"))
    assert content(user("a"), assistant(block, "b"), user("c"))[1][1][0] == {
        "type": "redacted_thinking",
        "data": "data",
    }


def test_a_turn_of_foreign_reasoning_alone_keeps_a_legal_form() -> None:
    assert kinds(user("a"), assistant(Reasoning(("hm",))), user("c"))[1] == ("assistant", ["text"])


def test_refusals_and_foreign_blocks_are_said_as_text() -> None:
    foreign = Foreign("openai-responses", "web_search_call", msgspec.Raw(b"{}"), "searched")
    silent = Foreign("openai-responses", "reasoning", msgspec.Raw(b"{}"))
    body, codes = encoded(asking(user("a"), assistant(Refusal("no"), foreign, silent), user("b")))
    assert [block["text"] for block in body["messages"][1]["content"]] == ["no", "searched"]
    assert codes == ["foreign_block", "foreign_block_dropped"]


def test_a_picture_has_the_media_type_that_the_api_knows() -> None:
    body, _ = encoded(asking(user(Image(Base64Data("image/jpg", "AA==")))))
    assert body["messages"][0]["content"][0]["source"]["media_type"] == "image/jpeg"


def test_documents_of_any_source() -> None:
    pdf = Document(Base64Data("application/pdf", "AA=="), "T", "C", citations=True)
    text = Document(Base64Data("text/markdown", "aGk="))
    blocks = content(user(pdf, Document(PlainText("x")), Document(UrlData("https://u")), text))[0][1]
    assert blocks[0]["citations"] == {"enabled": True}
    assert [block["source"]["type"] for block in blocks] == ["base64", "text", "url", "text"]
    assert blocks[3]["source"]["data"] == "hi"


@pytest.mark.parametrize(
    "block",
    [
        Audio("AA==", "wav"),
        Image(FileId("openai-responses", "file_1")),
        Document(FileId("openai-responses", "file_1")),
        Document(Base64Data("application/vnd.ms-excel", "AA==")),
        Document(Base64Data("text/plain", "6Q==")),
    ],
)
def test_what_anthropic_cannot_read_is_refused_by_its_place(block: Block) -> None:
    with pytest.raises(UnsupportedError) as caught:
        PROTOCOL.encode_request(asking(user("a"), assistant("b"), user("c", block)), TARGET, Ledger())
    assert caught.value.failure.param == "messages[2].content[1]"


def test_citations_of_other_protocols_are_reported() -> None:
    own = Citation(NAME, msgspec.Raw(msgspec.json.encode(CITATION)))
    other = Citation(CHAT, msgspec.Raw(b'{"type":"url_citation"}'))
    body, codes = encoded(asking(user("a"), assistant(Text("b", (own, other))), user("c")))
    assert len(body["messages"][1]["content"][0]["citations"]) == 1
    assert codes == ["citations"]


# Cache breakpoints ----------------------------------------------------------------------------------------------------


def test_four_breakpoints_at_most_and_the_earliest_of_the_messages_go() -> None:
    messages = (user(Text("1", cache=MARK)), assistant("x"), user(Text("2", cache=MARK)), assistant("y"),
                user(Text("3", cache=CacheBreakpoint("1h"))))  # fmt: skip
    request = asking(
        *messages,
        system=(Text("s", cache=MARK),),
        tools=(msgspec.structs.replace(TOOL, cache=MARK),),
    )
    body, codes = encoded(request)
    marks = [block.get("cache_control") for message in body["messages"] for block in message["content"]]
    assert marks == [None, None, {"type": "ephemeral"}, None, {"type": "ephemeral", "ttl": "1h"}]
    assert body["system"][0]["cache_control"] == body["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert codes == ["cache_breakpoint"]


# Tools ----------------------------------------------------------------------------------------------------------------


def schema_of(schema: bytes | None) -> tuple[dict[str, Any], list[str]]:
    tool = FunctionTool("f", schema=None if schema is None else msgspec.Raw(schema))
    body, codes = encoded(asking(tools=(tool,)))
    return body["tools"][0]["input_schema"], codes


def test_every_schema_is_an_object_at_the_top() -> None:
    empty = {"type": "object", "properties": {}}
    assert schema_of(None) == (empty, [])
    assert schema_of(b"{}") == (empty, [])
    assert schema_of(b'{"properties":{"a":{}}}') == ({"type": "object", "properties": {"a": {}}}, [])
    assert schema_of(b'{"type":"object","x":1}') == ({"type": "object", "x": 1}, [])
    assert schema_of(b'{"type":["object","null"]}') == ({"type": "object"}, ["schema"])
    wrapped = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
    assert schema_of(b'{"type":"string"}') == (wrapped, ["schema"])


def test_branches_at_the_top_of_a_schema_are_put_together() -> None:
    schema = (
        b'{"type":"object","$defs":{"d":{}},"anyOf":[{"properties":{"a":{"type":"string"},"k":{}},"required":["a","k"]},'
        b'{"properties":{"b":{"$ref":"#/$defs/d"}},"required":["b","k"]}],"description":"x"}'
    )
    got, codes = schema_of(schema)
    assert got == {
        "type": "object",
        "$defs": {"d": {}},
        "description": "x",
        "properties": {"a": {"type": "string"}, "k": {}, "b": {"$ref": "#/$defs/d"}},
        "required": ["k"],
    }
    assert codes == ["schema"]


def test_tools_of_each_kind() -> None:
    grammar = msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"start: WORD"}')
    tools = (
        TOOL,
        FunctionTool("f", "again"),
        CustomTool("patch", "edits", grammar),
        HostedTool("openai-responses", "web_search", "web_search", msgspec.Raw(b"{}")),
        FunctionTool("g", extras=(Extra(CHAT, "novelty", msgspec.Raw(b"1")),)),
    )
    body, codes = encoded(asking(tools=tools))
    assert [tool["name"] for tool in body["tools"]] == ["f", "patch", "g"]
    assert "start: WORD" in body["tools"][1]["description"]
    assert body["tools"][1]["input_schema"]["required"] == ["input"]
    assert codes == ["duplicate_tool", "custom_tool", "hosted_tool", "extra_field"]


def test_strict_tools_where_there_are_some() -> None:
    strict = msgspec.structs.replace(TOOL, strict=True)
    assert encoded(asking(tools=(strict,)))[0]["tools"][0]["strict"] is True
    body, codes = encoded(asking(tools=(strict,)), target(structured_output=False))
    assert "strict" not in body["tools"][0]
    assert codes == ["strict"]


def test_forbidding_parallel_calls_needs_a_choice() -> None:
    body, _ = encoded(asking(tools=(TOOL,), parallel_tools=False))
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in encoded(asking(parallel_tools=False, tool_choice=ToolChoice("auto")))[0]
    named = encoded(asking(tools=(TOOL,), parallel_tools=False, tool_choice=ToolChoice("tool", "f")))[0]
    assert named["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}


def test_a_forced_choice_without_tools_is_reported() -> None:
    body, codes = encoded(asking(tool_choice=ToolChoice("any")))
    assert "tool_choice" not in body
    assert codes == ["tool_choice"]


def test_a_choice_among_some_tools_leaves_out_the_others() -> None:
    request = asking(tools=(TOOL, FunctionTool("g")), tool_choice=ToolChoice("any", allowed=("g",)))
    body, codes = encoded(request)
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["g"], {"type": "any"})
    assert codes == ["allowed_tools"]


# Limits, thinking, sampling -------------------------------------------------------------------------------------------


def test_max_tokens_are_always_there_and_never_more_than_the_model_gives() -> None:
    assert encoded(asking(max_tokens=None))[0]["max_tokens"] == Dialect().default_max_tokens
    assert encoded(asking(max_tokens=None), target(8192))[0]["max_tokens"] == 8192
    body, codes = encoded(asking(max_tokens=64_000), target(8192))
    assert (body["max_tokens"], codes) == (8192, ["max_tokens"])


def thinking_of(control: ReasoningControl, to: Any = TARGET, **fields: Any) -> tuple[Any, Any, list[str]]:
    body, codes = encoded(asking(**fields, reasoning=control), to)
    return body.get("thinking"), body.get("output_config"), codes


MANUAL = target(adaptive_thinking=False)


def test_effort_becomes_adaptive_thinking() -> None:
    assert thinking_of(ReasoningControl(effort=Effort.HIGH)) == ({"type": "adaptive"}, {"effort": "high"}, [])
    assert thinking_of(ReasoningControl(effort=Effort.MINIMAL))[1:] == ({"effort": "low"}, ["effort"])
    assert thinking_of(ReasoningControl(effort=Effort.NONE)) == ({"type": "disabled"}, None, [])
    assert thinking_of(ReasoningControl("adaptive", visible=False))[0] == {"type": "adaptive", "display": "omitted"}
    assert thinking_of(ReasoningControl()) == (None, None, [])


def test_an_effort_for_which_nobody_thinks_stays_one() -> None:
    alone = ReasoningControl(effort=Effort.LOW, effort_alone=True)
    assert thinking_of(alone) == (None, {"effort": "low"}, [])
    assert thinking_of(alone, MANUAL) == (None, None, ["effort"])


def test_effort_becomes_a_budget_where_thinking_is_manual() -> None:
    enabled = {"type": "enabled", "budget_tokens": 8192}
    assert thinking_of(ReasoningControl(effort=Effort.MEDIUM), MANUAL, max_tokens=20_000) == (enabled, None, [])


def test_a_budget_always_leaves_room_for_the_answer() -> None:
    control = ReasoningControl("enabled", 31_999)
    thinking, _, codes = thinking_of(control, max_tokens=4096)
    assert (thinking, codes) == ({"type": "enabled", "budget_tokens": 2048}, ["thinking_budget"])
    thinking, _, codes = thinking_of(control, max_tokens=1000)
    assert (thinking, codes) == ({"type": "disabled"}, ["thinking_off"])
    body, codes = encoded(asking(max_tokens=None, reasoning=control))
    assert body["max_tokens"] > body["thinking"]["budget_tokens"] == 31_999


@given(
    budget=st.integers(0, 100_000), limit=st.none() | st.integers(1, 100_000), most=st.none() | st.integers(1, 100_000)
)
def test_any_budget_fits_below_max_tokens(budget: int, limit: int | None, most: int | None) -> None:
    body, _ = encoded(asking(max_tokens=limit, reasoning=ReasoningControl("enabled", budget)), target(most))
    if body["thinking"]["type"] == "enabled":
        assert 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]


def test_manual_thinking_does_not_go_with_a_forced_choice() -> None:
    control = ReasoningControl("enabled", 1024)
    thinking, _, codes = thinking_of(control, tools=(TOOL,), tool_choice=ToolChoice("any"))
    assert (thinking, codes) == ({"type": "disabled"}, ["thinking_off"])


def test_manual_thinking_needs_signed_thought_before_the_last_calls() -> None:
    control = ReasoningControl("enabled", 1024)
    signed = Reasoning(("hm",), seal=Seal(NAME, "sig"))
    call, result = ToolCall("t", "f", "{}"), user(ToolResult("t"))
    unsigned = asking(user("a"), assistant(call), result, reasoning=control)
    assert encoded(unsigned)[1] == ["thinking_off"]
    assert encoded(asking(user("a"), assistant(signed, call), result, reasoning=control))[1] == []


def test_where_thinking_needs_no_signature_it_stays_on_and_comes_back_as_it_was() -> None:
    own = Reasoning(("hm",), seal=Seal(NAME, "", "upstream", "model-1"))
    other = Reasoning(("ha",), seal=Seal(NAME, "", "another", "model-1"))
    asked = asking(
        user("a"),
        assistant(own, other, ToolCall("t", "f", "{}")),
        user(ToolResult("t")),
        reasoning=ReasoningControl("enabled", 1024),
    )
    body, codes = encoded(asked, target(signed_thinking=False))
    assert body["thinking"]["type"] == "enabled"
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}
    assert codes == ["foreign_reasoning"]
    assert encoded(asked)[1] == ["foreign_reasoning", "foreign_reasoning", "thinking_off"]


def test_what_is_lost_of_the_settings_is_named_as_the_ir_has_it() -> None:
    """An error has to name it in the words of its client, whatever that speaks."""
    ledger = Ledger()
    control = ReasoningControl("enabled", 1024)
    asked = asking(max_tokens=500, reasoning=control, sampling=Sampling(stop=("a", " ")))
    PROTOCOL.encode_request(asked, target(), ledger)
    assert [loss.path for loss in ledger if loss.changes_meaning] == ["reasoning", "stop[1]"]


def test_sampling_goes_with_the_apis_rules() -> None:
    body, codes = encoded(asking(sampling=Sampling(temperature=1.6)))
    assert (body["temperature"], codes) == (1, ["temperature"])
    body, codes = encoded(asking(sampling=Sampling(temperature=0.5, top_p=0.9, top_k=5)))
    assert (body["temperature"], "top_p" in body, body["top_k"], codes) == (0.5, False, 5, ["top_p"])
    assert encoded(asking(sampling=Sampling(temperature=0.5, top_p=1)))[1] == []
    assert encoded(asking(sampling=Sampling(top_p=0.9)))[0]["top_p"] == 0.9


def test_sampling_is_left_out_while_thinking() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=5)
    body, codes = encoded(asking(sampling=sampling, reasoning=ReasoningControl("adaptive")))
    assert not {"temperature", "top_p", "top_k"} & body.keys()
    assert sorted(codes) == ["temperature", "top_k", "top_p"]
    one = encoded(asking(sampling=Sampling(temperature=1), reasoning=ReasoningControl("adaptive")))
    assert (one[0]["temperature"], one[1]) == (1, [])


def test_sampling_is_left_out_where_the_model_takes_none() -> None:
    body, codes = encoded(asking(sampling=Sampling(temperature=0.5, stop=("x",))), target(sampling=False))
    assert ("temperature" in body, body["stop_sequences"], codes) == (False, ["x"], ["sampling"])


def test_settings_that_do_not_exist_are_not_sent() -> None:
    sampling = Sampling(seed=1, frequency_penalty=0.5, presence_penalty=0.5, stop=("a", "\n"))
    body, codes = encoded(asking(sampling=sampling, cache_key="k"))
    assert set(body) == {"model", "max_tokens", "stop_sequences", "messages"}
    assert body["stop_sequences"] == ["a"]
    assert codes == ["seed", "frequency_penalty", "presence_penalty", "stop_sequence", "cache_key"]


def test_several_candidates_are_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        PROTOCOL.encode_request(asking(sampling=Sampling(candidates=2)), TARGET, Ledger())
    assert caught.value.failure.param == "n"


# The rest -------------------------------------------------------------------------------------------------------------


def test_a_schema_for_the_answer_is_native_or_asked_for() -> None:
    schema = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":false}')
    output = OutputFormat(schema, "name", strict=True)
    body, codes = encoded(asking(output=output))
    expected = {"format": {"type": "json_schema", "schema": msgspec.json.decode(schema)}}
    assert (body["output_config"], codes) == (expected, [])
    body, codes = encoded(asking(output=output, system=(Text("s"),)), target(structured_output=False))
    assert (body["system"][0]["text"], bytes(schema).decode() in body["system"][1]["text"]) == ("s", True)
    assert codes == ["json_schema"]
    own = OutputFormat(msgspec.Raw(b'{"type":"object"}'), origin=NAME)
    assert encoded(asking(output=own))[0]["output_config"]["format"]["schema"] == {"type": "object"}
    body, codes = encoded(asking(output=msgspec.structs.replace(own, origin=CHAT)))
    assert (codes, "output_config" in body, '{"type":"object"}' in body["system"][0]["text"]) == (
        ["json_schema"],
        False,
        True,
    )
    assert encoded(asking(output=OutputFormat()))[1] == ["json_object"]


@pytest.mark.parametrize(
    ("tier", "expected"), [("auto", "auto"), ("default", "standard_only"), ("priority", "auto"), ("flex", None)]
)
def test_service_tiers(tier: str, expected: str | None) -> None:
    body, codes = encoded(asking(service_tier=tier))
    assert body.get("service_tier") == expected
    assert codes == ([] if expected else ["service_tier"])


def test_extras_of_other_protocols_are_dropped_or_refused() -> None:
    _, codes = encoded(asking(extras=(Extra(CHAT, "logit_bias", msgspec.Raw(b"{}")),)))
    assert codes == ["extra_field"]
    extra = Extra(CHAT, "logprobs", msgspec.Raw(b"true"), matters=True)
    with pytest.raises(UnsupportedError) as caught:
        PROTOCOL.encode_request(asking(extras=(extra,)), TARGET, Ledger())
    assert caught.value.failure.param == "logprobs"


def test_user_stream_and_the_requests_own_breakpoint() -> None:
    body, _ = encoded(asking(user="u", stream=True, cache=MARK))
    assert (body["metadata"], body["stream"]) == ({"user_id": "u"}, True)
    assert body["cache_control"] == {"type": "ephemeral"}
