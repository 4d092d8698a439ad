"""The official OpenAI SDK's Responses API: what leaves the gateway, to upstreams of every protocol, and what the SDK gets."""

# ruff: noqa: ANN401 - what stands here for a body or an item is any JSON

import json
from typing import Any, cast

import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.gateway import RunningGateway
from tests.support.sdks import KEY, ask_responses
from tests.support.wires import (
    block_events,
    call,
    call_item,
    call_piece,
    chat_answer,
    completion,
    content,
    event,
    function_call,
    gemini_answer,
    message,
    message_start,
    messages_answer,
    output_text,
    piece,
    response,
    responses_answer,
    text,
    thinking,
    thought,
    tool_use,
)

CHAT, CLAUDE, GEMINI = "chat/gpt-large", "messages/claude-large", "gemini/gemini-large"
WORDS = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
SIGNATURE = "EqoBCkgIBxABGAIiQL+/8vT0==/byte+equal/" + "x" * 300 + "=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells it",
    "parameters": SCHEMA,
    "strict": False,
}
PATCH: dict[str, Any] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Applies a patch.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: hunk+"},
}
PNG = "data:image/png;base64,iVBORw0KGgo="
QUESTION = {"role": "user", "content": "Weather?"}


def result(call_id: str, output: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def items(reply: Any) -> list[dict[str, Any]]:
    """Return the output as a client sends it back."""
    return [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in reply.output]


def calls_in(reply: Any) -> list[tuple[str, str, str]]:
    return [(item.call_id, item.name, item.arguments) for item in reply.output if item.type == "function_call"]


def chat_calls(sent: Any) -> list[Any]:
    return [one for spoken in sent["messages"] for one in spoken.get("tool_calls", ())]


# Text


def test_text_goes_to_a_chat_upstream_and_comes_back_exactly(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion(WORDS), streams=streams))
    told = ask_responses(
        gpt,
        streams=streams,
        model=CHAT,
        instructions=" Be brief. ",
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Really."}]},
            {"role": "user", "content": WORDS},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": WORDS},
        ],
        temperature=0.5,
        max_output_tokens=321,
    )
    assert (told.reply.output_text, told.reply.status, told.reply.model) == (WORDS, "completed", CHAT)
    assert (told.headers["x-dragoman-model"], told.headers["x-dragoman-provider"]) == ("gpt-large", "chat")
    sent = chat.last
    assert sent["messages"] == [
        {"role": "system", "content": " Be brief. \n\nReally."},
        {"role": "user", "content": WORDS},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": WORDS},
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("gpt-large", 321, 0.5)


def test_text_goes_to_a_messages_upstream_and_comes_back_exactly(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(messages_answer(message(text(WORDS)), streams=streams))
    told = ask_responses(
        gpt, streams=streams, model=CLAUDE, instructions="Be brief.", input=WORDS, max_output_tokens=99
    )
    assert told.reply.output_text == WORDS
    sent = messages.last
    assert [one["text"] for one in sent["system"]] == ["Be brief."]
    assert sent["messages"][0]["content"][0]["text"] == WORDS
    assert not {"store", "include", "truncation", "text", "instructions", "input"} & set(sent)


def test_text_goes_to_a_gemini_upstream_and_comes_back_exactly(
    gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool
) -> None:
    gemini.answers(gemini_answer(content({"text": WORDS}), streams=streams))
    assert ask_responses(gpt, streams=streams, model=GEMINI, input=WORDS).reply.output_text == WORDS


def test_a_developer_on_the_way_keeps_its_place(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream
) -> None:
    """Codex notes permissions and surroundings there."""
    history = [QUESTION, {"role": "assistant", "content": "Yes?"}, {"role": "developer", "content": "NOTE"}, QUESTION]
    messages.answers(messages_answer(message(text("Yes.")), streams=False))
    ask_responses(gpt, streams=False, model=CLAUDE, input=history)
    assert [one["role"] for one in messages.last["messages"]] == ["user", "assistant", "system", "user"]
    chat.answers(chat_answer(completion("Yes."), streams=False))
    ask_responses(gpt, streams=False, model=CHAT, input=history)
    assert [one["role"] for one in chat.last["messages"]] == ["user", "assistant", "system", "user"]


def test_the_response_repeats_what_was_asked(gpt: openai.OpenAI, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    reply = ask_responses(
        gpt, streams=streams, model=CHAT, instructions="Brief.", tools=[WEATHER], metadata={"a": "b"}, top_p=0.5
    ).reply
    assert (reply.instructions, reply.metadata, reply.top_p) == ("Brief.", {"a": "b"}, 0.5)
    assert [tool.to_dict() for tool in reply.tools] == [WEATHER]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_why_a_reply_ended(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool, finish: str, status: str, reason: str | None
) -> None:
    chat.answers(chat_answer(completion("Half", finish=finish), streams=streams))
    reply = ask_responses(gpt, streams=streams, model=CHAT).reply
    assert reply.status == status
    assert (reply.incomplete_details.reason if reply.incomplete_details else None) == reason


def test_a_refusal_is_one(gpt: openai.OpenAI, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion(refusal="No."), streams=streams))
    (item,) = ask_responses(gpt, streams=streams, model=CHAT).reply.output
    assert item.type == "message"
    assert [part.to_dict() for part in item.content] == [{"type": "refusal", "refusal": "No."}]


def test_cached_and_thought_tokens_are_counted_once(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream, streams: bool
) -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 3, "output_tokens": 20}
    messages.answers(messages_answer(message(text("Yes."), usage=usage), streams=streams))
    told = ask_responses(gpt, streams=streams, model=CLAUDE).reply.usage
    assert told is not None
    assert (told.input_tokens, told.input_tokens_details.cached_tokens) == (88, 80)
    assert (told.input_tokens_details.cache_write_tokens, told.output_tokens, told.total_tokens) == (3, 20, 108)
    details = {"completion_tokens_details": {"reasoning_tokens": 4}, "prompt_tokens_details": {"cached_tokens": 6}}
    chat.answers(chat_answer(completion("Yes.", usage=details), streams=streams))
    told = ask_responses(gpt, streams=streams, model=CHAT).reply.usage
    assert told is not None
    assert (told.input_tokens, told.input_tokens_details.cached_tokens) == (11, 6)
    assert (told.output_tokens, told.output_tokens_details.reasoning_tokens) == (7, 4)


# Tools


def test_parallel_tools_hold_through_two_turns_with_a_chat_upstream(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    calls = [call("call_1", "get_weather", '{"city": "Paris"}'), call("call_2", "get_weather", '{"city":"Ulm"}')]
    chat.answers(
        chat_answer(completion("I look.", calls), streams=streams), chat_answer(completion("Rain."), streams=streams)
    )
    asking: dict[str, Any] = {"streams": streams, "model": CHAT, "tools": [WEATHER]}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    assert calls_in(first) == [
        ("call_1", "get_weather", '{"city": "Paris"}'),
        ("call_2", "get_weather", '{"city":"Ulm"}'),
    ]
    assert [item.type for item in first.output] == ["message", "function_call", "function_call"]
    history = [QUESTION, *items(first), result("call_1", "rain"), result("call_2", "")]
    assert ask_responses(gpt, input=history, **asking).reply.output_text == "Rain."
    assert chat.last["messages"][1:] == [
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    ]
    function = {"name": "get_weather", "description": "Tells it", "parameters": SCHEMA, "strict": False}
    assert chat.last["tools"] == [{"type": "function", "function": function}]


def test_parallel_tools_hold_through_two_turns_with_a_messages_upstream(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    used = [tool_use("toolu_1", "get_weather", city="Paris"), tool_use("toolu_2", "get_weather", city="Ulm")]
    messages.answers(
        messages_answer(message(text("I look."), *used), streams=streams),
        messages_answer(message(text("Rain.")), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": CLAUDE, "tools": [WEATHER]}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    assert [one[:2] for one in calls_in(first)] == [("toolu_1", "get_weather"), ("toolu_2", "get_weather")]
    history = [
        QUESTION,
        *items(first),
        result("toolu_2", "sun"),
        result("toolu_1", "rain"),
        {"role": "user", "content": "Go on."},
    ]
    ask_responses(gpt, input=history, **asking)
    _, spoken, answered = messages.last["messages"]
    assert [block["type"] for block in spoken["content"]] == ["text", "tool_use", "tool_use"]
    assert [block.get("tool_use_id") for block in answered["content"]] == ["toolu_2", "toolu_1", None]


def test_a_call_without_a_result_is_answered_for_the_client(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    """Codex leaves one behind when its user interrupts it."""
    messages.answers(messages_answer(message(text("Yes.")), streams=False))
    lost = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
    ask_responses(gpt, streams=False, model=CLAUDE, tools=[WEATHER], input=[QUESTION, lost, QUESTION])
    assert messages.last["messages"][2]["content"][0]["type"] == "tool_result"


def test_pictures_are_carried_also_in_results(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream, gemini: ExactUpstream
) -> None:
    """As Codex shows them: `-i` and view_image."""
    shown = [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": PNG, "detail": "high"}]
    called = {"type": "function_call", "call_id": "call_1", "name": "view_image", "arguments": '{"path":"a.png"}'}
    history = [{"role": "user", "content": shown}, called, result("call_1", [shown[1]])]
    messages.answers(messages_answer(message(text("A dot.")), streams=False))
    ask_responses(gpt, streams=False, model=CLAUDE, tools=[WEATHER], input=history)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    first, _, last = messages.last["messages"]
    assert first["content"][1]["source"] == source
    assert last["content"][0]["content"][0]["source"] == source
    chat.answers(chat_answer(completion("A dot."), streams=False))
    ask_responses(gpt, streams=False, model=CHAT, tools=[WEATHER], input=history)
    assert chat.last["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}
    assert chat.last["messages"][-1]["content"][-1]["image_url"]["url"] == PNG
    gemini.answers(gemini_answer(content({"text": "A dot."}), streams=False))
    ask_responses(gpt, streams=False, model=GEMINI, tools=[WEATHER], input=history)
    assert json.dumps(gemini.last).count("iVBORw0KGgo=") == 2


def test_free_text_tools_are_functions_elsewhere_and_come_back_while_they_stream(
    gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    patch = '*** Begin Patch\n-print("a")\n+print("ü")\n*** End Patch\n'
    wrapped = json.dumps({"input": patch})
    chat.answers(
        chat_answer(completion(calls=[call("call_1", "apply_patch", wrapped)]), streams=streams),
        chat_answer(completion("Done."), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": CHAT, "tools": [PATCH]}
    first = ask_responses(gpt, input=[QUESTION], tool_choice={"type": "custom", "name": "apply_patch"}, **asking).reply
    (item,) = first.output
    assert item.type == "custom_tool_call"
    assert (item.call_id, item.name, item.input) == ("call_1", "apply_patch", patch)
    function = chat.last["tools"][0]["function"]
    assert function["parameters"]["properties"] == {"input": {"type": "string"}}
    assert "start: hunk+" in function["description"]
    assert chat.last["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}
    output = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"}
    ask_responses(gpt, input=[QUESTION, *items(first), output], **asking)
    assert json.loads(chat_calls(chat.last)[0]["function"]["arguments"]) == {"input": patch}
    assert chat.last["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    messages.answers(messages_answer(message(tool_use("toolu_1", "apply_patch", input=patch)), streams=streams))
    (item,) = ask_responses(gpt, **{**asking, "model": CLAUDE}).reply.output
    assert item.type == "custom_tool_call"
    assert item.input == patch


def test_free_text_streams_piece_by_piece(gpt: openai.OpenAI, chat: ExactUpstream) -> None:
    pieces = ['{"in', 'put": "*** \\', "u00fc", "\\n-a", '"}']
    chat.answers(
        stream_answer(
            piece({"role": "assistant"}),
            call_piece(0, id="call_1", name="apply_patch", arguments=""),
            *(call_piece(0, arguments=one) for one in pieces),
            piece({}, "tool_calls"),
            b"data: [DONE]\n\n",
        )
    )
    stream: Any = gpt.responses.create(model=CHAT, input="x", tools=[cast("Any", PATCH)], stream=True)
    deltas = [one.delta for one in stream if one.type == "response.custom_tool_call_input.delta"]
    assert deltas == ["*** ", "ü", "\n-a"]


def test_free_text_under_a_first_name_comes_back_as_both(
    gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, gemini: ExactUpstream, streams: bool
) -> None:
    """Codex's scripts, which come as an item."""
    run = {"type": "custom", "name": "exec", "description": "Runs it.", "format": {"type": "text"}}
    group: dict[str, Any] = {"type": "namespace", "name": "functions", "description": "", "tools": [run]}
    tools: Any = {"type": "additional_tools", "role": "developer", "tools": [group]}
    script = 'text("ä\\n");\n'
    arguments = json.dumps({"input": script})
    answers = {
        CHAT: chat_answer(completion(calls=[call("call_1", "functions__exec", arguments)]), streams=streams),
        CLAUDE: messages_answer(message(tool_use("call_1", "functions__exec", input=script)), streams=streams),
        GEMINI: gemini_answer(content(function_call("functions__exec", "call_1", input=script)), streams=streams),
    }
    for model, upstream in {CHAT: chat, CLAUDE: messages, GEMINI: gemini}.items():
        upstream.answers(answers[model])
        told = ask_responses(gpt, streams=streams, model=model, input=[tools, {"role": "user", "content": "Go on"}])
        (item,) = (one for one in told.reply.output if one.type == "custom_tool_call")
        assert (item.namespace, item.name, item.input) == ("functions", "exec", script)
        assert "functions__exec" in json.dumps(upstream.last)


def test_tools_under_a_first_name_come_back_in_it(
    gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, gemini: ExactUpstream, streams: bool
) -> None:
    """Codex's agents."""
    spawn = {
        "type": "function",
        "name": "spawn_agent",
        "description": "Starts one.",
        "parameters": SCHEMA,
        "strict": False,
    }
    group: dict[str, Any] = {"type": "namespace", "name": "agents", "description": "For work beside.", "tools": [spawn]}
    arguments = '{"city": "Ulm"}'
    answers = {
        CHAT: chat_answer(completion(calls=[call("call_1", "agents__spawn_agent", arguments)]), streams=streams),
        CLAUDE: messages_answer(message(tool_use("call_1", "agents__spawn_agent", city="Ulm")), streams=streams),
        GEMINI: gemini_answer(content(function_call("agents__spawn_agent", "call_1", city="Ulm")), streams=streams),
    }
    for model, upstream in {CHAT: chat, CLAUDE: messages, GEMINI: gemini}.items():
        upstream.answers(answers[model])
        told = ask_responses(gpt, streams=streams, model=model, tools=[group])
        (item,) = (one for one in told.reply.output if one.type == "function_call")
        assert (item.namespace, item.name, json.loads(item.arguments)) == ("agents", "spawn_agent", {"city": "Ulm"})
        assert "agents__spawn_agent" in json.dumps(upstream.last)
        assert "tool_namespace" in told.headers["x-dragoman-loss"]
        upstream.answers(answers[model])
        history = [QUESTION, *items(told.reply), result("call_1", "ok")]
        ask_responses(gpt, streams=streams, model=model, tools=[group], input=history)
        assert json.dumps(upstream.last).count("agents__spawn_agent") >= 2


def test_the_clients_own_kinds_of_tools_are_functions_elsewhere(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    tools: Any = [
        {"type": "local_shell"},
        {"type": "tool_search", "execution": "client", "description": "Finds", "parameters": SCHEMA},
        {"type": "image_generation"},
        {"type": "web_search"},
    ]
    calls = [call("call_1", "local_shell", '{"command":["ls"]}'), call("call_2", "tool_search", '{"city":"Ulm"}')]
    chat.answers(
        chat_answer(completion(calls=calls), streams=streams), chat_answer(completion("Done."), streams=streams)
    )
    told = ask_responses(gpt, streams=streams, model=CHAT, tools=tools)
    shell, search = told.reply.output
    assert shell.type == "local_shell_call"
    assert shell.action.command == ["ls"]
    assert search.type == "tool_search_call"
    assert (search.execution, search.arguments) == ("client", {"city": "Ulm"})
    assert [tool["function"]["name"] for tool in chat.last["tools"]] == ["local_shell", "tool_search"]
    assert all(tool["function"]["parameters"]["properties"] for tool in chat.last["tools"])
    assert "hosted_tool" in told.headers["x-dragoman-loss"]
    found = {"type": "tool_search_output", "call_id": "call_2", "execution": "client", "tools": [WEATHER]}
    history = [QUESTION, *items(told.reply), {**result("call_1", "a.py")}, found]
    ask_responses(gpt, streams=streams, model=CHAT, tools=tools, input=history)
    assert [tool["function"]["name"] for tool in chat.last["tools"]] == ["local_shell", "tool_search", "get_weather"]
    assert "get_weather" in chat.last["messages"][-1]["content"]


def test_openais_search_of_the_web_is_anthropics(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    asked = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "weather"}}
    page = {
        "type": "web_search_result",
        "url": "https://weather.test",
        "title": "W",
        "encrypted_content": "x",
        "page_age": None,
    }
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [page]}
    cited = {
        "type": "web_search_result_location",
        "url": "https://weather.test",
        "title": "W",
        "cited_text": "c",
        "encrypted_index": "i",
    }
    blocks: list[dict[str, Any]] = [asked, found, {**text("Rain."), "citations": [cited]}]
    events: list[bytes] = [message_start()]
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            first, *rest = block_events(index, text("Rain."))
            delta = event("content_block_delta", index=index, delta={"type": "citations_delta", "citation": cited})
            events += [first, *rest[:-1], delta, rest[-1]]
        else:
            events += block_events(index, block)
    events += [
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7}),
        event("message_stop"),
    ]
    messages.answers(stream_answer(*events) if streams else json_answer(message(*blocks)))
    tools: Any = [{"type": "web_search", "filters": {"allowed_domains": ["weather.test"]}}]
    told = ask_responses(gpt, streams=streams, model=CLAUDE, tools=tools)
    searched, answer = told.reply.output
    assert searched.type == "web_search_call"
    assert searched.action.to_dict() == {
        "type": "search",
        "query": "weather",
        "sources": [{"type": "url", "url": "https://weather.test"}],
    }
    assert answer.type == "message"
    assert answer.content[0].annotations[0].url == "https://weather.test"
    (tool,) = messages.last["tools"]
    assert (tool["name"], tool["allowed_domains"]) == ("web_search", ["weather.test"])


# Structured output


class City(BaseModel):
    city: str


@pytest.mark.parametrize("model", [CHAT, CLAUDE, GEMINI])
def test_structured_output_is_parsed(
    gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, gemini: ExactUpstream, model: str
) -> None:
    words = '{"city":"Ulm"}'
    chat.answers(chat_answer(completion(words), streams=False))
    messages.answers(messages_answer(message(text(words)), streams=False))
    gemini.answers(gemini_answer(content({"text": words}), streams=False))
    parsed = gpt.responses.parse(model=model, input="Where?", text_format=City)
    assert parsed.output_parsed == City(city="Ulm")
    upstream = {CHAT: chat, CLAUDE: messages, GEMINI: gemini}[model]
    assert "city" in json.dumps(upstream.last)
    if model == CHAT:
        form = upstream.last["response_format"]["json_schema"]
        assert (form["name"], form["strict"]) == ("City", True)


# Reasoning over turns


def test_claudes_thinking_holds_through_three_turns(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    """As Codex and the SDK keep it: with ids and without, stored nowhere."""
    first_thought, second_thought = thinking(" First\n", SIGNATURE), thinking("Then. ", SIGNATURE[::-1])
    used = [tool_use("toolu_1", "get_weather", city="Paris"), tool_use("toolu_2", "get_weather", city="Ulm")]
    messages.answers(
        messages_answer(message(first_thought, text("I look."), used[0]), streams=streams),
        messages_answer(message(second_thought, used[1]), streams=streams),
        messages_answer(message(text("Rain.")), streams=streams),
    )
    asking: dict[str, Any] = {
        "streams": streams,
        "model": CLAUDE,
        "tools": [WEATHER],
        "store": False,
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    one = ask_responses(gpt, input=[QUESTION], **asking).reply
    assert [item.type for item in one.output] == ["reasoning", "message", "function_call"]
    history = [QUESTION, *items(one), result("toolu_1", "rain")]
    two = ask_responses(gpt, input=history, **asking).reply
    bare = [{name: value for name, value in item.items() if name not in ("id", "status")} for item in items(two)]
    ask_responses(gpt, input=[*history, *bare, result("toolu_2", "sun")], **asking)
    said = [
        block for spoken in messages.last["messages"] if spoken["role"] == "assistant" for block in spoken["content"]
    ]
    kept = [{name: value for name, value in block.items() if name != "cache_control"} for block in said]
    assert kept == [first_thought, text("I look."), used[0], second_thought, used[1]]


def test_hidden_thought_comes_back_byte_equal(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    hidden = {"type": "redacted_thinking", "data": SIGNATURE}
    used = tool_use("toolu_1", "get_weather", city="Paris")
    answer = messages_answer(message(hidden, thinking("", SIGNATURE), used), streams=streams)
    messages.answers(answer, messages_answer(message(text("Rain.")), streams=streams))
    asking: dict[str, Any] = {"streams": streams, "model": CLAUDE, "tools": [WEATHER], "reasoning": {"effort": "low"}}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    ask_responses(gpt, input=[QUESTION, *items(first), result("toolu_1", "rain")], **asking)
    assert messages.last["messages"][1]["content"] == [hidden, thinking("", SIGNATURE), used]


def test_a_chat_upstreams_reasoning_comes_back_to_it(gpt: openai.OpenAI, chat: ExactUpstream, streams: bool) -> None:
    calls = [call("call_1", "get_weather", "{}")]
    chat.answers(
        chat_answer(completion(calls=calls, reasoning_content="Hm."), streams=streams),
        chat_answer(completion("Rain."), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": CHAT, "tools": [WEATHER]}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    assert first.output[0].type == "reasoning"
    assert first.output[0].summary[0].text == "Hm."
    ask_responses(gpt, input=[QUESTION, *items(first), result("call_1", "rain")], **asking)
    assert chat.last["messages"][1]["reasoning_content"] == "Hm."


def test_a_thought_signature_comes_back_on_its_call(gpt: openai.OpenAI, gemini: ExactUpstream, streams: bool) -> None:
    parts = [thought("Hm."), function_call("get_weather", "call_1", "c2lnbmF0dXJl", city="Ulm")]
    gemini.answers(
        gemini_answer(content(*parts), streams=streams), gemini_answer(content({"text": "Rain."}), streams=streams)
    )
    asking: dict[str, Any] = {"streams": streams, "model": GEMINI, "tools": [WEATHER]}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    ask_responses(gpt, input=[QUESTION, *items(first), result("call_1", "rain")], **asking)
    signed = [part for part in gemini.last["contents"][1]["parts"] if "functionCall" in part]
    assert [part["thoughtSignature"] for part in signed] == ["c2lnbmF0dXJl"]


def test_another_upstreams_thought_stays_behind_and_survives(
    gpt: openai.OpenAI, messages: ExactUpstream, responses: ExactUpstream, chat: ExactUpstream
) -> None:
    used = tool_use("toolu_1", "get_weather", city="Paris")
    messages.answers(messages_answer(message(thinking("Hm.", SIGNATURE), used), streams=False))
    first = ask_responses(gpt, streams=False, model=CLAUDE, tools=[WEATHER], input=[QUESTION]).reply
    history = [QUESTION, *items(first), result("toolu_1", "rain")]
    chat.answers(chat_answer(completion("Rain."), streams=False))
    ask_responses(gpt, streams=False, model=CHAT, tools=[WEATHER], input=history)
    responses.answers(responses_answer(response(output_text("Rain.")), streams=False))
    told = ask_responses(gpt, streams=False, model="responses/gpt", tools=[WEATHER], input=history)
    for upstream in (chat, responses):
        assert "DRAGOMAN" not in json.dumps(upstream.last)
        assert SIGNATURE not in json.dumps(upstream.last)
    assert "foreign_reasoning" in told.headers["x-dragoman-loss"]
    messages.answers(messages_answer(message(text("Rain.")), streams=False))
    ask_responses(gpt, streams=False, model=CLAUDE, tools=[WEATHER], input=history, reasoning={"effort": "low"})
    assert messages.last["messages"][1]["content"][0] == thinking("Hm.", SIGNATURE)


# What is remembered


def test_a_reply_can_be_gone_on_from(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    used = tool_use("toolu_1", "get_weather", city="Paris")
    messages.answers(
        messages_answer(message(thinking("Hm.", SIGNATURE), used), streams=streams),
        messages_answer(message(text("Rain.")), streams=streams),
        messages_answer(message(text("Yes.")), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": CLAUDE, "tools": [WEATHER], "reasoning": {"effort": "low"}}
    first = ask_responses(gpt, input="Weather?", **asking).reply
    second = ask_responses(gpt, input=[result("toolu_1", "rain")], previous_response_id=first.id, **asking).reply
    third = ask_responses(gpt, input="Sure?", previous_response_id=second.id, store=False, **asking).reply
    told = [reply.previous_response_id for reply in (first, second, third)]
    assert told == [None, first.id, second.id]
    assert gpt.responses.retrieve(second.id).previous_response_id == first.id
    kinds = [[block["type"] for block in spoken["content"]] for spoken in messages.last["messages"]]
    assert kinds == [["text"], ["thinking", "tool_use"], ["tool_result"], ["text"], ["text"]]
    assert messages.last["messages"][1]["content"][0] == thinking("Hm.", SIGNATURE)


def test_an_item_can_be_referred_to(gpt: openai.OpenAI, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("Rain."), streams=streams), chat_answer(completion("Yes."), streams=streams))
    first = ask_responses(gpt, streams=streams, model=CHAT).reply
    named: Any = {"type": "item_reference", "id": first.output[0].id}
    ask_responses(gpt, streams=streams, model=CHAT, input=[QUESTION, named, {"role": "user", "content": "Sure?"}])
    assert [(one["role"], one["content"]) for one in chat.last["messages"]] == [
        ("user", "Weather?"),
        ("assistant", "Rain."),
        ("user", "Sure?"),
    ]


def test_what_is_not_remembered_is_refused_in_openais_words(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask_responses(gpt, streams=streams, model=CHAT, previous_response_id="resp_gone")
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
    with pytest.raises(openai.BadRequestError, match="Item with id 'msg_gone' not found"):
        ask_responses(gpt, streams=streams, model=CHAT, input=[{"type": "item_reference", "id": "msg_gone"}])
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    unkept = ask_responses(gpt, streams=streams, model=CHAT, store=False).reply
    with pytest.raises(openai.BadRequestError, match="not found"):
        ask_responses(gpt, streams=streams, model=CHAT, previous_response_id=unkept.id)
    assert len(chat.asked) == 1


def test_nobody_finds_what_belongs_to_another_key(
    gpt: openai.OpenAI, gateway: RunningGateway, chat: ExactUpstream
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    first = ask_responses(gpt, streams=False, model=CHAT).reply
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-somebody-else-0123456789", max_retries=0) as other:
        with pytest.raises(openai.BadRequestError, match="not found"):
            ask_responses(other, streams=False, model=CHAT, previous_response_id=first.id)
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(first.id)
    assert gpt.responses.retrieve(first.id).output_text == "Yes."


def test_a_reply_is_told_again_until_it_is_deleted(gpt: openai.OpenAI, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    first = ask_responses(gpt, streams=streams, model=CHAT).reply
    again = gpt.responses.retrieve(first.id)
    assert (again.id, again.output_text, again.usage) == (first.id, "Yes.", first.usage)
    gpt.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.delete(first.id)


def test_an_upstream_that_keeps_replies_is_asked_as_it_is(
    gpt: openai.OpenAI, responses: ExactUpstream, chat: ExactUpstream, streams: bool
) -> None:
    reply = response(output_text("Yes."), previous_response_id=None)
    responses.answers(responses_answer(reply, streams=streams), responses_answer(reply, streams=streams))
    named: Any = [{"type": "item_reference", "id": "msg_theirs"}]
    ask_responses(gpt, streams=streams, model="responses/gpt", previous_response_id="resp_theirs", input=named)
    assert (responses.last["previous_response_id"], responses.last["input"]) == ("resp_theirs", named)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve("resp_upstream")
    # What was said elsewhere is not there, and goes up whole.
    chat.answers(chat_answer(completion("Rain."), streams=streams))
    first = ask_responses(gpt, streams=streams, model=CHAT).reply
    second = ask_responses(gpt, streams=streams, model="responses/gpt", previous_response_id=first.id, input="Sure?")
    assert "previous_response_id" not in responses.last
    assert second.reply.previous_response_id == first.id
    assert [item.get("role") for item in responses.last["input"]] == ["user", "assistant", "user"]


def test_an_upstream_that_keeps_none_gets_the_whole_conversation(
    gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    replies = [response(output_text(words, f"msg_{words}"), id=f"resp_{words}") for words in ("one", "two")]
    for reply in replies:
        start = event("response.created", response={**reply, "status": "in_progress", "output": [], "usage": None})
        end = event("response.completed", response=reply)
        done = event("response.output_item.done", output_index=0, item=reply["output"][0])
        responses.answers(stream_answer(start, done, end) if streams else json_answer(reply))
        previous = {} if reply is replies[0] else {"previous_response_id": "resp_one"}
        ask_responses(gpt, streams=streams, model="forgetful/gpt", input=f"after {reply['id']}", **previous)
    assert "previous_response_id" not in responses.last
    assert [item["content"] for item in responses.last["input"]] == [
        "after resp_one",
        replies[0]["output"][0]["content"],
        "after resp_two",
    ]


# Beside replies


def test_tokens_are_counted(gpt: openai.OpenAI, responses: ExactUpstream) -> None:
    counted = gpt.responses.input_tokens.count(
        model=CHAT, input="Hello there, how are you?", tools=[cast("Any", WEATHER)]
    )
    assert 10 < counted.input_tokens < 100
    responses.answers(json_answer({"object": "response.input_tokens", "input_tokens": 4321}))
    assert gpt.responses.input_tokens.count(model="responses/gpt", input="Hi").input_tokens == 4321
    assert responses.asked[0].path == "/v1/responses/input_tokens"
    assert responses.last["model"] == "gpt"


def test_a_conversation_is_compacted_where_the_upstream_can(gpt: openai.OpenAI, responses: ExactUpstream) -> None:
    compacted = {
        "id": "resp_c",
        "object": "response.compaction",
        "created_at": 1,
        "output": [{"id": "cmp_1", "type": "compaction", "encrypted_content": "x"}],
        "usage": response()["usage"],
    }
    responses.answers(json_answer(compacted))
    told = gpt.responses.compact(model="responses/gpt", input="Hello")
    assert told.output[0].type == "compaction"
    assert (responses.asked[0].path, responses.last["model"]) == ("/v1/responses/compact", "gpt")
    for model in (CHAT, "responses/gpt"):
        responses.answers(json_answer({"error": {"message": "nothing here"}}, 404))
        with pytest.raises(openai.InternalServerError) as refused:
            gpt.responses.compact(model=model, input="Hello")
        assert refused.value.status_code == 501
        assert "cannot compact" in refused.value.message


def test_a_responses_body_at_the_chat_endpoint_is_answered_in_chat(
    gateway: RunningGateway, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    """As Cursor asks."""
    body = {"model": CHAT, "input": [{"role": "user", "content": "Hi"}], "tools": [WEATHER, PATCH], "stream": False}
    chat.answers(chat_answer(completion(calls=[call("call_1", "get_weather", "{}")]), streams=False))
    url, headers = f"{gateway.url}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}
    told = httpx2.post(url, json=body, headers=headers).json()
    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert [tool["function"]["name"] for tool in chat.last["tools"]] == ["get_weather", "apply_patch"]
    assert chat.last["messages"] == [{"role": "user", "content": "Hi"}]
    messages.answers(messages_answer(message(text("Hi")), streams=True))
    told = httpx2.post(url, json={**body, "model": CLAUDE, "stream": True}, headers=headers)
    assert told.text.endswith("data: [DONE]\n\n")


# Failures


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_an_error_keeps_status_and_words(
    gpt: openai.OpenAI, messages: ExactUpstream, status: int, kind: type[openai.APIStatusError], streams: bool
) -> None:
    error = {"type": "error", "error": {"type": "x", "message": "quite so"}}
    messages.answers(json_answer(error, status, {"retry-after": "7"}))
    with pytest.raises(kind, match="quite so") as refused:
        ask_responses(gpt, streams=streams, model=CLAUDE)
    assert refused.value.response.headers["retry-after"] == "7"


def test_a_context_that_is_too_long_has_the_code_that_codex_compacts_on(
    gpt: openai.OpenAI, messages: ExactUpstream
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}
    messages.answers(json_answer(error, 400))
    with pytest.raises(openai.BadRequestError, match="prompt is too long") as refused:
        ask_responses(gpt, streams=True, model=CLAUDE)
    assert refused.value.code == "context_length_exceeded"


def test_an_error_in_mid_stream_keeps_its_words(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    failing = event("error", error={"type": "overloaded_error", "message": "quite overloaded"})
    messages.answers(stream_answer(message_start(), *list(block_events(0, text("Half")))[:2], failing))
    with pytest.raises(openai.APIError, match="quite overloaded"):
        ask_responses(gpt, streams=True, model=CLAUDE)


def test_a_cut_inside_a_tool_call_never_gives_a_call_that_can_be_run(gpt: openai.OpenAI, chat: ExactUpstream) -> None:
    cut = [piece({"role": "assistant"}), call_piece(0, id="call_1", name="get_weather", arguments='{"ci')]
    chat.answers(stream_answer(*cut, is_cut=True))
    done: list[Any] = []
    stream: Any = gpt.responses.create(model=CHAT, input="x", tools=[cast("Any", WEATHER)], stream=True)
    with pytest.raises(openai.APIError):
        done += (one for one in stream if one.type == "response.output_item.done")
    assert done == []


@pytest.mark.parametrize("name", ["background", "conversation", "prompt", "top_logprobs"])
def test_what_cannot_be_had_elsewhere_is_refused_by_name(gpt: openai.OpenAI, chat: ExactUpstream, name: str) -> None:
    value: Any = {"background": True, "conversation": "conv_1", "prompt": {"id": "pmpt_1"}, "top_logprobs": 2}[name]
    with pytest.raises(openai.BadRequestError) as refused:
        ask_responses(gpt, streams=False, model=CHAT, **{name: value})
    assert refused.value.param == name
    assert chat.asked == []


# The raw lane


def test_a_tool_loop_with_an_upstream_of_the_same_protocol(
    gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    called = call_item("call_1", "get_weather", "{}")
    sealed = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    responses.answers(
        responses_answer(response(sealed, called), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": "responses/gpt", "tools": [WEATHER], "store": False}
    first = ask_responses(gpt, input=[QUESTION], **asking).reply
    assert (first.model, [item.type for item in first.output]) == ("responses/gpt", ["reasoning", "function_call"])
    history = [QUESTION, *items(first), result("call_1", "rain")]
    assert ask_responses(gpt, input=history, **asking).reply.output_text == "Rain."
    assert responses.last["input"] == history
    assert responses.asked[0].path == "/v1/responses"
    assert KEY not in str(responses.asked[0])
