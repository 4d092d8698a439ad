"""Tools under a first name (OpenAI Responses) become tools of one name, where the target knows no namespaces, and come back."""

from collections.abc import Mapping
from typing import Final

import msgspec

from dragoman.ir.losses import Ledger
from dragoman.ir.request import HostedTool, Message, Namespace, Request, Tool, ToolCall, ToolChoice

_BETWEEN: Final = "__"
_FullName = tuple[str, str]
Spaces = Mapping[str, _FullName]
"""The one name -> the namespace and the tool's own name."""

NO_SPACES: Final[Spaces] = {}


def flatten(request: Request, ledger: Ledger) -> tuple[Request, Spaces]:
    """Return `request` without namespaces, in its tools, its choice and the calls of its history, and how to undo that.

    A namespace is one loss; its description goes in front of that of its first tool. Without namespaces the same object comes back.
    """
    spaced = _spaced_names(request)
    if not spaced:
        return request, NO_SPACES
    taken = {tool.name for tool in request.tools if isinstance(tool, HostedTool) or tool.namespace is None}
    flat: dict[_FullName, str] = {}
    for full_name in spaced:
        flat[full_name] = _free(_BETWEEN.join(full_name), taken)
        taken.add(flat[full_name])
    for space in dict.fromkeys(space for space, _ in flat):
        names = ", ".join(f"`{name}`" for (its_space, _), name in flat.items() if its_space == space)
        ledger.emulated("tool_namespace", "tools", f"the tools of `{space}` travel as {names}")
    flattened = msgspec.structs.replace(
        request,
        tools=_flat_tools(request.tools, flat),
        tool_choice=request.tool_choice and _flat_choice(request.tool_choice, request.tools, flat),
        messages=tuple(_flat_message(message, flat) for message in request.messages),
    )
    return flattened, {name: full_name for full_name, name in flat.items()}


def _spaced_names(request: Request) -> dict[_FullName, None]:
    """Return the names that have a namespace, each once, in the order in which they come."""
    names: dict[_FullName, None] = {}
    for tool in request.tools:
        if not isinstance(tool, HostedTool) and tool.namespace is not None:
            names[tool.namespace.name, tool.name] = None
    for message in request.messages:
        for block in message.blocks:
            if type(block) is ToolCall and block.namespace:
                names[block.namespace, block.name] = None
    return names


def _free(name: str, taken: set[str]) -> str:
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def _flat_tools(tools: tuple[Tool, ...], flat: Mapping[_FullName, str]) -> tuple[Tool, ...]:
    told: set[str] = set()
    flattened: list[Tool] = []
    for tool in tools:
        if isinstance(tool, HostedTool) or tool.namespace is None:
            flattened.append(tool)
            continue
        space = tool.namespace
        description = tool.description if space.name in told else _described(space, tool.description)
        told.add(space.name)
        name = flat[space.name, tool.name]
        flattened.append(msgspec.structs.replace(tool, name=name, description=description, namespace=None))
    return tuple(flattened)


def _described(space: Namespace, description: str | None) -> str | None:
    if not space.description:
        return description
    about = f"About all tools whose names begin with `{space.name}{_BETWEEN}`: {space.description}"
    return f"{about}\n\n{description}" if description else about


def _flat_choice(choice: ToolChoice, tools: tuple[Tool, ...], flat: Mapping[_FullName, str]) -> ToolChoice:
    """A choice names tools without their namespaces."""
    names: dict[str, str] = {}
    for tool in tools:
        if isinstance(tool, HostedTool) or tool.namespace is None:
            names[tool.name] = tool.name
        else:
            names.setdefault(tool.name, flat[tool.namespace.name, tool.name])
    return ToolChoice(
        choice.mode,
        None if choice.name is None else names.get(choice.name, choice.name),
        None if choice.allowed is None else tuple(names.get(name, name) for name in choice.allowed),
    )


def _flat_message(message: Message, flat: Mapping[_FullName, str]) -> Message:
    if not any(isinstance(block, ToolCall) and block.namespace for block in message.blocks):
        return message
    blocks = tuple(
        msgspec.structs.replace(block, name=flat[block.namespace, block.name], namespace=None)
        if isinstance(block, ToolCall) and block.namespace
        else block
        for block in message.blocks
    )
    return msgspec.structs.replace(message, blocks=blocks)
