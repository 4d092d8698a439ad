"""Does the CLI do what this back end relies on? It is asked, with a key that is none, before an upstream on this machine.

Half of it is not documented, so a new version of the CLI may change it without a word.
"""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.engine.ports import Timeouts, Turn
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError
from dragoman.ir.reply import Reply
from dragoman.ir.request import (
    FunctionTool,
    Message,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.settings import Provider, Secret, Settings, ToolMode
from dragoman.upstreams.claude_agent.abilities import (
    HISTORY_CHECK,
    PARALLEL_CHECK,
    TRANSCRIPT_CHECK,
    Abilities,
    Check,
    History,
)
from dragoman.upstreams.claude_agent.agent import ClaudeAgent, DialectOf
from dragoman.upstreams.scripted_server import ScriptedServer

_MODEL: Final = "claude-sonnet-4-5"
_SYSTEM: Final = "You are being tested."
_COMMAND: Final = "/clear @/etc/hostname"
_SECONDS: Final = Timeouts(first_byte=30, idle=30)
_SCHEMA: Final = Raw(b'{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}')
_TOOLS: Final = tuple(FunctionTool(name, "A tool.", _SCHEMA) for name in ("Bash", "Agent", "mcp__a__b"))


class _Bench:
    """The back end before an upstream that sees all."""

    def __init__(self, agent: ClaudeAgent, upstream: ScriptedServer) -> None:
        self.agent = agent
        self._upstream = upstream
        self._opening: Any = None

    async def ask(self, *messages: Message, **fields: Any) -> Reply:  # noqa: ANN401 - a request's fields
        """Have one turn."""
        self._upstream.seen.clear()
        request = Request(_MODEL, messages, (Text(_SYSTEM),), _TOOLS, **fields)
        events: list[Event] = []
        async for batch in self.agent.answer(Turn(request)):
            events += batch
        return collect(events)

    async def opening(self) -> Any:  # noqa: ANN401 - JSON
        """Return what the upstream is asked in a first turn. Several checks look at the same one: each takes a process."""
        if self._opening is None:
            hello = _said(Role.USER, Text(_COMMAND))
            await self.ask(hello, max_tokens=77, sampling=Sampling(0.5, stop=("zz",)))
            self._opening = self.body
        return self._opening

    @property
    def requests(self) -> int:
        """How many requests the last turn has cost."""
        return len(self._upstream.seen)

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON
        """What the upstream was asked last."""
        return self._upstream.seen[-1].json

    @property
    def blocks(self) -> list[Any]:
        """The blocks that it was told."""
        return _blocks(self.body)


async def _parallel_calls(bench: _Bench) -> str | None:
    """Several calls at once end the turn, and their results continue it."""
    asked = _said(Role.USER, Text("Call all tools"))
    reply = await bench.ask(asked)
    calls = [block for block in reply.blocks if isinstance(block, ToolCall)]
    if len(calls) != len(_TOOLS) or bench.requests != 1:
        return f"{len(calls)} calls instead of {len(_TOOLS)}, {bench.requests} requests instead of 1"
    results = tuple(ToolResult(call.id, (Text(f"for {call.id}"),)) for call in calls)
    await bench.ask(asked, Message(Role.ASSISTANT, reply.blocks), Message(Role.USER, results))
    seen = {block["tool_use_id"]: block["content"] for block in bench.blocks if block["type"] == "tool_result"}
    wrong = [call.id for call in calls if not str(seen.get(call.id)).startswith(f"for {call.id}")]
    return f"the results of {', '.join(wrong)} did not arrive" if wrong else None


async def _names(bench: _Bench) -> str | None:
    """Tools keep their names and schemas."""
    body = await bench.opening()
    offered = {tool["name"]: tool["input_schema"] for tool in body.get("tools", ())}
    wanted = {tool.name: msgspec.json.decode(_SCHEMA) for tool in _TOOLS}
    return None if offered == wanted else f"the upstream was offered {sorted(offered)}"


async def _history(bench: _Bench) -> str | None:
    """A history that no process knows is told exactly, reasoning included."""
    return await _is_told(bench, History.TOLD)


async def _transcript(bench: _Bench) -> str | None:
    """A process that resumes from a transcript knows the history exactly, too."""
    return await _is_told(bench, History.RESUMED)


async def _is_told(bench: _Bench, way: History) -> str | None:
    bench.agent.abilities = Abilities(way)
    thought = Reasoning(("Hm.",), seal=Seal("anthropic-messages", "c2lnbmVk"))
    call = ToolCall("toolu_1", "Bash", '{"path":"a"}')
    await bench.ask(
        _said(Role.USER, Text(f"First: {way.name}")),
        _said(Role.ASSISTANT, thought, call),
        _said(Role.USER, ToolResult("toolu_1", (Text("done"),)), Text("Go on")),
        _said(Role.ASSISTANT, Text("I did.")),
        _said(Role.USER, Text("And now?")),
        reasoning=ReasoningControl("enabled", 1024),
        max_tokens=4000,
    )
    kinds = [(message["role"], [block["type"] for block in message["content"]]) for message in bench.body["messages"]]
    said = [kinds[1:2], kinds[3:4]] == [[("assistant", ["thinking", "tool_use"])], [("assistant", ["text"])]]
    has_signature = any(block.get("signature") == "c2lnbmVk" for block in bench.blocks)
    is_told = said and has_signature and len(kinds) == 5 and bench.requests == 1
    return None if is_told else f"the upstream was told {kinds}"


async def _settings(bench: _Bench) -> str | None:
    """The settings of a turn reach the body."""
    body = await bench.opening()
    seen = {name: body.get(name) for name in ("max_tokens", "temperature", "stop_sequences", "thinking")}
    wanted = {"max_tokens": 77, "temperature": 0.5, "stop_sequences": ["zz"], "thinking": None}
    return None if seen == wanted else f"the body had {seen}"


async def _system(bench: _Bench) -> str | None:
    """The client's system prompt is the system prompt."""
    texts = [block["text"] for block in (await bench.opening())["system"]]
    return None if texts[-1:] == [_SYSTEM] else f"it was {texts}"


async def _verbatim(bench: _Bench) -> str | None:
    """No file is read and no command run because a text names it."""
    told = _blocks(await bench.opening())[-1]
    return None if told.get("text") == _COMMAND else f"it became {told}"


async def _no_retries(bench: _Bench) -> str | None:
    """A failure is told at once, and nothing is asked again."""
    try:
        await bench.ask(_said(Role.USER, Text("Fail with 500")))
    except DragomanError as error:
        status = error.failure.http_status
        told = f"status {status} after {bench.requests} requests: {error.failure.text}"
        return None if status == 500 and bench.requests == 1 else told
    return "it looked like an answer"


async def _internal_tools(bench: _Bench) -> str | None:
    """In internal mode a call is done here, and the turns are one reply."""
    reply = await bench.ask(_said(Role.USER, Text('Call write with {"file_path": "here", "content": "done"}')))
    text = "".join(block.text for block in reply.blocks if isinstance(block, Text))
    is_one = bench.requests == 2 and not any(isinstance(block, ToolCall) for block in reply.blocks)
    return (
        None if is_one and "made here: 4 bytes" in text else f"after {bench.requests} requests the reply was {text!r}"
    )


Checks = Mapping[str, Callable[[_Bench], Awaitable[str | None]]]
_CHECKS: Final[Checks] = {
    PARALLEL_CHECK: _parallel_calls,
    "tool-names": _names,
    HISTORY_CHECK: _history,
    TRANSCRIPT_CHECK: _transcript,
    "settings": _settings,
    "system-prompt": _system,
    "verbatim": _verbatim,
    "no-retries": _no_retries,
}
_INTERNAL_CHECKS: Final[Checks] = {"internal-tools": _internal_tools}


async def run_checks(settings: Settings, dialect_of: DialectOf) -> Sequence[Check]:
    """Return what holds of the CLI that `settings` name. Raises SettingsError when there is none."""
    found = await _checked(_CHECKS, settings, dialect_of, "passthrough")
    if settings.claude.mode == "internal":
        found += await _checked(_INTERNAL_CHECKS, settings, dialect_of, "internal")
    return found


async def _checked(checks: Checks, settings: Settings, dialect_of: DialectOf, mode: ToolMode) -> list[Check]:
    found: list[Check] = []
    async with _bench(settings, dialect_of, mode) as bench:
        for name, check in checks.items():
            problem = await _problem(check, bench)
            if problem is not None:
                # A machine that had too much to do is no reason to do without for as long as the gateway runs.
                problem = await _problem(check, bench)
            found.append(Check(name, (check.__doc__ or "").strip(), problem))
    return found


async def _problem(check: Callable[[_Bench], Awaitable[str | None]], bench: _Bench) -> str | None:
    bench.agent.abilities = Abilities()
    try:
        return await check(bench)
    except DragomanError as error:
        return error.failure.message
    except (LookupError, TypeError, AttributeError) as error:
        return f"the upstream was asked something unexpected: {error!r}"


@asynccontextmanager
async def _bench(settings: Settings, dialect_of: DialectOf, mode: ToolMode) -> AsyncIterator[_Bench]:
    """Provide the same CLI with a home of its own, and no way to anybody else."""
    with tempfile.TemporaryDirectory(prefix="dragoman-selftest-") as home:
        async with ScriptedServer("anthropic-messages") as upstream:
            environment = {"HOME": Secret(home), "CLAUDE_CONFIG_DIR": Secret(home), "NO_PROXY": Secret("127.0.0.1")}
            claude = msgspec.structs.replace(
                settings.claude,
                environment=environment,
                oauth_token=None,
                mode=mode,
                tools=("write",),
                workdir=home,
                spares=1,
                max_live=2,
            )
            provider = Provider(kind="claude-agent", base_url=upstream.base_url, api_key=Secret("sk-ant-selftest"))
            tested = msgspec.structs.replace(settings, providers={"claude": provider}, claude=claude)
            agent = ClaudeAgent("claude", dialect_of, tested, _SECONDS)
            try:
                yield _Bench(agent, upstream)
            finally:
                await agent.aclose()


def _blocks(body: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]


def _said(role: Role, *blocks: Any) -> Message:  # noqa: ANN401 - blocks
    return Message(role, blocks)
