"""The official SDKs against a Responses upstream: what leaves the gateway, and what the SDKs make of the answer."""

# ruff: noqa: ANN401 - what stands here for a body or an item is any JSON

import json
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.support.exact_upstream import ExactUpstream, json_answer, stream_answer
from tests.support.sdks import KEY, ask_chat, ask_gemini, ask_messages, calls_of, said
from tests.support.wires import (
    call_item,
    event,
    item_events,
    output_text,
    reasoning,
    response,
    response_start,
    responses_answer,
    text,
    thinking,
    tool_use,
)

MODEL = "responses/gpt-large"
WORDS = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
ENCRYPTED = "gAAAAABp+byte/equal==" + "x" * 300
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {"name": "get_weather", "description": "Tells the weather", "input_schema": SCHEMA}
CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Tells the weather", "parameters": SCHEMA},
}
FLAT = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather",
    "parameters": SCHEMA,
    "strict": False,
}
PNG = "iVBORw0KGgo="
CALLS = [call_item("call_1", "get_weather", '{"city":"Paris"}'), call_item("call_2", "get_weather", '{"city":"Ulm"}')]


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def result(id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def said_in(item: Any) -> tuple[str, str]:
    return item["role"], "".join(part["text"] for part in item["content"])


# Text


def test_text_goes_up_and_comes_back_exactly_from_anthropic(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(responses_answer(response(output_text(WORDS)), streams=streams))
    told = ask_messages(
        claude,
        streams=streams,
        model=MODEL,
        system=[{"type": "text", "text": " Be brief. "}, {"type": "text", "text": "Really."}],
        messages=[
            user(text(WORDS)),
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": WORDS},
        ],
        max_tokens=321,
    )
    assert said(told.reply) == [text(WORDS)]
    assert (told.reply.model, told.reply.stop_reason) == (MODEL, "end_turn")
    assert (told.reply.usage.input_tokens, told.reply.usage.output_tokens) == (11, 7)
    sent = responses.last
    assert sent["instructions"] == " Be brief. \n\nReally."
    assert [said_in(item) for item in sent["input"]] == [("user", WORDS), ("assistant", "Yes?"), ("user", WORDS)]
    assert [item["content"][0]["type"] for item in sent["input"]] == ["input_text", "output_text", "input_text"]
    assert (sent["model"], sent["max_output_tokens"], sent["store"]) == ("gpt-large", 321, False)
    assert sent["include"] == ["reasoning.encrypted_content"]


def test_text_goes_up_and_comes_back_exactly_from_chat(
    gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(responses_answer(response(output_text(WORDS)), streams=streams))
    told = ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": WORDS}],
        verbosity="low",
        safety_identifier="somebody",
    )
    assert told.reply.choices[0].message.content == WORDS
    assert told.reply.choices[0].finish_reason == "stop"
    sent = responses.last
    assert (sent["instructions"], said_in(sent["input"][0])) == ("Be brief.", ("user", WORDS))
    assert (sent["text"], sent["user"]) == ({"verbosity": "low"}, "somebody")


def test_text_goes_up_and_comes_back_exactly_from_gemini(
    google: genai.Client, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(responses_answer(response(output_text(WORDS)), streams=streams))
    told = ask_gemini(google, streams=streams, model=MODEL, contents=WORDS, system_instruction="Be brief.")
    assert told.text == WORDS
    assert responses.last["instructions"] == "Be brief."


def test_the_upstreams_key_goes_up_and_the_clients_stays(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(responses_answer(response(output_text("Yes.")), streams=streams))
    ask_messages(claude, streams=streams, model=MODEL)
    asked = responses.asked[0]
    assert asked.path == "/v1/responses"
    assert asked.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert KEY not in str(asked)
    assert not [name for name in asked.headers if name.startswith(("anthropic", "x-stainless"))]


def test_what_responses_does_not_know_is_not_sent(gpt: openai.OpenAI, responses: ExactUpstream, streams: bool) -> None:
    responses.answers(responses_answer(response(output_text("Yes.")), streams=streams))
    told = ask_chat(
        gpt, streams=streams, model=MODEL, seed=5, frequency_penalty=0.5, logit_bias={"1": 1}, stop=["STOP"]
    )
    known = {"model", "store", "include", "input", *(["stream"] if streams else [])}
    assert set(responses.last) == known
    assert {"sampling_field", "extra_field", "stop_cut"} <= set(
        told.headers["x-dragoman-loss"].split("; ")[1].split(",")
    )


def test_a_stop_sequence_ends_the_reply_all_the_same(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    answer = responses_answer(response(output_text("one two STOP three")), streams=streams)
    responses.answers(answer, answer)
    choice = ask_chat(gpt, streams=streams, model=MODEL, stop=["STOP"]).reply.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("one two ", "stop")
    told = ask_messages(claude, streams=streams, model=MODEL, stop_sequences=["STOP"]).reply
    assert (said(told), told.stop_reason, told.stop_sequence) == ([text("one two ")], "stop_sequence", "STOP")


def test_several_answers_are_refused(gpt: openai.OpenAI, responses: ExactUpstream) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask_chat(gpt, streams=False, model=MODEL, n=2)
    assert refused.value.param == "n"
    assert responses.asked == []


# Tools


def test_parallel_tools_hold_through_two_turns_of_anthropic(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(
        responses_answer(response(output_text("I look."), *CALLS), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    asking: dict[str, Any] = {"streams": streams, "model": MODEL, "tools": [TOOL]}
    first = ask_messages(claude, messages=[user(text("Weather?"))], **asking).reply
    used = [tool_use("call_1", "get_weather", city="Paris"), tool_use("call_2", "get_weather", city="Ulm")]
    assert said(first) == [text("I look."), *used]
    assert first.stop_reason == "tool_use"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    answered = user(result("call_1", "no", is_error=True), result("call_2", [text("sun"), image]), text("And?"))
    history = [user(text("Weather?")), {"role": "assistant", "content": said(first)}, answered]
    ask_messages(claude, messages=history, **asking)
    assert responses.last["tools"] == [FLAT]
    assert responses.last["input"][2:] == [
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": '{"city":"Ulm"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "Error: no"},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [
                {"type": "input_text", "text": "sun"},
                {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
            ],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And?"}]},
    ]


def test_parallel_tools_hold_through_two_turns_of_chat(
    gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    responses.answers(
        responses_answer(response(*CALLS), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    question = {"role": "user", "content": "Weather?"}
    asking: dict[str, Any] = {"streams": streams, "model": MODEL, "tools": [CHAT_TOOL]}
    first = ask_chat(gpt, messages=[question], tool_choice="required", parallel_tool_calls=True, **asking).reply
    assert calls_of(first) == [
        ("call_1", "get_weather", '{"city":"Paris"}'),
        ("call_2", "get_weather", '{"city":"Ulm"}'),
    ]
    assert first.choices[0].finish_reason == "tool_calls"
    assert (responses.last["tools"], responses.last["tool_choice"]) == ([FLAT], "required")
    spoken = first.choices[0].message.model_dump(exclude_none=True)
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": f"{n}"} for n in (1, 2)]
    assert ask_chat(gpt, messages=[question, spoken, *results], **asking).reply.choices[0].message.content == "Rain."
    kinds = [item["type"] for item in responses.last["input"]]
    assert kinds == ["message", "function_call", "function_call", "function_call_output", "function_call_output"]


def test_a_tool_loop_of_gemini(google: genai.Client, responses: ExactUpstream, streams: bool) -> None:
    responses.answers(
        responses_answer(response(*CALLS), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    tool = types.Tool(
        function_declarations=[types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)]
    )
    question = types.Content(role="user", parts=[types.Part(text="Weather?")])
    first = ask_gemini(google, streams=streams, model=MODEL, contents=[question], tools=[tool])
    assert [(name, args) for _, name, args in first.calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Ulm"}),
    ]
    results = [
        types.Part(function_response=types.FunctionResponse(id=id, name=name, response={"output": "ok"}))
        for id, name, _ in first.calls
    ]
    history = [question, *first.contents, types.Content(role="user", parts=results)]
    assert ask_gemini(google, streams=streams, model=MODEL, contents=history, tools=[tool]).text == "Rain."
    calls = [item for item in responses.last["input"] if item["type"] == "function_call"]
    outputs = [item["call_id"] for item in responses.last["input"] if item["type"] == "function_call_output"]
    assert [item["call_id"] for item in calls] == outputs


def test_a_long_tool_name_is_shortened_and_comes_back(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    long = "mcp__" + "server" * 12 + "__search"
    responses.answers(responses_answer(response(output_text("x")), streams=streams))
    tool = {**TOOL, "name": long}
    choice = {"type": "tool", "name": long}
    ask_messages(claude, streams=streams, model=MODEL, tools=[tool], tool_choice=choice)
    short = responses.last["tools"][0]["name"]
    assert len(short) <= 64
    assert responses.last["tool_choice"] == {"type": "function", "name": short}
    responses.answers(responses_answer(response(call_item("call_1", short, "{}")), streams=streams))
    told = ask_messages(claude, streams=streams, model=MODEL, tools=[tool])
    assert said(told.reply) == [tool_use("call_1", long)]


def test_free_text_tools_of_chat_are_native(gpt: openai.OpenAI, responses: ExactUpstream, streams: bool) -> None:
    called = {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "c",
        "name": "p",
        "input": "*** x",
    }
    responses.answers(responses_answer(response(called), streams=streams))
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    tools = [{"type": "custom", "custom": {"name": "p", "format": grammar}}]
    told = ask_chat(gpt, streams=streams, model=MODEL, tools=tools).reply.choices[0]
    assert responses.last["tools"] == [
        {"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
    ]
    (spoken,) = told.message.model_dump()["tool_calls"]
    assert spoken["custom"] == {"name": "p", "input": "*** x"}


def test_anthropics_search_of_the_web_is_openais(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    action = {"type": "search", "query": "weather", "sources": [{"type": "url", "url": "https://weather.test"}]}
    searched = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": action}
    responses.answers(responses_answer(response(searched, output_text("Rain.")), streams=streams))
    tool = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["weather.test"], "max_uses": 8}
    told = ask_messages(claude, streams=streams, model=MODEL, tools=[tool])
    assert responses.last["tools"] == [{"type": "web_search", "filters": {"allowed_domains": ["weather.test"]}}]
    assert "web_search_setting" in told.headers["x-dragoman-loss"]
    assert said(told.reply)[-1]["text"] == "Rain."
    assert told.reply.stop_reason == "end_turn"


# Reasoning


def test_encrypted_reasoning_holds_through_three_turns_of_anthropic(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    thoughts = [reasoning(ENCRYPTED, "First", id="rs_1"), reasoning(ENCRYPTED[::-1], id="rs_2")]
    responses.answers(
        responses_answer(response(thoughts[0], CALLS[0]), streams=streams),
        responses_answer(response(thoughts[1], CALLS[1]), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    asking: dict[str, Any] = {
        "streams": streams,
        "model": MODEL,
        "tools": [TOOL],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
    }
    one = ask_messages(claude, messages=[user(text("Weather?"))], **asking).reply
    assert [block["type"] for block in said(one)] == ["thinking", "tool_use"]
    assert said(one)[0]["thinking"] == "First"
    assert responses.last["reasoning"] == {"effort": "high", "summary": "auto"}
    history = [user(text("Weather?")), {"role": "assistant", "content": said(one)}, user(result("call_1", "rain"))]
    two = ask_messages(claude, messages=history, **asking).reply
    assert [block["type"] for block in said(two)] == ["redacted_thinking", "tool_use"]
    history += [{"role": "assistant", "content": said(two)}, user(result("call_2", "sun"))]
    ask_messages(claude, messages=history, **asking)
    back = [item for item in responses.last["input"] if item["type"] == "reasoning"]
    assert back == thoughts
    kinds = [item["type"] for item in responses.last["input"]]
    turn = ["reasoning", "function_call", "function_call_output"]
    assert kinds == ["message", *turn, *turn]


def test_encrypted_reasoning_comes_back_through_a_chat_client(
    gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    sealed = reasoning(ENCRYPTED, "One.", "Two.", id="rs_1")
    responses.answers(
        responses_answer(response(sealed, CALLS[0]), streams=streams),
        responses_answer(response(output_text("Rain.")), streams=streams),
    )
    question = {"role": "user", "content": "Weather?"}
    asking: dict[str, Any] = {"streams": streams, "model": MODEL, "tools": [CHAT_TOOL], "reasoning_effort": "low"}
    spoken = ask_chat(gpt, messages=[question], **asking).reply.choices[0].message.model_dump(exclude_none=True)
    assert spoken["reasoning_content"] == "One.\n\nTwo."
    rain = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
    ask_chat(gpt, messages=[question, spoken, rain], **asking)
    _, thought, called, _ = responses.last["input"]
    assert (thought["encrypted_content"], thought["id"]) == (ENCRYPTED, "rs_1")
    assert called["type"] == "function_call"


def test_encrypted_reasoning_is_for_the_model_that_wrote_it(
    claude: anthropic.Anthropic, responses: ExactUpstream, messages: ExactUpstream
) -> None:
    responses.answers(responses_answer(response(reasoning(ENCRYPTED, "Hm."), CALLS[0]), streams=False))
    first = ask_messages(claude, streams=False, model=MODEL, tools=[TOOL]).reply
    history = [user(text("Weather?")), {"role": "assistant", "content": said(first)}, user(result("call_1", "rain"))]
    responses.answers(responses_answer(response(output_text("Rain.")), streams=False))
    told = ask_messages(claude, streams=False, model="responses/another", tools=[TOOL], messages=history)
    assert "reasoning" not in [item["type"] for item in responses.last["input"]]
    assert "foreign_reasoning" in told.headers["x-dragoman-loss"]
    responses.answers(responses_answer(response(output_text("Rain.")), streams=False))
    ask_messages(claude, streams=False, model=MODEL, tools=[TOOL], messages=history)
    assert [item.get("encrypted_content") for item in responses.last["input"]] == [None, ENCRYPTED, None, None]


def test_anthropics_thought_never_reaches_openai(claude: anthropic.Anthropic, responses: ExactUpstream) -> None:
    responses.answers(responses_answer(response(output_text("Yes.")), streams=False))
    history = [user(text("a")), {"role": "assistant", "content": [thinking("Hm.", "c2ln"), text("b")]}, user(text("c"))]
    told = ask_messages(claude, streams=False, model=MODEL, messages=history)
    assert "c2ln" not in json.dumps(responses.last)
    assert "foreign_reasoning" in told.headers["x-dragoman-loss"]


def test_open_models_get_their_reasoning_back_in_words(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    aloud = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    if streams:
        delta = event("response.reasoning_text.delta", output_index=0, content_index=0, delta="Hm.")
        done = event("response.output_item.done", output_index=0, item=aloud)
        call = list(item_events(1, CALLS[0]))
        end = event("response.completed", response=response(aloud, CALLS[0]))
        responses.answers(stream_answer(response_start(), delta, done, *call, end))
    else:
        responses.answers(json_answer(response(aloud, CALLS[0])))
    first = ask_messages(claude, streams=streams, model="open/gpt-oss", tools=[TOOL]).reply
    assert said(first)[0]["thinking"] == "Hm."
    assert "include" not in responses.last
    history = [user(text("Weather?")), {"role": "assistant", "content": said(first)}, user(result("call_1", "rain"))]
    responses.answers(responses_answer(response(output_text("Rain.")), streams=streams))
    ask_messages(claude, streams=streams, model="open/gpt-oss", tools=[TOOL], messages=history)
    assert responses.last["input"][1] == aloud


def test_thinking_that_is_switched_off_is(claude: anthropic.Anthropic, responses: ExactUpstream) -> None:
    responses.answers(responses_answer(response(output_text("Yes.")), streams=False))
    ask_messages(claude, streams=False, model=MODEL, thinking={"type": "disabled"})
    assert responses.last["reasoning"] == {"effort": "none"}


# Format, usage, ends


def test_structured_output_is_asked_for_by_schema(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, responses: ExactUpstream, streams: bool
) -> None:
    answer = responses_answer(response(output_text('{"city":"Ulm"}')), streams=streams)
    schema = {**SCHEMA, "additionalProperties": False}
    responses.answers(answer, answer)
    ask_messages(
        claude, streams=streams, model=MODEL, output_config={"format": {"type": "json_schema", "schema": schema}}
    )
    form = responses.last["text"]["format"]
    assert (form["type"], form["name"], form["schema"]) == ("json_schema", "response", schema)
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
    ask_chat(gpt, streams=streams, model=MODEL, response_format=wanted)
    form = responses.last["text"]["format"]
    assert (form["name"], form["strict"], form["schema"]) == ("city", True, schema)


def test_cached_and_thought_tokens_are_counted_once(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 15},
    }
    responses.answers(responses_answer(response(output_text("Yes."), usage=usage), streams=streams))
    told = ask_messages(claude, streams=streams, model=MODEL).reply.usage
    assert (told.input_tokens, told.cache_read_input_tokens, told.cache_creation_input_tokens) == (30, 60, 10)
    assert told.output_tokens == 20


@pytest.mark.parametrize(
    ("reason", "stop", "finish"),
    [("max_output_tokens", "max_tokens", "length"), ("content_filter", "refusal", "content_filter")],
)
@pytest.mark.parametrize("streams", [True, False])
def test_why_a_reply_is_incomplete(
    claude: anthropic.Anthropic,
    gpt: openai.OpenAI,
    responses: ExactUpstream,
    *,
    streams: bool,
    reason: str,
    stop: str,
    finish: str,
) -> None:
    reply = response(output_text("Half"), status="incomplete", incomplete_details={"reason": reason})
    responses.answers(*[responses_answer(reply, streams=streams)] * 2)
    assert ask_messages(claude, streams=streams, model=MODEL).reply.stop_reason == stop
    assert ask_chat(gpt, streams=streams, model=MODEL).reply.choices[0].finish_reason == finish


# Failures


def test_an_error_keeps_status_and_words(claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool) -> None:
    error = {
        "error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded", "param": None}
    }
    responses.answers(json_answer(error, 429, {"retry-after": "7"}))
    with pytest.raises(anthropic.RateLimitError, match="slow down") as refused:
        ask_messages(claude, streams=streams, model=MODEL)
    assert refused.value.response.headers["retry-after"] == "7"


def test_a_context_that_is_too_long_is_told_in_the_words_that_clients_compact_on(
    claude: anthropic.Anthropic, responses: ExactUpstream, streams: bool
) -> None:
    error = {"code": "context_length_exceeded", "message": "Your input exceeds the context window of this model."}
    failed = response(status="failed", error=error)
    if streams:
        responses.answers(stream_answer(response_start(), event("response.failed", response=failed)))
    else:
        responses.answers(json_answer({"error": error}, 400))
    with pytest.raises(anthropic.BadRequestError, match="prompt_too_long"):
        ask_messages(claude, streams=streams, model=MODEL)


def test_a_response_that_failed_is_an_error(gpt: openai.OpenAI, responses: ExactUpstream) -> None:
    failed = response(status="failed", error={"code": "server_error", "message": "quite broken"})
    responses.answers(json_answer(failed))
    with pytest.raises(openai.InternalServerError, match="quite broken"):
        ask_chat(gpt, streams=False, model=MODEL)


def test_an_error_in_mid_stream_keeps_its_words(claude: anthropic.Anthropic, responses: ExactUpstream) -> None:
    half = list(item_events(0, output_text("Half a sentence")))[:3]
    for failing in (
        event(
            "response.failed", response=response(status="failed", error={"code": "server_error", "message": "broken"})
        ),
        event("error", code="server_error", message="broken", param=None),
    ):
        responses.answers(stream_answer(response_start(), *half, failing))
        with pytest.raises(anthropic.APIStatusError, match="broken"):
            ask_messages(claude, streams=True, model=MODEL)


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "closed in good order"])
def test_a_stream_without_its_end_never_looks_finished(
    gpt: openai.OpenAI, responses: ExactUpstream, is_cut: bool
) -> None:
    responses.answers(stream_answer(response_start(), *item_events(0, CALLS[0]), is_cut=is_cut))
    with pytest.raises(openai.APIError):
        ask_chat(gpt, streams=True, model=MODEL, tools=[CHAT_TOOL])


def test_tokens_are_counted(claude: anthropic.Anthropic, responses: ExactUpstream) -> None:
    responses.answers(json_answer({"object": "response.input_tokens", "input_tokens": 4321}))
    counted = claude.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    assert counted.input_tokens == 4321
    assert responses.asked[0].path == "/v1/responses/input_tokens"
    assert not {"store", "include", "max_output_tokens", "stream"} & set(responses.last)
