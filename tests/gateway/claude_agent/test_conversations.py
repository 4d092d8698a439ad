"""Conversations through the real CLI: what reaches the upstream is what the client said, block by block."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from google.genai import types

from tests.support.claude import MODEL, SYSTEM, TOOLS, ClaudeGateway
from tests.support.claude_words import said_by_client
from tests.support.sdks import (
    anthropic_client,
    ask_chat,
    ask_gemini,
    ask_messages,
    ask_responses,
    calls_of,
    google_client,
    openai_client,
    said,
)
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
TWO = [{"type": "text", "text": "Two"}]
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
    wanted: list[Any] = []
    with openai_client(gateway.url) as client:
        for number in range(10):
            calls = messages[-1].get("tool_calls") or []
            results = [{"role": "tool", "tool_call_id": c["id"], "content": f"{number} {c['id']}"} for c in calls]
            asks = {"role": "user", "content": f"Call all tools. In Chat. {number}"}
            messages += results or [asks]
            wanted.append(("user", [result_of(r["tool_call_id"], r["content"]) for r in results] or [text_of(asks)]))
            told = ask_chat(client, streams=number % 4 < 2, model=MODEL, messages=messages, tools=tools)
            sessions.add(told.headers["x-claude-session-id"])
            made = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in calls_of(told.reply)
            ]
            message = {"role": "assistant", "content": told.reply.choices[0].message.content}
            messages.append({**message, "tool_calls": made} if made else message)
            used = [call_of(id, name, json.loads(arguments)) for id, name, arguments in calls_of(told.reply)]
            wanted.append(("assistant", [text_of(message), *used]))
            assert len(used) == (0 if results else 2)
    assert len(sessions) == 1
    assert len(upstream.seen) == 10
    assert said_by_client(upstream.last_json) == wanted[:-1]
    assert [block["text"] for block in upstream.last_json["system"]][1:] == [SYSTEM]
    assert upstream.last_json["tools"] == TOOLS[::-1]


def text_of(message: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": message["content"]}


def call_of(id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result_of(id: str | None, text: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": text}


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


def test_who_begins_alike_at_the_same_time_has_a_process_each(
    gateway: ClaudeGateway, upstream: RunningUpstream
) -> None:
    first = {"role": "user", "content": "Hello from two."}
    reply = {"role": "assistant", "content": first["content"]}

    def talk(name: str) -> tuple[list[str], str]:
        with anthropic_client(gateway.url) as client:
            begun = ask_messages(client, streams=True, messages=[first], model=MODEL)
            both_have_begun.wait(20)
            messages = [first, reply, {"role": "user", "content": f"I am {name}."}]
            told = ask_messages(client, streams=True, messages=messages, model=MODEL)
        sessions = [told.headers["x-claude-session-id"] for told in (begun, told)]
        return sessions, said(told.reply)[-1]["text"]

    both_have_begun = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        (one, words), (two, other_words) = pool.map(talk, ("one", "two"))
    assert (words, other_words) == ("I am one.", "I am two.")
    # They were equals: either may go on in either process, but not both in one.
    assert one[0] != two[0]
    assert {one[1], two[1]} == {one[0], two[0]}
    assert len(upstream.seen) == 4


def test_a_fork_is_told_anew_while_the_other_goes_on(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "A way that forks."}]
    with anthropic_client(gateway.url) as client:
        begun = ask_messages(client, streams=True, messages=messages, model=MODEL)
        messages.append({"role": "assistant", "content": "A way that forks."})

        def go_on(words: str) -> tuple[str, str]:
            told = ask_messages(
                client, streams=True, messages=[*messages, {"role": "user", "content": words}], model=MODEL
            )
            return told.headers["x-claude-session-id"], said(told.reply)[-1]["text"]

        ways = ["To the left.", "To the right.", "To the left."]
        with ThreadPoolExecutor(3) as pool:
            sessions, words = zip(*pool.map(go_on, ways), strict=True)
    assert list(words) == ways
    assert len(set(sessions)) == 3
    assert begun.headers["x-claude-session-id"] in sessions
    heard = sorted(said_by_client(seen.json)[-1][1][0]["text"] for seen in upstream.seen[1:])
    assert heard == sorted(ways)
    assert all(said_by_client(seen.json)[:2] == said_by_client({"messages": messages}) for seen in upstream.seen[1:])


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


def test_a_long_context_is_asked_for(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}, *TWO]},
        {"role": "user", "content": "Three"},
    ]
    with anthropic_client(gateway.url) as client:
        for model, is_long in ((f"{MODEL}[1m]", True), (MODEL, False)):
            ask_messages(client, streams=True, messages=messages, **{**ASKED, "model": model}, thinking=THINKING)
            assert ("context-1m" in upstream.last.headers["anthropic-beta"]) is is_long
            assert upstream.last_json["model"] == MODEL
            assert said_by_client(upstream.last_json) == said_by_client({"messages": messages})


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("claude-opus-5-5", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        ("claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
    ],
)
def test_effort_goes_as_the_model_takes_it(
    gateway: ClaudeGateway, upstream: RunningUpstream, model: str, fields: dict[str, Any]
) -> None:
    effort: Any = "max" if "output_config" in fields else "medium"
    with openai_client(gateway.url) as client:
        ask_chat(client, streams=True, model=model, reasoning_effort=effort, max_completion_tokens=20_000)
    assert {name: upstream.last_json.get(name) for name in ("thinking", "output_config")} == {
        "output_config": None,
        **fields,
    }


def test_a_model_goes_on_thinking_for_a_client_that_drops_its_thought(
    gateway: ClaudeGateway, upstream: RunningUpstream
) -> None:
    function = {"name": TOOLS[0]["name"], "parameters": TOOLS[0]["input_schema"]}
    asks: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "reasoning_effort": "medium",
        "max_completion_tokens": 20_000,
        "tools": [{"type": "function", "function": function}],
        "streams": True,
    }
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Think. Call all tools."}]
    with openai_client(gateway.url) as client:
        first = ask_chat(client, messages=messages, **asks)
        ((id, name, arguments),) = calls_of(first.reply)
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        messages += [
            {"role": "assistant", "content": first.reply.choices[0].message.content, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": "done"},
        ]
        told = ask_chat(client, messages=messages, **asks)
    assert told.headers["x-claude-session-id"] == first.headers["x-claude-session-id"]
    assert "thinking_off" not in told.headers["x-dragoman-loss"]
    assert upstream.last_json["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    spoken = next(message["content"] for message in upstream.last_json["messages"] if message["role"] == "assistant")
    assert spoken[0]["type"] == "thinking"
    assert spoken[0]["signature"]


def test_an_effort_alone_asks_for_no_thought(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Briefly, please."}]
    with anthropic_client(gateway.url) as client:
        asked = {"model": "claude-opus-5-5", "messages": messages, "output_config": {"effort": "low"}}
        told = ask_messages(client, streams=True, **asked)
    assert told.headers["x-dragoman-loss"] == "1; agent_environment"
    assert "thinking" not in upstream.last_json
    assert upstream.last_json["output_config"] == {"effort": "low"}


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


def test_a_result_of_400_kb_stays_as_it_is(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Call Read"}]
    with anthropic_client(gateway.url) as client:
        told = ask_messages(client, streams=True, messages=messages, **ASKED)
        call = said(told.reply)[-1]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "word " * 80_000}
        messages += [{"role": "assistant", "content": said(told.reply)}, {"role": "user", "content": [result]}]
        ask_messages(client, streams=True, messages=messages, **ASKED)
    assert json.dumps(result["content"]) in json.dumps(upstream.last_json)


def test_the_same_through_responses(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    tools: list[Any] = [
        {"type": "function", "name": t["name"], "description": t["description"], "parameters": t["input_schema"]}
        for t in TOOLS
    ]
    items: list[Any] = []
    sessions = set()
    calls: list[Any] = []
    wanted: list[Any] = []
    with openai_client(gateway.url) as client:
        for number in range(10):
            results = [{"type": "function_call_output", "call_id": c.call_id, "output": f"{number}"} for c in calls]
            asks = {"type": "message", "role": "user", "content": f"Call all tools. In Responses. {number}"}
            items += results or [asks]
            wanted.append(("user", [result_of(r["call_id"], r["output"]) for r in results] or [text_of(asks)]))
            told = ask_responses(
                client,
                streams=number % 4 < 2,
                model=MODEL,
                instructions=SYSTEM,
                input=items,
                tools=tools,
                store=False,
            )
            sessions.add(told.headers["x-claude-session-id"])
            calls = [item for item in told.reply.output if item.type == "function_call"]
            items += [item.model_dump(exclude_none=True) for item in told.reply.output]
            used = [call_of(c.call_id, c.name, json.loads(c.arguments)) for c in calls]
            wanted.append(("assistant", [{"type": "text", "text": told.reply.output_text}, *used]))
            assert len(used) == (0 if results else 2)
    assert len(sessions) == 1
    assert len(upstream.seen) == 10
    assert said_by_client(upstream.last_json) == wanted[:-1]


def test_the_same_through_gemini(gateway: ClaudeGateway, upstream: RunningUpstream) -> None:
    contents: list[Any] = []
    declared: list[Any] = [
        {"name": t["name"], "description": t["description"], "parameters_json_schema": t["input_schema"]} for t in TOOLS
    ]
    tools = [types.Tool(function_declarations=declared)]
    sessions = set()
    calls: list[Any] = []
    wanted: list[Any] = []
    with google_client(gateway.url) as client:
        for number in range(10):
            results: list[dict[str, Any]] = [
                {"function_response": {"id": id, "name": name, "response": {"output": f"{number}"}}}
                for id, name, _ in calls
            ]
            asks = {"text": f"Call all tools. In Gemini. {number}"}
            contents.append({"role": "user", "parts": results or [asks]})
            wanted.append(("user", [result_of(id, f"{number}") for id, _, _ in calls] or [{"type": "text", **asks}]))
            told = ask_gemini(
                client,
                streams=number % 4 < 2,
                model=MODEL,
                contents=contents,
                system_instruction=SYSTEM,
                tools=tools,
            )
            head = told.last.sdk_http_response
            sessions.add((head.headers or {}).get("x-claude-session-id") if head else None)
            contents += told.contents
            calls = told.calls
            wanted.append(("assistant", [{"type": "text", "text": told.text}, *(call_of(*call) for call in calls)]))
            assert len(calls) == (0 if results else 2)
    assert len(sessions) == 1, sessions
    assert len(upstream.seen) == 10
    assert said_by_client(upstream.last_json) == wanted[:-1]
