"""Conversations through the real CLI: what reaches the upstream is what the client said, block by block."""

import base64
import json
from typing import Any

import pytest
from google.genai import types

from tests.support.claude import MODEL, SYSTEM, TOOLS, ClaudeGateway, said_by_client
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, calls_of, google_client, openai_client, said
from tests.support.upstream import RunningUpstream

pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CLAUDE_CODE = (
    "Bash",
    "Read",
    "Edit",
    "Write",
    "Glob",
    "Grep",
    "TodoWrite",
    "WebFetch",
    "Agent",
    "Skill",
    "NotebookEdit",
)
THINKING = {"type": "enabled", "budget_tokens": 1024}
ASKED: dict[str, Any] = {"model": MODEL, "system": SYSTEM, "tools": TOOLS, "max_tokens": 4000}


def results(blocks: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Answer every call of a reply, each in another form."""
    forms: list[Any] = [
        f"result {number}",
        [{"type": "text", "text": f"result {number}"}, {"type": "text", "text": "and more"}],
        [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}],
    ]
    calls = [block for block in blocks if block["type"] == "tool_use"]
    return [
        {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": forms[(number + place) % 3],
            "is_error": place == 1 and number % 3 != 1,
        }
        for place, call in enumerate(calls)
    ]


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_ten_turns_with_parallel_calls_reach_the_upstream_as_they_were_said(
    gateway: ClaudeGateway, upstream: RunningUpstream, streams: bool
) -> None:
    messages: list[dict[str, Any]] = []
    sessions = set()
    with anthropic_client(gateway.url) as client:
        for number in range(10):
            last = messages[-1]["content"] if messages else []
            asks = [{"type": "text", "text": f"Call all tools, and think. {streams} {number}"}]
            messages.append({"role": "user", "content": results(last, number) or asks})
            told = ask_messages(client, streams=streams, messages=messages, thinking=THINKING, **ASKED)
            sessions.add(told.headers["x-claude-session-id"])
            messages.append({"role": "assistant", "content": said(told.reply)})
            assert len(upstream.seen) == number + 1
    calls = [block for message in messages for block in message["content"] if block["type"] == "tool_use"]
    assert len(calls) == 10
    assert len(sessions) == 1
    assert {line.losses for line in gateway.wait_for_lines(10)} == {("agent_environment:system",)}
    body = upstream.last_json
    assert said_by_client(body) == said_by_client({"messages": messages[:-1]})
    assert [block["text"] for block in body["system"]][1:] == [SYSTEM]
    assert body["tools"] == TOOLS[::-1]
    assert body["thinking"] == THINKING
    assert body["max_tokens"] == 4000


def test_the_same_through_chat(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    tools = [
        {
            "type": "function",
            "function": {"name": t["name"], "description": t["description"], "parameters": t["input_schema"]},
        }
        for t in TOOLS
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    sessions: set[str] = set()
    expected: list[Any] = []
    with openai_client(gateway.url) as client:
        for number in range(10):
            calls = messages[-1].get("tool_calls") or []
            if calls:
                messages += [{"role": "tool", "tool_call_id": c["id"], "content": f"{number} {c['id']}"} for c in calls]
                expected.append(("user", [c["id"] for c in calls]))
            else:
                messages.append({"role": "user", "content": f"Call all tools. In Chat. {number}"})
                expected.append(("user", f"Call all tools. In Chat. {number}"))
            told = ask_chat(client, streams=True, model=MODEL, messages=messages, tools=tools)
            sessions.add(told.headers["x-claude-session-id"])
            made = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in calls_of(told.reply)
            ]
            message = {"role": "assistant", "content": told.reply.choices[0].message.content}
            messages.append({**message, "tool_calls": made} if made else message)
    assert len(sessions) == 1
    assert len(upstream.seen) == 10
    seen = [
        (role, [block["tool_use_id"] for block in blocks] if blocks[0]["type"] == "tool_result" else blocks[0]["text"])
        for role, blocks in said_by_client(upstream.last_json)
        if role == "user"
    ]
    assert seen == expected


def test_a_history_that_no_process_knows_is_told_to_a_fresh_one(
    gateway: ClaudeGateway, upstream: RunningUpstream
) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Read @/etc/passwd and /clear"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                {"type": "text", "text": "I will."},
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "Read",
                    "input": {"path": "a", "deep": {"n": [1, None, 2.5]}},
                },
                {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "one"}]},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "failed", "is_error": True},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
        {"role": "user", "content": [{"type": "text", "text": "/clear what @/etc/passwd said"}]},
    ]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=messages, thinking=THINKING, **ASKED)
        assert told.reply.content[-1].text == "/clear what @/etc/passwd said"  # type: ignore[union-attr]
        assert len(upstream.seen) == 1
        assert said_by_client(upstream.last_json) == said_by_client({"messages": messages})

        # The client takes its last words back, and says something else.
        messages[-1] = {"role": "user", "content": [{"type": "text", "text": "No, never mind."}]}
        again = ask_messages(client, streams=True, messages=messages, thinking=THINKING, **ASKED)
    assert again.headers["x-claude-session-id"] != told.headers["x-claude-session-id"]
    assert said_by_client(upstream.last_json) == said_by_client({"messages": messages})


def test_projects_that_begin_alike_never_share_a_process(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    first = {"role": "user", "content": "Hello from somewhere."}
    sessions = []
    with anthropic_client(gateway.url) as client:
        for system, model in (("In A.", MODEL), ("In B.", MODEL), ("In A.", "claude-haiku-4-5"), ("In A.", MODEL)):
            told = ask_messages(client, streams=True, messages=[first], model=model, system=system)
            sessions.append(told.headers["x-claude-session-id"])
            assert upstream.last_json["model"] == model
        reply = {"role": "assistant", "content": "Hello from somewhere."}
        messages = [first, reply, {"role": "user", "content": "Go on."}]
        told = ask_messages(client, streams=True, messages=messages, model=MODEL, system="In B.")
    assert len(set(sessions)) == 4
    assert told.headers["x-claude-session-id"] == sessions[1]


def test_a_session_that_the_client_names_decides_between_equals(gateway: ClaudeGateway) -> None:
    first = {"role": "user", "content": "Who am I?"}
    messages = [first, {"role": "assistant", "content": "Who am I?"}, {"role": "user", "content": "And now?"}]
    with anthropic_client(gateway.url) as client:

        def ask(session: str, said: list[dict[str, Any]]) -> str:
            headers = {"x-claude-code-session-id": session}
            told = ask_messages(client, streams=True, messages=said, model=MODEL, extra_headers=headers)
            return told.headers["x-claude-session-id"]

        begun = {session: ask(session, [first]) for session in ("one", "two", "three")}
        assert {session: ask(session, messages) for session in ("two", "three", "one")} == begun


def test_the_settings_of_a_turn_are_those_of_its_request(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello there."}]
    with anthropic_client(gateway.url) as client:
        first = ask_messages(
            client,
            streams=True,
            messages=messages,
            model=MODEL,
            system="S" * 300_000,
            tools=TOOLS,
            max_tokens=77,
            stop_sequences=["zzz"],
            tool_choice={"type": "none"},
            extra_body={"temperature": 0.25, "top_k": 7},
        )
        body = upstream.last_json
        assert body["max_tokens"] == 77
        assert body["stop_sequences"] == ["zzz"]
        assert body["tool_choice"] == {"type": "none"}
        assert (body["temperature"], body["top_k"]) == (0.25, 7)
        assert "thinking" not in body
        assert body["system"][1]["text"] == "S" * 300_000

        # The next turn of the same process has other settings, and other tools.
        messages += [{"role": "assistant", "content": "Hello there."}, {"role": "user", "content": "Again."}]
        told = ask_messages(
            client,
            streams=True,
            messages=messages,
            model=MODEL,
            system="S" * 300_000,
            tools=TOOLS[:1],
            thinking=THINKING,
            max_tokens=5000,
        )
    body = upstream.last_json
    assert told.headers["x-claude-session-id"] == first.headers["x-claude-session-id"]
    assert [tool["name"] for tool in body["tools"]] == ["Read"]
    assert "stop_sequences" not in body
    assert "tool_choice" not in body
    assert body["thinking"] == THINKING


def test_tools_pass_as_they_are(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "default": None, "enum": ["x", None]},
            "n": {"minimum": -9007199254740991},
        },
        "additionalProperties": False,
    }
    tools = [
        {"name": "mcp__github__search", "description": "d" * 9000, "input_schema": schema},
        {"name": "Task", "description": "Starts an agent.", "input_schema": schema},
        {"name": "a-very-long-name-" + "x" * 60, "input_schema": {"type": "object"}},
        *({"name": name, "description": name, "input_schema": schema} for name in CLAUDE_CODE),
    ]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(
            client, streams=True, messages=[{"role": "user", "content": "Call Task"}], model=MODEL, tools=tools
        )
    by_name = {tool["name"]: tool for tool in upstream.last_json["tools"]}  # the CLI sorts them
    assert by_name == {tool["name"]: {"description": "", **tool} for tool in tools}
    assert said_by_client(upstream.last_json) == [("user", [{"type": "text", "text": "Call Task"}])]
    assert told.reply.stop_reason == "tool_use"


def test_a_name_that_the_cli_keeps_for_itself_comes_back(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    tools = [{"name": "ToolSearch", "input_schema": {"type": "object"}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Call all tools"}]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=messages, model=MODEL, tools=tools)
        assert [block["name"] for block in said(told.reply) if block["type"] == "tool_use"] == ["ToolSearch"]
        messages += [{"role": "assistant", "content": said(told.reply)}]
        messages += [{"role": "user", "content": results(said(told.reply), 0)}]
        again = ask_messages(client, streams=True, messages=messages, model=MODEL, tools=tools)
    assert again.headers["x-claude-session-id"] == told.headers["x-claude-session-id"]
    assert "tool_name" in again.headers["x-dragoman-loss"]


def test_a_schema_without_a_type_costs_no_tool(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    tools = [{"name": "Free", "input_schema": {"properties": {}}}, *TOOLS]
    with anthropic_client(gateway.url) as client:
        ask_messages(client, streams=True, messages=[{"role": "user", "content": "Hi"}], model=MODEL, tools=tools)
    assert [tool["name"] for tool in upstream.last_json["tools"]] == ["Bash", "Free", "Read"]
    assert upstream.last_json["tools"][1]["input_schema"] == {"type": "object", "properties": {}}


def test_images_and_documents_pass(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    pdf = base64.b64encode(b"%PDF-1.4 nothing").decode()
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}, "title": "T"},
        {"type": "text", "text": "What is this?"},
    ]
    messages = [{"role": "user", "content": content}]
    with anthropic_client(gateway.url) as client:
        ask_messages(client, streams=True, messages=messages, model=MODEL)
    assert said_by_client(upstream.last_json) == said_by_client({"messages": messages})


def test_a_reply_that_is_cut_by_its_limit_is_asked_for_once(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Write 50 words"}]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=messages, model=MODEL, max_tokens=5)
        assert told.reply.stop_reason == "max_tokens"
        asked = len(upstream.seen)
        # The CLI is faster now and then; what it asks unbidden is broken off.
        assert all(seen.is_abandoned or not seen.done.is_set() for seen in upstream.seen[1:])
        messages += [{"role": "assistant", "content": said(told.reply)}, {"role": "user", "content": "Go on."}]
        ask_messages(client, streams=True, messages=messages, model=MODEL)
    assert len(upstream.seen) == asked + 1
    assert said_by_client(upstream.last_json) == said_by_client({"messages": messages})


def test_a_result_of_400_kb_stays_as_it_is(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Call Read"}]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=messages, **ASKED)
        call = said(told.reply)[-1]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "word " * 80_000}
        messages += [{"role": "assistant", "content": said(told.reply)}, {"role": "user", "content": [result]}]
        ask_messages(client, streams=True, messages=messages, **ASKED)
    assert json.dumps(result["content"]) in json.dumps(upstream.last_json)


def test_a_tool_loop_through_responses(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    tools: list[Any] = [
        {"type": "function", "name": t["name"], "description": t["description"], "parameters": t["input_schema"]}
        for t in TOOLS
    ]
    said_so_far: list[Any] = []
    sessions = set()
    with openai_client(gateway.url) as client:
        for number in range(4):
            answered = {item["call_id"] for item in said_so_far if item["type"] == "function_call_output"}
            calls = [c for c in said_so_far if c["type"] == "function_call" and c["call_id"] not in answered]
            outputs = [{"type": "function_call_output", "call_id": c["call_id"], "output": f"{number}"} for c in calls]
            asks = {"type": "message", "role": "user", "content": f"Call all tools. In Responses. {number}"}
            said_so_far += outputs if number % 2 else [asks]
            raw = client.responses.with_raw_response.create(
                model=MODEL, instructions=SYSTEM, input=said_so_far, tools=tools, store=False
            )
            sessions.add(raw.headers["x-claude-session-id"])
            said_so_far += [item.model_dump(exclude_none=True) for item in raw.parse().output]
    assert len(sessions) == 1
    assert len(upstream.seen) == 4
    results = [
        block for _, blocks in said_by_client(upstream.last_json) for block in blocks if block["type"] == "tool_result"
    ]
    assert [block["content"] for block in results] == ["1", "1", "3", "3"]


def test_a_tool_loop_through_gemini(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    contents: list[Any] = []
    sessions = set()
    declared: list[Any] = [
        {"name": t["name"], "description": t["description"], "parameters_json_schema": t["input_schema"]} for t in TOOLS
    ]
    settings = types.GenerateContentConfig(
        system_instruction=SYSTEM, tools=[types.Tool(function_declarations=declared)]
    )
    with google_client(gateway.url) as client:
        for number in range(4):
            calls = [part.function_call for part in contents[-1].parts if part.function_call] if contents else []
            answers = [
                {"function_response": {"id": call.id, "name": call.name, "response": {"output": f"{number}"}}}
                for call in calls
            ]
            asks = [{"text": f"Call all tools. In Gemini. {number}"}]
            contents.append({"role": "user", "parts": answers or asks})
            told = client.models.generate_content(model=MODEL, contents=contents, config=settings)
            assert told.sdk_http_response
            assert told.sdk_http_response.headers
            sessions.add(told.sdk_http_response.headers["x-claude-session-id"])
            assert told.candidates
            contents.append(told.candidates[0].content)
    assert len(sessions) == 1
    assert len(upstream.seen) == 4
    results = [
        block for _, blocks in said_by_client(upstream.last_json) for block in blocks if block["type"] == "tool_result"
    ]
    assert len(results) == 4
