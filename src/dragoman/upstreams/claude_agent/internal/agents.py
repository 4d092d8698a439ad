"""The client's agents, as far as its Task tool tells of them, and what the CLI is told of them.

Known forms: OpenCode's `task` and Claude Code's `Agent` (a list below "Available agent types ..."), oh-my-opencode's
`call_omo_agent` (a list behind "Available:", or names with commas) and `task` (an `enum`, or examples of `subagent_type`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.request import FunctionTool, Tool

_TASK_TOOLS: Final = frozenset({"task", "agent", "callomoagent", "delegatetask", "sisyphustask"})
"""What clients call the tool that starts an agent, in small letters and without `_` and `-`."""
_HEADING: Final = re.compile(
    r"^[ \t]*(?:#+ |\*\*)?available(?: (?:sub)?agents?\b[^:\n]*)?:\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE
)
_ENTRY: Final = re.compile(
    r"^[-*] +[`*\"]{0,3}(?P<name>[^\s`*\":][^`*\":\n]{0,79}?)[`*\"]{0,3}:(?:[ \t]+|$)(?P<text>.*)$"
)
_INLINE: Final = re.compile(r"[`\"']?([\w][\w .()-]{0,79})[`\"']?")
_EXAMPLES: Final = re.compile(r"subagent_type[^\n]*\(e\.g\.,? ([^)\n]*)\)")
_QUOTED: Final = re.compile(r"[\"'`]([\w][\w -]*)[\"'`]")
_TOOLS: Final = re.compile(r"\s*\(Tools: (?P<list>[^()]*)\)\s*(?:\[[^\]]*\]\s*)?$", re.IGNORECASE)
_EXCEPT: Final = re.compile(r"(?:\*|all tools),? except (?:for )?(.*)", re.IGNORECASE)
_SAME: Final[Mapping[str, str]] = {"multiedit": "edit", "notebookedit": "edit", "list": "glob", "ls": "glob"}
_PROMPT: Final = (
    'You are the agent "{name}". {description}\n\nDo the task that you are given, with the tools that you have, as far as you '
    "can without asking back. Your last message is your report: whoever gave you the task sees nothing else."
)


class Agent(msgspec.Struct, frozen=True):
    """An agent of the client's. `tools` are those of ours that it may use; None: all."""

    name: str
    description: str = ""
    tools: tuple[str, ...] | None = None


def is_task(tool: Tool) -> bool:
    """Tell whether `tool` starts agents."""
    return isinstance(tool, FunctionTool) and re.sub(r"[_-]", "", tool.name).lower() in _TASK_TOOLS


def agents_in(tools: Iterable[Tool]) -> tuple[Agent, ...]:
    """Return the agents that the client's tools tell of, each once, in their order."""
    found: dict[str, Agent] = {}
    for tool in tools:
        if isinstance(tool, FunctionTool) and is_task(tool):
            for agent in _agents_of(tool):
                found.setdefault(agent.name, agent)
    return tuple(found.values())


def definitions(agents: Sequence[Agent], tools: Sequence[str], max_turns: int) -> Raw:
    """Return the agents as the CLI takes them: only what the client says of them is known, so their prompt is made of that."""
    made = {
        agent.name: {
            "description": agent.description or agent.name,
            "prompt": _PROMPT.format(name=agent.name, description=agent.description).strip(),
            "tools": [tool for tool in tools if agent.tools is None or tool in agent.tools],
            "background": False,
            "maxTurns": max_turns,
        }
        for agent in agents
    }
    return Raw(msgspec.json.encode(made))


def _agents_of(tool: FunctionTool) -> Iterator[Agent]:
    description = tool.description or ""
    listed = list(_listed(description))
    if listed:
        yield from listed
        return
    names = _named_by_schema(tool.schema)
    if not names:
        names = [name for examples in _EXAMPLES.findall(description) for name in _QUOTED.findall(examples)]
    yield from (Agent(name) for name in names)


def _listed(text: str) -> Iterator[Agent]:
    """Yield the agents of the lists in a description."""
    for heading in _HEADING.finditer(text):
        first, *lines = text[heading.end() :].split("\n")
        if first and not _ENTRY.match(first):
            yield from _inline(first)
        else:
            yield from _entries([first, *lines] if first else lines)


def _inline(line: str) -> Iterator[Agent]:
    """Yield the agents of `explore, librarian`; a sentence is no list."""
    names = [part.strip() for part in line.strip().rstrip(".").split(",")]
    if all(_INLINE.fullmatch(name) and len(name.split()) <= 3 for name in names):
        yield from (Agent(name.strip("`\"'")) for name in names)


def _entries(lines: Iterable[str]) -> Iterator[Agent]:
    """Yield the agents of a list, whose descriptions may go on in further lines; a blank line or a sentence ends it."""
    name, words = "", [""]
    for line in lines:
        entry = _ENTRY.match(line)
        if entry:
            if name:
                yield _agent(name, words)
            name, words = entry["name"].strip(), [entry["text"]]
        elif name and line[:1] in (" ", "\t") and line.strip():
            words.append(line.strip())
        elif name or line.strip():
            break
    if name:
        yield _agent(name, words)


def _agent(name: str, words: Sequence[str]) -> Agent:
    text = " ".join(words).strip()
    tools = _TOOLS.search(text)
    if tools is None:
        return Agent(name, text)
    return Agent(name, text[: tools.start()].strip(), _allowed(tools["list"]))


def _allowed(text: str) -> tuple[str, ...] | None:
    """Return which tools a client's list of tools leaves, by our names; None: all."""
    text = text.strip()
    excepted = _EXCEPT.fullmatch(text)
    if excepted:
        without = _ours(excepted[1])
        return tuple(name for name in ("read", "write", "edit", "bash", "glob", "grep") if name not in without)
    return None if text.lower() in ("*", "all", "all tools", "") else _ours(text)


def _ours(text: str) -> tuple[str, ...]:
    names = (name.strip().lower() for name in text.split(","))
    return tuple(dict.fromkeys(_SAME.get(name, name) for name in names))


def _named_by_schema(schema: Raw | None) -> list[str]:
    """Return the names that a schema allows for `subagent_type`."""
    decoded: Any = msgspec.json.decode(schema) if schema is not None else {}
    properties = decoded.get("properties") if isinstance(decoded, dict) else None
    field = properties.get("subagent_type") if isinstance(properties, dict) else None
    names = field.get("enum") if isinstance(field, dict) else None
    return [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []
