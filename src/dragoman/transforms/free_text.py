"""Gives custom tools their free text back, where an upstream could only be offered a function with one string, `input`."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event
from dragoman.ir.reply import Reply
from dragoman.ir.request import Block, CustomTool, Request, ToolCall, ToolKind

_OPENING: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_WHOLE: Final = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"
)
"""Characters and whole escapes of a JSON string, as many as there are."""


def free_text_tools(request: Request) -> frozenset[str]:
    """Return the names of the tools whose input is free text."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, CustomTool))


def restore_text(reply: Reply, names: Collection[str]) -> Reply:
    """Return a whole reply in which calls of the tools `names` hold their free text; the same object when there are none."""
    if not any(_is_wrapped(block, names) for block in reply.blocks):
        return reply
    blocks = tuple(_unwrapped(block) if _is_wrapped(block, names) else block for block in reply.blocks)
    return msgspec.structs.replace(reply, blocks=blocks)


class RestoreText:
    """The same while a reply streams: batches of events to batches of events."""

    __slots__ = ("_names", "_open")

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._open: dict[int, InputReader] = {}

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Return the batch; the same object when no such call is open or begins in it."""
        if not self._open and not any(
            type(event) is BlockStart and _is_wrapped(event.block, self._names) for event in batch
        ):
            return batch
        return [restored for event in batch for restored in self._restored(event)]

    def flush(self) -> Sequence[Event]:
        """A call that never ended has nothing to add."""
        return []

    def _restored(self, event: Event) -> Iterator[Event]:
        match event:
            case BlockStart(index, ToolCall() as call) if _is_wrapped(call, self._names):
                reader = self._open[index] = InputReader()
                yield BlockStart(index, _as_custom(call, reader.feed(call.arguments)))
            case ArgumentsDelta(index, text) if index in self._open:
                if said := self._open[index].feed(text):
                    yield ArgumentsDelta(index, said)
            case BlockEnd(index) if index in self._open:
                if rest := self._open.pop(index).rest():
                    yield ArgumentsDelta(index, rest)
                yield event
            case _:
                yield event


class InputReader:
    """Reads the text out of `{"input": "..."}` while it arrives; arguments of any other form are the text themselves."""

    __slots__ = ("_held", "_is_open", "_is_over")

    def __init__(self) -> None:
        self._held = ""
        self._is_open = False
        self._is_over = False

    def feed(self, fragment: str) -> str:
        """Return the text that `fragment` completes."""
        if self._is_over:
            return ""
        self._held += fragment
        if not self._is_open:
            opening = _OPENING.match(self._held)
            if opening is None:
                return ""
            self._is_open = True
            self._held = self._held[opening.end() :]
        whole = _WHOLE.match(self._held)
        said = whole.group() if whole else ""
        self._held = self._held[len(said) :]
        self._is_over = self._held.startswith('"')
        # Not strict: some models write line breaks into strings as they are.
        return str(json.loads(f'"{said}"', strict=False)) if said else ""

    def rest(self) -> str:
        """The arguments have ended: return what is left of them to say."""
        return "" if self._is_over else self._held


def _is_wrapped(block: Block, names: Collection[str]) -> bool:
    return isinstance(block, ToolCall) and block.kind is ToolKind.FUNCTION and block.name in names


def _unwrapped(block: Block) -> Block:
    if not isinstance(block, ToolCall):
        return block
    reader = InputReader()
    text = reader.feed(block.arguments)
    return _as_custom(block, text + reader.rest())


def _as_custom(call: ToolCall, text: str) -> ToolCall:
    return msgspec.structs.replace(call, kind=ToolKind.CUSTOM, arguments=text)
