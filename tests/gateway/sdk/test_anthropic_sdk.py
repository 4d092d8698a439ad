"""The official Anthropic SDK against a Chat upstream: what leaves the gateway, and what the SDK makes of the answer."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import base64
from typing import Any

import anthropic
import pytest
from anthropic.types.thinking_block import ThinkingBlock

from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.sdks import KEY, ask_messages, said
from tests.support.wires import DONE, call, call_piece, chat_answer, completion, piece, text, tool_use

MODEL = "chat/gpt-large"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n not really").decode()
PDF = base64.b64encode(b"%PDF-1.7 not really").decode()
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USED = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_text_goes_up_and_comes_back_exactly(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    words = "  two spaces, größer 🐫,\n\ta tab and a line end\n"
    chat.answers(chat_answer(completion(words), streams=streams))
    told = ask_messages(
        claude,
        streams=streams,
        model=MODEL,
        system=[{"type": "text", "text": " Be brief. "}, {"type": "text", "text": "Really."}],
        messages=[
            user({"type": "text", "text": words}),
            assistant({"type": "text", "text": "Yes?"}),
            {"role": "user", "content": words},
        ],
        stop_sequences=["STOP"],
        max_tokens=321,
        extra_body={"temperature": 0.5},
    )
    assert said(told.reply) == [text(words)]
    assert told.reply.stop_reason == "end_turn"
    sent = chat.last
    assert sent["messages"] == [
        {"role": "system", "content": " Be brief. \n\nReally."},
        {"role": "user", "content": words},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": words},
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("gpt-large", 321, 0.5)
    assert sent["stop"] == ["STOP"]
    assert sent.get("stream", False) is streams
    assert sent.get("stream_options") == ({"include_usage": True} if streams else None)


def test_the_upstreams_key_goes_up_and_the_clients_stays(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    ask_messages(claude, streams=streams, model=MODEL)
    asked = chat.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert KEY not in str(asked)
    assert not [name for name in asked.headers if name.startswith(("anthropic", "x-stainless"))]


def test_the_reply_names_the_model_that_was_asked_for_and_the_headers_who_answered(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    told = ask_messages(claude, streams=streams, model=MODEL, extra_body={"top_k": 5})
    assert told.reply.model == MODEL
    assert told.headers["x-dragoman-model"] == "gpt-large"
    assert told.headers["x-dragoman-provider"] == "chat"
    assert "top_k" in told.headers["x-dragoman-loss"]
    assert told.headers["x-request-id"].startswith("req_")


def test_images_are_carried_with_their_own_media_type(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion("Two pictures."), streams=streams))
    ask_messages(
        claude,
        streams=streams,
        model=MODEL,
        messages=[
            user(
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://pictures.test/a.png?x=1&y=2"}},
            )
        ],
    )
    assert chat.last["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://pictures.test/a.png?x=1&y=2"}},
    ]


def test_documents_are_files_or_words(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("Read."), streams=streams))
    ask_messages(
        claude,
        streams=streams,
        model=MODEL,
        messages=[
            user(
                {
                    "type": "document",
                    "title": "plan.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                },
                {
                    "type": "document",
                    "title": "Notes",
                    "context": "from Monday",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Buy milk."},
                },
            )
        ],
    )
    file, words = chat.last["messages"][0]["content"]
    assert file["type"] == "file"
    assert file["file"] == {"filename": "plan.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    assert words["type"] == "text"
    assert [part in words["text"] for part in ("Notes", "from Monday", "Buy milk.")] == [True] * 3


def test_parallel_tools_hold_through_two_turns(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    calls = [call("call_1", "get_weather", '{"city": "Paris"}'), call("call_2", "get_weather", '{"city": "Rome"}')]
    chat.answers(
        chat_answer(completion("Let me look.", calls), streams=streams),
        chat_answer(completion("Rain, sun."), streams=streams),
    )
    question = {"role": "user", "content": "Weather?"}
    first = ask_messages(claude, streams=streams, model=MODEL, tools=[WEATHER], messages=[question]).reply
    assert first.stop_reason == "tool_use"
    assert said(first) == [
        text("Let me look."),
        tool_use("call_1", "get_weather", city="Paris"),
        tool_use("call_2", "get_weather", city="Rome"),
    ]
    results = user(
        {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
        {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "sun"}]},
        {"type": "text", "text": "Go on."},
    )
    history = [question, {"role": "assistant", "content": first.content}, results]
    second = ask_messages(claude, streams=streams, model=MODEL, tools=[WEATHER], messages=history).reply
    assert said(second) == [text("Rain, sun.")]
    tool = chat.asked[0].json["tools"][0]
    assert tool == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tells the weather",
            "parameters": WEATHER["input_schema"],
        },
    }
    _, spoken, *rest = chat.last["messages"]
    assert spoken["content"] == "Let me look."
    assert [(one["id"], one["function"]["name"]) for one in spoken["tool_calls"]] == [
        ("call_1", "get_weather"),
        ("call_2", "get_weather"),
    ]
    assert rest == [
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        {"role": "user", "content": "Go on."},
    ]


def test_interleaved_calls_are_told_apart(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    chat.answers(
        stream_answer(
            piece({"role": "assistant", "content": None}),
            call_piece(0, id="call_1", name="get_weather", arguments=""),
            call_piece(1, id="call_2", name="get_weather", arguments='{"ci'),
            call_piece(0, arguments='{"city":'),
            call_piece(1, arguments='ty":"Rome"}'),
            call_piece(0, arguments='"Paris"}'),
            piece({}, "tool_calls"),
            piece(usage={"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}),
            DONE,
        )
    )
    reply = ask_messages(claude, streams=True, model=MODEL, tools=[WEATHER]).reply
    assert said(reply) == [
        tool_use("call_1", "get_weather", city="Paris"),
        tool_use("call_2", "get_weather", city="Rome"),
    ]
    assert reply.usage.output_tokens == 9


@pytest.mark.parametrize(
    ("choice", "sent", "parallel"),
    [
        ({"type": "any"}, "required", None),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "get_weather"}, {"type": "function", "function": {"name": "get_weather"}}, None),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", False),
    ],
)
def test_tool_choice_goes_up(
    claude: anthropic.Anthropic, chat: ExactUpstream, choice: Any, sent: Any, parallel: bool | None
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    ask_messages(claude, streams=False, model=MODEL, tools=[WEATHER], tool_choice=choice)
    assert chat.last["tool_choice"] == sent
    assert chat.last.get("parallel_tool_calls") is parallel


def test_a_failed_tool_says_so(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    chat.answers(chat_answer(completion("A pity."), streams=streams))
    failed = {"type": "tool_result", "tool_use_id": "call_1", "content": "no such city", "is_error": True}
    history = [user({"type": "text", "text": "Weather?"}), assistant(USED), user(failed)]
    ask_messages(claude, streams=streams, model=MODEL, tools=[WEATHER], messages=history)
    assert chat.last["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "Error: no such city",
    }


def test_structured_output_is_asked_for_by_schema(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    chat.answers(chat_answer(completion('{"n": 3}'), streams=streams))
    told = ask_messages(
        claude, streams=streams, model=MODEL, output_config={"format": {"type": "json_schema", "schema": schema}}
    )
    asked_for = chat.last["response_format"]
    assert asked_for["type"] == "json_schema"
    assert asked_for["json_schema"]["schema"] == {**schema, "additionalProperties": False}
    assert asked_for["json_schema"]["strict"] is True
    assert asked_for["json_schema"]["name"]
    assert said(told.reply) == [text('{"n": 3}')]


def test_cached_tokens_are_counted_once(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 50,
        "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 800, "cache_write_tokens": 150},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    chat.answers(chat_answer(completion("Yes.", usage=usage), streams=streams))
    used = ask_messages(claude, streams=streams, model=MODEL).reply.usage
    assert (used.input_tokens, used.cache_read_input_tokens, used.cache_creation_input_tokens) == (50, 800, 150)
    assert used.output_tokens == 50


def test_thinking_comes_first_and_goes_back_where_it_came_from(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    reasoning = "First the city,\n then the weather. "
    calls = [call("call_1", "get_weather", '{"city":"Paris"}')]
    chat.answers(
        chat_answer(completion(None, calls, reasoning_content=reasoning), streams=streams),
        chat_answer(completion("Rain."), streams=streams),
    )
    request: dict[str, Any] = {"model": "deep/thinker", "tools": [WEATHER], "streams": streams}
    request["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    request["max_tokens"] = 4000
    question = {"role": "user", "content": "Weather?"}
    first = ask_messages(claude, messages=[question], **request).reply
    thought, used = first.content
    assert isinstance(thought, ThinkingBlock)
    assert thought.thinking == reasoning
    assert isinstance(thought.signature, str)
    assert used.type == "tool_use"
    result = user({"type": "tool_result", "tool_use_id": "call_1", "content": "rain"})
    history = [question, {"role": "assistant", "content": first.content}, result]
    ask_messages(claude, messages=history, **request)
    assert chat.last["messages"][1]["reasoning_content"] == reasoning
    assert thought.signature == "" or thought.signature not in chat.asked[-1].body.decode()
    assert chat.asked[0].json["reasoning_effort"]


def test_a_length_limit_and_a_filter_are_told(claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool) -> None:
    for finish, told in (("length", "max_tokens"), ("content_filter", "refusal"), ("new_word", "end_turn")):
        chat.answers(chat_answer(completion("Half", finish=finish), streams=streams))
        assert ask_messages(claude, streams=streams, model=MODEL).reply.stop_reason == told


def test_tokens_are_counted_without_an_upstream_that_can(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    model = f"{MODEL}-never-asked"  # estimates of others are set right by what their upstream has reported
    question: Any = [{"role": "user", "content": "How many tokens is this sentence, roughly?"}]
    bare = claude.messages.count_tokens(model=model, messages=question).input_tokens
    picture: Any = user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
    tools: Any = [WEATHER]
    more = claude.messages.count_tokens(
        model=model, messages=[*question, picture], system="Be brief. " * 20, tools=tools
    ).input_tokens
    assert 5 < bare < 30
    assert more > bare + 100
    assert chat.asked == []


def test_models_are_listed_in_the_clients_dialect(claude: anthropic.Anthropic) -> None:
    listed = [model.id for model in claude.models.list()]
    assert "claude-dragoman/listed/gpt-large" in listed
    assert [model.id for model in claude.models.list(limit=1)] == listed, "the SDK fetches page by page"
    assert claude.models.retrieve("listed/gpt-large").type == "model"


def test_a_listed_name_is_answered_under_that_name(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    name = "claude-dragoman/listed/gpt-large"
    assert ask_messages(claude, streams=False, model=name).reply.model == name
    assert chat.last["model"] == "gpt-large"
