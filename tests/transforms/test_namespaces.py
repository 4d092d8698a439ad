"""Tools under a first name become tools of one name and come back."""

import json

import pytest
from msgspec import Raw

from dragoman.ir.collecting import collect, expand
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Message,
    Namespace,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
)
from dragoman.transforms.tools import RestoreNames, fit_names, restore_reply

AGENTS = Namespace("agents", "For work beside this.")
SPAWN = FunctionTool("spawn", "Starts one.", namespace=AGENTS)
WAIT = FunctionTool("wait", namespace=AGENTS)


def asking(*tools: Tool, messages: tuple[Message, ...] = (), choice: ToolChoice | None = None) -> Request:
    return Request("m", messages, tools=tools, tool_choice=choice)


def names(request: Request) -> list[str]:
    return [tool.name for tool in request.tools]


def test_without_namespaces_nothing_changes() -> None:
    request = asking(FunctionTool("f"), HostedTool("x", "y", "z", Raw(b"{}")))
    fit, renames = fit_names(request, 64, Ledger(), has_namespaces=False)
    assert fit is request
    assert not renames


def test_a_target_that_has_namespaces_gets_them() -> None:
    request = asking(SPAWN, WAIT)
    fit, renames = fit_names(request, 64, Ledger(), has_namespaces=True)
    assert fit is request
    assert not renames


def test_both_names_make_one_and_the_description_is_told_once() -> None:
    ledger = Ledger()
    fit, _ = fit_names(asking(FunctionTool("f"), SPAWN, WAIT), 64, ledger, has_namespaces=False)
    assert names(fit) == ["f", "agents__spawn", "agents__wait"]
    _, spawn, wait = fit.tools
    assert isinstance(spawn, FunctionTool)
    assert isinstance(wait, FunctionTool)
    assert (spawn.namespace, wait.namespace, wait.description) == (None, None, None)
    assert (
        spawn.description == "About all tools whose names begin with `agents__`: For work beside this.\n\nStarts one."
    )
    (loss,) = ledger
    assert (loss.code, loss.reason) == (
        "tool_namespace",
        "the tools of `agents` travel as `agents__spawn`, `agents__wait`",
    )


def test_names_that_are_taken_are_left_alone() -> None:
    fit, _ = fit_names(asking(SPAWN, FunctionTool("agents__spawn")), 64, Ledger(), has_namespaces=False)
    assert names(fit) == ["agents__spawn_2", "agents__spawn"]


def test_the_history_and_the_choice_change_with_the_tools() -> None:
    call = ToolCall("c", "spawn", "{}", namespace="agents")
    gone = ToolCall("d", "gone", "{}", namespace="agents")
    messages = (Message(Role.USER, (Text("hi"),)), Message(Role.ASSISTANT, (call, gone, ToolCall("e", "f", "{}"))))
    for choice in (ToolChoice("tool", "spawn"), ToolChoice("any", allowed=("spawn", "f"))):
        request = asking(SPAWN, FunctionTool("f"), messages=messages, choice=choice)
        fit, _ = fit_names(request, 64, Ledger(), has_namespaces=False)
        calls = [block for block in fit.messages[1].blocks if isinstance(block, ToolCall)]
        assert [(one.name, one.namespace) for one in calls] == [
            ("agents__spawn", None),
            ("agents__gone", None),
            ("f", None),
        ]
        assert fit.tool_choice is not None
        assert fit.tool_choice.name in (None, "agents__spawn")
        assert fit.tool_choice.allowed in (None, ("agents__spawn", "f"))
        assert fit.messages[0] is messages[0]


@pytest.mark.parametrize("limit", [64, 16])
def test_calls_come_back_in_their_namespaces_whole_and_streamed(limit: int) -> None:
    patch = CustomTool("patch", namespace=AGENTS)
    request = asking(SPAWN, patch, FunctionTool("f"))
    fit, renames = fit_names(request, limit, Ledger(), has_namespaces=False)
    spawn, free, plain = names(fit)
    assert max(map(len, names(fit))) <= limit
    text = json.dumps({"input": "*** x"})
    blocks = (ToolCall("a", spawn, "{}"), ToolCall("b", free, text), ToolCall("c", plain, "{}"))
    reply = Reply("", "m", blocks, Finish.TOOL_CALLS)
    expected = (
        ToolCall("a", "spawn", "{}", namespace="agents"),
        ToolCall("b", "patch", "*** x", ToolKind.CUSTOM, "agents"),
        ToolCall("c", "f", "{}"),
    )
    assert restore_reply(reply, renames).blocks == expected
    restore = RestoreNames(renames)
    assert collect([one for event in expand(reply) for one in restore.feed([event])]).blocks == expected
