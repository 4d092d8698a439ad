"""What the client asks, as internal mode asks it: with the gateway's tools, and the client's agents as the CLI's own."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.losses import Ledger
from dragoman.ir.request import Request, ToolChoice
from dragoman.upstreams.claude_agent.internal import tools
from dragoman.upstreams.claude_agent.internal.agents import Agent, agents_in, is_task
from dragoman.upstreams.claude_agent.internal.tools import Limits
from dragoman.upstreams.claude_agent.prompt import Prompt

_BODY: Final = "CLAUDE_CODE_EXTRA_BODY"


def without_tools(request: Request, ledger: Ledger) -> tuple[Request, tuple[Agent, ...]]:
    """Return the request without the client's tools, and the agents that they tell of; what is lost with them is recorded."""
    agents = agents_in(request.tools)
    for place, tool in enumerate(request.tools):
        path = f"tools[{place}]"
        if agents and is_task(tool):
            ledger.degraded(
                "agent_definition",
                path,
                f"of the agents of `{tool.name}` only name, description and tools are known, and they run here",
                changes_meaning=True,
            )
        else:
            ledger.dropped(
                "client_tool", path, f"`{tool.name}`: the gateway's own tools are offered instead", changes_meaning=True
            )
    choice = request.tool_choice
    if choice is not None and choice.mode in ("any", "tool"):
        ledger.dropped("forced_tool", "tool_choice", "every turn would have to call a tool", changes_meaning=True)
    if request.output is not None:
        ledger.dropped("words_between", "output", "what the model says before its last turn is left out of the JSON")
    return msgspec.structs.replace(request, tools=(), tool_choice=None, parallel_tools=None), agents


def with_own_tools(prompt: Prompt, names: tuple[str, ...], limits: Limits, asked: Request) -> Prompt:
    """Return the prompt with the gateway's tools in it, and what `asked` says of calling any."""
    flags = msgspec.json.decode(prompt.flags)
    body: dict[str, Any] = msgspec.json.decode(flags["env"][_BODY])
    if bytes(prompt.agents) == b"{}":
        # The CLI lists its tool for agents also when there are none.
        body["tools"] = tools.as_body(names, limits)
    body |= _choice(asked.tool_choice, asked.parallel_tools)
    flags["env"][_BODY] = msgspec.json.encode(body).decode()
    return msgspec.structs.replace(
        prompt,
        tools=Raw(msgspec.json.encode(tools.described(names, limits))),
        names=frozenset(names),
        flags=Raw(msgspec.json.encode(flags)),
        wants_form=asked.output is not None,
    )


def _choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any]:  # noqa: FBT001 - None: nothing was said
    if choice is not None and choice.mode == "none":
        return {"tool_choice": {"type": "none"}}
    return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}} if parallel is False else {}
