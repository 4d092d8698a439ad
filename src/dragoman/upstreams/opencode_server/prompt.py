"""A request as OpenCode and our plugin in it are told it: the session, its tools, and the one message that carries the turn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.losses import Ledger
from dragoman.ir.request import CustomTool, FunctionTool, HostedTool, Request, Tool
from dragoman.upstreams.opencode_server.history import write_history
from dragoman.upstreams.opencode_server.models import Place
from dragoman.upstreams.opencode_server.parameters import read_parameters
from dragoman.upstreams.opencode_server.turn import ANSWER_TOOL
from dragoman.wire.free_text import SCHEMA, described

AGENT: Final = "dragoman"
"""The agent that our plugin brings along: it may do nothing."""
_EDITORS: Final = ("edit", "write", "apply_patch")
"""Tools of OpenCode's own that share one permission: whoever may use one is offered all, unless told otherwise."""
_KEPT_BACK: Final = ("websearch", "task", "execute", "invalid")
"""Names that OpenCode treats in a way of its own, whosever tool it is."""
_NOTHING: Final = Raw(b'{"type":"object","properties":{}}')
_VALUE: Final = b'"value"'
_json: Final = msgspec.json.encode


class Prompt(msgspec.Struct, frozen=True):
    """What is sent. `tools` goes into the file that our plugin reads, `session` makes the session, `message` asks.

    `stops` is where the gateway has to end the reply, `answers_in_json` tells that the answer comes as a tool's arguments,
    `takes_value` which tools have a parameter `value`.
    """

    tools: bytes
    session: bytes
    message: bytes
    stops: tuple[str, ...] = ()
    answers_in_json: bool = False
    takes_value: frozenset[str] = frozenset()


def reserved(request: Request, place: Place) -> Mapping[str, str]:
    """Return the names that would not reach the model, and what tools of those names are called instead."""
    # It offers one family of models the editors, another the patch tool, and goes by the name alone.
    model = place.model.api.id
    patches = "gpt-" in model and "oss" not in model and "gpt-4" not in model
    names = (*_KEPT_BACK, *(("edit", "write") if patches else ("apply_patch",)))
    return {name: f"{name}_" for name in (*names, *((ANSWER_TOOL,) if request.output else ()))}


def write_prompt(request: Request, place: Place, target: Target, ledger: Ledger, conversation: str) -> Prompt:
    """Return what OpenCode is told of `request`; `conversation` is a name that stays while it goes on.

    Raises UnsupportedError or RequestError for what cannot be told.
    """
    tools = list(_tools(request, place, ledger))
    names = [tool["name"] for tool in tools]
    system, messages = write_history(request, place, target, ledger)
    parameters = read_parameters(request, place, ledger)
    turn = {
        "system": system,
        "messages": messages,
        "params": parameters.params,
        "options": parameters.options,
        "headers": _headers(place, conversation),
        "conversation": conversation,
        "denied": [name for name in _EDITORS if name not in names],
        "schemas": _schemas(tools, parameters.output) if place.package.cuts_schemas else {},
    }
    message: dict[str, Any] = {
        "agent": AGENT,
        "model": {"providerID": place.provider, "modelID": place.model.id},
        "parts": [{"type": "text", "text": ".", "metadata": {AGENT: turn}}],
    }
    if parameters.variant is not None:
        message["variant"] = parameters.variant
    if parameters.output is not None:
        message["format"] = parameters.output
    return Prompt(
        tools=_json(tools) if tools else b"",
        # With a title it does not ask a model for one.
        session=_json({"title": AGENT, "permission": list(_permissions(names, parameters.output is not None))}),
        message=_json(message),
        stops=parameters.stops,
        answers_in_json=parameters.output is not None,
        takes_value=frozenset(tool["name"] for tool in tools if _VALUE in bytes(tool["schema"])),
    )


def _schemas(tools: Sequence[Mapping[str, Any]], output: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the schema of each tool by its name, and that of the answer, which is asked for as a tool's arguments."""
    answer = {ANSWER_TOOL: output["schema"]} if output is not None else {}
    return {tool["name"]: tool["schema"] for tool in tools} | answer


def _headers(place: Place, conversation: str) -> dict[str, str]:
    """Return the headers by which a provider knows a conversation; OpenCode's own would name a session that lives for one turn."""
    if place.provider.startswith("opencode"):
        return {"x-opencode-session": conversation}
    return {"x-session-affinity": conversation, "X-Session-Id": conversation}


def _permissions(names: list[str], answers_in_json: bool) -> Iterator[dict[str, str]]:  # noqa: FBT001 - read by name
    yield {"permission": "*", "pattern": "*", "action": "deny"}
    asked = [*names, *(["edit"] if set(names).intersection(_EDITORS) else [])]
    for name in dict.fromkeys(asked):
        yield {"permission": name, "pattern": "*", "action": "ask"}
    if answers_in_json:
        yield {"permission": ANSWER_TOOL, "pattern": "*", "action": "allow"}


def _tools(request: Request, place: Place, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield the tools that the model may call, each once."""
    choice = request.tool_choice
    offered = [(f"tools[{place}]", tool) for place, tool in enumerate(request.tools)]
    if choice is not None and choice.mode == "none":
        return  # what is not offered is not called
    if choice is not None and choice.mode == "tool":
        offered = [(path, tool) for path, tool in offered if tool.name == choice.name]
    elif choice is not None and choice.allowed is not None:
        offered = [(path, tool) for path, tool in offered if tool.name in choice.allowed]
        ledger.emulated("allowed_tools", "tool_choice", "only the allowed ones are sent")
    if choice is not None and choice.mode in ("any", "tool"):
        ledger.degraded("tool_choice", "tool_choice", "the model decides whether to call a tool", changes_meaning=True)
    seen: set[str] = set()
    for path, tool in offered:
        if tool.name in seen:
            continue
        told = _tool(tool, path, ledger)
        if told is not None:
            if place.fits_schemas:
                ledger.degraded("tool_schema", path, "OpenCode fits schemas to what this model takes")
            seen.add(tool.name)
            yield told


def _tool(tool: Tool, path: str, ledger: Ledger) -> dict[str, Any] | None:
    match tool:
        case FunctionTool():
            if tool.strict:
                ledger.dropped("tool_field", f"{path}.strict", "OpenCode passes on name, description and schema")
            for extra in tool.extras:
                ledger.dropped("tool_field", f"{path}.{extra.name}", "OpenCode passes on name, description and schema")
            if tool.cache is not None:
                ledger.dropped("cache_breakpoint", path, "OpenCode sets its own breakpoints")
            return {"name": tool.name, "description": tool.description or "", "schema": tool.schema or _NOTHING}
        case CustomTool():
            ledger.emulated("custom_tool", path, "a function with one string stands in for free text")
            return {"name": tool.name, "description": described(tool.description, tool.format), "schema": SCHEMA}
        case HostedTool():
            ledger.dropped("hosted_tool", path, "a tool that its vendor runs cannot be asked for", changes_meaning=True)
            return None
        case _:
            assert_never(tool)
