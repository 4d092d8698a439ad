"""What is decided without a process: which conversation is meant, what is told, what a failure means."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.collecting import collect, expand
from dragoman.ir.failures import FailureKind, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    FunctionTool,
    HostedTool,
    Message,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
)
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.settings import Claude, Provider, Secret, Settings, SettingsError
from dragoman.upstreams.claude_agent import lines
from dragoman.upstreams.claude_agent.about import cards, read_about, summary
from dragoman.upstreams.claude_agent.conversation import advance, advance_by_reply, opening
from dragoman.upstreams.claude_agent.environment import environment, find_cli, find_folder
from dragoman.upstreams.claude_agent.failures import failure_of, failure_of_exit
from dragoman.upstreams.claude_agent.lines import Exited, RateLimit, Result
from dragoman.upstreams.claude_agent.losses import LOSES
from dragoman.upstreams.claude_agent.prompt import Prompt, read_prompt

TARGET = Target("claude", "claude-x")


def key(*said: tuple[str, Any], model: str = "m", system: str = "s") -> bytes:
    found = opening(model, system)
    for role, content in said:
        found = advance(found, role, Raw(msgspec.json.encode(content)))
    return found


def told(*messages: Message, ledger: Ledger | None = None, **fields: Any) -> Prompt:  # noqa: ANN401 - a request's fields
    return read_prompt(Request("claude-x", messages, **fields), TARGET, Ledger() if ledger is None else ledger)


def flags(prompt: Prompt) -> Any:  # noqa: ANN401 - JSON
    decoded = msgspec.json.decode(prompt.flags)
    return decoded | {"body": msgspec.json.decode(decoded["env"]["CLAUDE_CODE_EXTRA_BODY"])}


USER = Message(Role.USER, (Text("Hello"),))


def test_how_a_client_writes_a_message_does_not_matter() -> None:
    cached = [{"type": "text", "text": "Hello  there", "cache_control": {"type": "ephemeral"}}]
    assert key(("user", "Hello there")) == key(("user", cached))
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    said = [{"type": "text", "text": "Two"}, {"type": "text", "text": "parts\n"}]
    assert key(("assistant", [thought, *said])) == key(("assistant", "Two parts"))
    call = {"type": "tool_use", "id": "1", "name": "n", "input": {"a": 1, "b": {"c": 2, "d": 3}}}
    other = {"type": "tool_use", "id": "1", "name": "n", "input": {"b": {"d": 3, "c": 2}, "a": 1}}
    assert key(("assistant", [call])) == key(("assistant", [other]))
    result = {"type": "tool_result", "tool_use_id": "1", "content": "x"}
    blocks = {**result, "content": [{"type": "text", "text": "x"}], "is_error": False}
    assert key(("user", [result])) == key(("user", [blocks]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (key(("user", "a")), key(("user", "b"))),
        (key(("user", "a")), key(("assistant", "a"))),
        (key(("user", "a")), key(("user", "a"), model="n")),
        (key(("user", "a")), key(("user", "a"), system="t")),
        (key(("user", "a"), ("user", "b")), key(("user", "ab"))),
        (
            key(("user", [{"type": "tool_result", "tool_use_id": "1", "content": "x"}])),
            key(("user", [{"type": "tool_result", "tool_use_id": "1", "content": "x", "is_error": True}])),
        ),
        (
            key(("user", [{"type": "image", "source": {"data": "a"}}])),
            key(("user", [{"type": "image", "source": {"data": "b"}}])),
        ),
    ],
)
def test_what_is_said_does(one: bytes, other: bytes) -> None:
    assert one != other


def test_a_reply_is_known_again_when_its_client_sends_it_back() -> None:
    blocks = (Reasoning(("Hm.",)), Text("I will."), ToolCall("t1", "Read", '{"path": "a", "n": 1.50}'))
    reply = collect(expand(Reply("id", "m", blocks, Finish.TOOL_CALLS)))
    assistant = Message(Role.ASSISTANT, blocks)
    result = Message(Role.USER, (Text("and then?"),))
    first = told(USER)
    assert first.key == opening("claude-x", "")
    assert advance_by_reply(first.key_now, reply.blocks) == told(USER, assistant, result).key


def test_settings_go_as_a_patch_of_the_body() -> None:
    found = flags(told(USER))
    assert found["body"] == {}
    assert found["env"]["CLAUDE_CODE_DISABLE_THINKING"] == "1"
    assert found["model"] == "claude-x"
    limited = flags(told(USER, max_tokens=50))
    assert limited["body"] == {"max_tokens": 50}


def test_what_cannot_be_told_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="mouth") as refused:
        told(USER, Message(Role.ASSISTANT, (Text("I"),)))
    assert refused.value.failure.param == "messages"
    hosted = HostedTool("anthropic-messages", "web_search_20250305", "web_search", Raw(b"{}"))
    with pytest.raises(UnsupportedError, match="`web_search`") as refused:
        told(USER, tools=(FunctionTool("a"), hosted))
    assert refused.value.failure.param == "tools[1]"


def test_every_loss_is_declared() -> None:
    ledger = Ledger()
    schema = Raw(b'{"type":"object","oneOf":[]}')
    told(USER, tools=(FunctionTool("a", schema=schema, strict=True),), ledger=ledger)
    declared = {note.code for note in (*LOSES, *PROTOCOL.loses)}
    assert {loss.code for loss in ledger} <= declared
    assert "agent_environment" in {loss.code for loss in ledger}


@pytest.mark.parametrize(
    ("result", "error", "kind", "status"),
    [
        (Result("success", True, 401, "api_error", "Failed to authenticate."), None, FailureKind.AUTHENTICATION, 401),
        (Result("success", True, 402, "api_error", "no"), None, FailureKind.BILLING, 402),
        (Result("success", True, 429, "api_error", "no"), None, FailureKind.RATE_LIMITED, 429),
        (Result("success", True, 529, "api_error", "no"), None, FailureKind.OVERLOADED, 529),
        (Result("success", True, 500, "api_error", "no"), None, FailureKind.UPSTREAM_ERROR, 500),
        (Result("success", True, 503, "api_error", "no"), None, FailureKind.UPSTREAM_ERROR, 503),
        (Result("success", True, 504, "api_error", "no"), None, FailureKind.TIMEOUT, 504),
        (Result("success", True, 413, "image_error", "no"), None, FailureKind.TOO_LARGE, 413),
        (Result("success", True, 418, "api_error", "no"), None, FailureKind.INVALID_REQUEST, 400),
        (
            Result("success", True, 400, "prompt_too_long", "Prompt is too long"),
            None,
            FailureKind.CONTEXT_TOO_LONG,
            400,
        ),
        (
            Result("success", True, None, "blocking_limit", "Prompt is too long"),
            None,
            FailureKind.CONTEXT_TOO_LONG,
            400,
        ),
        (Result("success", True, None, None, "no"), "billing_error", FailureKind.BILLING, 402),
        (
            Result("success", True, None, None, "Not logged in · Please run /login"),
            None,
            FailureKind.AUTHENTICATION,
            401,
        ),
        (Result("success", True, None, None, "(ECONNREFUSED)"), None, FailureKind.UPSTREAM_UNREACHABLE, 502),
        (Result("success", True, None, None, "lost (ECONNRESET)"), None, FailureKind.UPSTREAM_CUT, 502),
        (Result("success", True, None, None, "Request timed out"), None, FailureKind.TIMEOUT, 504),
        (Result("error_during_execution", errors=["broke"]), None, FailureKind.UPSTREAM_ERROR, 500),
    ],
)
def test_a_failed_turn_is_a_real_error(result: Result, error: str | None, kind: FailureKind, status: int) -> None:
    failure = failure_of(result, error, None, 0)
    assert (failure.kind, failure.http_status) == (kind, status)
    assert (failure.hint is not None) == (kind is FailureKind.AUTHENTICATION)


def test_a_limit_says_when_to_come_back() -> None:
    result = Result("success", True, 429, "api_error", "limited")
    assert failure_of(result, None, RateLimit("rejected", 1000.5), 990).retry_after == "11"
    assert failure_of(result, None, RateLimit("rejected", 10), 990).retry_after == "1"
    assert failure_of(result, None, None, 990).retry_after is None
    event = b'{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":17},"uuid":"u"}'
    assert lines.decode(event) == lines.RateLimitEvent(RateLimit("rejected", 17))


def test_an_exit_says_what_was_said_last() -> None:
    failure = failure_of_exit(Exited(-9, "warming up\nout of memory"))
    assert failure.http_status == 502
    assert "-9" in failure.message
    assert failure.message.endswith("out of memory")


def test_a_line_of_another_kind_is_passed_over_and_a_broken_one_is_not() -> None:
    assert lines.decode(b'{"type":"keep_alive"}') is None
    with pytest.raises(msgspec.ValidationError):
        lines.decode(b'{"type":"result","is_error":"perhaps"}')


def test_the_cli_gets_no_key_that_was_not_configured() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/h",
        "ANTHROPIC_API_KEY": "sk-gateway",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:4747",
        "CLAUDE_CODE_OAUTH_TOKEN": "token",
        "OPENAI_API_KEY": "sk-other",
        "DRAGOMAN_SERVER_KEYS": "k",
        "CLAUDECODE": "1",
    }
    bare = environment(Settings(), environ, None, None)
    assert {"PATH": "/bin", "HOME": "/h"}.items() <= bare.items()
    assert not {name for name in bare if "KEY" in name or "TOKEN" in name or "BASE_URL" in name or name == "CLAUDECODE"}
    claude = Claude(oauth_token=Secret("own"), environment={"CLAUDE_CODE_USE_BEDROCK": Secret("1")})
    full = environment(Settings(claude=claude), environ, Secret("sk-own"), "https://api.example")
    assert full["ANTHROPIC_API_KEY"] == "sk-own"
    assert full["ANTHROPIC_BASE_URL"] == "https://api.example"
    assert full["CLAUDE_CODE_OAUTH_TOKEN"] == "own"
    assert full["CLAUDE_CODE_USE_BEDROCK"] == "1"


def test_health_names_the_plan_and_not_the_person() -> None:
    answer = {
        "models": [{"value": "opus", "resolvedModel": "claude-opus-5-5", "displayName": "Opus"}],
        "account": {"tokenSource": "claude.ai", "subscriptionType": "max", "email": "somebody@example.com"},
    }
    told = summary(read_about(Raw(msgspec.json.encode(answer))))
    assert (told["login"], told["subscription"]) == ("found", "max")
    assert "somebody" not in str(told)
    assert summary(None) == {"login": "not known yet"}
    out = summary(
        read_about(Raw(b'{"account":{"tokenSource":"none","apiKeySource":"none","apiProvider":"firstParty"}}'))
    )
    assert out["login"] == "none"


def test_a_missing_sdk_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.upstreams.claude_agent.environment.find_spec", lambda _name: None)
    settings = Settings(providers={"claude": Provider(kind="claude-agent")})
    with pytest.raises(SettingsError, match="not installed") as missing:
        find_cli(settings)
    assert "dragoman[claude]" in str(missing.value)
    with pytest.raises(SettingsError, match="no program"):
        find_cli(Settings(claude=Claude(cli="/nowhere/claude")))


def test_a_folder_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    assert find_folder(Settings()) == ""
    assert find_folder(Settings(claude=Claude(workdir=str(tmp_path)))) == str(tmp_path)
    with pytest.raises(SettingsError, match="missing` is no folder"):
        find_folder(Settings(claude=Claude(workdir=str(tmp_path / "missing"))))


def test_a_model_has_its_own_name_rather_than_that_of_the_default() -> None:
    default = {"value": "default", "resolvedModel": "claude-a", "displayName": "Default (recommended)"}
    models = [default, {"value": "a", "resolvedModel": "claude-a", "displayName": "A"}, {"value": "claude-b"}]
    told = cards(read_about(Raw(msgspec.json.encode({"models": models}))), "claude")
    assert [(card.id, card.name) for card in told] == [("claude-a", "A"), ("claude-b", "claude-b")]
    alone = cards(read_about(Raw(msgspec.json.encode({"models": [default]}))), "claude")
    assert [card.name for card in alone] == ["Default (recommended)"]
