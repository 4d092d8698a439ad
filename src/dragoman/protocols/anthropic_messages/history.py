"""The turns that Anthropic wants of a history: roles in turn, results first in the turn behind their calls.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use#handling-tool-use-and-tool-result-content-blocks
"""

from typing import Final, Literal

import msgspec

from dragoman.dialects import Dialect
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Block, Foreign, Message, Refusal, Request, Role, Text, ToolCall, ToolResult
from dragoman.protocols.anthropic_messages.ids import ToolIds, legal_id
from dragoman.protocols.anthropic_messages.wire import NAME

_SYSTEM: Final = frozenset({Role.SYSTEM, Role.DEVELOPER})
_OPENING: Final = "Continue."


class Item(msgspec.Struct, frozen=True):
    """A block and where it stood."""

    block: Block
    message: int
    place: int

    @property
    def path(self) -> str:
        """Where the block stood, as losses name it."""
        return f"messages[{self.message}].content[{self.place}]"

    def holding(self, block: Block) -> "Item":
        """Return `block` at the same place."""
        return Item(block, self.message, self.place)


class Turn(msgspec.Struct):
    """All that one side says before the other does."""

    role: Literal["user", "assistant", "system"]
    items: list[Item]


def arrange(request: Request, dialect: Dialect, ledger: Ledger) -> tuple[list[Text | Foreign], list[Turn]]:
    """Return the system prompt and the turns. What the messages begin with that is not talk belongs to the prompt."""
    messages = request.messages
    first = _first_said(messages)
    system = [block for place, block in enumerate(request.system) if _has_words(block, place, ledger)]
    for place in range(first):
        system += [block for item in _items(messages[place], place, ledger) if (block := _prompt(item, ledger))]
    turns = _paired(_turns(messages, first, dialect, ledger))
    if not turns or turns[0].role != "user":
        ledger.emulated("no_user_turn", "messages", "a conversation has to begin with the user")
        turns.insert(0, Turn("user", [Item(Text(_OPENING), 0, 0)]))
    return [block for block in system if not is_blank(block)], turns


def _first_said(messages: tuple[Message, ...]) -> int:
    """Return the place of the first message that is talk."""
    for place, message in enumerate(messages):
        if message.role not in _SYSTEM:
            return place
    return len(messages)


def _has_words(block: Text | Foreign, place: int, ledger: Ledger) -> bool:
    """Tell whether a block of the system prompt is this protocol's, or has words for another one's."""
    if type(block) is not Foreign or block.origin == NAME:
        return True
    return told(block, f"system[{place}]", ledger) is not None


def told(block: Foreign, path: str, ledger: Ledger) -> str | None:
    """Return the words that stand for another protocol's block; None for one without any."""
    if block.text is None or not block.text.strip():
        reason = f"only {block.origin} has `{block.type}`, and it has no words"
        ledger.dropped("foreign_block_dropped", path, reason, changes_meaning=True)
        return None
    ledger.degraded("foreign_block", path, f"only {block.origin} has `{block.type}`: it is told in words")
    return block.text


def is_blank(block: Block) -> bool:
    """Tell whether `block` is text that the API refuses: none, or white space only."""
    return isinstance(block, Text) and (not block.text or block.text.isspace())


def _turns(messages: tuple[Message, ...], first: int, dialect: Dialect, ledger: Ledger) -> list[Turn]:
    turns: list[Turn] = []
    for place in range(first, len(messages)):
        message = messages[place]
        if message.name is not None:
            ledger.dropped("message_name", f"messages[{place}].name", "participants have no names")
        items = _items(message, place, ledger)
        role: Literal["user", "assistant", "system"] = "assistant" if message.role is Role.ASSISTANT else "user"
        if message.role in _SYSTEM:
            role, items = _mid_system(items, place, dialect, ledger)
        if not items:
            continue
        if turns and turns[-1].role == role:
            turns[-1].items += items
        else:
            turns.append(Turn(role, items))
    return turns


def _items(message: Message, index: int, ledger: Ledger) -> list[Item]:
    items: list[Item] = []
    for place, block in enumerate(message.blocks):
        item = Item(block, index, place)
        if not is_blank(block):
            items.append(item)
        elif isinstance(block, Text) and block.text:
            ledger.repaired("blank_text", item.path, "the API refuses text of white space only")
    return items


def _mid_system(
    items: list[Item], index: int, dialect: Dialect, ledger: Ledger
) -> tuple[Literal["user", "system"], list[Item]]:
    said = [item.holding(block) for item in items if (block := _prompt(item, ledger))]
    if dialect.mid_system:
        return "system", said
    if said:
        ledger.degraded("system_turn", f"messages[{index}]", "the model takes no system messages in mid-talk")
    return "user", [item.holding(_reminder(item.block)) for item in said]


def _prompt(item: Item, ledger: Ledger) -> Text | Foreign | None:
    """Return the block as a system message may hold it."""
    match item.block:
        case Text() as block:
            return block
        case Foreign(origin=origin) as block if origin == NAME:
            return block
        case Foreign() as block:
            text = told(block, item.path, ledger)
            return None if text is None else Text(text)
        case Refusal(text):
            return Text(text) if text.strip() else None
        case _:
            ledger.dropped("system_media", item.path, "a system message holds text only", changes_meaning=True)
            return None


def _reminder(block: Block) -> Block:
    match block:
        case Text(text=text):
            return msgspec.structs.replace(block, text=f"<system-reminder>\n{text}\n</system-reminder>")
        case _:
            return block


# Calls and their results ----------------------------------------------------------------------------------------------


def _paired(turns: list[Turn]) -> list[Turn]:
    """Give every call an id that the API takes, and put its result first in the turn behind it."""
    ids = ToolIds()
    issued: dict[str, str] = {}
    paired: list[Turn] = []
    between: list[Turn] = []
    for turn in turns:
        if turn.role != "assistant":
            between.append(turn)
            continue
        paired += _results_first(between, issued)
        between = []
        _name_calls(turn, ids, issued)
        paired.append(turn)
    return paired + _results_first(between, issued)


def _name_calls(turn: Turn, ids: ToolIds, issued: dict[str, str]) -> None:
    for place, item in enumerate(turn.items):
        if isinstance(item.block, ToolCall):
            old = item.block.id
            new = issued[old] = ids.issue(old)
            if new != old:
                turn.items[place] = item.holding(msgspec.structs.replace(item.block, id=new))


def _results_first(between: list[Turn], issued: dict[str, str]) -> list[Turn]:
    """Return the turns up to the next assistant's, the results of calls in front of everything else."""
    results = [_result(item, issued) for turn in between for item in turn.items if isinstance(item.block, ToolResult)]
    if not results:
        return between
    rest = [
        Turn(turn.role, said)
        for turn in between
        if (said := [item for item in turn.items if not isinstance(item.block, ToolResult)])
    ]
    if rest and rest[0].role == "user":
        rest[0].items[:0] = results
        return rest
    return [Turn("user", results), *rest]


def _result(item: Item, issued: dict[str, str]) -> Item:
    match item.block:
        case ToolResult(call_id=old) as block if (new := issued.get(old) or legal_id(old)) != old:
            return item.holding(msgspec.structs.replace(block, call_id=new))
        case _:
            return item
