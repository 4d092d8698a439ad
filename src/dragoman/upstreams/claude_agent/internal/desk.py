"""Answers what the CLI asks in internal mode: may this be called, which tools are there, and what did this call come to."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from dragoman.upstreams.claude_agent import lines, rpc
from dragoman.upstreams.claude_agent.internal.names import match_agent
from dragoman.upstreams.claude_agent.internal.toolbox import Outcome, Toolbox
from dragoman.upstreams.claude_agent.internal.tools import described
from dragoman.upstreams.claude_agent.lines import Asked, ControlRequest, HookInput, McpMessage
from dragoman.upstreams.claude_agent.rpc import CallRequest, Cancellation

_LOG: Final = logging.getLogger("dragoman.upstreams")
_AGENT_TOOLS: Final = frozenset({"Task", "Agent"})
"""Both names of the CLI's own tool for agents."""
_AGENT_FIELDS: Final[tuple[str, ...]] = ("description", "prompt")
"""What of a call of it stays as it is: no other model, folder or time than the client's agents have."""


class Desk:
    """Serves one process. `write` sends a line to it; `agents` are the names of those that it may start."""

    def __init__(self, toolbox: Toolbox, write: Callable[[bytes], None]) -> None:
        self.agents: tuple[str, ...] = ()
        self._toolbox = toolbox
        self._write = write
        self._tools = described(toolbox.names, toolbox.limits)
        self._calls: dict[int | str, asyncio.Task[None]] = {}

    @property
    def is_working(self) -> bool:
        """Whether a call is being done."""
        return bool(self._calls)

    def attend(self, asked: ControlRequest) -> None:
        """Answer, at once or when a call is done."""
        match asked.request:
            case Asked("hook_callback", input=HookInput(tool_name=name, tool_input=arguments)):
                self._answer(asked, {"hookSpecificOutput": self.permission(name, arguments)})
            case Asked("mcp_message", McpMessage() as message):
                self._serve(asked, message)
            case _:
                self._write(lines.refusal(asked))

    def permission(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return whether the model may call `name`, and with which arguments."""
        decision: dict[str, Any] = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
        if name in self._toolbox.names:
            return decision
        if name in _AGENT_TOOLS and self.agents:
            return {**decision, "updatedInput": self._with_agent(arguments)}
        reason = f"there is no tool `{name}`"
        return {**decision, "permissionDecision": "deny", "permissionDecisionReason": reason}

    def _with_agent(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = str(arguments.get("subagent_type", ""))
        # A name that means nobody stays: the CLI tells the model whom there is.
        agent = match_agent(asked, self.agents) or asked
        kept: dict[str, Any] = {field: arguments[field] for field in _AGENT_FIELDS if field in arguments}
        return {**kept, "subagent_type": agent}

    # --- MCP ---

    def _serve(self, asked: ControlRequest, message: McpMessage) -> None:
        match rpc.take(message, self._tools):
            case CallRequest() as call:
                task = asyncio.ensure_future(self._do(asked, call))
                self._calls[call.id] = task
                task.add_done_callback(lambda _: self._calls.pop(call.id, None))
            case Cancellation(id):
                if id is not None and id in self._calls:
                    self._calls[id].cancel()
                self._answer(asked, {"mcp_response": {"jsonrpc": "2.0", "id": message.id, "result": {}}})
            case reply:
                self._answer(asked, {"mcp_response": reply})

    async def _do(self, asked: ControlRequest, call: CallRequest) -> None:
        begun = time.monotonic()
        try:
            outcome = await self._toolbox.run(call.name, call.arguments)
        # Without an answer the CLI would wait for ever.
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            _LOG.exception("the tool `%s` broke", call.name)
            outcome = Outcome("the tool broke: it cannot do this", is_error=True)
        _LOG.info(
            "the tool `%s` %s after %.0f ms",
            call.name if call.name in self._toolbox.names else "?",
            "failed" if outcome.is_error else "was done",
            (time.monotonic() - begun) * 1000,
        )
        answer = rpc.outcome(call.id, outcome.text, is_error=outcome.is_error)
        self._answer(asked, {"mcp_response": answer})

    def stop(self) -> None:
        """Break off all calls."""
        for call in tuple(self._calls.values()):
            call.cancel()

    async def stopped(self) -> None:
        """Wait until nothing of them is left."""
        while self._calls:
            await asyncio.wait(tuple(self._calls.values()))

    def _answer(self, asked: ControlRequest, response: dict[str, Any]) -> None:
        self._write(lines.answer(asked, response))
