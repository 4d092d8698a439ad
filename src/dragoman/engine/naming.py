"""Names what is wrong with a request in its client's words: an error beyond the decoder knows the IR's alone.

Where a block of the IR stands in the client's own body is found by halving: how many blocks of its kind the second half of the
conversation holds tells which half it is in. That decodes the conversation once more, and only when a request is refused; what is
found is decoded alone and has to be the block. A conversation too long for that keeps the IR's names: nobody else waits for it.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Codec, Places
from dragoman.ir.failures import DragomanError, RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Block,
    Document,
    Foreign,
    Image,
    Message,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.wire.reading import UNREADABLE

_MOST: Final = 1024
"""How many blocks, items or parts of one are looked through: each costs 5 microseconds, or 50 where it has unknown fields."""
_LONGEST: Final = 8 * 1024 * 1024
"""How long a body may be, in bytes: what is long with so few blocks are pictures, which are 4 milliseconds a megabyte."""
_BLOCK: Final = re.compile(r"messages\[(\d+)\](?:\.content\[(\d+)\])?(?:\.content\[(\d+)\])?")
_NAME: Final = re.compile(r"\w+")
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode


def rename(error: RequestError | UnsupportedError, codec: Codec, body: bytes, request: Request) -> None:
    """Rename what `error` calls wrong in `request`, which `codec` has read from the client's `body`."""
    failure, wrong = error.failure, error.failure.param
    if wrong is None:
        return
    param = client_path(codec, body, wrong, request)
    error.failure = msgspec.structs.replace(
        failure, param=param, message=failure.message.replace(f"`{wrong}", f"`{param}", 1)
    )


def client_path(codec: Codec, body: bytes, path: str, request: Request) -> str:
    """Return where in `body` stands what `request` has at `path` (`messages[2].content[0]`, `n`).

    `request` may have been made fit for a target since. What nobody has another name for keeps its own.
    """
    places = codec.places
    if places is None:
        return path
    block = _BLOCK.match(path)
    if block is not None:
        numbers = [None if number is None else int(number) for number in block.groups()]
        place = _place(codec, places, body, request, numbers)
        if place is None:
            return path
        return place if block[2] else place + path[block.end() :]
    name = _NAME.match(path)
    renamed = places.names.get(name[0]) if name else None
    return path if name is None or renamed is None else renamed + path[name.end() :]


def _place(codec: Codec, places: Places, body: bytes, request: Request, numbers: Sequence[int | None]) -> str | None:
    """Return where a block stands in `body`; None where that cannot be told, or would take too long."""
    message, block, inner = numbers
    if len(body) > _LONGEST or _size(request) > _MOST:
        return None
    try:
        wanted, after = _wanted(request.messages[message or 0 :], block or 0)
        fields = _fields(body)
        items, is_list = _listed(fields[places.items])
    except (IndexError, KeyError, *UNREADABLE):
        return None
    search = _Search(codec, places, fields.get("model"), wanted, is_list=is_list)
    return search.find(items, after, inner, is_whole=block is None) if 0 < len(items) <= _MOST else None


def _listed(raw: Raw) -> tuple[list[Raw], bool]:
    """Return what a field lists, and whether it is a list: to Google one object alone is a list of one."""
    return ([raw], False) if bytes(raw).startswith(b"{") else (_items(raw), True)


def _size(request: Request) -> int:
    return sum(
        1 + len(block.blocks) if isinstance(block, ToolResult) else 1
        for message in request.messages
        for block in message.blocks
    )


def _wanted(messages: Sequence[Message], place: int) -> tuple[Block, int]:
    """Return the block at `place` of the first message, and how many of its kind follow. Raises IndexError."""
    wanted = messages[0].blocks[place]
    beside = messages[0].blocks[place + 1 :]
    following = chain(beside, *(message.blocks for message in messages[1:]))
    return wanted, sum(type(block) is type(wanted) for block in following)


class _Search:
    """Looks for one block of a request among what the client sent.

    Its place is told by those of its kind that follow it: what goes before may have become the system.
    """

    def __init__(self, codec: Codec, places: Places, model: Raw | None, wanted: Block, *, is_list: bool) -> None:
        self._decode = codec.decode_count or codec.decode_request
        self._places = places
        self._rest = {} if model is None else {"model": model}
        self._wanted = wanted
        self._is_list = is_list

    def find(self, items: list[Raw], after: int, inner: int | None, *, is_whole: bool) -> str | None:
        """Return where it stands, of those behind which `after` more stand: its item when `is_whole`; None: nowhere.

        `inner` is the place of the part that is meant, where the block is what a tool answered.
        """
        place, after = _halved(items, after, self._blocks)
        item = items[place]
        if not self._is_last_but(after, [item]):
            return None
        path = f"{self._places.items}[{place}]" if self._is_list else self._places.items
        if is_whole or isinstance(self._wanted, ToolCall | Reasoning):
            return path
        return path + self._within(item, after, inner)

    def _within(self, item: Raw, after: int, inner: int | None) -> str:
        """Return which part of `item` it is: `.content[1]`."""
        places = self._places
        try:
            fields = _fields(item)
            if places.answer is not None and isinstance(self._wanted, ToolResult):
                return "" if inner is None or places.answer not in fields else f".{places.answer}[{inner}]"
            raw = fields.get(places.parts)
            if raw is None or bytes(raw).startswith(b'"'):
                return "" if raw is None else f".{places.parts}"
            parts, is_list = _listed(raw)
        except UNREADABLE:
            return ""

        def cut_to(parts: list[Raw]) -> list[Raw]:
            return [Raw(msgspec.json.encode({**fields, places.parts: parts}))]

        if not 0 < len(parts) <= _MOST:
            return ""
        place, after = _halved(parts, after, lambda some: self._blocks(cut_to(some)))
        if not self._is_last_but(after, cut_to(parts[place : place + 1])):
            return ""
        part = f".{places.parts}[{place}]" if is_list else f".{places.parts}"
        return part if inner is None or places.inner is None else f"{part}.{places.inner}[{inner}]"

    def _is_last_but(self, after: int, items: list[Raw]) -> bool:
        """Tell whether it is that block of `items` behind which `after` of its kind follow."""
        blocks = self._blocks(items)
        return after < len(blocks) and _essence(blocks[-1 - after]) == _essence(self._wanted)

    def _blocks(self, items: list[Raw]) -> list[Block]:
        """Return the blocks of its kind that `items` hold; none where they cannot be read by themselves."""
        try:
            request = self._decode(msgspec.json.encode({**self._rest, self._places.items: items}), Ledger())
        except DragomanError:
            return []
        said = chain(request.system, *(message.blocks for message in request.messages))
        return [block for block in said if type(block) is type(self._wanted)]


def _halved(parts: list[Raw], after: int, blocks: Callable[[list[Raw]], Sequence[Block]]) -> tuple[int, int]:
    """Return which of `parts` holds the block that `after` others follow, and how many of these are in the same part."""
    first, last = 0, len(parts)
    while last - first > 1:
        middle = (first + last) // 2
        behind = len(blocks(parts[middle:last]))
        if after < behind:
            first = middle
        else:
            after -= behind
            last = middle
    return first, after


def _essence(block: Block) -> object:
    """Return what of a block no transform changes, nor where in the conversation it stands."""
    match block:
        case Text(text=text) | Refusal(text=text):
            return text
        case Reasoning(parts=parts):
            return parts
        case Image(source=source) | Document(source=source):
            return source
        case Audio(data=data):
            return data
        case ToolCall(arguments=arguments):
            return arguments
        case ToolResult(blocks=blocks):
            return blocks
        case Foreign(raw=raw):
            return bytes(raw)
        case _:
            assert_never(block)
