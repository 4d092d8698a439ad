"""Between a whole reply and its events: `collect` and `expand` are each other's inverse."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyFailed,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import DragomanError
from dragoman.ir.reply import Reply
from dragoman.ir.request import (
    Audio,
    Block,
    Citation,
    Document,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal

_Head = Text | Reasoning | ToolCall | Refusal | Foreign | Image


class _OpenBlock:
    """A block that is being put together."""

    __slots__ = ("citations", "head", "parts", "seal")

    def __init__(self, head: _Head) -> None:
        self.head = head
        self.parts: list[list[str]] = [[]]
        self.citations: list[Citation] = []
        self.seal: Seal | None = None

    def add(self, text: str, part: int = 0) -> None:
        while len(self.parts) <= part:
            self.parts.append([])
        self.parts[part].append(text)

    def whole(self) -> Block:
        text = "".join(self.parts[0])
        match self.head:
            case Text() as head:
                return Text(
                    head.text + text,
                    (*head.citations, *self.citations),
                    head.cache,
                    self.seal or head.seal,
                )
            case Reasoning() as head:
                return Reasoning(
                    _joined(head.parts, self.parts), head.is_summary, head.is_redacted, self.seal or head.seal
                )
            case ToolCall() as head:
                arguments = head.arguments + text
                if not arguments and head.kind is ToolKind.FUNCTION:
                    arguments = "{}"
                return ToolCall(
                    head.id, head.name, arguments, head.kind, head.namespace, head.cache, self.seal or head.seal
                )
            case Refusal() as head:
                return Refusal(head.text + text)
            case Foreign() | Image() as head:
                return head
            case _:
                assert_never(self.head)


def _joined(start: tuple[str, ...], parts: list[list[str]]) -> tuple[str, ...]:
    more = ["".join(part) for part in parts]
    if not start:
        return tuple(more) if any(parts) else ()
    first, *rest = more
    return (start[0] + first, *start[1:], *rest)


def collect(events: Iterable[Event]) -> Reply:
    """Return the whole reply that legal `events` make up. Raises DragomanError when they end in a failure."""
    start = ReplyStart("", "")
    blocks: dict[int, _OpenBlock] = {}
    for event in events:
        match event:
            case TextDelta(index, text) | ArgumentsDelta(index, text):
                blocks[index].add(text)
            case ReasoningDelta(index, text, part):
                blocks[index].add(text, part)
            case SealDelta(index, seal):
                blocks[index].seal = seal
            case CitationDelta(index, citation):
                blocks[index].citations.append(citation)
            case BlockStart(index, block):
                blocks[index] = _OpenBlock(block)
            case BlockEnd():
                pass
            case ReplyStart():
                start = event
            case ReplyFailed(failure):
                raise DragomanError(failure)
            case ReplyEnd():
                return Reply(
                    start.id,
                    start.model,
                    tuple(block.whole() for block in blocks.values()),
                    event.finish,
                    start.usage.merged(event.usage),
                    event.finish_word,
                    event.stop_sequence,
                    event.extras,
                )
            case _:
                assert_never(event)
    msg = "the events end before the reply does"
    raise ValueError(msg)


def expand(reply: Reply) -> Iterator[Event]:
    """Yield the events of `reply`, one block after the other, each text in one delta."""
    yield ReplyStart(reply.id, reply.model, reply.usage)
    for index, block in enumerate(reply.blocks):
        yield from expand_block(index, block)
    yield ReplyEnd(reply.finish, reply.usage, reply.finish_word, reply.stop_sequence, reply.extras)


def expand_block(index: int, block: Block) -> Iterator[Event]:
    """Yield the events of one block of a reply, its text in one delta. Raises ValueError for what no reply has."""
    match block:
        case Text(text, citations, cache, seal):
            yield BlockStart(index, Text("", (), cache))
            if text:
                yield TextDelta(index, text)
            for citation in citations:
                yield CitationDelta(index, citation)
            if seal:
                yield SealDelta(index, seal)
        case Reasoning(parts, is_summary, is_redacted, seal):
            yield BlockStart(index, Reasoning((), is_summary, is_redacted))
            for part, text in enumerate(parts):
                yield ReasoningDelta(index, text, part)
            if seal:
                yield SealDelta(index, seal)
        case ToolCall(id_, name, arguments, kind, namespace, cache, seal):
            # A call's seal is known when the call is: some protocols can only say it before the call.
            yield BlockStart(index, ToolCall(id_, name, "", kind, namespace, cache, seal))
            if arguments:
                yield ArgumentsDelta(index, arguments)
        case Refusal(text):
            yield BlockStart(index, Refusal(""))
            yield TextDelta(index, text)
        case Foreign() | Image():
            yield BlockStart(index, block)
        case Document() | Audio() | ToolResult():
            msg = f"a reply has no `{type(block).__name__}`"
            raise ValueError(msg)
        case _:
            assert_never(block)
    yield BlockEnd(index)
