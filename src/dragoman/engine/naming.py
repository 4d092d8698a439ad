"""Names what is wrong with a request in its client's words: an error beyond the decoder knows the IR's alone.

Where a block of the IR stands in the client's own body is found by cutting: the shortest beginning of the conversation in
which the block is there ends with it. That costs a dozen decodings, and only when a request is refused anyway.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Codec, Places
from dragoman.ir.failures import DragomanError, RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Message, Reasoning, ToolCall
from dragoman.wire.reading import UNREADABLE

_BLOCK: Final = re.compile(r"messages\[(\d+)\](?:\.content\[(\d+)\])?(?:\.content\[(\d+)\])?")
_NAME: Final = re.compile(r"\w+")
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode


def rename(error: RequestError | UnsupportedError, codec: Codec, body: bytes) -> None:
    """Rename what `error`, which arose beyond the decoder, calls wrong; `codec` reads the client's `body`."""
    failure, wrong = error.failure, error.failure.param
    if wrong is None:
        return
    param = client_path(codec, body, wrong)
    error.failure = msgspec.structs.replace(
        failure, param=param, message=failure.message.replace(f"`{wrong}", f"`{param}")
    )


def client_path(codec: Codec, body: bytes, path: str) -> str:
    """Return where in `body` stands what the IR has at `path` (`messages[2].content[0]`, `n`).

    What nobody has another name for keeps its own.
    """
    places = codec.places
    if places is None:
        return path
    block = _BLOCK.match(path)
    if block is not None:
        place = _Search(codec, places, body).find(
            *(None if number is None else int(number) for number in block.groups())
        )
        if place is None:
            return path
        return place if block[2] else place + path[block.end() :]
    name = _NAME.match(path)
    renamed = places.names.get(name[0]) if name else None
    return path if name is None or renamed is None else renamed + path[name.end() :]


class _Search:
    """Looks for one block of a request in its body."""

    def __init__(self, codec: Codec, places: Places, body: bytes) -> None:
        self._codec = codec
        self._places = places
        self._body = body

    def find(self, message: int | None, block: int | None, inner: int | None) -> str | None:
        """Return where it stands, as far as that can be told; None for one that the client has not sent."""
        places = self._places
        try:
            fields = _fields(self._body)
            items = _items(fields[places.items])
            said = self._decoded(fields).get(message or 0)
        except (DragomanError, KeyError, *UNREADABLE):
            return None
        if said is None or (block or 0) >= max(len(said.blocks), 1):
            return None

        def is_there(cut: list[Raw]) -> bool:
            found = self._messages({**fields, places.items: Raw(msgspec.json.encode(cut))}).get(message or 0)
            return found is not None and found.role is said.role and len(found.blocks) > (block or 0)

        item = _shortest(items, is_there) - 1
        path = f"{places.items}[{item}]"
        if block is None or isinstance(said.blocks[block], ToolCall | Reasoning):
            return path
        return path + self._within(items, item, is_there, inner)

    def _within(self, items: list[Raw], item: int, is_there: Callable[[list[Raw]], bool], inner: int | None) -> str:
        """Return which part of an item it is: `.content[1]`."""
        places = self._places
        try:
            fields = _fields(items[item])
            if inner is not None and places.answer is not None and places.answer in fields:
                return f".{places.answer}[{inner}]"
            raw = fields.get(places.parts)
            if raw is None or bytes(raw).startswith(b'"'):
                return "" if raw is None else f".{places.parts}"
            parts = _items(raw)
        except UNREADABLE:
            return ""
        shortest = _shortest(
            parts,
            lambda cut: is_there(
                [*items[:item], Raw(msgspec.json.encode({**fields, places.parts: Raw(msgspec.json.encode(cut))}))]
            ),
        )
        part = f".{places.parts}[{shortest - 1}]" if shortest else ""
        return part if inner is None or places.inner is None else f"{part}.{places.inner}[{inner}]"

    def _messages(self, fields: dict[str, Raw]) -> dict[int, Message]:
        try:
            return self._decoded(fields)
        except DragomanError:
            return {}

    def _decoded(self, fields: dict[str, Raw]) -> dict[int, Message]:
        decode = self._codec.decode_count or self._codec.decode_request
        return dict(enumerate(decode(msgspec.json.encode(fields), Ledger()).messages))


def _shortest(parts: list[Raw], is_there: Callable[[list[Raw]], bool]) -> int:
    """Return how many of `parts` it takes; what is there stays there when more follow."""
    return bisect_left(range(len(parts)), x=True, key=lambda length: is_there(parts[:length]))
