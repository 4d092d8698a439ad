"""The tools that OpenAI defines and the client runs: for other vendors they are functions that do the same.

https://platform.openai.com/docs/guides/tools-local-shell and https://platform.openai.com/docs/guides/tools-tool-search
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from dragoman.ir.request import FunctionTool, HostedTool, Request, ToolCall
from dragoman.protocols.openai_responses.wire import ORIGIN, ToolSearchItem, is_given
from dragoman.protocols.openai_responses.wire_items import LocalShellCallItem, ShellAction, ToolSearchCallItem
from dragoman.wire.arguments import as_object, compact
from dragoman.wire.reading import UNREADABLE

LOCAL_SHELL: Final = "local_shell"
TOOL_SEARCH: Final = "tool_search"

_SHELL_DESCRIPTION: Final = "Runs a command on the user's computer and returns what it prints."
_SHELL_SCHEMA: Final = Raw(
    b'{"type":"object","properties":{'
    b'"command":{"type":"array","items":{"type":"string"},"description":"The command and its arguments."},'
    b'"env":{"type":"object","additionalProperties":{"type":"string"},"description":"Environment variables to set."},'
    b'"timeout_ms":{"type":"integer","description":"After how many milliseconds to give up."},'
    b'"user":{"type":"string","description":"The user to run it as."},'
    b'"working_directory":{"type":"string","description":"The directory to run it in."}},"required":["command"]}'
)
_SEARCH_DESCRIPTION: Final = "Searches for further tools; those that are found can be called afterwards."
_SEARCH_SCHEMA: Final = Raw(
    b'{"type":"object","properties":{"query":{"type":"string","description":"What the tool should do."}},"required":["query"]}'
)

_fields_of: Final = msgspec.json.Decoder(dict[str, Any]).decode


def local_shell(raw: Raw) -> FunctionTool:
    """Return the local shell as a function."""
    native = HostedTool(ORIGIN, LOCAL_SHELL, LOCAL_SHELL, raw)
    return FunctionTool(LOCAL_SHELL, _SHELL_DESCRIPTION, _SHELL_SCHEMA, native=native)


def tool_search(item: ToolSearchItem, raw: Raw) -> FunctionTool:
    """Return the client's own search for tools as a function."""
    native = HostedTool(ORIGIN, TOOL_SEARCH, TOOL_SEARCH, raw)
    schema = item.parameters if is_given(item.parameters) else _SEARCH_SCHEMA
    return FunctionTool(TOOL_SEARCH, item.description or _SEARCH_DESCRIPTION, schema, native=native)


def native_kinds(request: Request | None) -> dict[str, str]:
    """Return the types of such tools that a request offers, by the names of their functions."""
    return {
        tool.name: tool.native.type
        for tool in (request.tools if request else ())
        if isinstance(tool, FunctionTool) and tool.native is not None and tool.native.origin == ORIGIN
    }


# Their calls --------------------------------------------------------------------------------------------------------------


def shell_call(item: LocalShellCallItem) -> ToolCall:
    """Return a command as the call of the function."""
    arguments = msgspec.json.encode(msgspec.structs.replace(item.action, type=UNSET)).decode()
    return ToolCall(item.call_id or item.id or "", LOCAL_SHELL, arguments)


def search_call(item: ToolSearchCallItem) -> ToolCall:
    """Return a search as the call of the function."""
    return ToolCall(item.call_id or item.id or "", TOOL_SEARCH, compact(item.arguments).decode())


def encode_call(kind: str, call: ToolCall, id: str | None) -> dict[str, Any] | None:
    """Return a call as the item of its kind; None for a kind that has none, or arguments that fit none."""
    head: dict[str, Any] = {"type": f"{kind}_call"}
    if id is not None:
        head["id"] = id
    match kind:
        case "local_shell":
            action = _action(call.arguments)
            return None if action is None else {**head, "call_id": call.id, "status": "completed", "action": action}
        case "tool_search":
            arguments, _ = as_object(call.arguments)
            said = {"call_id": call.id, "execution": "client", "status": "completed", "arguments": arguments}
            return {**head, **said}
        case _:
            return None


def _action(arguments: str) -> dict[str, Any] | None:
    """Return the command in a call's arguments; models that were given a schema need not keep to it."""
    try:
        fields = _fields_of(arguments)
        if isinstance(fields.get("command"), str):
            fields["command"] = ["bash", "-lc", fields["command"]]
        known = {name: fields[name] for name in ShellAction.__struct_fields__ if name in fields}
        action = msgspec.convert({**known, "type": "exec"}, ShellAction)
    except UNREADABLE:
        return None
    written: dict[str, Any] = msgspec.to_builtins(action)
    return {**written, "env": action.env or {}}
