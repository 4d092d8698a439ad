"""Requests from the wire to the IR."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

from typing import Any

import msgspec
import pytest

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Base64Data,
    Block,
    BlockContent,
    CacheBreakpoint,
    Document,
    Effort,
    FileId,
    Foreign,
    FunctionTool,
    HostedTool,
    Image,
    Page,
    PlainText,
    Reasoning,
    Request,
    Role,
    Search,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlData,
    UserLocation,
    WebSearch,
)
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols.anthropic_messages import PROTOCOL
from tests.protocols.anthropic_messages.sdk import decoded

NAME = "anthropic-messages"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}


def request(**fields: Any) -> Request:
    return decoded(body(**fields))[0]


def block(**fields: Any) -> Block:
    """Return the one block that the wire's block `fields` becomes."""
    blocks = request(messages=[{"role": "user", "content": [fields]}]).messages[0].blocks
    assert len(blocks) == 1
    return blocks[0]


def test_text_is_exact_to_the_byte() -> None:
    text = "\t leading, trailing \n\n \u2028 \U0001f98a"
    assert block(type="text", text=text) == Text(text)
    assert request(messages=[{"role": "user", "content": text}]).messages[0].blocks == (Text(text),)


def test_an_empty_string_says_nothing() -> None:
    assert request(messages=[{"role": "user", "content": ""}], system="").messages[0].blocks == ()
    assert request(system="").system == ()
    assert request(system=None).system == ()


def test_system_is_a_string_or_blocks_with_breakpoints() -> None:
    assert request(system=" be brief ").system == (Text(" be brief "),)
    blocks = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"},
        {"type": "text", "text": "You are", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert request(system=blocks).system == (
        Text("x-anthropic-billing-header: cc_version=1"),
        Text("You are", cache=CacheBreakpoint("1h")),
    )


def test_a_system_message_may_stand_anywhere_also_last() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": [{"type": "text", "text": "agents", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "go"},
        {"role": "system", "content": "now"},
    ]
    roles = [message.role for message in request(messages=messages).messages]
    assert roles == [Role.USER, Role.SYSTEM, Role.ASSISTANT, Role.USER, Role.SYSTEM]


def test_effort_for_one_turn_is_reported() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "now", "output_config": {"effort": "low"}},
    ]
    got, codes = decoded(body(messages=messages))
    assert got.messages[1].blocks == (Text("now"),)
    assert codes == ["turn_effort"]


def test_a_system_message_for_one_turn_goes_when_the_turn_is_over() -> None:
    passing = {"role": "system", "content": "for now", "clear_at": "next_user_message"}
    first = {"role": "user", "content": "hi"}
    assert len(request(messages=[first, passing]).messages) == 2
    got, codes = decoded(body(messages=[first, passing, {"role": "assistant", "content": "a"}, first]))
    assert [message.role for message in got.messages] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert codes == ["clear_at"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"type": "base64", "media_type": "image/webp", "data": "AA=="}, Base64Data("image/webp", "AA==")),
        ({"type": "url", "url": "https://a/b.png"}, UrlData("https://a/b.png")),
        ({"type": "file", "file_id": "file_1"}, FileId(NAME, "file_1")),
    ],
)
def test_images_keep_their_source(source: dict[str, str], expected: Any) -> None:
    assert block(type="image", source=source) == Image(expected)


def test_documents_keep_source_title_context_and_citations() -> None:
    text = {"type": "text", "media_type": "text/plain", "data": "words"}
    assert block(type="document", source=text, title="T", context="C", citations={"enabled": True}) == Document(
        PlainText("words"), "T", "C", citations=True
    )
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AA=="}
    assert block(type="document", source=pdf) == Document(Base64Data("application/pdf", "AA=="))
    inner = {"type": "content", "content": [{"type": "text", "text": "a"}]}
    assert block(type="document", source=inner) == Document(BlockContent((Text("a"),)))
    assert block(type="document", source={"type": "content", "content": "a"}) == Document(BlockContent((Text("a"),)))


def test_a_calls_input_keeps_its_digits_and_its_order() -> None:
    raw = b'{"z": 12345678901234567890123, "a": "\\u2028", "f": 1.10}'
    data = msgspec.json.encode(
        body(
            messages=[
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": msgspec.Raw(raw)}],
                }
            ]
        )
    )
    got = PROTOCOL.decode_request(data, Ledger())
    assert got.messages[0].blocks == (ToolCall("toolu_1", "f", raw.decode()),)


def test_a_tool_result_is_a_string_or_blocks_or_nothing() -> None:
    result = {"type": "tool_result", "tool_use_id": "t"}
    assert block(**result) == ToolResult("t")
    assert block(**result, content="") == ToolResult("t")
    assert block(**result, content="ok", is_error=True) == ToolResult("t", (Text("ok"),), is_error=True)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}}
    assert block(**result, content=[{"type": "text", "text": "a"}, image, pdf]) == ToolResult(
        "t",
        (Text("a"), Image(Base64Data("image/png", "AA==")), Document(Base64Data("application/pdf", "AA=="))),
    )


def test_a_tool_reference_names_its_tool() -> None:
    content = [{"type": "tool_reference", "tool_name": "WebSearch"}]
    got = block(type="tool_result", tool_use_id="t", content=content)
    assert isinstance(got, ToolResult)
    assert isinstance(got.blocks[0], Foreign)
    assert "WebSearch" in (got.blocks[0].text or "")


def test_thinking_keeps_a_native_signature_byte_for_byte() -> None:
    assert block(type="thinking", thinking=" hm ", signature="EqQ+/=") == Reasoning(
        (" hm ",), seal=Seal(NAME, "EqQ+/=")
    )
    assert block(type="thinking", thinking="", signature="s") == Reasoning((), seal=Seal(NAME, "s"))


def test_thinking_without_a_signature_has_no_seal() -> None:
    assert block(type="thinking", thinking="hm", signature="") == Reasoning(("hm",))
    assert block(type="thinking", thinking="hm") == Reasoning(("hm",))


def test_a_seal_of_ours_is_opened() -> None:
    seal = Seal("openai-chat", "data", "deepseek", "r1")
    assert block(type="thinking", thinking="hm", signature=write_seal(seal)) == Reasoning(("hm",), seal=seal)
    assert block(type="redacted_thinking", data=write_seal(seal)) == Reasoning(is_redacted=True, seal=seal)


def test_blocks_of_anthropics_own_are_carried_with_words_for_others() -> None:
    call = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    got = block(**call)
    assert isinstance(got, Foreign)
    assert (got.origin, got.type, msgspec.json.decode(got.raw)) == (NAME, "server_tool_use", call)
    assert got.text == '[web_search: {"query":"q"}]'
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "T", "url": "https://u"}]}
    assert "T https://u" in (getattr(block(**found), "text", "") or "")
    result = {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "body"}]}
    assert getattr(block(**result), "text", "") == "T\nS\nbody"
    assert getattr(block(type="compaction", content="what was said"), "text", "") == "what was said"
    assert getattr(block(type="something_new", x=1), "text", "") is None


def test_unknown_fields_of_a_block_are_reported_by_name() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a", "novelty": 1}]}]
    ledger = Ledger()
    got = PROTOCOL.decode_request(msgspec.json.encode(body(messages=messages)), ledger)
    assert got.messages[0].blocks == (Text("a"),)
    assert [(loss.code, loss.path) for loss in ledger] == [("unknown_field", "messages[0].content[0].novelty")]


def test_who_asked_for_a_call_is_reported_unless_it_is_the_model() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    direct = [{"role": "assistant", "content": [{**call, "caller": {"type": "direct"}}]}]
    other = [
        {"role": "assistant", "content": [{**call, "caller": {"type": "code_execution_20250825", "tool_id": "x"}}]}
    ]
    assert decoded(body(messages=direct))[1] == []
    assert decoded(body(messages=other))[1] == ["tool_caller"]


def test_fields_that_only_anthropic_has_are_kept_as_extras() -> None:
    got = request(context_management={"edits": []}, novelty=[1], output_config={"task_budget": {"total": 5}})
    assert {extra.name: msgspec.json.decode(extra.value) for extra in got.extras} == {
        "context_management": {"edits": []},
        "novelty": [1],
        "output_config.task_budget": {"total": 5},
    }
    assert not any(extra.matters for extra in got.extras)


@pytest.mark.parametrize(
    ("name", "value", "matters"),
    [
        ("mcp_servers", [{"type": "url", "url": "https://m", "name": "m"}], True),
        ("mcp_servers", [], False),
        ("container", {"skills": [{"skill_id": "pptx"}]}, True),
        ("container", "container_1", False),
        ("compaction", {"type": "summarize"}, True),
        ("thread", {"type": "create"}, False),
        ("thread", {"type": "continue", "previous_message_id": "msg_1"}, True),
        ("safeguards", {"type": "dangerous_tool_use"}, False),
    ],
)
def test_what_another_protocol_may_not_leave_out_matters(name: str, value: Any, matters: bool) -> None:
    assert [extra.matters for extra in request(**{name: value}).extras] == [matters]


def test_null_is_the_same_as_nothing() -> None:
    got = request(
        container=None, speed=None, metadata=None, tools=None, thinking=None, stop_sequences=None, stream=None
    )
    assert got == request()


def test_thinking_modes() -> None:
    enabled = request(thinking={"type": "enabled", "budget_tokens": 31999, "display": "omitted"}).reasoning
    assert (enabled.mode, enabled.budget, enabled.visible, enabled.display) == ("enabled", 31999, False, "omitted")
    alone = request(output_config={"effort": "xhigh"}).reasoning
    assert (alone.mode, alone.effort, alone.effort_alone) == (None, Effort.XHIGH, True)
    adaptive = request(thinking={"type": "adaptive"}, output_config={"effort": "xhigh"}).reasoning
    assert not adaptive.effort_alone
    assert (adaptive.mode, adaptive.effort, adaptive.visible) == ("adaptive", Effort.XHIGH, None)
    assert request(thinking={"type": "auto"}).reasoning.mode == "adaptive"
    assert request(thinking={"type": "between_tools"}).reasoning.mode == "adaptive"
    assert request(thinking={"type": "disabled"}).reasoning.mode == "disabled"
    assert request(thinking={"type": "adaptive", "display": "updates"}).reasoning.visible is True


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_the_answers_format_stands_in_either_field(field: str) -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    got = request(**{field: {"format": form} if field == "output_config" else form})
    assert got.output is not None
    assert got.output.schema == msgspec.Raw(b'{"type":"object"}')


def test_tools_are_the_clients_own_or_hosted() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    custom = {
        "name": "f",
        "description": "d",
        "input_schema": schema,
        "cache_control": {"type": "ephemeral"},
        "defer_loading": True,
        "novelty": 1,
    }
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    function, hosted = request(tools=[custom, search]).tools
    assert isinstance(function, FunctionTool)
    assert function.schema is not None
    assert msgspec.json.decode(function.schema) == schema
    assert function.cache == CacheBreakpoint()
    assert {extra.name for extra in function.extras} == {"defer_loading", "novelty"}
    assert isinstance(hosted, HostedTool)
    assert (hosted.origin, hosted.type, hosted.name) == (NAME, "web_search_20250305", "web_search")
    assert hosted.search == WebSearch(max_uses=8)


def test_a_web_search_says_what_it_asks_for_in_neutral_words() -> None:
    place = {"type": "approximate", "city": "Paris", "country": "FR", "timezone": "Europe/Paris"}
    domains: dict[str, Any] = {"allowed_domains": ["a.example"], "blocked_domains": None}
    search = {"type": "web_search_20260318", "name": "web_search", "user_location": place, **domains}
    fetch = {"type": "web_fetch_20250910", "name": "web_fetch", **domains}
    searching, fetching = request(tools=[search, fetch]).tools
    assert isinstance(searching, HostedTool)
    assert isinstance(fetching, HostedTool)
    assert searching.search == WebSearch(
        ("a.example",), location=UserLocation("Paris", country="FR", timezone="Europe/Paris")
    )
    assert fetching.search is None
    with pytest.raises(RequestError) as refused:
        request(tools=[{**search, "allowed_domains": [1]}])
    assert refused.value.failure.param == "tools[0].allowed_domains[0]"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}, Search("q")),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": 1}}, Search()),
        ({"type": "server_tool_use", "id": "s", "name": "web_fetch", "input": {"url": "q"}}, None),
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": [{"url": "https://a", "title": "A"}, {"url": "https://b", "title": None}, {"title": "C"}, 4],
            },
            Search(pages=(Page("https://a", "A"), Page("https://b"))),
        ),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": {"error_code": "x"}}, Search()),
        ({"type": "code_execution_tool_result", "tool_use_id": "s", "content": []}, None),
    ],
)
def test_a_block_of_a_web_search_tells_what_was_sought_or_found(fields: dict[str, Any], told: Search | None) -> None:
    got = block(**fields)
    assert isinstance(got, Foreign)
    assert got.search == told


def test_tool_choice_and_parallel_calls() -> None:
    assert request(tool_choice={"type": "any", "disable_parallel_tool_use": True}).parallel_tools is False
    assert request(tool_choice={"type": "tool", "name": "f"}).tool_choice == ToolChoice("tool", "f")
    assert request(tool_choice={"type": "none"}).tool_choice == ToolChoice("none")


def test_settings() -> None:
    got = request(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["a"],
        stream=True,
        metadata={"user_id": '{"session_id":"s"}'},
        service_tier="standard_only",
        cache_control={"type": "ephemeral"},
    )
    assert (got.sampling.temperature, got.sampling.top_p, got.sampling.top_k) == (0.5, 0.9, 40)
    assert (got.sampling.stop, got.stream, got.user) == (("a",), True, '{"session_id":"s"}')
    assert (got.service_tier, got.cache, got.max_tokens) == ("standard_only", CacheBreakpoint(), 9)


def test_zero_tokens_prewarm_the_cache() -> None:
    assert request(max_tokens=0).max_tokens == 0


def test_a_token_count_needs_no_max_tokens() -> None:
    data = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "foo"}]})
    assert PROTOCOL.decode_count is not None
    assert PROTOCOL.decode_count(data, Ledger()).messages[0].blocks == (Text("foo"),)
    with pytest.raises(RequestError, match="max_tokens"):
        PROTOCOL.decode_request(data, Ledger())
