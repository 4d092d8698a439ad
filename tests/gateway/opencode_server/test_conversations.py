"""What the client says is what the upstream behind OpenCode is asked, and what it answers is what the client gets."""

# ruff: noqa: ANN401 - JSON is anything

import base64
import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import types
from openai.types.chat import ChatCompletion

from tests.support.opencode import UPSTREAM_KEY, OpenCodeGateway, model_of
from tests.support.sdks import (
    Told,
    anthropic_client,
    ask_chat,
    ask_messages,
    calls_of,
    google_client,
    openai_client,
)
from tests.support.upstream import RunningUpstream

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")

MODEL = model_of("openai-chat")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "x-own": 1}}, "required": ["city"]}
CLAUDE_CODE = ("Bash", "Read", "Edit", "Write", "Task", "Skill")
OPENCODE = ("bash", "read", "edit", "write", "grep", "glob", "todowrite")
both_ways = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])


def functions(*names: str) -> Any:
    return [
        {"type": "function", "function": {"name": name, "description": f"{name}!", "parameters": SCHEMA}}
        for name in names
    ]


def all_called(gateway: OpenCodeGateway, *names: str, model: str = MODEL) -> Told[ChatCompletion]:
    """Have the model call each of these tools."""
    messages = [{"role": "user", "content": "Call all tools"}]
    with openai_client(gateway.url) as client:
        return ask_chat(client, streams=True, model=model, messages=messages, tools=functions(*names))


def offered(body: Any) -> dict[str, Any]:
    return {tool["function"]["name"]: tool["function"] for tool in body.get("tools", ())}


def words_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@both_ways
def test_a_tool_loop_of_a_chat_client(gateway: OpenCodeGateway, upstream: RunningUpstream, streams: bool) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'Think, and call get_weather with {"city": "Paris"} and read'},
    ]
    tools = functions("get_weather", "read")
    settings: Any = {"temperature": 0.3, "top_p": 0.9, "max_tokens": 777, "seed": 5, "stop": ["zz"], "user": "u1"}
    with openai_client(gateway.url) as client:
        told = ask_chat(client, streams=streams, model=MODEL, messages=messages, tools=tools, **settings)
        first = upstream.last_json
        message = told.reply.choices[0].message
        calls = calls_of(told.reply)
        assert [(name, json.loads(arguments)) for _, name, arguments in calls] == [
            ("get_weather", {"city": "Paris"}),
            ("read", {"city": "Paris"}),
        ]
        assert told.reply.choices[0].finish_reason == "tool_calls"
        messages.append(message.to_dict())
        messages += [{"role": "tool", "tool_call_id": id_, "content": f"for {id_}"} for id_, _, _ in calls]
        told = ask_chat(client, streams=streams, model=MODEL, messages=messages, tools=tools)
    assert told.headers["x-dragoman-loss"] == "0"
    assert told.headers["x-dragoman-model"] == "openai-chat/assistant"
    assert all(f"for {id_}" in (told.reply.choices[0].message.content or "") for id_, _, _ in calls)
    assert len(upstream.seen) == 2, "one request a turn"
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {name: first[name] for name in settings} == settings
    assert offered(first) == {tool["function"]["name"]: tool["function"] for tool in tools}
    said = upstream.last_json["messages"]
    assert [line["role"] for line in said] == ["system", "user", "assistant", "tool", "tool"]
    assert said[2]["reasoning_content"].startswith("The user said")
    assert [call["id"] for call in said[2]["tool_calls"]] == [id_ for id_, _, _ in calls]
    assert [(line["tool_call_id"], line["content"]) for line in said[3:]] == [
        (id_, f"for {id_}") for id_, _, _ in calls
    ]


@both_ways
def test_a_tool_loop_of_a_messages_client(gateway: OpenCodeGateway, upstream: RunningUpstream, streams: bool) -> None:
    tools: Any = [{"name": name, "description": name, "input_schema": SCHEMA} for name in CLAUDE_CODE]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Think, and call all tools"}, image]}]
    fields: Any = {"model": MODEL, "tools": tools, "system": "You are careful.", "max_tokens": 4000}
    thinking = {"type": "enabled", "budget_tokens": 2048}
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=streams, messages=messages, thinking=thinking, **fields)
        blocks = [block.model_dump(exclude_none=True) for block in told.reply.content]
        calls = [block for block in blocks if block["type"] == "tool_use"]
        assert sorted(call["name"] for call in calls) == sorted(CLAUDE_CODE)
        assert told.reply.stop_reason == "tool_use"
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": f"for {call['id']}", "is_error": place == 0}
            for place, call in enumerate(calls)
        ]
        messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
        told = ask_messages(client, streams=streams, messages=messages, **fields)
    assert set(offered(upstream.last_json)) == set(CLAUDE_CODE)
    assert upstream.seen[0].json["reasoning_effort"] == "low"
    assert f"data:image/png;base64,{PIXEL}" in upstream.seen[0].body.decode()
    lines = [line for line in upstream.last_json["messages"] if line["role"] == "tool"]
    assert [line["tool_call_id"] for line in lines] == [call["id"] for call in calls]
    assert lines[0]["content"] == f"Error: for {calls[0]['id']}"
    assert told.headers["x-dragoman-loss"] == "1; tool_error_flag"


@both_ways
def test_a_responses_client(gateway: OpenCodeGateway, upstream: RunningUpstream, streams: bool) -> None:
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
    asked: Any = {
        "model": MODEL,
        "instructions": "Be brief.",
        "input": 'Call get_weather with {"city": "Rome"}',
        "tools": tools,
        "store": False,
    }
    with openai_client(gateway.url) as client:
        if streams:
            with client.responses.stream(**asked) as stream:
                stream.until_done()
                reply = stream.get_final_response()
        else:
            reply = client.responses.create(**asked)
    calls = [item for item in reply.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("get_weather", {"city": "Rome"})]
    assert upstream.last_json["messages"][0] == {"role": "system", "content": "Be brief."}


@both_ways
def test_a_gemini_client(gateway: OpenCodeGateway, upstream: RunningUpstream, streams: bool) -> None:
    function = types.FunctionDeclaration(name="get_weather", description="W", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=[function])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked: Any = {"model": MODEL, "contents": 'Call get_weather with {"city": "Oslo"}', "config": config}
    with google_client(gateway.url) as client:
        if streams:
            parts = [part for chunk in client.models.generate_content_stream(**asked) for part in parts_of(chunk)]
        else:
            parts = parts_of(client.models.generate_content(**asked))
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.name, call.args) for call in calls] == [("get_weather", {"city": "Oslo"})]
    assert upstream.last_json["messages"][0] == {"role": "system", "content": "Be brief."}


def parts_of(reply: types.GenerateContentResponse) -> list[types.Part]:
    content = reply.candidates[0].content if reply.candidates else None
    return list(content.parts or ()) if content else []


def test_usage_and_cost_are_told(gateway: OpenCodeGateway) -> None:
    with openai_client(gateway.url) as client:
        reply = ask_chat(
            client, streams=False, model=MODEL, messages=[{"role": "user", "content": "Think, hello"}]
        ).reply
    usage = reply.usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) < usage.completion_tokens
    cost = usage.to_dict()["cost"]
    assert cost == pytest.approx((usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6)
    assert gateway.wait_for_lines(1)[0].cost == cost


@both_ways
def test_json_in_the_form_that_was_asked_for(
    gateway: OpenCodeGateway, upstream: RunningUpstream, streams: bool
) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": schema}}
    with openai_client(gateway.url) as client:
        told = ask_chat(
            client,
            streams=streams,
            model=MODEL,
            messages=[{"role": "user", "content": "Where?"}],
            response_format=form,
        )
    assert json.loads(told.reply.choices[0].message.content or "") == {"city": "Paris"}
    assert upstream.last_json["response_format"] == form


@pytest.mark.parametrize("names", [CLAUDE_CODE, OPENCODE], ids=["Claude Code's", "OpenCode's own"])
def test_tools_of_agents_keep_their_names(
    gateway: OpenCodeGateway, upstream: RunningUpstream, names: tuple[str, ...]
) -> None:
    told = all_called(gateway, *names)
    assert offered(upstream.last_json) == {tool["function"]["name"]: tool["function"] for tool in functions(*names)}
    assert sorted(name for _, name, _ in calls_of(told.reply)) == sorted(names)
    assert told.headers["x-dragoman-loss"] == "0"


def test_a_name_that_opencode_keeps_for_itself_travels_under_another(
    gateway: OpenCodeGateway, upstream: RunningUpstream
) -> None:
    told = all_called(gateway, "task", "websearch")
    assert set(offered(upstream.last_json)) == {"task_", "websearch_"}
    assert sorted(name for _, name, _ in calls_of(told.reply)) == ["task", "websearch"]
    assert told.headers["x-dragoman-loss"] == "2; tool_name"


def test_editors_are_told_to_the_models_that_opencode_would_not_give_them(
    gateway: OpenCodeGateway, upstream: RunningUpstream
) -> None:
    told = all_called(gateway, "edit", "apply_patch", model="opencode/openai-chat/gpt-5")
    assert len(offered(upstream.last_json)) == 2
    assert sorted(name for _, name, _ in calls_of(told.reply)) == ["apply_patch", "edit"]


def test_nothing_of_opencode_s_own_is_said_to_the_model(gateway: OpenCodeGateway, upstream: RunningUpstream) -> None:
    with openai_client(gateway.url) as client:
        ask_chat(client, streams=True, model=MODEL, messages=[{"role": "user", "content": "Hello?"}])
    seen = upstream.last
    assert [line["role"] for line in seen.json["messages"]] == ["user"]
    assert words_of(seen.json["messages"][0]["content"]) == "Hello?"
    assert "tools" not in seen.json
    told = seen.body.decode() + json.dumps(seen.headers)
    for leak in (str(Path.cwd()), "dragoman", "/tmp", "opencode.ai", "x-dragoman"):  # noqa: S108 - what must not be there
        assert leak not in told.replace("127.0.0.1", "")


def test_a_built_in_tool_that_the_model_asks_for_does_not_run(
    gateway: OpenCodeGateway, exact: Any, tmp_path: Any
) -> None:
    """It was never offered; the model calls it all the same."""
    mark = tmp_path / "mark"
    arguments = {"command": f"touch {mark}", "description": "x"}
    exact.calls = [("call_1", "bash", json.dumps(arguments))]
    with openai_client(gateway.url) as client:
        told = ask_chat(
            client,
            streams=True,
            model="opencode/exact/assistant",
            messages=[{"role": "user", "content": "Go"}],
            tools=functions("get_weather"),
        )
    assert [(name, json.loads(said)) for _, name, said in calls_of(told.reply)] == [("bash", arguments)]
    gateway.wait_until_idle()
    assert not mark.exists()
    assert exact.requests == 1, "OpenCode did not go on by itself"


def test_the_client_s_tool_of_a_built_in_name_is_not_run_either(
    gateway: OpenCodeGateway, exact: Any, tmp_path: Any
) -> None:
    mark = tmp_path / "mark"
    arguments = {"command": f"touch {mark}", "description": "x"}
    exact.calls = [("call_1", "bash", json.dumps(arguments)), ("call_2", "bash", json.dumps(arguments))]
    with openai_client(gateway.url) as client:
        told = ask_chat(
            client,
            streams=True,
            model="opencode/exact/assistant",
            messages=[{"role": "user", "content": "Go"}],
            tools=functions("bash"),
        )
    assert [json.loads(said) for _, _, said in calls_of(told.reply)] == [arguments] * 2
    gateway.wait_until_idle()
    assert not mark.exists()
    assert exact.requests == 1


@pytest.mark.parametrize("arguments", ['{"city": "Par', "", "[1]", "text"])
def test_arguments_that_are_no_object_stay_what_they_are(gateway: OpenCodeGateway, exact: Any, arguments: str) -> None:
    exact.calls = [("call_1", "get_weather", arguments)]
    with openai_client(gateway.url) as client:
        told = ask_chat(
            client,
            streams=False,
            model="opencode/exact/assistant",
            messages=[{"role": "user", "content": "Go"}],
            tools=functions("get_weather"),
        )
    assert calls_of(told.reply) == [("call_1", "get_weather", arguments or "{}")]


# --- errors --------------------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_refusal_of_the_model_s_server_keeps_its_status(
    gateway: OpenCodeGateway, upstream: RunningUpstream, status: int, error: type[openai.APIStatusError], streams: bool
) -> None:
    with openai_client(gateway.url) as client, pytest.raises(error) as caught:
        ask_chat(client, streams=streams, model=MODEL, messages=[{"role": "user", "content": f"Fail with {status}"}])
    assert caught.value.status_code == status
    assert f"fails with {status}" in str(caught.value)
    assert caught.value.response.headers.get("retry-after") == ("2" if status in (429, 503) else None)
    assert len(upstream.seen) == 1, "OpenCode does not ask again by itself"


def test_an_overflow_is_told_in_words_that_clients_compact_on(gateway: OpenCodeGateway, exact: Any) -> None:
    exact.refuses(400, {"error": {"code": "context_length_exceeded", "message": "too long"}})
    with anthropic_client(gateway.url) as client, pytest.raises(anthropic.BadRequestError) as caught:
        ask_messages(client, streams=True, model="opencode/exact/assistant")
    assert "prompt_too_long" in str(caught.value)
    assert exact.requests == 1


def test_a_reply_that_breaks_off_is_no_reply(gateway: OpenCodeGateway, exact: Any) -> None:
    exact.breaks_off = True
    with openai_client(gateway.url) as client, pytest.raises(openai.APIError):
        ask_chat(client, streams=True, model="opencode/exact/assistant", messages=[{"role": "user", "content": "Go"}])
    gateway.wait_until_idle()
    assert exact.requests == 1


def test_a_server_that_is_not_there(gateway: OpenCodeGateway) -> None:
    with openai_client(gateway.url) as client, pytest.raises(openai.InternalServerError) as caught:
        ask_chat(client, streams=False, model="opencode/nobody/assistant", messages=[{"role": "user", "content": "Go"}])
    assert caught.value.status_code == 502


def test_an_unknown_model_is_a_404_with_the_nearest_names(gateway: OpenCodeGateway) -> None:
    with openai_client(gateway.url) as client, pytest.raises(openai.NotFoundError, match="openai-chat/assistant"):
        ask_chat(
            client, streams=True, model="opencode/openai-chat/asistant", messages=[{"role": "user", "content": "Go"}]
        )


def test_an_image_for_a_blind_model_is_refused(gateway: OpenCodeGateway) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    with openai_client(gateway.url) as client, pytest.raises(openai.BadRequestError, match="image/png"):
        ask_chat(
            client,
            streams=True,
            model="opencode/openai-chat/blind",
            messages=[{"role": "user", "content": [image]}],
        )


def test_a_picture_somewhere_else_is_refused(gateway: OpenCodeGateway) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with openai_client(gateway.url) as client, pytest.raises(openai.BadRequestError, match="send its content"):
        ask_chat(client, streams=True, model=MODEL, messages=[{"role": "user", "content": [image]}])


def test_a_tool_choice_is_a_loss_that_strict_refuses(gateway: OpenCodeGateway) -> None:
    asked: Any = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello?"}],
        "tools": functions("get_weather"),
        "tool_choice": "required",
    }
    with openai_client(gateway.url) as client:
        assert ask_chat(client, streams=False, **asked).headers["x-dragoman-loss"] == "1; tool_choice"
        with pytest.raises(openai.BadRequestError, match="tool_choice"):
            ask_chat(client, streams=False, **asked, extra_headers={"x-dragoman-losses": "strict"})


def test_tokens_are_counted_without_asking_opencode(gateway: OpenCodeGateway, upstream: RunningUpstream) -> None:
    with anthropic_client(gateway.url) as client:
        counted = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Hello?"}])
    assert counted.input_tokens > 0
    assert upstream.seen == []


def test_a_big_picture(gateway: OpenCodeGateway, upstream: RunningUpstream) -> None:
    """OpenCode's own limits for pictures are not the client's."""
    data = base64.b64encode(base64.b64decode(PIXEL) + bytes(6_000_000)).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    with openai_client(gateway.url, timeout=60) as client:
        ask_chat(client, streams=True, model=MODEL, messages=[{"role": "user", "content": [image]}])
    assert data in upstream.last.body.decode()


# --- what is listed, and what never leaves -------------------------------------------------------------------------------


def test_models_are_listed_for_every_kind_of_client(gateway: OpenCodeGateway) -> None:
    with openai_client(gateway.url) as client:
        assert MODEL in [model.id for model in client.models.list()]
    with anthropic_client(gateway.url) as client:
        assert f"claude-dragoman/{MODEL}" in [model.id for model in client.models.list()]
        told = ask_messages(client, streams=False, model=f"claude-dragoman/{MODEL}")
    assert told.reply.content


def test_keys_of_providers_never_leave(gateway: OpenCodeGateway) -> None:
    assert UPSTREAM_KEY in json.dumps(gateway.ask_opencode("/config/providers")), "OpenCode tells them"
    with openai_client(gateway.url) as client, pytest.raises(openai.APIError) as caught:
        ask_chat(client, streams=True, model=MODEL, messages=[{"role": "user", "content": "Fail with 401"}])
    told = str(caught.value)
    for path in ("/v1/models", "/health", "/openapi.json", "/"):
        told += httpx2.get(gateway.url + path).text
    assert UPSTREAM_KEY not in told
    assert base64.b64encode(UPSTREAM_KEY.encode()).decode() not in told
