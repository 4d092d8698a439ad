"""Agents on models of their own: which route fits, and what it does not hand on."""

from collections.abc import Callable, Mapping

import msgspec
import pytest

from dragoman.routing.plan import Asked, Attempt, plan_request
from dragoman.routing.registry import Registry
from dragoman.settings import SettingsError

Make = Callable[[str], Registry]
SPOKEN = ("anthropic-messages", "openai-chat")
SETTINGS = """
[providers.chat]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9101/v1"
models = ["big", "middle", "blind"]
losses = "strict"
[providers.other]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9102/v1"
models = ["small"]
[[routes.agents]]
agent = "title"
to = "other/small"
losses = "silent"
[[routes.agents]]
agent = "exp*"
mode = "subagent"
to = "chat/middle"
[[routes.agents]]
mode = "subagent"
to = "other/small"
"""


def asked(
    registry: Registry,
    headers: Mapping[str, str],
    model: str = "big",
    prefix: str | None = None,
    body: bytes = b"",
) -> Attempt:
    plan = plan_request(registry, model, "openai-chat", SPOKEN, Asked(prefix, headers, body))
    return plan.attempts[0]


def told(agent: str, mode: str) -> dict[str, str]:
    return {"x-opencode-agent": agent, "x-opencode-agent-mode": mode}


@pytest.mark.parametrize(
    ("headers", "model", "reason"),
    [
        ({}, "big", "listed by `chat`"),
        (told("build", "primary"), "big", "listed by `chat`"),
        (told("title", "primary"), "small", "route for agent `title`"),
        (told("explore", "subagent"), "middle", "route for agent `exp*`, mode `subagent`"),
        (told("explore", "primary"), "big", "listed by `chat`"),
        (told("general", "subagent"), "small", "route for mode `subagent`"),
        ({"x-parent-session-id": "ses_1"}, "small", "route for mode `subagent`"),
        ({"x-claude-code-agent-id": "a1"}, "small", "route for mode `subagent`"),
    ],
)
def test_the_first_route_that_fits_an_agent_takes_its_requests(
    registry: Make, headers: Mapping[str, str], model: str, reason: str
) -> None:
    attempt = asked(registry(SETTINGS), headers)
    assert (attempt.model, attempt.reason) == (model, reason)


def test_the_clients_key_stays_with_the_provider_that_was_asked(registry: Make) -> None:
    made = registry(SETTINGS)
    assert asked(made, told("explore", "subagent")).key_for("sk-client-0123456789") == "sk-client-0123456789"
    assert asked(made, told("title", "primary")).key_for("sk-client-0123456789") is None
    assert asked(made, told("title", "primary"), "other/small").key_for("sk-client-0123456789") is not None


def test_a_path_prefix_keeps_a_request_with_its_provider(registry: Make) -> None:
    made = registry(SETTINGS)
    assert asked(made, told("title", "primary"), prefix="chat").model == "big"
    assert asked(made, told("explore", "subagent"), prefix="chat").model == "middle"


def test_the_loss_policy_is_the_routes_or_stays(registry: Make) -> None:
    made = registry(SETTINGS)
    assert asked(made, told("title", "primary")).losses == "silent"
    assert asked(made, told("explore", "subagent")).losses == "strict"


def test_the_long_context_that_the_route_names_is_asked_for(registry: Make) -> None:
    settings = SETTINGS.replace('"middle", "blind"', '{id = "middle", dialect = {long_context_beta = "long"}}')
    assert asked(registry(settings), told("explore", "subagent")).beta is None
    long = registry(settings.replace('"chat/middle"', '"chat/middle[1m]"'))
    assert asked(long, told("explore", "subagent")).beta == "long"


def test_a_plan_for_an_agent_is_made_once(registry: Make) -> None:
    made, headers = registry(SETTINGS), told("title", "primary")
    assert asked(made, headers) is asked(made, headers)


def test_a_route_to_nowhere_is_told_with_its_line(registry: Make) -> None:
    with pytest.raises(SettingsError, match=r":18: `chat` has no model `bigg`") as caught:
        registry(SETTINGS.replace('to = "chat/middle"', 'to = "chat/bigg"'))
    assert "did you mean `big`" in str(caught.value)


OPENCODE = {"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14"}
PROMPT = "You are a title generator. You output ONLY a thread title. Nothing else."


def in_chat(system: str, said: str = "hi", **more: object) -> bytes:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
    return msgspec.json.encode({"model": "big", "messages": messages, **more})


@pytest.mark.parametrize(
    "body",
    [
        in_chat(PROMPT),
        msgspec.json.encode({"system": [{"type": "text", "text": PROMPT}], "messages": []}),
        msgspec.json.encode({"input": [{"role": "developer", "content": PROMPT}]}),
        msgspec.json.encode({"contents": [], "systemInstruction": {"parts": [{"text": PROMPT}]}}),
        b'{"messages": [{"role": "system", "content": "You are a title generator. Be brief."}]}',
    ],
    ids=["Chat", "Messages", "Responses", "Gemini", "with blanks"],
)
def test_opencode_s_titles_are_known_without_the_plugin(registry: Make, body: bytes) -> None:
    assert asked(registry(SETTINGS), OPENCODE, body=body).model == "small"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (OPENCODE, in_chat("You are OpenCode.", PROMPT, tools=[{"type": "function"}])),
        (OPENCODE, in_chat(PROMPT, tools=[{"type": "function"}])),
        (OPENCODE, in_chat("Be brief.", in_chat(PROMPT).decode())),
        (OPENCODE, in_chat(f"Not so: {PROMPT}")),
        ({"user-agent": "OpenAI/Python 3.52.0"}, in_chat(PROMPT)),
        ({**OPENCODE, **told("build", "primary")}, in_chat(PROMPT)),
    ],
    ids=["said by its user", "with tools", "quoted", "in the middle", "another client", "the plugin says otherwise"],
)
def test_what_only_looks_like_a_title_goes_where_it_was_to_go(
    registry: Make, headers: Mapping[str, str], body: bytes
) -> None:
    assert asked(registry(SETTINGS), headers, body=body).model == "big"
