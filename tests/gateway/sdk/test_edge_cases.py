"""Traps that other gateways fell into, each through the official SDK and a real socket."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import json
import re
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY, ask_chat, ask_messages, calls_of, said
from tests.support.wires import (
    DONE,
    call,
    call_piece,
    chat_answer,
    completion,
    message,
    messages_answer,
    piece,
    text,
    tool_use,
)

CHAT, CLAUDE = "chat/gpt-large", "messages/claude-large"
CHAT_PATH = "/v1/chat/completions"
QUESTION: dict[str, Any] = {"role": "user", "content": "Go on"}
TOOL: dict[str, Any] = {"name": "run", "input_schema": {"type": "object", "properties": {"x": {}}}}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "run", "parameters": TOOL["input_schema"]}}
USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def used(*ids: str, **fields: Any) -> dict[str, Any]:
    """Return an assistant's message that calls the tool `run`, for each id."""
    return {"role": "assistant", "content": [{**tool_use(id, "run", x=1), **fields} for id in ids]}


def result(id: str, content: Any = "done", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def sent_to_chat(claude: anthropic.Anthropic, chat: ExactUpstream, *messages: Any, **fields: Any) -> dict[str, Any]:
    """Ask; return what the Chat upstream got."""
    chat.answers(chat_answer(completion("Yes."), streams=False))
    history = list(messages) or [QUESTION]
    ask_messages(claude, streams=False, **{"model": CHAT, "messages": history, "tools": [TOOL], **fields})
    body: dict[str, Any] = chat.last
    return body


def sent_to_claude(gpt: openai.OpenAI, upstream: ExactUpstream, *messages: Any, **fields: Any) -> dict[str, Any]:
    """Ask; return what the Messages upstream got, without cache breakpoints."""
    upstream.answers(messages_answer(message(text("Yes.")), streams=False))
    history = list(messages) or [QUESTION]
    ask_chat(gpt, streams=False, **{"model": CLAUDE, "messages": history, "tools": [FUNCTION], **fields})
    body: dict[str, Any] = json.loads(upstream.asked[-1].body, object_hook=_without_breakpoint)
    return body


def _without_breakpoint(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != "cache_control"}


# --- requests: system, roles, text ------------------------------------------------------------------------------------


def test_the_attribution_block_stays_behind_at_other_vendors_and_first_at_its_own(
    claude: anthropic.Anthropic, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    keys = set()
    for number in ("1", "2"):
        system = [text(f"x-anthropic-billing-header: cc_version=2.1.{number}; cch=0a{number};"), text("Be brief.")]
        sent = sent_to_chat(claude, chat, system=system)
        assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
        keys.add(sent["prompt_cache_key"])
    assert len(keys) == 1
    messages.answers(messages_answer(message(text("Yes.")), streams=False))
    prompt = [text("x-anthropic-billing-header: cc_version=2.1.3; cch=0a3;"), text("Be brief.")]
    ask_messages(claude, streams=False, model=CLAUDE, system=prompt)
    assert messages.last["system"] == prompt


def test_a_system_message_in_mid_talk_keeps_its_place(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    talk: list[Any] = [
        QUESTION,
        {"role": "assistant", "content": "So"},
        QUESTION,
        {"role": "system", "content": "Now stop."},
    ]
    assert sent_to_chat(claude, chat, *talk)["messages"] == talk
    sent = sent_to_claude(gpt, messages, *talk)
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "user", "system"]
    assert "Now stop." in str(sent["messages"][-1])
    assert "system" not in sent


def test_an_empty_text_never_reaches_anthropic(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    sent = sent_to_claude(
        gpt,
        messages,
        {"role": "system", "content": ""},
        {"role": "user", "content": [text(""), text("Go on")]},
        {"role": "assistant", "content": "", "tool_calls": [call("call_1", "run", "{}")]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
        {"role": "assistant", "content": ""},
        QUESTION,
    )
    assert "system" not in sent
    blocks = [block for one in sent["messages"] for block in one["content"]]
    assert [block["type"] for block in blocks] == ["text", "tool_use", "tool_result", "text"]
    assert all(block.get("text", "x") for block in blocks)


def test_an_empty_system_prompt_is_no_message(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    for system in ("", [text("")]):
        assert sent_to_chat(claude, chat, system=system)["messages"] == [QUESTION]


def test_a_prefill_stays_last(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    prefill = {"role": "assistant", "content": "{"}
    assert sent_to_chat(claude, chat, QUESTION, prefill)["messages"][-1] == prefill
    assert sent_to_claude(gpt, messages, QUESTION, prefill)["messages"][-1]["content"] in ("{", [text("{")])


@pytest.mark.parametrize("upstream", ["chat", "messages", "responses", "gemini"])
def test_who_cannot_go_on_from_a_prefill_says_so_himself(
    gateway: RunningGateway, request: pytest.FixtureRequest, upstream: str
) -> None:
    """The gateway does not make words of the user's of it, nor adds any."""
    server: ExactUpstream = request.getfixturevalue(upstream)
    server.answers(json_answer({"error": {"message": "This model does not support assistant message prefill."}}, 400))
    talk = [QUESTION, {"role": "assistant", "content": "{"}]
    path, model = ("/v1/messages", f"{upstream}/any") if upstream != "messages" else (CHAT_PATH, CLAUDE)
    reply = httpx2.post(gateway.url + path, json={"model": model, "max_tokens": 9, "messages": talk})
    sent = server.last
    last = (sent.get("messages") or sent.get("input") or sent.get("contents"))[-1]
    assert last["role"] == ("model" if upstream == "gemini" else "assistant")
    assert reply.status_code == 400
    assert "does not support assistant message prefill" in reply.text


def test_the_same_history_begins_with_the_same_bytes(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    talk: list[Any] = [QUESTION, used("toolu_1"), {"role": "user", "content": [result("toolu_1")]}]
    short = json.dumps(sent_to_chat(claude, chat, *talk)["messages"])
    long = json.dumps(sent_to_chat(claude, chat, *talk, {"role": "assistant", "content": "So"}, QUESTION)["messages"])
    assert long.startswith(short[:-1])
    spoken = {"role": "assistant", "tool_calls": [call("call_1", "run", '{"b":1,"a":2}')]}
    turn: list[Any] = [QUESTION, spoken, {"role": "tool", "tool_call_id": "call_1", "content": "done"}]
    short = json.dumps(sent_to_claude(gpt, messages, *turn)["messages"])
    long = json.dumps(
        sent_to_claude(gpt, messages, *turn, {"role": "assistant", "content": "So"}, QUESTION)["messages"]
    )
    assert long.startswith(short[:-1])


# --- requests: images in results --------------------------------------------------------------------------------------


def test_an_image_in_a_tool_result_follows_the_tool_messages(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    sent = sent_to_chat(
        claude,
        chat,
        QUESTION,
        used("toolu_1", "toolu_2"),
        {"role": "user", "content": [result("toolu_1", [text("A picture:"), IMAGE]), result("toolu_2"), text("And?")]},
    )
    first, second, *others = sent["messages"][2:]
    assert (first["role"], first["tool_call_id"]) == ("tool", "toolu_1")
    assert "A picture:" in first["content"]
    assert (second["role"], second["tool_call_id"], second["content"]) == ("tool", "toolu_2", "done")
    assert {one["role"] for one in others} == {"user"}
    parts = [part for one in others if isinstance(one["content"], list) for part in one["content"]]
    assert {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}} in parts
    assert "And?" in str(others)


def test_an_image_for_a_model_that_cannot_see_is_a_400_that_names_it(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    shown: Any = [{"role": "user", "content": [text("Look"), IMAGE]}]
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[1\].*mole"):
        ask_messages(claude, streams=streams, model="blind/mole", messages=shown)
    assert chat.asked == []


# --- requests: tools and their history --------------------------------------------------------------------------------


@pytest.mark.parametrize("words_first", [True, False])
def test_results_stand_directly_behind_their_calls(
    claude: anthropic.Anthropic, chat: ExactUpstream, words_first: bool
) -> None:
    blocks = [text("By the way"), result("toolu_1")]
    sent = sent_to_chat(
        claude, chat, QUESTION, used("toolu_1"), {"role": "user", "content": blocks if words_first else blocks[::-1]}
    )
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "tool_calls": [call("toolu_1", "run", sent["messages"][1]["tool_calls"][0]["function"]["arguments"])],
            **({"content": None} if "content" in sent["messages"][1] else {}),
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "done"},
        {"role": "user", "content": "By the way"},
    ]


def test_tool_messages_are_results_in_one_turn(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    calls = [call(f"call_{number}", "run", "{}") for number in range(3)]
    results = [{"role": "tool", "tool_call_id": f"call_{number}", "content": f"{number}"} for number in (2, 0, 1)]
    sent = sent_to_claude(gpt, messages, QUESTION, {"role": "assistant", "tool_calls": calls}, *results, QUESTION)
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "user"]
    kinds = [block.get("tool_use_id", block["type"]) for block in sent["messages"][2]["content"]]
    assert sorted(kinds[:3]) == ["call_0", "call_1", "call_2"]
    assert kinds[3:] == ["text"]


LONG = "mcp__a_server_with_a_rather_long_name__and_a_tool_whose_name_is_no_shorter_than_that"


def test_a_long_tool_name_is_shortened_and_comes_back(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    tools: Any = [{**TOOL, "name": LONG}, {**TOOL, "name": f"{LONG}_2"}]
    history: Any = [QUESTION, used("toolu_1", name=LONG), {"role": "user", "content": [result("toolu_1")]}]
    request: Any = {"model": CHAT, "tools": tools, "messages": history, "tool_choice": {"type": "tool", "name": LONG}}
    chat.answers(chat_answer(completion("Yes."), streams=False))
    ask_messages(claude, streams=False, **request)
    names = [tool["function"]["name"] for tool in chat.last["tools"]]
    assert [len(name) <= 64 for name in names] == [True, True]
    assert len(set(names)) == 2
    assert chat.last["messages"][1]["tool_calls"][0]["function"]["name"] == names[0]
    assert chat.last["tool_choice"]["function"]["name"] == names[0]
    chat.answers(chat_answer(completion(None, [call("call_1", names[1], "{}")]), streams=streams))
    assert said(ask_messages(claude, streams=streams, **request).reply) == [tool_use("call_1", f"{LONG}_2")]


def test_a_vendors_own_tool_is_left_out_aloud(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    hosted: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    told = ask_messages(claude, streams=False, model=CHAT, tools=[hosted, TOOL])
    assert [tool["function"]["name"] for tool in chat.last["tools"]] == ["run"]
    assert "tool" in told.headers["x-dragoman-loss"]


def test_of_tools_of_one_name_the_first_counts(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    other = {"name": "run", "description": "Another.", "input_schema": {"type": "object"}}
    told = {"type": "function", "function": {"name": "run", "description": "Another.", "parameters": {}}}
    (kept,) = sent_to_chat(claude, chat, tools=[TOOL, other])["tools"]
    assert "description" not in kept["function"]
    (kept,) = sent_to_claude(gpt, messages, tools=[FUNCTION, told])["tools"]
    assert "description" not in kept


def test_tags_of_thought_in_words_are_words(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    """Nobody can tell what a model quotes from what it thinks: servers of local models are to split that themselves."""
    words = "<think>Hm.</think>It is <think>."
    chat.answers(chat_answer(completion(words), streams=streams))
    assert said(ask_messages(claude, streams=streams, model=CHAT).reply) == [text(words)]


def test_ids_that_anthropic_refuses_are_rewritten_in_pairs(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    calls = [call("functions.run:0", "run", "{}"), call("functions|run:0", "run", "{}")]
    results = [{"role": "tool", "tool_call_id": one["id"], "content": one["id"]} for one in calls]
    sent = sent_to_claude(gpt, messages, QUESTION, {"role": "assistant", "tool_calls": calls}, *results)
    ids = [block["id"] for block in sent["messages"][1]["content"]]
    assert len(set(ids)) == 2
    assert all(id.replace("_", "").replace("-", "").isalnum() for id in ids)
    assert [block["tool_use_id"] for block in sent["messages"][2]["content"]] == ids


def test_an_id_that_anthropic_would_refuse_comes_back_to_whoever_issued_it(
    claude: anthropic.Anthropic, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    """Kimi's models want to see their own ids again; the client gets one that it may take to Anthropic."""
    chat.answers(
        chat_answer(completion(None, [call("functions.run:0", "run", "{}")]), streams=streams),
        chat_answer(completion("Done."), streams=False),
    )
    asked: Any = {"model": CHAT, "tools": [TOOL]}
    reply = ask_messages(claude, streams=streams, messages=[QUESTION], **asked).reply
    (given,) = (block.id for block in reply.content if block.type == "tool_use")
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", given)
    answered: Any = [
        QUESTION,
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [result(given)]},
    ]
    ask_messages(claude, streams=False, messages=answered, **asked)
    assert chat.last["messages"][1]["tool_calls"][0]["id"] == "functions.run:0"
    assert chat.last["messages"][2]["tool_call_id"] == "functions.run:0"
    messages.answers(messages_answer(message(text("Done.")), streams=False))
    ask_messages(claude, streams=False, messages=answered, tools=[TOOL], model="messages/m")
    assert messages.last["messages"][2]["content"][0]["tool_use_id"] == given


def test_interrupted_and_compacted_histories_are_mended(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    sent = sent_to_claude(
        gpt, messages, QUESTION, {"role": "assistant", "tool_calls": [call("call_1", "run", "{}")]}, QUESTION
    )
    mended, words = sent["messages"][2]["content"]
    assert (mended["type"], mended["tool_use_id"], mended["is_error"]) == ("tool_result", "call_1", True)
    assert words == text("Go on")
    orphan = {"role": "user", "content": [result("toolu_lost", "what came of it"), text("Go on")]}
    body = sent_to_chat(claude, chat, orphan)
    assert {one["role"] for one in body["messages"]} == {"user"}
    assert "what came of it" in str(body["messages"])


def test_broken_arguments_in_a_history_are_wrapped(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    for arguments in ("", '{"x": 1}{"x": 2}', '["a"]', '"text"', "{"):
        spoken = {"role": "assistant", "tool_calls": [call("call_1", "run", arguments)]}
        told = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
        sent = sent_to_claude(gpt, messages, QUESTION, spoken, told)
        given = sent["messages"][1]["content"][0]["input"]
        assert isinstance(given, dict)
        assert (given == {}) is (arguments == "")


def test_numbers_and_characters_in_arguments_are_exact(
    gateway: RunningGateway, chat: ExactUpstream, streams: bool
) -> None:
    arguments = '{"big":12345678901234567890,"small":1e-7,"zero":1.0,"text":"\\u2028 \\"quoted\\" größer 🐫 \\\\n"}'
    chat.answers(chat_answer(completion(None, [call("call_1", "run", arguments)]), streams=streams))
    body = {"model": CHAT, "max_tokens": 9, "messages": [QUESTION], "tools": [TOOL], "stream": streams}
    told = httpx2.post(f"{gateway.url}/v1/messages", json=body, headers={"x-api-key": KEY})
    if streams:
        rows = [json.loads(line[6:]) for line in told.text.split("\n") if line.startswith("data: ")]
        came = "".join(row["delta"].get("partial_json", "") for row in rows if row["type"] == "content_block_delta")
        assert came == arguments
    else:
        assert arguments in told.text
    history = [QUESTION, {"role": "assistant", "content": "INPUT"}, {"role": "user", "content": [result("call_1")]}]
    block = '[{"type":"tool_use","id":"call_1","name":"run","input":ARGUMENTS}]'.replace("ARGUMENTS", arguments)
    raw = json.dumps({**body, "messages": history, "stream": False}).replace('"INPUT"', block)
    chat.answers(chat_answer(completion("Yes."), streams=False))
    httpx2.post(f"{gateway.url}/v1/messages", content=raw.encode(), headers={"x-api-key": KEY}).raise_for_status()
    assert chat.last["messages"][1]["tool_calls"][0]["function"]["arguments"] == arguments


def test_fields_of_tools_that_only_anthropic_knows_stay_behind(
    claude: anthropic.Anthropic, chat: ExactUpstream
) -> None:
    odd = {"eager_input_streaming": True, "defer_loading": False, "input_examples": [{"x": 1}]}
    sent = sent_to_chat(claude, chat, tools=[{**TOOL, **odd, "cache_control": {"type": "ephemeral"}}])
    assert set(sent["tools"][0]["function"]) <= {"name", "description", "parameters", "strict"}
    assert set(sent["tools"][0]) == {"type", "function"}


def test_every_schema_has_an_object_at_the_top(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    sent = sent_to_chat(claude, chat, tools=[{"name": "run", "input_schema": {"type": "object"}}])
    assert sent["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    sent = sent_to_claude(gpt, messages, tools=[{"type": "function", "function": {"name": "run"}}])
    assert sent["tools"][0]["input_schema"] == {"type": "object", "properties": {}}
    branches = {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object"}]}
    sent = sent_to_claude(
        gpt, messages, tools=[{"type": "function", "function": {"name": "run", "parameters": branches}}]
    )
    schema = sent["tools"][0]["input_schema"]
    assert schema["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & set(schema)


# --- requests: settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_effort_goes_up_under_its_name(claude: anthropic.Anthropic, chat: ExactUpstream, effort: str) -> None:
    sent = sent_to_chat(claude, chat, thinking={"type": "adaptive"}, output_config={"effort": effort})
    assert sent["reasoning_effort"] == effort


def test_a_budget_stays_below_the_limit(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    for limit in (1, 1025, 5000):
        sent = sent_to_claude(gpt, messages, reasoning_effort="high", max_tokens=limit)
        assert sent.get("thinking", {}).get("budget_tokens", 0) < sent["max_tokens"]


def test_temperature_fits_anthropics_range(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    assert sent_to_claude(gpt, messages, temperature=1.6)["temperature"] == 1
    thinking = sent_to_claude(gpt, messages, temperature=0.2, reasoning_effort="high")
    assert thinking.get("temperature", 1) == 1


def test_at_most_four_breakpoints_are_set_and_none_beside_a_clients_own(
    gpt: openai.OpenAI, messages: ExactUpstream
) -> None:
    talk: list[Any] = [{"role": "system", "content": "Be brief. " * 500}]
    talk += [QUESTION, {"role": "assistant", "content": "So"}] * 6 + [QUESTION]
    sent_to_claude(gpt, messages, *talk)
    assert 1 <= messages.asked[0].body.count(b'"cache_control"') <= 4
    own = {"role": "user", "content": [{**text("Go on"), "cache_control": {"type": "ephemeral"}}]}
    sent_to_claude(gpt, messages, *talk, {"role": "assistant", "content": "So"}, own)
    assert messages.asked[0].body.count(b'"cache_control"') == 1


def test_the_cache_key_is_the_same_through_a_conversation(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    def key(session: str, *talk: Any) -> str:
        user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": session})
        sent = sent_to_chat(claude, chat, *talk, system="Be brief.", metadata={"user_id": user})
        return str(sent["prompt_cache_key"])

    first = key("aaaa-1", QUESTION)
    assert first == key("aaaa-1", QUESTION, {"role": "assistant", "content": "So"}, QUESTION)
    assert first != key("bbbb-2", QUESTION)


# --- replies ----------------------------------------------------------------------------------------------------------


def test_calls_win_over_a_normal_end(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("", [call("call_1", "run", "{}")], finish="stop"), streams=streams))
    reply = ask_messages(claude, streams=streams, model=CHAT, tools=[TOOL]).reply
    assert reply.stop_reason == "tool_use"
    assert said(reply) == [tool_use("call_1", "run")]


def test_usage_is_always_whole_numbers(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    reply = completion("Yes.")
    del reply["usage"]
    chat.answers(json_answer(reply))
    used = ask_messages(claude, streams=False, model=CHAT).reply.usage
    assert (type(used.input_tokens), type(used.output_tokens)) == (int, int)
    chat.answers(stream_answer(piece({"content": "Yes."}, "stop"), DONE))
    used = ask_messages(claude, streams=True, model=CHAT).reply.usage
    assert (type(used.input_tokens), type(used.output_tokens)) == (int, int)
    nothing = {"cache_read_input_tokens": None, "cache_creation_input_tokens": None}
    messages.answers(messages_answer(message(text("Yes."), usage=nothing), streams=False))
    told = ask_chat(gpt, streams=False, model=CLAUDE).reply.usage
    assert told is not None
    assert (told.prompt_tokens, told.total_tokens) == (11, 18)


def test_what_a_vendor_ran_itself_is_no_call_for_the_client(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    ran = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    reply = message(ran, found, text("One. "), text("Two."))
    messages.answers(messages_answer(reply, streams=streams))
    told = ask_chat(gpt, streams=streams, model=CLAUDE).reply.choices[0]
    assert not told.message.tool_calls
    assert told.finish_reason == "stop"
    assert "One. Two." in (told.message.content or "")


# --- streams ----------------------------------------------------------------------------------------------------------


def streamed(url: str, *tools: Any) -> list[dict[str, Any]]:
    """Ask for a stream without an SDK, which would forgive; return its events, each under its own name."""
    body = {"model": CHAT, "max_tokens": 9, "messages": [QUESTION], "stream": True, "tools": list(tools)}
    told = httpx2.post(f"{url}/v1/messages", json=body, headers={"x-api-key": KEY}, timeout=20)
    assert told.headers["content-type"].startswith("text/event-stream")
    events = []
    for frame in told.text.removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def test_a_stream_follows_anthropics_grammar(gateway: RunningGateway, chat: ExactUpstream) -> None:
    """Reasoning, words, reasoning again, interleaved calls, words behind them: one block at a time, right deltas in each."""
    chat.answers(
        stream_answer(
            piece({"role": "assistant", "content": ""}),
            piece({"reasoning_content": "Hm. "}),
            piece({"reasoning_content": "So.", "content": ""}),
            piece({"content": "I run"}),
            piece({"reasoning_content": "Wait."}),
            call_piece(0, id="call_1", name="run", arguments='{"x"'),
            call_piece(1, id="call_2", name="run", arguments=""),
            call_piece(0, arguments=":1}"),
            call_piece(1, arguments='{"x":2}'),
            piece({"content": "Done."}),
            piece({}, "tool_calls"),
            piece(usage=USAGE),
            DONE,
        )
    )
    events = streamed(gateway.url, TOOL)
    assert [one["type"] for one in events].count("message_start") == 1
    assert events[0]["type"] == "message_start"
    assert [one["type"] for one in events[-2:]] == ["message_delta", "message_stop"]
    open_block: dict[str, Any] | None = None
    kinds: list[str] = []
    right = {
        "text": {"text_delta"},
        "thinking": {"thinking_delta", "signature_delta"},
        "tool_use": {"input_json_delta"},
    }
    for one in events[1:-2]:
        match one["type"]:
            case "content_block_start":
                assert open_block is None
                assert one["index"] == len(kinds)
                open_block = one["content_block"]
                kinds.append(open_block["type"])
            case "content_block_delta":
                assert open_block is not None
                assert one["delta"]["type"] in right[open_block["type"]]
            case "content_block_stop":
                assert open_block is not None
                open_block = None
            case other:
                assert other == "ping"
    assert open_block is None
    assert kinds[:5] == ["thinking", "text", "thinking", "tool_use", "tool_use"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"]["output_tokens"] == 9


PIECES = {
    "in one": [call_piece(0, id="call_1", name="run", arguments='{"x": [1, 2]}')],
    "in pieces": [
        call_piece(0, id="call_1", name="run", arguments=""),
        *(call_piece(0, arguments=letter) for letter in '{"x": [1, 2]}'),
    ],
    "name first": [call_piece(0, id="call_1", name="run"), call_piece(0, arguments='{"x": [1, 2]}')],
    "name repeated": [
        call_piece(0, id="call_1", name="run", arguments='{"x":'),
        call_piece(0, id="call_1", name="run", arguments=" [1, 2]}"),
    ],
    "name empty": [
        call_piece(0, id="call_1", name="run", arguments='{"x":'),
        call_piece(0, id="", name="", arguments=" [1, 2]}"),
    ],
    "name late": [
        piece({"tool_calls": [{"index": 0, "id": "call_1", "function": {"arguments": '{"x":'}}]}),
        call_piece(0, name="run", arguments=" [1, 2]}"),
    ],
    "looks whole": [
        call_piece(0, id="call_1", name="run", arguments='{"x": [1, 2]}'),
        call_piece(0, arguments="\n"),
    ],
    "null fields": [
        piece(
            {"tool_calls": [{"index": 0, "id": "call_1", "type": None, "function": {"name": "run", "arguments": None}}]}
        ),
        piece({"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": '{"x": [1, 2]}'}}]}),
    ],
}


@pytest.mark.parametrize("way", PIECES)
def test_arguments_are_put_together_however_they_come(
    claude: anthropic.Anthropic, chat: ExactUpstream, way: str
) -> None:
    chat.answers(stream_answer(*PIECES[way], piece({}, "tool_calls"), DONE))
    reply = ask_messages(claude, streams=True, model=CHAT, tools=[TOOL]).reply
    assert said(reply) == [tool_use("call_1", "run", x=[1, 2])]


@pytest.mark.parametrize("index", [0, None])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(
    claude: anthropic.Anthropic, chat: ExactUpstream, index: int | None
) -> None:
    chat.answers(
        stream_answer(
            call_piece(index, id="call_1", name="run", arguments='{"x":1}'),
            call_piece(index, id="call_2", name="run", arguments='{"x":2}'),
            piece({}, "stop"),
            DONE,
        )
    )
    reply = ask_messages(claude, streams=True, model=CHAT, tools=[TOOL]).reply
    assert said(reply) == [tool_use("call_1", "run", x=1), tool_use("call_2", "run", x=2)]


def test_usage_behind_the_end_reaches_the_client(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    details = {"cached_tokens": 4}
    chat.answers(
        stream_answer(
            piece({"content": "Yes."}, "stop"),
            piece(usage={**USAGE, "prompt_tokens_details": details}),
            DONE,
            piece({"content": "more"}),
        )
    )
    reply = ask_messages(claude, streams=True, model=CHAT).reply
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens, reply.usage.output_tokens) == (1, 4, 9)
    assert said(reply) == [text("Yes.")]


ENDINGS = {
    "no [DONE]": [piece({"content": "größer 🐫"}), piece({}, "stop")],
    "no finish": [piece({"content": "größer 🐫"}), DONE],
    "usage everywhere": [piece({"content": "größer 🐫"}, usage=USAGE), piece({}, "stop", usage=USAGE), DONE],
    "Azure": [piece(prompt_filter_results=[]), piece({"content": "größer 🐫"}), piece({}, "stop"), DONE],
    "null usage": [piece({"content": "größer 🐫"}, usage=None), piece({}, "stop", usage=None), DONE],
}


@pytest.mark.parametrize("way", ENDINGS)
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_streams_of_every_manner_are_read(claude: anthropic.Anthropic, chat: ExactUpstream, way: str, cut: int) -> None:
    """Also with comments, CRLF, without the space behind `data:`, and cut inside of characters and line ends."""
    escaped = json.dumps("größer 🐫").encode()
    whole = b": hello\n\n" + b"".join(ENDINGS[way]).replace(escaped, '"größer 🐫"'.encode())
    assert escaped not in whole
    whole = whole.replace(b"data: ", b"data:").replace(b"\n", b"\r\n")
    chat.answers(stream_answer(*(whole[place : place + cut] for place in range(0, len(whole), cut))))
    reply = ask_messages(claude, streams=True, model=CHAT).reply
    assert said(reply) == [text("größer 🐫")]
    assert reply.stop_reason == "end_turn"


def test_a_reply_that_comes_whole_is_streamed_to_whom_asked_for_a_stream(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    chat.answers(json_answer(completion("Yes.", [call("call_1", "run", '{"x":1}')])))
    reply = ask_messages(claude, streams=True, model=CHAT, tools=[TOOL]).reply
    assert said(reply) == [text("Yes."), tool_use("call_1", "run", x=1)]
    messages.answers(json_answer(message(text("Yes."), tool_use("toolu_1", "run", x=1))))
    told = ask_chat(gpt, streams=True, model=CLAUDE, tools=[FUNCTION]).reply
    assert [(id, json.loads(arguments)) for id, _, arguments in calls_of(told)] == [("toolu_1", {"x": 1})]


def test_a_stream_is_collected_for_whom_asked_for_the_whole(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    chat.answers(chat_answer(completion("Yes.", reasoning_content="Hm."), streams=True))
    assert [block["type"] for block in said(ask_messages(claude, streams=False, model=CHAT).reply)] == [
        "thinking",
        "text",
    ]
    messages.answers(messages_answer(message(text("Yes.")), streams=True))
    assert ask_chat(gpt, streams=False, model=CLAUDE).reply.choices[0].message.content == "Yes."


# --- bad input --------------------------------------------------------------------------------------------------------

DEEP = b"[" * 100_000 + b"]" * 100_000
BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "no UTF-8": b'{"model": "%s", "max_tokens": 9, "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "no messages": b'{"model": "%s", "max_tokens": 9}',
    "no model": b'{"max_tokens": 9, "messages": []}',
    "a model that is a number": b'{"model": 7, "max_tokens": 9, "messages": []}',
    "messages that are an object": b'{"model": "%s", "max_tokens": 9, "messages": {}}',
    "an unknown role": b'{"model": "%s", "max_tokens": 9, "messages": [{"role": "king", "content": "x"}]}',
    "a huge number": b'{"model": "%s", "max_tokens": 1e999, "messages": [{"role": "user", "content": "x"}]}',
    "a lone surrogate": b'{"model": "%s", "max_tokens": 9, "messages": [{"role": "user", "content": "\\ud800"}]}',
    "deep nesting": b'{"model": "%s", "max_tokens": 9, "messages": ' + DEEP + b"}",
    "deep nesting in an unknown field": b'{"model": "%s", "max_tokens": 9, "messages": [], "x": ' + DEEP + b"}",
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_input_is_a_400_in_the_clients_dialect(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream, case: str
) -> None:
    for path, model in (("/v1/messages", CHAT), ("/v1/chat/completions", CLAUDE)):
        body = BAD_BODIES[case].replace(b"%s", model.encode())
        told = httpx2.post(gateway.url + path, content=body, headers={"x-api-key": KEY}, timeout=20)
        assert told.status_code == 400, told.text
        error = told.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert error["message"]
        assert ("request_id" in told.json()) is (path == "/v1/messages")
    assert (chat.asked, messages.asked) == ([], [])
