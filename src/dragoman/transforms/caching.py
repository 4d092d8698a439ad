"""Prompt caching across protocols: a stable key for those that take one, breakpoints for those that want to be told.

Neither changes while a conversation grows, but that the last breakpoints move forward with it.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    ATTRIBUTION,
    Block,
    CacheBreakpoint,
    Document,
    Foreign,
    FunctionTool,
    Image,
    Message,
    Request,
    Role,
    Text,
    ToolResult,
)

_USER_TURNS: Final = 2
_HERE: Final = CacheBreakpoint()
_MARKABLE: Final = frozenset({FunctionTool, Foreign, Image, Document, ToolResult})
"""What takes a breakpoint whatever it says."""
Item = TypeVar("Item", bound=msgspec.Struct)


# A key --------------------------------------------------------------------------------------------------------------


def cache_key(session: str | None, system: str, tools: Iterable[str] = ()) -> str:
    """Return a `prompt_cache_key`, 32 hexadecimal digits, for a session's prompts with this system text and tool names.

    The agents of one session have prompts of their own, and therefore keys of their own.
    """
    digest = blake2b(digest_size=16)
    for part in (session or "", system, *tools):
        digest.update(part.encode(errors="surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def with_cache_key(request: Request, session: str | None) -> Request:
    """Return `request` with a cache key: the client's own, else one made of the session and the prompt's beginning.

    Without a session, a system prompt and tools there is nothing to tell conversations apart by, and no key is set.
    """
    system = system_text(request)
    if request.cache_key is not None or not (session or system or request.tools):
        return request
    return msgspec.structs.replace(request, cache_key=cache_key(session, system, (tool.name for tool in request.tools)))


def system_text(request: Request) -> str:
    """Return the system prompt as one text, without Claude Code's attribution block."""
    blocks = (block.text or "" for block in request.system)
    return "\n\n".join(text for text in blocks if text and not text.startswith(ATTRIBUTION))


# Breakpoints --------------------------------------------------------------------------------------------------------


def with_breakpoints(request: Request, ledger: Ledger) -> Request:
    """Return `request` with at most four cache breakpoints for Anthropic; as it is when the client has set its own.

    They stand on the last tool, the last system block and the ends of the last two user turns. The latter move forward
    as the conversation grows; what they marked before is found again, because the prefix is the same.
    """
    if _has_breakpoints(request):
        return request
    if request.cache_key is not None:
        ledger.emulated("cache_key", "prompt_cache_key", "cache breakpoints on the stable prefix take its place")
    return msgspec.structs.replace(
        request,
        cache_key=None,
        tools=_marked_last(request.tools),
        system=_marked_last(request.system),
        messages=_marked_turns(request.messages),
    )


def _has_breakpoints(request: Request) -> bool:
    """Tell whether the client has set breakpoints of its own."""
    if request.cache is not None:
        return True
    for tool in request.tools:
        if type(tool) is FunctionTool and tool.cache is not None:
            return True
    for prompt in request.system:
        if prompt.cache is not None:
            return True
    for message in request.messages:
        for block in message.blocks:
            # Every block of the history is looked at, so this asks for the field instead of telling the kinds apart.
            if getattr(block, "cache", None) is not None:
                return True
            if type(block) is ToolResult and any(getattr(inner, "cache", None) for inner in block.blocks):
                return True
    return False


def _marked_turns(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the messages with a breakpoint at the end of each of the last user turns.

    A turn is all that is said between two messages of the assistant, however many messages that takes.
    """
    marked = list(messages)
    turns_left = _USER_TURNS
    is_in_marked_turn = False
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.role is Role.ASSISTANT:
            is_in_marked_turn = False
        elif message.role is Role.USER and not is_in_marked_turn:
            place = _end_of(message.blocks)
            if place is None:
                continue
            marked[index] = msgspec.structs.replace(message, blocks=_marked(message.blocks, place))
            is_in_marked_turn = True
            turns_left -= 1
            if not turns_left:
                break
    return tuple(marked)


def _end_of(blocks: tuple[Block, ...]) -> int | None:
    """Return the place of the block that will stand last: results go before everything else that a turn says."""
    last_result = None
    for place in range(len(blocks) - 1, -1, -1):
        block = blocks[place]
        if not _takes_breakpoint(block):
            continue
        if type(block) is not ToolResult:
            return place
        if last_result is None:
            last_result = place
    return last_result


def _marked_last(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return the items with a breakpoint on the last one that takes one."""
    for place in range(len(items) - 1, -1, -1):
        if _takes_breakpoint(items[place]):
            return _marked(items, place)
    return items


def _marked(items: tuple[Item, ...], place: int) -> tuple[Item, ...]:
    return (*items[:place], msgspec.structs.replace(items[place], cache=_HERE), *items[place + 1 :])


def _takes_breakpoint(item: msgspec.Struct) -> bool:
    """Tell whether Anthropic takes a breakpoint on `item`; it refuses one on a text without words."""
    if type(item) is Text:
        text = item.text
        return not (not text or text.isspace() or text.startswith(ATTRIBUTION))
    return type(item) in _MARKABLE
