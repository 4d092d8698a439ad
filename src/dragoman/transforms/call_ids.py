"""Tool call ids that a target refuses for their form become short ones, the same each time, in calls and results alike."""

import re
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec

from dragoman.ir.request import Block, Message, Request, ToolCall, ToolResult

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_is_plain: Final = re.compile(r"[a-zA-Z0-9]+").fullmatch


def fit_call_ids(request: Request, length: int | None) -> Request:
    """Return `request` with ids of exactly `length` letters and digits, where they are not so already; None: any id will do.

    An id is made from the old one alone, so that the prefix of a conversation stays as it is. Nothing has to be undone: a
    reply brings ids of its own, and the client's history keeps the old ones.
    """
    if length is None:
        return request
    return msgspec.structs.replace(request, messages=tuple(_fitted(message, length) for message in request.messages))


def _fitted(message: Message, length: int) -> Message:
    if not any(isinstance(block, ToolCall | ToolResult) for block in message.blocks):
        return message
    return msgspec.structs.replace(message, blocks=tuple(map(partial(_fitted_block, length=length), message.blocks)))


def _fitted_block(block: Block, length: int) -> Block:
    match block:
        case ToolCall(id=id):
            return msgspec.structs.replace(block, id=_short(id, length))
        case ToolResult(call_id=id):
            return msgspec.structs.replace(block, call_id=_short(id, length))
        case _:
            return block


def _short(id: str, length: int) -> str:
    if len(id) == length and _is_plain(id):
        return id
    number = int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=32).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
