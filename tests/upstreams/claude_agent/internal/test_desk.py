"""What the CLI is answered, and how a request is made ready for it."""

# ruff: noqa: ANN401 - JSON

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.losses import Ledger
from dragoman.ir.request import FunctionTool, HostedTool, Message, Request, Role, Text, ToolChoice
from dragoman.settings import Claude
from dragoman.upstreams.claude_agent import lines
from dragoman.upstreams.claude_agent.internal.agents import definitions
from dragoman.upstreams.claude_agent.internal.asking import with_own_tools, without_tools
from dragoman.upstreams.claude_agent.internal.desk import Desk
from dragoman.upstreams.claude_agent.internal.toolbox import Toolbox
from dragoman.upstreams.claude_agent.lines import ControlRequest, McpMessage
from dragoman.upstreams.claude_agent.prompt import Prompt, read_prompt
from dragoman.upstreams.claude_agent.rpc import take

TASK = FunctionTool("task", "Available agent types:\n- explore: Looks.\n")
USER = Message(Role.USER, (Text("Hello"),))


def asked(**request: Any) -> ControlRequest:
    line = lines.decode(json.dumps({"type": "control_request", "request_id": "r1", "request": request}).encode())
    assert isinstance(line, ControlRequest)
    return line


def rpc(method: str, id: int | None = 5, **params: Any) -> ControlRequest:
    return asked(subtype="mcp_message", server_name="s", message={"method": method, "id": id, "params": params})


class Office:
    """A desk, and what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.written: list[Any] = []
        box = Toolbox(Claude(mode="internal", workdir=str(folder)), {"PATH": "/usr/bin:/bin"})
        self.desk = Desk(box, lambda line: self.written.append(json.loads(line)["response"]))
        self.desk.agents = ("explore", "general")

    def decision(self, name: str, **arguments: Any) -> Any:
        return self.desk.permission(name, arguments)


def test_our_tools_may_be_called_and_no_others(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert office.decision("bash", command="x") == {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
    for name in ("Bash", "WebFetch", "mcp__x__read"):
        assert office.decision(name)["permissionDecision"] == "deny"


def test_an_agents_name_is_corrected_and_nothing_else_of_the_call_passes(tmp_path: Path) -> None:
    office = Office(tmp_path)
    told = office.decision(
        "Agent", description="d", prompt="p", subagent_type="general-purpose", isolation="worktree", model="opus"
    )
    assert told["permissionDecision"] == "allow"
    assert told["updatedInput"] == {"description": "d", "prompt": "p", "subagent_type": "general"}
    assert office.decision("Task", subagent_type="painter")["updatedInput"] == {"subagent_type": "painter"}
    office.desk.agents = ()
    assert office.decision("Agent", subagent_type="explore")["permissionDecision"] == "deny"


def test_calls_are_answered_when_they_are_done(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("words")
    office = Office(tmp_path)

    async def talk() -> None:
        office.desk.attend(rpc("tools/call", name="read", arguments={"file_path": "f"}))
        office.desk.attend(rpc("tools/call", id=6, name="bash", arguments={"command": "sleep 60"}))
        office.desk.attend(rpc("tools/list", id=7))
        assert office.desk.is_working
        office.desk.attend(rpc("notifications/cancelled", None, requestId=6))
        await office.desk.stopped()

    asyncio.run(talk())
    assert not office.desk.is_working
    answers = {said["response"]["mcp_response"]["id"]: said["response"]["mcp_response"] for said in office.written}
    assert answers[5]["result"] == {"content": [{"type": "text", "text": "1\twords"}], "isError": False}
    assert [tool["name"] for tool in answers[7]["result"]["tools"]] == ["read", "write", "edit", "bash", "glob", "grep"]
    assert 6 not in answers


def test_a_tool_that_breaks_is_answered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(tmp_path)

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    async def talk() -> None:
        monkeypatch.setattr(office.desk._toolbox, "run", broken)
        office.desk.attend(rpc("tools/call", name="read", arguments={}))
        await office.desk.stopped()

    asyncio.run(talk())
    assert office.written[0]["response"]["mcp_response"]["result"]["isError"]


def test_whatever_else_is_asked_is_refused(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.desk.attend(asked(subtype="can_use_tool"))
    assert office.written == [{"request_id": "r1", "subtype": "error", "error": "`can_use_tool` is not served here"}]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (McpMessage("resources/list", 1), -32601),
        (McpMessage("tools/call", 1, {"name": 3}), -32602),
        (McpMessage("tools/call", 1, {"name": "read", "arguments": []}), None),
        (McpMessage("tools/call", 1, {"name": "read", "arguments": [1]}), -32602),
        (McpMessage("tools/call", None, {"name": "read"}), -32602),
    ],
)
def test_a_message_that_is_wrong_is_answered_so(message: McpMessage, code: int | None) -> None:
    told = take(message, [])
    assert (told["error"]["code"] if isinstance(told, dict) else None) == code


def test_the_servers_version_is_the_clients() -> None:
    told = take(McpMessage("initialize", 0, {"protocolVersion": "2025-11-25"}), [])
    assert isinstance(told, dict)
    assert told["result"]["protocolVersion"] == "2025-11-25"
    assert told["result"]["capabilities"] == {"tools": {}}


def prepared(folder: Path, **fields: Any) -> tuple[Prompt, Ledger, Any]:
    ledger = Ledger()
    box = Toolbox(Claude(mode="internal", workdir=str(folder), tools=("read", "grep")), {})
    request = Request("claude-x", (USER,), **fields)
    bare, agents = without_tools(request, ledger)
    prompt = read_prompt(bare, Target("claude", "claude-x"), ledger, agents=definitions(agents, box.names, 5))
    prompt = with_own_tools(prompt, box.names, box.limits, request)
    body = json.loads(json.loads(bytes(prompt.flags))["env"]["CLAUDE_CODE_EXTRA_BODY"])
    return prompt, ledger, body


def test_the_clients_tools_are_left_out_by_name(tmp_path: Path) -> None:
    hosted = HostedTool("anthropic-messages", "web_search_20250305", "web_search", Raw(b"{}"))
    tools = (FunctionTool("Read"), hosted, TASK)
    choice = ToolChoice("tool", "Read")
    prompt, ledger, body = prepared(tmp_path, tools=tools, tool_choice=choice, parallel_tools=False)
    assert [(loss.code, loss.path, loss.changes_meaning) for loss in ledger if loss.code != "agent_environment"] == [
        ("client_tool", "tools[0]", True),
        ("client_tool", "tools[1]", True),
        ("agent_definition", "tools[2]", True),
        ("forced_tool", "tool_choice", True),
    ]
    assert "`web_search`" in next(loss.reason for loss in ledger if loss.path == "tools[1]")
    assert prompt.names == {"read", "grep"}
    assert list(json.loads(bytes(prompt.agents))) == ["explore"]
    assert body == {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


def test_without_agents_the_tool_for_them_is_not_offered(tmp_path: Path) -> None:
    _, ledger, body = prepared(tmp_path, tools=(FunctionTool("task", "Starts something."),))
    assert [tool["name"] for tool in body["tools"]] == ["read", "grep"]
    assert "client_tool" in {loss.code for loss in ledger}
    schema = body["tools"][0]["input_schema"]
    assert schema["required"] == ["file_path"]
    assert schema["type"] == "object"
    _, _, body = prepared(tmp_path, tool_choice=ToolChoice("none"))
    assert body["tool_choice"] == {"type": "none"}


def test_other_agents_are_another_conversation(tmp_path: Path) -> None:
    one, _, _ = prepared(tmp_path)
    other, _, _ = prepared(tmp_path, tools=(TASK,))
    assert one.key != other.key
