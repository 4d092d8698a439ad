"""Who is asking, from what each client sends: in the log's line, and in what goes up."""

import json
import time
from typing import Any

import httpx2
import msgspec
import pytest

from dragoman.engine.record import Line
from tests.support.gateway import RunningGateway
from tests.support.upstream import RunningUpstream

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
ID = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"

CLIENTS: list[tuple[str, str, dict[str, str], dict[str, Any], tuple[str, str | None, str | None]]] = [
    (
        "Claude Code",
        MESSAGES,
        {"user-agent": "claude-cli/2.1.329 (external, sdk-cli)", "X-Claude-Code-Session-Id": ID},
        {},
        ("claude-code", ID, None),
    ),
    (
        "a sub-agent of Claude Code",
        MESSAGES,
        {
            "user-agent": "claude-cli/2.1.329 (external, cli)",
            "x-claude-code-session-id": ID,
            "x-claude-code-agent-id": "agent-7",
            "x-claude-code-parent-agent-id": "agent-1",
        },
        {},
        ("claude-code", ID, "agent-7"),
    ),
    (
        "Claude Code by its metadata",
        MESSAGES,
        {"user-agent": "claude-cli/2.1.329 (external, cli)"},
        {"metadata": {"user_id": json.dumps({"device_id": "d", "account_uuid": "a", "session_id": ID})}},
        ("claude-code", ID, None),
    ),
    (
        "an old Claude Code",
        MESSAGES,
        {"user-agent": "claude-cli/1.0.0"},
        {"metadata": {"user_id": f"user_abc_account__session_{ID}"}},
        ("claude-code", ID, None),
    ),
    (
        "Codex",
        CHAT,
        {"user-agent": "codex_exec/0.169.0", "originator": "codex_exec", "session-id": ID, "thread-id": ID},
        {"prompt_cache_key": ID},
        ("codex", ID, None),
    ),
    (
        "a cache key alone",
        CHAT,
        {"user-agent": "x/1"},
        {"prompt_cache_key": "conversation-9"},
        ("", "conversation-9", None),
    ),
    (
        "OpenCode, Chat",
        CHAT,
        {"user-agent": "opencode/1.18.33 ai-sdk/x", "x-session-id": "ses_1", "x-session-affinity": "ses_1"},
        {},
        ("opencode", "ses_1", None),
    ),
    (
        "OpenCode, Messages",
        MESSAGES,
        {"user-agent": "opencode/1.18.33", "x-opencode-session": "ses_2", "x-opencode-agent": "build"},
        {},
        ("opencode", "ses_2", "build"),
    ),
    ("the Anthropic SDK", MESSAGES, {"user-agent": "Anthropic/Python 2.11.0"}, {}, ("anthropic-sdk", None, None)),
    ("the OpenAI SDK", CHAT, {"user-agent": "OpenAI/Python 3.52.0"}, {}, ("openai-sdk", None, None)),
    ("Aider", MESSAGES, {"user-agent": "litellm/1.81.10"}, {}, ("litellm", None, None)),
    ("a user, who is no session", CHAT, {"user-agent": "x/1"}, {"user": "jane"}, ("", None, None)),
    ("nobody known", CHAT, {"user-agent": "curl/8"}, {}, ("", None, None)),
]


def line_of(gateway: RunningGateway, reply: httpx2.Response) -> Line:
    """Return the log's line about the exchange of `reply`; it is written after the answer."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in gateway.lines:
            if line.request_id == reply.headers["x-request-id"]:
                return line
        time.sleep(0.005)
    raise AssertionError("the exchange left no line")


@pytest.mark.parametrize("provider", ["chat", "messages", "demo"])
@pytest.mark.parametrize(
    ("path", "headers", "fields", "who"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS]
)
def test_each_client_is_known_by_what_it_sends(
    *,
    client: httpx2.Client,
    scripted_gateway: RunningGateway,
    path: str,
    headers: dict[str, str],
    fields: dict[str, Any],
    who: tuple[str, str | None, str | None],
    provider: str,
) -> None:
    reply = client.post(path, json={**HI, **fields, "model": f"{provider}/assistant"}, headers=headers)
    assert reply.status_code == 200
    line = line_of(scripted_gateway, reply)
    assert (line.client, line.session, line.agent) == who


def test_the_line_says_how_it_went(client: httpx2.Client, scripted_gateway: RunningGateway) -> None:
    reply = client.post(MESSAGES, json={**HI, "model": "chat/assistant", "top_k": 3, "stream": True})
    line = line_of(scripted_gateway, reply)
    assert (line.status, line.protocol, line.model) == (200, "anthropic-messages", "chat/assistant")
    assert (line.provider, line.upstream_protocol, line.upstream_model) == ("chat", "openai-chat", "assistant")
    assert (line.lane, line.stream, line.retries) == ("translated", True, 0)
    assert line.losses == ("top_k:top_k",)
    assert line.output_tokens
    assert line.total_ms >= (line.first_byte_ms or 0) > 0
    refused = line_of(scripted_gateway, client.post(f"/go{CHAT}", json={**HI, "model": "nothing"}))
    assert (refused.status, refused.failure) == (404, "not_found")


@pytest.mark.parametrize("model", ["chat/x", "messages/x", "demo/echo"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_neither_words_nor_keys_get_into_the_line(
    client: httpx2.Client, scripted_gateway: RunningGateway, path: str, model: str
) -> None:
    secret = "sk-the-clients-own-0123456789"
    body = {**HI, "model": model, "messages": [{"role": "user", "content": "a word of mouth"}]}
    for change in ({}, {"messages": [{"role": "nobody", "content": "a word of mouth"}]}):
        reply = client.post(path, json={**body, **change}, headers={"x-api-key": secret})
        text = repr(line_of(scripted_gateway, reply))
        assert secret not in text
        assert "sk-upstream" not in text
        assert "word of mouth" not in text


def cache_key(client: httpx2.Client, upstream: RunningUpstream, body: dict[str, Any], headers: dict[str, str]) -> str:
    reply = client.post(MESSAGES, json={**HI, **body, "model": "chat/x"}, headers=headers)
    assert reply.status_code == 200
    key = upstream.last_json["prompt_cache_key"]
    assert isinstance(key, str)
    return key


def test_the_cache_key_is_one_for_a_session_and_an_agents_prompt(
    client: httpx2.Client, scripted_chat: RunningUpstream
) -> None:
    def key(session: str, system: str, agent: str = "") -> str:
        headers = {"x-claude-code-session-id": session, **({"x-claude-code-agent-id": agent} if agent else {})}
        return cache_key(client, scripted_chat, {"system": system}, headers)

    main = key(ID, "You are the main agent.")
    assert key(ID, "You are the main agent.") == main
    assert key("other", "You are the main agent.") != main
    assert key(ID, "You explore.", "agent-7") != main


@pytest.mark.parametrize(
    "header", ["x-claude-code-parent-agent-id", "x-opencode-parent-session", "x-parent-session-id"]
)
def test_the_line_says_what_called_a_sub_agent(
    client: httpx2.Client, scripted_gateway: RunningGateway, header: str
) -> None:
    for headers, parent in (({header: "ses-1"}, "ses-1"), ({}, None)):
        reply = client.post(MESSAGES, json={**HI, "model": "demo/assistant"}, headers=headers)
        line = line_of(scripted_gateway, reply)
        assert line.parent_agent == parent
        assert ("parent_agent" in msgspec.json.decode(msgspec.json.encode(line))) is (parent is not None)
