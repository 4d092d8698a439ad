"""Who is asking, by what each client really sends."""

import pytest

from dragoman.routing.identity import Identity, agent_of, client_of, fallback_session, identify

UUID = "0a1b2c3d-0000-4000-8000-000000000001"


def test_claude_code_is_known_by_its_headers() -> None:
    headers = {
        "user-agent": "claude-cli/2.1.329 (external, sdk-cli)",
        "x-claude-code-session-id": UUID,
        "x-claude-code-agent-id": "explore-1",
        "x-claude-code-parent-agent-id": "main",
    }
    assert identify(headers) == Identity("claude-code", UUID, "explore-1", "main")


@pytest.mark.parametrize(
    "user_id",
    [f'{{"device_id":"d","account_uuid":"","session_id":"{UUID}"}}', f"user_0123abcd_account__session_{UUID}"],
)
def test_a_session_is_read_from_the_user_id(user_id: str) -> None:
    assert identify({}, user_id=user_id).session == UUID


@pytest.mark.parametrize("user_id", ["", "someone@example.com", "{", "{}", "[]", '{"session_id": 3}', "a_session_b"])
def test_a_user_id_without_a_session_is_none(user_id: str) -> None:
    assert identify({}, user_id=user_id).session is None


def test_codex_is_known_by_its_headers() -> None:
    headers = {"user-agent": "codex_exec/0.169.0", "session-id": "s", "thread-id": "s", "originator": "codex_exec"}
    assert identify(headers) == Identity("codex", "s")
    assert identify(headers | {"thread-id": "t"}).agent == "t"


@pytest.mark.parametrize(
    ("headers", "agent"),
    [
        ({}, (None, None)),
        ({"x-session-id": "ses_1"}, (None, None)),
        ({"x-parent-session-id": "ses_1"}, (None, "subagent")),
        ({"x-opencode-agent": "build", "x-opencode-agent-mode": "primary"}, ("build", "primary")),
        ({"x-opencode-agent": "explore", "x-opencode-agent-mode": "subagent"}, ("explore", "subagent")),
        ({"x-opencode-agent": "build"}, ("build", None)),
        ({"x-claude-code-session-id": UUID}, (None, None)),
        ({"x-claude-code-session-id": UUID, "x-claude-code-agent-id": "a1"}, ("a1", "subagent")),
        ({"session-id": "s", "thread-id": "s"}, (None, None)),
        ({"session-id": "s", "thread-id": "t"}, ("t", "subagent")),
    ],
)
def test_an_agent_is_known_by_what_its_client_tells(
    headers: dict[str, str], agent: tuple[str | None, str | None]
) -> None:
    assert agent_of(headers) == agent


def test_opencode_is_known_by_its_headers() -> None:
    headers = {
        "user-agent": "opencode/1.18.33 ai-sdk/provider-utils/3 runtime/bun",
        "x-session-affinity": "ses_1",
        "x-session-id": "ses_1",
        "x-opencode-agent": "general",
        "x-parent-session-id": "ses_0",
    }
    assert identify(headers) == Identity("opencode", "ses_1", "general", "ses_0")
    assert identify(headers | {"x-opencode-session": "ses_2"}).session == "ses_2"


def test_sessions_are_looked_for_in_order() -> None:
    headers = {"x-session-id": "5"}
    assert identify(headers).session == "5"
    assert identify(headers, cache_key="4").session == "4"
    assert identify(headers | {"session-id": "3"}, cache_key="4").session == "3"
    user_id = '{"session_id":"2"}'
    assert identify(headers | {"session-id": "3"}, user_id, "4").session == "2"
    assert identify(headers | {"session-id": "3", "x-claude-code-session-id": "1"}, user_id, "4").session == "1"


@pytest.mark.parametrize("session", ["x" * 500, "with\r\nline", "ümlaut", "\ud800"])
def test_a_session_that_cannot_stand_in_a_header_becomes_its_hash(session: str) -> None:
    found = identify({}, cache_key=session).session
    assert found is not None
    assert found.startswith("h-")
    assert found == identify({}, cache_key=session).session


@pytest.mark.parametrize(
    ("user_agent", "client"),
    [
        ("claude-code/2.1.329", "claude-code"),
        ("codex_cli_rs/0.1 (Linux)", "codex"),
        ("GeminiCLI-tui/0.61.0/gemini-3.8-flash", "gemini-cli"),
        ("Anthropic/Python 2.11.0", "anthropic-sdk"),
        ("AsyncAnthropic/Python 2.11.0", "anthropic-sdk"),
        ("OpenAI/JS 7.55.0", "openai-sdk"),
        ("google-genai-sdk/3.4.0 gl-python/3.11", "google-sdk"),
        ("litellm/1.81.10", "litellm"),
        ("Mozilla/5.0 Cursor/1.0", "cursor"),
        ("curl/8.0", ""),
        ("", ""),
    ],
)
def test_clients_are_known_by_their_user_agent(user_agent: str, client: str) -> None:
    assert client_of(user_agent) == client


def test_the_originator_tells_codex_in_other_clothes() -> None:
    assert client_of("my-editor/1.0", "codex_vscode") == "codex"


def test_a_conversation_is_known_by_its_beginning() -> None:
    session = fallback_session("You are an agent.", "Hello")
    assert session == fallback_session("You are an agent.", "Hello")
    assert session != fallback_session("You are an agent.", "Bye")
    assert session != fallback_session("You are an agent.H", "ello")
    assert len(session) == 34
    assert fallback_session("", "\ud800")


def test_the_attribution_line_does_not_change_a_conversation() -> None:
    first, second = (f"x-anthropic-billing-header: cc_version={version};\nprompt" for version in "12")
    assert fallback_session(first, "hi") == fallback_session(second, "hi")
