"""What clients send: every kind of item, tool and setting, and what is wrong with them."""

import pytest
from msgspec import Raw

from dragoman.ir.failures import DragomanError, RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    CustomTool,
    Document,
    Effort,
    FileId,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    Message,
    Namespace,
    Page,
    PlainText,
    Reasoning,
    ReasoningControl,
    Refusal,
    Role,
    Search,
    Text,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
    UrlData,
    UserLocation,
    WebSearch,
)
from dragoman.ir.seals import Seal, write_seal
from tests.protocols.openai_responses.support import Json, codes, decoded

HI = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}


def blocks_of(*items: Json) -> list[object]:
    return [block for message in decoded(HI, *items).messages[1:] for block in message.blocks]


# Messages


def test_a_string_is_one_message_of_the_user() -> None:
    assert decoded().messages == (Message(Role.USER, (Text("hi"),)),)


def test_items_without_a_type_are_messages() -> None:
    said = decoded(
        {"role": "user", "content": [{"type": "input_text", "text": " a\n"}]}, {"role": "assistant", "content": "b"}
    )
    assert said.messages == (Message(Role.USER, (Text(" a\n"),)), Message(Role.ASSISTANT, (Text("b"),)))


def test_instructions_and_what_developers_say_first_are_the_system_and_the_rest_keeps_its_place() -> None:
    said = decoded(
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "base"}]},
        {"role": "system", "content": "more"},
        HI,
        {"role": "developer", "content": "later"},
        instructions="first",
    )
    assert said.system == (Text("first"), Text("base"), Text("more"))
    assert said.messages == (Message(Role.USER, (Text("hi"),)), Message(Role.DEVELOPER, (Text("later"),)))


def test_a_request_of_instructions_alone_keeps_a_message() -> None:
    assert decoded({"role": "developer", "content": "x"}).messages == (Message(Role.DEVELOPER, (Text("x"),)),)


def test_content_of_every_kind() -> None:
    content = [
        {"type": "input_text", "text": "words"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": None},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "filename": "a.txt", "file_data": "aGk="},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    assert blocks_of({"role": "user", "content": content}) == [
        Text("words"),
        Image(Base64Data("image/png", "AA=="), "high"),
        Image(UrlData("https://x/y.png")),
        Image(FileId("openai-responses", "file-1")),
        Document(Base64Data("application/pdf", "AA=="), "a.pdf"),
        Document(PlainText("hi"), "a.txt"),
        Document(UrlData("https://x/y.pdf")),
        Document(FileId("openai-responses", "file-2")),
        Audio("AA==", "wav"),
    ]


def test_what_the_model_said_comes_back_with_its_sources_refusals_and_phase() -> None:
    page = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 1}
    text = {"type": "output_text", "text": "a", "annotations": [page], "logprobs": [], "parsed": None}
    item = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [text, {"type": "refusal", "refusal": "no"}],
        "phase": "commentary",
    }
    said, refused = blocks_of(item)
    assert isinstance(said, Text)
    assert (said.citations[0].url, said.citations[0].title, said.citations[0].end) == ("https://x", "X", 1)
    assert said.seal == Seal("openai-responses", "commentary", form="phase")
    assert refused == Refusal("no")


# Calls and results


def test_calls_of_every_kind_and_what_came_of_them() -> None:
    said = blocks_of(
        {**CALL, "id": "fc_1", "status": "completed", "namespace": "ns", "parsed_arguments": None},
        {"type": "custom_tool_call", "call_id": "d", "name": "patch", "input": "*** x"},
        OUTPUT,
        {"type": "custom_tool_call_output", "call_id": "d", "output": ""},
    )
    assert said == [
        ToolCall("c", "f", "{}", namespace="ns"),
        ToolCall("d", "patch", "*** x", ToolKind.CUSTOM),
        ToolResult("c", (Text("done"),)),
        ToolResult("d", (), kind=ToolKind.CUSTOM),
    ]


def test_results_hold_texts_pictures_and_files() -> None:
    output = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]
    *_, result = blocks_of(CALL, {**OUTPUT, "output": output})
    assert isinstance(result, ToolResult)
    assert [type(block) for block in result.blocks] == [Text, Image, Document]


def test_the_local_shell_is_a_call_and_its_output_is_found_by_either_id() -> None:
    action: Json = {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": None, "working_directory": "/src"}
    shell = {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "status": "completed", "action": action}
    for output in ({"id": "lsh_1"}, {"id": "other", "call_id": "c"}):
        call, result = blocks_of(shell, {"type": "local_shell_call_output", "output": "a.py", **output})
        assert call == ToolCall("c", "local_shell", '{"command":["ls"],"env":{},"working_directory":"/src"}')
        assert result == ToolResult("c", (Text("a.py"),))


def test_a_search_for_tools_is_a_call_and_what_it_found_can_be_called() -> None:
    found = {
        "type": "tool_search_output",
        "call_id": "c",
        "execution": "client",
        "tools": [
            {"type": "function", "name": "g", "parameters": {"type": "object"}},
            {"type": "namespace", "name": "cal", "description": "d", "tools": [{"type": "function", "name": "add"}]},
        ],
    }
    search = {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "cal"}}
    said = decoded(HI, search, found, tools=[{"type": "function", "name": "g"}])
    call, result = (message.blocks[0] for message in said.messages[1:])
    assert call == ToolCall("c", "tool_search", '{"query": "cal"}')
    assert isinstance(result, ToolResult)
    (block,) = result.blocks
    assert isinstance(block, Foreign)
    assert block.text == "[These tools can be called from here on: g, cal]"
    assert [(tool.name, tool.namespace) for tool in said.tools if isinstance(tool, FunctionTool)] == [
        ("g", None),
        ("add", Namespace("cal", "d")),
    ]


def test_tools_can_be_added_on_the_way() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "late"}]}
    said = decoded(HI, more)
    assert [tool.name for tool in said.tools] == ["late"]
    assert len(said.messages) == 1


def test_what_the_model_said_in_a_row_is_one_message_and_new_words_begin_another() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    words = {"role": "assistant", "content": "w"}
    said = decoded(HI, thought, words, CALL, {**CALL, "call_id": "d"}, OUTPUT, {**OUTPUT, "call_id": "d"}, words, words)
    shape = [(message.role.value, [type(block).__name__ for block in message.blocks]) for message in said.messages]
    assert shape == [
        ("user", ["Text"]),
        ("assistant", ["Reasoning", "Text", "ToolCall", "ToolCall"]),
        ("user", ["ToolResult"]),
        ("user", ["ToolResult"]),
        ("assistant", ["Text"]),
        ("assistant", ["Text"]),
    ]


# Reasoning


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "enc"},
            Reasoning(("a",), is_summary=True, seal=Seal("openai-responses", "enc", form="rs_1")),
        ),
        (
            {"summary": [], "content": None, "encrypted_content": "enc"},
            Reasoning(is_redacted=True, seal=Seal("openai-responses", "enc")),
        ),
        (
            {"summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
            Reasoning(("raw",)),
        ),
        (
            {"summary": [{"text": "a"}, {"text": "b"}, {"text": ""}], "encrypted_content": None},
            Reasoning(("a", "b"), is_summary=True),
        ),
    ],
)
def test_reasoning_comes_back_with_its_seal(fields: Json, expected: Reasoning) -> None:
    assert blocks_of({"type": "reasoning", **fields}, {"role": "assistant", "content": "x"})[0] == expected


def test_our_own_seals_name_whose_they_are() -> None:
    seal = Seal("anthropic-messages", "sig", "claude", "m")
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "t"}], "encrypted_content": write_seal(seal)}
    thought, bare, _ = blocks_of(item, {**item, "summary": []}, CALL)
    assert thought == Reasoning(("t",), is_summary=True, seal=seal)
    # Whether it was redacted is for the seal's own protocol to say.
    assert bare == Reasoning(seal=seal)


def test_an_empty_thought_says_nothing() -> None:
    assert blocks_of({"type": "reasoning", "id": "rs_1", "summary": []}) == []


# Items of the vendor's own


def test_a_search_of_the_web_tells_what_it_looked_for() -> None:
    action = {"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://x"}]}
    searched, opened = blocks_of(
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action},
        {
            "type": "web_search_call",
            "id": "ws_2",
            "status": "completed",
            "action": {"type": "open_page", "url": "https://y"},
        },
    )
    assert isinstance(searched, Foreign)
    assert isinstance(opened, Foreign)
    assert (searched.search, searched.text) == (Search("q", (Page("https://x"),)), "[web search: q]")
    assert (opened.search, opened.text) == (Search(pages=(Page("https://y"),)), "[web search: https://y]")


def test_other_items_are_kept_as_they_are_with_words_for_others() -> None:
    code = {"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "outputs": None, "status": "completed"}
    shell = {"type": "shell_call_output", "call_id": "s", "output": []}
    run, printed, compacted = blocks_of(code, shell, {"type": "compaction", "encrypted_content": "x"})
    assert isinstance(run, Foreign)
    assert (run.type, run.text) == ("code_interpreter_call", '[code_interpreter_call: {"code":"1+1"}]')
    assert isinstance(printed, Foreign)
    assert decoded(HI, shell).messages[1].role is Role.USER
    assert isinstance(compacted, Foreign)
    assert compacted.text is None


def test_a_picture_that_the_model_made_comes_back() -> None:
    item = {
        "type": "image_generation_call",
        "id": "ig",
        "status": "completed",
        "result": "AA==",
        "output_format": "webp",
    }
    assert blocks_of(item) == [Image(Base64Data("image/webp", "AA=="))]


# Tools


def test_tools_of_every_kind() -> None:
    location = {"type": "approximate", "country": "FR"}
    search = {"type": "web_search", "external_web_access": True, "filters": {"allowed_domains": ["a"]}}
    function, custom, inner, shell, finder, web, code = decoded(
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            {"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "namespace", "name": "ns", "description": "n", "tools": [{"type": "function", "name": "g"}]},
            {"type": "local_shell"},
            {"type": "tool_search", "execution": "client", "description": "find", "parameters": {"type": "object"}},
            {**search, "user_location": location, "search_context_size": "low"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ]
    ).tools
    assert function == FunctionTool("f", "d", Raw(b'{"type": "object"}'), strict=True)
    assert isinstance(custom, CustomTool)
    assert isinstance(inner, FunctionTool)
    assert inner.namespace == Namespace("ns", "n")
    assert isinstance(shell, FunctionTool)
    assert shell.native is not None
    assert (shell.name, shell.native.type) == ("local_shell", "local_shell")
    assert isinstance(finder, FunctionTool)
    assert (finder.name, finder.description, finder.schema) == ("tool_search", "find", Raw(b'{"type": "object"}'))
    assert isinstance(web, HostedTool)
    assert web.search == WebSearch(("a",), location=UserLocation(country="FR"), context_size="low")
    assert isinstance(code, HostedTool)
    assert (code.type, code.search) == ("code_interpreter", None)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("any")),
        ("none", ToolChoice("none")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", "f")),
        ({"type": "custom", "name": "p"}, ToolChoice("tool", "p")),
        ({"type": "web_search_preview"}, ToolChoice("tool", "web_search")),
        ({"type": "mcp", "server_label": "s", "name": "x"}, ToolChoice("tool", "x")),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ToolChoice("any", allowed=("f", "web_search")),
        ),
    ],
)
def test_tool_choices(choice: Json, expected: ToolChoice) -> None:
    assert decoded(tool_choice=choice).tool_choice == expected


# Settings


def test_settings_have_their_places() -> None:
    said = decoded(
        max_output_tokens=99,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        stream=True,
        safety_identifier="u1",
        user="u2",
        service_tier="flex",
        prompt_cache_key="k",
    )
    assert (said.max_tokens, said.sampling.temperature, said.sampling.top_p) == (99, 0.5, 0.9)
    assert said.parallel_tools is False
    assert said.reasoning == ReasoningControl(effort=Effort.HIGH, visible=True)
    assert said.output is not None
    assert (said.output.name, said.output.strict) == ("n", True)
    assert (said.stream, said.user, said.service_tier, said.cache_key) == (True, "u1", "flex", "k")
    assert said.extras == ()


def test_reasoning_can_be_switched_off() -> None:
    assert decoded(reasoning={"effort": "none"}).reasoning.mode == "disabled"


def test_what_codex_sends_is_carried_or_an_extra() -> None:
    said = decoded(
        store=False,
        include=["reasoning.encrypted_content"],
        client_metadata={"session_id": "s"},
        text={"verbosity": "low"},
        tool_choice="auto",
        parallel_tool_calls=True,
        reasoning={"summary": "auto"},
    )
    assert [extra.name for extra in said.extras] == ["client_metadata", "text.verbosity"]
    assert not any(extra.matters for extra in said.extras)


def test_what_may_not_be_left_out_says_so() -> None:
    said = decoded(
        background=True, conversation="c", prompt={"id": "p"}, include=["message.output_text.logprobs"], top_logprobs=2
    )
    assert {extra.name: extra.matters for extra in said.extras} == dict.fromkeys(
        ("background", "conversation", "prompt", "top_logprobs", "include"), True
    )
    assert decoded(background=False, top_logprobs=0, truncation="disabled", metadata={}).extras == ()


def test_unknown_fields_are_kept_at_the_top_and_reported_inside() -> None:
    ledger = Ledger()
    said = decoded({**HI, "new": 1}, ledger=ledger, novelty={"a": 1}, tools=[{"type": "function", "name": "f", "x": 1}])
    assert [extra.name for extra in said.extras] == ["novelty"]
    assert codes(ledger) == ["unknown_field"] * 2
    assert [loss.path for loss in ledger] == ["input[0].new", "tools[0].x"]


# What is wrong


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 4}, "input"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "nothing"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,?"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "?", "filename": "a.pdf"}]}]},
            "input[0].content[0].file_data",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
                ]
            },
            "input[0].content[0].input_audio.data",
        ),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [7]}, "input[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"reasoning": {"effort": "ultra"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"verbosity": 5}}, "text.verbosity"),
        ({"reasoning": {"mode": 5}}, "reasoning.mode"),
        ({"metadata": 5}, "metadata"),
        ({"metadata": {"a": 5}}, "metadata[...]"),
        ({"max_tool_calls": "x"}, "max_tool_calls"),
        ({"max_tool_calls": 10**400}, "max_tool_calls"),
        (
            {"input": [{"type": "local_shell_call", "id": "c", "action": {"command": [], "timeout_ms": 10**400}}]},
            "input[0].action.timeout_ms",
        ),
        ({"top_logprobs": "x"}, "top_logprobs"),
        ({"truncation": "some"}, "truncation"),
        ({"background": "x"}, "background"),
        ({"conversation": 5}, "conversation"),
        ({"prompt": 5}, "prompt"),
        ({"client_metadata": 5}, "client_metadata"),
        ({"tools": [{"type": "custom", "name": "p", "format": 5}]}, "tools[0].format"),
        ({"tools": [{"type": "function", "name": "f", "defer_loading": "x"}]}, "tools[0].defer_loading"),
    ],
)
def test_what_is_wrong_is_named(body: Json, param: str) -> None:
    with pytest.raises(RequestError) as refused:
        decoded(**body)
    assert refused.value.failure.param == param


def test_references_to_what_nobody_remembers_are_refused() -> None:
    with pytest.raises(DragomanError) as previous:
        decoded(previous_response_id="resp_gone")
    assert previous.value.failure.code == "previous_response_not_found"
    assert previous.value.failure.param == "previous_response_id"
    for reference in ({"type": "item_reference", "id": "msg_gone"}, {"id": "msg_gone"}):
        with pytest.raises(RequestError, match="Item with id 'msg_gone' not found"):
            decoded(HI, reference)


def test_a_count_may_be_of_tools_alone() -> None:
    from dragoman.protocols.openai_responses import PROTOCOL

    assert PROTOCOL.decode_count is not None
    body = b'{"model":"m","tools":[{"type":"function","name":"f"}],"personality":"friendly"}'
    assert PROTOCOL.decode_count(body, Ledger()).messages == ()
