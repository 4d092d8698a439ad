"""Agents on models of their own, as a client meets it: the name it asked for stays, the headers say who answered."""

import httpx2
import pytest

from dragoman.settings import AgentRoute, Routes
from tests.support.gateway import RunningGateway

ROUTES = Routes(agents=(AgentRoute(agent="title", to="demo/echo"), AgentRoute(mode="subagent", to="demo/thinker")))


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("headers", "answers"),
    [
        ({}, "assistant"),
        ({"x-opencode-agent": "title", "x-opencode-agent-mode": "primary"}, "echo"),
        ({"x-opencode-agent": "explore", "x-opencode-agent-mode": "subagent"}, "thinker"),
        ({"x-session-id": "ses_2", "x-parent-session-id": "ses_1"}, "thinker"),
        ({"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"}, "thinker"),
    ],
)
def test_an_agent_is_answered_by_the_model_of_its_route(path: str, headers: dict[str, str], answers: str) -> None:
    body = {"model": "demo/assistant", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    with RunningGateway(routes=ROUTES) as gateway:
        reply = httpx2.post(gateway.url + path, json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-dragoman-model"] == answers
        assert reply.json()["model"] == "demo/assistant"
        (line,) = gateway.wait_for_lines(1)
        assert line.agent == (headers.get("x-opencode-agent") or headers.get("x-claude-code-agent-id"))


def test_who_is_asking_is_read_anew_in_each_body() -> None:
    """Two requests of one connection may have the very same head."""
    system = "You are a title generator. Be brief."
    bodies = [
        {
            "model": "demo/assistant",
            "messages": [{"role": "system", "content": words}, {"role": "user", "content": "Hi"}],
        }
        for words in (system, system.replace("You", "Yes"), system)
    ]
    agent = {"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23"}
    with RunningGateway(routes=ROUTES) as gateway, httpx2.Client(base_url=gateway.url, headers=agent) as client:
        replies = [client.post("/v1/chat/completions", json=body) for body in bodies]
    assert [reply.headers["x-dragoman-model"] for reply in replies] == ["echo", "assistant", "echo"]
