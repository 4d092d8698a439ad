"""The official OpenAI SDK against a Messages upstream: what leaves the gateway, and what the SDK makes of the answer."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import base64
import json
from typing import Any

import openai
import pytest

from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.sdks import KEY, ask_chat, calls_of
from tests.support.wires import block_events, event, message, message_start, messages_answer, text, thinking, tool_use

MODEL = "messages/claude-large"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n not really").decode()
PDF = base64.b64encode(b"%PDF-1.7 not really").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Tells the weather", "parameters": SCHEMA},
}


def plain(blocks: Any) -> Any:
    """Return content without the cache breakpoints, which have tests of their own."""
    if isinstance(blocks, str):
        return [text(blocks)]
    return [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]


def test_text_goes_up_and_comes_back_exactly(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    words = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
    messages.answers(messages_answer(message(text(words)), streams=streams))
    told = ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        messages=[
            {"role": "system", "content": " Be brief. "},
            {"role": "developer", "content": "Really."},
            {"role": "user", "content": words},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": words},
        ],
        stop=["STOP"],
        temperature=0.5,
        max_completion_tokens=321,
    )
    choice = told.reply.choices[0]
    assert choice.message.content == words
    assert choice.finish_reason == "stop"
    sent = messages.last
    assert plain(sent["system"]) == [text(" Be brief. "), text("Really.")]
    assert [(one["role"], plain(one["content"])) for one in sent["messages"]] == [
        ("user", [text(words)]),
        ("assistant", [text("Yes?")]),
        ("user", [text(words)]),
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("claude-large", 321, 0.5)
    assert sent["stop_sequences"] == ["STOP"]
    assert sent.get("stream", False) is streams


def test_the_upstreams_key_goes_up_and_the_clients_stays(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(messages_answer(message(text("Yes.")), streams=streams))
    ask_chat(gpt, streams=streams, model=MODEL)
    asked = messages.asked[0]
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == "sk-upstream-0123456789"
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert KEY not in str(asked)
    assert not [name for name in asked.headers if name.startswith(("openai", "x-stainless"))]


def test_the_reply_names_the_model_that_was_asked_for_and_the_headers_who_answered(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(messages_answer(message(text("Yes.")), streams=streams))
    told = ask_chat(gpt, streams=streams, model=MODEL, seed=5)
    assert told.reply.model == MODEL
    assert told.headers["x-dragoman-model"] == "claude-large"
    assert told.headers["x-dragoman-provider"] == "messages"
    assert "seed" in told.headers["x-dragoman-loss"]
    assert told.headers["x-request-id"].startswith("req_")


def test_what_anthropic_does_not_know_is_not_sent(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(message(text("Yes.")), streams=streams))
    told = ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        seed=5,
        frequency_penalty=0.5,
        presence_penalty=0.5,
        logit_bias={"50256": -100},
        store=False,
        user="somebody",
    )
    known = {"model", "max_tokens", "messages", "metadata", *(["stream"] if streams else [])}
    assert set(messages.last) == known
    assert messages.last["metadata"] == {"user_id": "somebody"}
    count, _, codes = told.headers["x-dragoman-loss"].partition("; ")
    assert int(count) == 5
    assert {"seed", "frequency_penalty", "presence_penalty"} <= set(codes.split(","))


def test_without_a_limit_one_is_filled_in(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(message(text("Yes.")), streams=streams))
    ask_chat(gpt, streams=streams, model=MODEL)
    assert messages.last["max_tokens"] == 32_000


def test_images_come_from_data_urls_and_addresses(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(message(text("Two pictures.")), streams=streams))
    ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}"}},
                    {"type": "image_url", "image_url": {"url": "https://pictures.test/a.png?x=1&y=2"}},
                ],
            }
        ],
    )
    assert plain(messages.last["messages"][0]["content"]) == [
        text("What is this?"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://pictures.test/a.png?x=1&y=2"}},
    ]


def test_files_become_documents(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(message(text("Read.")), streams=streams))
    words = base64.b64encode(b"Buy milk.").decode()
    files = [("plan.pdf", f"data:application/pdf;base64,{PDF}"), ("notes.txt", f"data:text/plain;base64,{words}")]
    ask_chat(
        gpt,
        streams=streams,
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [{"type": "file", "file": {"filename": name, "file_data": data}} for name, data in files],
            }
        ],
    )
    pdf, notes = plain(messages.last["messages"][0]["content"])
    assert pdf["type"] == "document"
    assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert notes["source"] == {"type": "text", "media_type": "text/plain", "data": "Buy milk."}


def test_parallel_tools_hold_through_two_turns(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    used = [tool_use("toolu_1", "get_weather", city="Paris"), tool_use("toolu_2", "get_weather", city="Rome")]
    messages.answers(
        messages_answer(message(text("Let me look."), *used), streams=streams),
        messages_answer(message(text("Rain, sun.")), streams=streams),
    )
    question = {"role": "user", "content": "Weather?"}
    first = ask_chat(gpt, streams=streams, model=MODEL, tools=[WEATHER], messages=[question]).reply
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.content == "Let me look."
    assert [(id, name, json.loads(arguments)) for id, name, arguments in calls_of(first)] == [
        ("toolu_1", "get_weather", {"city": "Paris"}),
        ("toolu_2", "get_weather", {"city": "Rome"}),
    ]
    history = [
        question,
        first.choices[0].message,
        {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": [{"type": "text", "text": "sun"}]},
        {"role": "user", "content": "Go on."},
    ]
    second = ask_chat(gpt, streams=streams, model=MODEL, tools=[WEATHER], messages=history).reply
    assert second.choices[0].message.content == "Rain, sun."
    tool = {"name": "get_weather", "description": "Tells the weather", "input_schema": SCHEMA}
    assert plain(messages.asked[0].json["tools"]) == [tool]
    asked, spoken, results = messages.last["messages"]
    assert [one["role"] for one in (asked, spoken, results)] == ["user", "assistant", "user"]
    assert plain(spoken["content"]) == [text("Let me look."), *used]
    assert [one.get("tool_use_id") for one in results["content"]] == ["toolu_1", "toolu_2", None]
    assert plain(results["content"])[2] == text("Go on.")


def test_calls_are_numbered_from_zero_whatever_stands_before_them(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    reply = message(
        thinking("Hm.", "c2ln"), text("Let me look."), tool_use("toolu_1", "a", x=1), tool_use("toolu_2", "b", y=2)
    )
    messages.answers(messages_answer(reply, streams=True))
    numbers: dict[int, str] = {}
    tools: Any = [WEATHER]
    for chunk in gpt.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello?"}], stream=True, tools=tools
    ):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                assert call.function is not None
                numbers[call.index] = numbers.get(call.index, "") + (
                    call.function.name or call.function.arguments or ""
                )
    assert {index: words.replace(" ", "") for index, words in numbers.items()} == {0: 'a{"x":1}', 1: 'b{"y":2}'}


def test_a_call_without_input_has_an_empty_object(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(message(tool_use("toolu_1", "get_time")), streams=streams))
    reply = ask_chat(gpt, streams=streams, model=MODEL, tools=[WEATHER]).reply
    assert calls_of(reply) == [("toolu_1", "get_time", "{}")]


def test_a_forced_call_is_a_tool_choice(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    rows: list[tuple[dict[str, Any], Any]] = [
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            {"type": "tool", "name": "get_weather"},
        ),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ]
    for settings, choice in rows:
        messages.answers(messages_answer(message(text("Yes.")), streams=False))
        ask_chat(gpt, streams=False, model=MODEL, tools=[WEATHER], **settings)
        assert messages.last["tool_choice"] == choice


def test_structured_output_is_asked_for_by_schema(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    messages.answers(messages_answer(message(text('{"n": 3}')), streams=streams))
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": True}}
    reply = ask_chat(gpt, streams=streams, model=MODEL, response_format=form).reply
    assert messages.last["output_config"]["format"] == {"type": "json_schema", "schema": schema}
    assert reply.choices[0].message.content == '{"n": 3}'


def test_cached_tokens_are_part_of_the_prompt(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    usage = {
        "input_tokens": 50,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 150,
        "output_tokens": 50,
    }
    messages.answers(messages_answer(message(text("Yes."), usage=usage), streams=streams))
    used = ask_chat(gpt, streams=streams, model=MODEL).reply.usage
    assert used is not None
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (1000, 50, 1050)
    assert used.prompt_tokens_details is not None
    assert used.prompt_tokens_details.cached_tokens == 800


def test_usage_that_nobody_asked_for_is_not_sent(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    messages.answers(messages_answer(message(text("Yes.")), streams=True))
    stream = gpt.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello?"}], stream=True)
    chunks = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_effort_asks_for_thinking(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    messages.answers(messages_answer(message(thinking("Hm.", "c2ln"), text("Yes.")), streams=False))
    reply = ask_chat(gpt, streams=False, model=MODEL, reasoning_effort="high").reply
    assert messages.last["thinking"]["type"] == "adaptive"
    assert messages.last["output_config"]["effort"] == "high"
    assert getattr(reply.choices[0].message, "reasoning_content", None) == "Hm."
    assert reply.choices[0].message.content == "Yes."


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("max_tokens", "length"), ("stop_sequence", "stop"), ("refusal", "content_filter"), ("pause_turn", "stop")],
)
def test_why_a_reply_ended_is_said_in_the_clients_words(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool, stop: str, finish: str
) -> None:
    messages.answers(messages_answer(message(text("Half"), stop_reason=stop), streams=streams))
    assert ask_chat(gpt, streams=streams, model=MODEL).reply.choices[0].finish_reason == finish


def test_pings_and_events_of_tomorrow_are_passed_over(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    messages.answers(
        stream_answer(
            b": a comment\r\n\r\n",
            message_start(),
            event("ping"),
            event("weather_report", sky="blue"),
            *block_events(0, text("Hello.")),
            event("ping"),
            event(
                "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3}
            ),
            event("message_stop"),
        )
    )
    assert ask_chat(gpt, streams=True, model=MODEL).reply.choices[0].message.content == "Hello."


def test_models_are_listed_in_the_clients_dialect(gpt: openai.OpenAI) -> None:
    listed = {model.id: model.object for model in gpt.models.list()}
    assert listed["gpt-large"] == "model"
    assert gpt.models.retrieve("listed/gpt-large").id == "listed/gpt-large"
