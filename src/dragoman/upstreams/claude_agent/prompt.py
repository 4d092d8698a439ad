"""A request as the CLI is told it: system prompt, tools, what was said before, what is said now, and the settings of the turn."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import ATTRIBUTION, HostedTool, Request
from dragoman.protocols.anthropic_messages import PROTOCOL
from dragoman.upstreams.claude_agent.abilities import Abilities, History
from dragoman.upstreams.claude_agent.conversation import advance, opening
from dragoman.upstreams.claude_agent.past import GO_ON, ends_with_results, flattened, transcript

_ALL: Final = Abilities()
_json: Final = msgspec.json.encode
RESERVED: Final[Mapping[str, str]] = {"ToolSearch": "ToolSearch_"}
"""Names that the CLI keeps for itself, and what a client's tools of that name are called instead."""
_SAID_OTHERWISE: Final = frozenset({"model", "messages", "system", "tools", "stream", "cache_control"})
"""Fields of a body that the CLI is told in other ways, or sets itself."""
_TOOL_FIELDS: Final = frozenset({"name", "description", "input_schema", "cache_control", "type"})
_COMBINED: Final = ("oneOf", "anyOf", "allOf")
_NO_ADVICE: Final[Mapping[str, Any]] = {"includeCoAuthoredBy": False, "attribution": {"commit": "", "pr": ""}}
"""Where a tool is called `Bash`, the CLI would tell the model how to sign commits."""
_NOTHING: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}
NO_AGENTS: Final = Raw(b"{}")


class Said(msgspec.Struct, frozen=True):
    """A message in Anthropic's form."""

    role: str
    content: Raw


class Prompt(msgspec.Struct, frozen=True):
    """A request, ready to be told to a process.

    `history` is what came before `now`, the user's last words. `key` names the conversation up to the model's last words, `key_now`
    the whole of it. `tools` is a list as MCP writes it, `names` are theirs; `flags` the settings of this turn.
    """

    model: str
    system: str
    history: tuple[Said, ...]
    now: Raw
    key: bytes
    key_now: bytes
    tools: Raw
    names: frozenset[str]
    flags: Raw
    transcript: bytes | None = None
    """What a process is started with that does not take the history by its input."""
    instead: Raw | None = None
    """What is said first to a process that knows nothing yet, if that is not `now`."""
    agents: Raw = NO_AGENTS
    """The agents that the CLI itself may start, by their names."""
    wants_form: bool = False
    """Whether the answer is to be JSON, and nothing beside it."""

    @property
    def told(self) -> tuple[Said, ...]:
        """The messages that a process is told one by one, before `now`."""
        return self.history if self.transcript is None and self.instead is None else ()


class _Body(msgspec.Struct):
    messages: list[Said]
    system: list[dict[str, Any]] = []
    tools: list[dict[str, Raw]] = []


_body: Final = msgspec.json.Decoder(_Body).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode


def read_prompt(
    request: Request, target: Target, ledger: Ledger, abilities: Abilities = _ALL, agents: Raw = NO_AGENTS
) -> Prompt:
    """Return what a process is told. Raises RequestError or UnsupportedError for what cannot be told.

    The CLI is asked for `request.model`, in its own spelling; the model itself is that of `target`.
    """
    _refuse_hosted(request)
    if not abilities.parallel_calls and request.tools and request.parallel_tools is not False:
        ledger.degraded(
            "parallel_calls", "tools", "this version of the CLI takes one call a turn", changes_meaning=True
        )
        request = msgspec.structs.replace(request, parallel_tools=False)
    encoded = PROTOCOL.encode_request(request, target, ledger)
    body, fields = _body(encoded), _fields(encoded)
    if not body.messages or body.messages[-1].role != "user":
        raise UnsupportedError(
            "the Claude Agent SDK cannot continue words that are put into the model's mouth",
            param="messages",
            hint="the last message has to be the user's",
        )
    system = "\n\n".join(text for text in _texts(body.system) if not text.startswith(ATTRIBUTION))
    key, key_now = _keys(opening(target.model, system, bytes(agents)), body.messages)
    last = max((place for place, said in enumerate(body.messages) if said.role == "assistant"), default=-1)
    tools = [_tool(tool, place, ledger) for place, tool in enumerate(body.tools)]
    ledger.emulated(
        "agent_environment", "system", "the CLI puts its own line before it and a reminder into the messages"
    )
    _note_pictures_of_errors(body.messages, ledger)
    if b'"cache_control"' in encoded:
        ledger.dropped("cache_breakpoint", "cache_control", "the CLI sets its own breakpoints")
    history, now = tuple(body.messages[: last + 1]), _joined(body.messages[last + 1 :])
    written, instead = _other_way(abilities.history, history, now, target.model) if history else (None, None)
    return Prompt(
        model=target.model,
        system=system,
        history=history,
        now=now,
        key=key,
        key_now=key_now,
        tools=Raw(_json(tools)),
        names=frozenset(tool["name"] for tool in tools),
        flags=_flags(fields, request.model, keeps_limit=request.max_tokens is not None),
        transcript=written,
        instead=instead,
        agents=agents,
    )


def _keys(key: bytes, messages: Iterable[Said]) -> tuple[bytes, bytes]:
    """Return what names the conversation up to the model's last words, and all of it; `key` is that of its opening."""
    now = key
    for said in messages:
        now = advance(now, said.role, said.content)
        if said.role == "assistant":
            key = now
    return key, now


def _other_way(way: History, history: tuple[Said, ...], now: Raw, model: str) -> tuple[bytes | None, Raw | None]:
    """Return the transcript to start a process with, if any, and what is said to it in place of `now`."""
    before = [(said.role, said.content) for said in history]
    match way:
        case History.TOLD:
            return None, None
        case History.RESUMED if ends_with_results(now):
            # Results that come to a resumed process by its input are taken for those of a call that was interrupted.
            return transcript([*before, ("user", now)], model), GO_ON
        case History.RESUMED:
            return transcript(before, model), None
        case History.QUOTED:
            return None, flattened([*before, ("user", now)])


def note_step_down(prompt: Prompt, ledger: Ledger) -> None:
    """Record in which other way a process that knows nothing yet is told the history."""
    if prompt.transcript is not None and prompt.instead is None:
        ledger.emulated("history_resumed", "messages", "the CLI was started with a transcript of it")
    elif prompt.transcript is not None:
        problem = "the CLI was started with a transcript of it, and told to go on from the results at its end"
        ledger.degraded("history_resumed", "messages", problem, changes_meaning=True)
    elif prompt.instead is not None:
        problem = "this version of the CLI takes no history: it is quoted"
        ledger.degraded("history_flattened", "messages", problem, changes_meaning=True)


def _refuse_hosted(request: Request) -> None:
    for place, tool in enumerate(request.tools):
        if isinstance(tool, HostedTool):
            raise UnsupportedError(
                f"`tools[{place}]`: the tool `{tool.name}` runs at the vendor, which the Claude Agent SDK cannot ask for",
                param=f"tools[{place}]",
                hint="leave it out, or use a provider that is reached over HTTP",
            )


def _note_pictures_of_errors(messages: list[Said], ledger: Ledger) -> None:
    """Record what the CLI leaves out: a result that is an error may hold text only."""
    for place, said in enumerate(messages):
        if b'"is_error":true' not in bytes(said.content):
            continue
        for block in msgspec.json.decode(said.content):
            content = block.get("content")
            if block.get("is_error") and isinstance(content, list) and any(part["type"] != "text" for part in content):
                path = f"messages[{place}]"
                ledger.dropped("error_media", path, "a result that is an error holds text only", changes_meaning=True)


def _texts(system: list[dict[str, Any]]) -> Iterator[str]:
    for block in system:
        text = block.get("text")
        if isinstance(text, str) and text:
            yield text


def _joined(messages: list[Said]) -> Raw:
    """Return the content of the user's last words as one list of blocks."""
    if len(messages) == 1:
        return messages[0].content
    blocks: list[Raw] = []
    for said in messages:
        blocks += msgspec.json.decode(said.content, type=list[Raw])
    return Raw(_json(blocks))


def _tool(tool: Mapping[str, Raw], place: int, ledger: Ledger) -> dict[str, Any]:
    """Return a tool as MCP writes it. Without a `type` in one schema all tools would vanish."""
    path = f"tools[{place}]"
    name = msgspec.json.decode(tool["name"], type=str)
    for field in tool.keys() - _TOOL_FIELDS:
        ledger.dropped("tool_field", f"{path}.{field}", "the CLI passes on name, description and schema")
    made: dict[str, Any] = {"name": name, "inputSchema": _schema(tool.get("input_schema"), path, ledger)}
    if "description" in tool:
        made["description"] = tool["description"]
    return made


def _schema(raw: Raw | None, path: str, ledger: Ledger) -> Any:  # noqa: ANN401 - JSON
    schema = msgspec.json.decode(raw) if raw is not None else _NOTHING
    if not isinstance(schema, dict):
        raise RequestError(f"`{path}.input_schema` is no JSON Schema of an object", param=f"{path}.input_schema")
    if any(word in schema for word in _COMBINED):
        ledger.degraded("tool_schema", f"{path}.input_schema", "the CLI rewrites alternatives at the top of a schema")
    if "type" in schema:
        return raw if raw is not None else schema
    ledger.repaired("tool_schema", f"{path}.input_schema", 'it says no `type`: `"object"` is added')
    return {"type": "object", **schema}


def _flags(fields: Mapping[str, Raw], model: str, *, keeps_limit: bool) -> Raw:
    """Return the settings of a turn: the fields of the body that the CLI would not set so, as a patch of its own body."""
    patch = {name: value for name, value in fields.items() if name not in _SAID_OTHERWISE}
    if not keeps_limit:
        patch.pop("max_tokens", None)
    thinking = msgspec.json.decode(patch["thinking"]) if "thinking" in patch else {"type": "disabled"}
    config = msgspec.json.decode(patch["output_config"]) if "output_config" in patch else {}
    environment = {
        "CLAUDE_CODE_EXTRA_BODY": _json(patch).decode(),
        # With thinking switched off, the CLI takes reasoning out of the history, too.
        "CLAUDE_CODE_DISABLE_THINKING": "1" if thinking.get("type") == "disabled" else "0",
    }
    return Raw(_json({"model": model, "effortLevel": config.get("effort"), "env": environment, **_NO_ADVICE}))
