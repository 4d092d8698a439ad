"""Tool names that a target refuses (too long, other characters) become short ones, and come back in the reply."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

import msgspec

from dragoman.ir.events import BlockStart, Event
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply
from dragoman.ir.request import Block, HostedTool, Message, Request, Tool, ToolCall, ToolChoice, ToolKind
from dragoman.transforms.free_text import RestoreText, free_text_tools, restore_text
from dragoman.transforms.namespaces import Spaces, flatten

_is_plain: Final = re.compile(r"[a-zA-Z0-9_-]+").fullmatch
_begins_with_letter: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]*").fullmatch
_OTHER: Final = re.compile(r"[^a-zA-Z0-9_-]")
_HASH_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Renames:
    """Which names were changed: the client's to the target's (`there`) and back (`back`).

    `free_text` are the client's tools that take no JSON, which an upstream may have got as functions; `spaces` are those that
    have a namespace at the client's, by their names before they were shortened. False when there is nothing to undo.
    """

    there: Mapping[str, str] = field(default_factory=dict)
    back: Mapping[str, str] = field(default_factory=dict)
    free_text: frozenset[str] = frozenset()
    spaces: Spaces = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.there or self.free_text or self.spaces)

    def changes(self, call: ToolCall) -> bool:
        """Tell whether a call of a reply has another name at the client's."""
        return call.name in self.back or call.name in self.spaces

    def restored(self, call: ToolCall) -> ToolCall:
        """Return a call of a reply with the client's own name."""
        call = _renamed_call(call, self.back)
        space, name = self.spaces.get(call.name, (call.namespace, call.name))
        return msgspec.structs.replace(call, name=name, namespace=space)


NO_RENAMES: Final = Renames()


def fit_names(
    request: Request, limit: int, ledger: Ledger, *, has_namespaces: bool, begin_with_letter: bool = False
) -> tuple[Request, Renames]:
    """Return `request` with tool names that the target takes: without namespaces, where it has none, and no longer than `limit`."""
    if has_namespaces:
        return shorten(request, limit, ledger, begin_with_letter=begin_with_letter)
    flat, spaces = flatten(request, ledger)
    short, renames = shorten(flat, limit, ledger, begin_with_letter=begin_with_letter)
    return short, replace(renames, spaces=spaces, free_text=free_text_tools(request)) if spaces else renames


def shorten(
    request: Request, limit: int, ledger: Ledger, *, begin_with_letter: bool = False
) -> tuple[Request, Renames]:
    """Return `request` with tool names of at most `limit` plain characters, and what was renamed.

    `begin_with_letter`: the first of them has to be a letter or `_`.

    The tools, the tool choice and the calls in the history change together. A name always gets the same short form,
    whatever else is offered, so that the prefix of a conversation stays as it is. With nothing to rename the same
    object comes back.
    """
    names = _names(request)
    is_legal = _begins_with_letter if begin_with_letter else _is_plain
    refused = [name for name in names if len(name) > limit or not is_legal(name)]
    free_text = free_text_tools(request)
    if not refused:
        return request, Renames(free_text=free_text) if free_text else NO_RENAMES
    taken = set(names).difference(refused)
    there: dict[str, str] = {}
    for name in refused:
        there[name] = _short(name, limit, taken, "" if is_legal(name[:1]) else "_")
        taken.add(there[name])
        ledger.emulated(
            "tool_name", _path(request, name), f"`{name}` travels as `{there[name]}` and comes back in the reply"
        )
    renames = Renames(there, {short: name for name, short in there.items()}, free_text)
    return _renamed(request, there), renames


def rename(request: Request, there: Mapping[str, str]) -> tuple[Request, Renames]:
    """Return `request` with other names for its tools, everywhere; of `there` only what it names counts."""
    there = {name: there[name] for name in dict.fromkeys(_names(request)) if name in there}
    if not there:
        return request, NO_RENAMES
    return _renamed(request, there), Renames(there, {new: name for name, new in there.items()})


def restore_reply(reply: Reply, renames: Renames) -> Reply:
    """Return a whole reply with the client's own tool names, and free text for the tools that take it."""
    if any(isinstance(block, ToolCall) and renames.changes(block) for block in reply.blocks):
        blocks = tuple(renames.restored(block) if isinstance(block, ToolCall) else block for block in reply.blocks)
        reply = msgspec.structs.replace(reply, blocks=blocks)
    return restore_text(reply, renames.free_text)


class RestoreNames:
    """The same while a reply streams: batches of events to batches of events."""

    __slots__ = ("_renames", "_text")

    def __init__(self, renames: Renames) -> None:
        self._renames = renames
        self._text = RestoreText(renames.free_text)

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Return the batch; the same object when nothing in it has to be undone."""
        for event in batch:
            if type(event) is BlockStart and type(event.block) is ToolCall and self._renames.changes(event.block):
                batch = [self._restored(one) for one in batch]
                break
        return self._text.feed(batch)

    def flush(self) -> Sequence[Event]:
        """Nothing is ever held back."""
        return []

    def _restored(self, event: Event) -> Event:
        match event:
            case BlockStart(index, ToolCall() as call):
                return BlockStart(index, self._renames.restored(call))
            case _:
                return event


def _names(request: Request) -> dict[str, None]:
    """Return the names of tools in the request, each once, in the order in which they come."""
    names: dict[str, None] = {}
    for tool in request.tools:
        if not isinstance(tool, HostedTool):
            names[tool.name] = None
    choice = request.tool_choice
    if choice is not None:
        if choice.name is not None:
            names[choice.name] = None
        names.update(dict.fromkeys(choice.allowed or ()))
    for message in request.messages:
        for block in message.blocks:
            if type(block) is ToolCall and block.kind is not ToolKind.HOSTED:
                names[block.name] = None
    return names


def _short(name: str, limit: int, taken: set[str], start: str = "") -> str:
    """Return a readable beginning and a hash of the whole name: the same each time, salted only when two meet."""
    beginning = (start + _OTHER.sub("_", name).removeprefix(start))[: max(limit - _HASH_LENGTH - 1, 0)]
    salt = 0
    while True:
        digest = sha256(
            f"{name}\n{salt}".encode(errors="surrogatepass") if salt else name.encode(errors="surrogatepass")
        )
        short = f"{beginning}_{digest.hexdigest()[:_HASH_LENGTH]}"[-limit:]
        if short not in taken:
            return short
        salt += 1


def _renamed(request: Request, names: Mapping[str, str]) -> Request:
    return msgspec.structs.replace(
        request,
        tools=tuple(_renamed_tool(tool, names) for tool in request.tools),
        tool_choice=request.tool_choice and _renamed_choice(request.tool_choice, names),
        messages=tuple(_renamed_message(message, names) for message in request.messages),
    )


def _renamed_tool(tool: Tool, names: Mapping[str, str]) -> Tool:
    if isinstance(tool, HostedTool) or tool.name not in names:
        return tool
    return msgspec.structs.replace(tool, name=names[tool.name])


def _renamed_choice(choice: ToolChoice, names: Mapping[str, str]) -> ToolChoice:
    return ToolChoice(
        choice.mode,
        None if choice.name is None else names.get(choice.name, choice.name),
        None if choice.allowed is None else tuple(names.get(name, name) for name in choice.allowed),
    )


def _renamed_message(message: Message, names: Mapping[str, str]) -> Message:
    if not any(isinstance(block, ToolCall) and block.name in names for block in message.blocks):
        return message
    return msgspec.structs.replace(message, blocks=_renamed_blocks(message.blocks, names))


def _renamed_blocks(blocks: Iterable[Block], names: Mapping[str, str]) -> tuple[Block, ...]:
    return tuple(_renamed_call(block, names) if isinstance(block, ToolCall) else block for block in blocks)


def _renamed_call(call: ToolCall, names: Mapping[str, str]) -> ToolCall:
    name = names.get(call.name)
    if name is None or call.kind is ToolKind.HOSTED:
        return call
    return msgspec.structs.replace(call, name=name)


def _path(request: Request, name: str) -> str:
    for index, tool in enumerate(request.tools):
        if tool.name == name and not isinstance(tool, HostedTool):
            return f"tools[{index}].name"
    choice = request.tool_choice
    if choice and (choice.name == name or name in (choice.allowed or ())):
        return "tool_choice"
    return "messages"
