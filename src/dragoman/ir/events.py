"""The reply as it arrives. Deltas of several blocks may interleave; `index` says which block, counted from 0."""

import msgspec

from dragoman.ir.failures import Failure
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Citation, Extra, Foreign, Image, Reasoning, Refusal, Text, ToolCall
from dragoman.ir.seals import Seal


class ReplyStart(msgspec.Struct, frozen=True):
    """The model has begun. `usage` is what is known so far; `model` who says it answers."""

    id: str
    model: str
    usage: Usage = Usage()


class BlockStart(msgspec.Struct, frozen=True):
    """A block opens. `block` has what is known at the start (a call's id and name); foreign blocks and images are whole."""

    index: int
    block: Text | Reasoning | ToolCall | Refusal | Foreign | Image


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More words of a text or a refusal."""

    index: int
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More thought; `part` is the summary part it belongs to, rising from 0."""

    index: int
    text: str
    part: int = 0


class ArgumentsDelta(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call's arguments: JSON text for a function, plain text for a custom tool."""

    index: int
    text: str


class SealDelta(msgspec.Struct, frozen=True, gc=False):
    """The open block's seal, whole. At most one per block."""

    index: int
    seal: Seal


class CitationDelta(msgspec.Struct, frozen=True):
    """A source of the open text."""

    index: int
    citation: Citation


class BlockEnd(msgspec.Struct, frozen=True, gc=False):
    """A block is complete."""

    index: int


class ReplyEnd(msgspec.Struct, frozen=True):
    """The model has finished; `usage` holds the final figures."""

    finish: Finish
    usage: Usage = Usage()
    finish_word: str | None = None
    stop_sequence: str | None = None
    extras: tuple[Extra, ...] = ()


class ReplyFailed(msgspec.Struct, frozen=True):
    """The reply ends here, unfinished. Open blocks stay open: nothing of them may be taken for whole."""

    failure: Failure


Delta = TextDelta | ReasoningDelta | ArgumentsDelta | SealDelta | CitationDelta
Event = ReplyStart | BlockStart | Delta | BlockEnd | ReplyEnd | ReplyFailed
