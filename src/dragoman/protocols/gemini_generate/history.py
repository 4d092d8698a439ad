"""The contents that Google wants of a history: user and model in turn, results in the order of their calls.

https://ai.google.dev/gemini-api/docs/function-calling. As many results as there were calls, in the content behind them.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    ATTRIBUTION,
    Block,
    Foreign,
    Message,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.protocols.gemini_generate.wire import NAME

_SYSTEM: Final = frozenset({Role.SYSTEM, Role.DEVELOPER})
_OPENING: Final = "Continue."
_MARKER: Final = "<system>\n{}\n</system>"


class Item(NamedTuple):
    """A block and where it stood."""

    block: Block
    message: int
    place: int

    @property
    def path(self) -> str:
        """Where the block stood, as losses name it."""
        return f"messages[{self.message}].content[{self.place}]"


@dataclass(slots=True)
class Turn:
    """All that one side says before the other does."""

    role: Literal["user", "model"]
    items: list[Item]


def arrange(request: Request, ledger: Ledger) -> tuple[list[str], list[Turn]]:
    """Return the system prompt and the turns. What the messages begin with that is not talk belongs to the prompt."""
    messages = request.messages
    first = next((place for place, message in enumerate(messages) if message.role not in _SYSTEM), len(messages))
    system = [text for place, block in enumerate(request.system) if (text := _prompt(block, place, ledger))]
    for place, message in enumerate(messages[:first]):
        system += (text for item in _items(message, place) if (text := _instruction(item, ledger)))
    turns = _turns(messages, first, ledger)
    if not turns or turns[0].role != "user":
        ledger.emulated("no_user_turn", "messages", "a conversation has to begin with the user")
        turns.insert(0, Turn("user", [Item(Text(_OPENING), 0, 0)]))
    _order_results(turns)
    return system, turns


def _prompt(block: Text | Foreign, place: int, ledger: Ledger) -> str | None:
    text = block.text or ""
    if place == 0 and text.startswith(ATTRIBUTION):
        ledger.dropped("attribution_block", "system[0]", "it changes with every request and would spoil the cache")
        return None
    if isinstance(block, Foreign) and block.origin != NAME:
        return told(block, f"system[{place}]", ledger)
    return text if text.strip() else None


def _turns(messages: tuple[Message, ...], first: int, ledger: Ledger) -> list[Turn]:
    turns: list[Turn] = []
    for place in range(first, len(messages)):
        message = messages[place]
        if message.name is not None:
            ledger.dropped("message_name", f"messages[{place}].name", "participants have no names")
        items = _items(message, place)
        if message.role in _SYSTEM:
            items = _reminders(items, place, ledger)
        role: Literal["user", "model"] = "model" if message.role is Role.ASSISTANT else "user"
        if not items:
            continue
        if turns and turns[-1].role == role:
            turns[-1].items += items
        else:
            turns.append(Turn(role, items))
    return turns


def _items(message: Message, index: int) -> list[Item]:
    return [
        Item(block, index, place)
        for place, block in enumerate(message.blocks)
        if type(block) is not Text or block.text or block.seal
    ]


def _reminders(items: list[Item], index: int, ledger: Ledger) -> list[Item]:
    """Return a system message in mid-talk as user text with a marker."""
    texts = [text for item in items if (text := _instruction(item, ledger))]
    if not texts:
        return []
    ledger.degraded("system_turn", f"messages[{index}]", "there are no system messages in mid-talk")
    return [Item(Text(_MARKER.format("\n".join(texts))), index, 0)]


def _instruction(item: Item, ledger: Ledger) -> str | None:
    """Return what a block of a system message says."""
    match item.block:
        case Text(text=text) | Refusal(text=text):
            return text if text.strip() else None
        case Foreign(origin=origin) as block if origin != NAME:
            return told(block, item.path, ledger)
        case _:
            ledger.dropped("system_media", item.path, "a system message holds words only", changes_meaning=True)
            return None


def told(block: Foreign, path: str, ledger: Ledger) -> str | None:
    """Return what is said in place of a block that Google does not have; None when it says nothing."""
    name = f"`{block.type}` of {block.origin}"
    if block.text and block.text.strip():
        ledger.degraded("foreign_block", path, f"{name} is told in words")
        return block.text
    ledger.dropped("foreign_block_dropped", path, f"{name} has no words", changes_meaning=True)
    return None


def _order_results(turns: list[Turn]) -> None:
    """Put the results in a user's turn first, in the order of the calls before them."""
    order: dict[str, int] = {}
    for turn in turns:
        if turn.role == "model":
            calls = [item.block.id for item in turn.items if isinstance(item.block, ToolCall)]
            order = {id_: number for number, id_ in enumerate(calls)}
            continue
        results = [item for item in turn.items if _is_result(item.block)]
        if results:
            results.sort(key=lambda item: order.get(_call_id(item.block), len(order)))
            turn.items = [*results, *(item for item in turn.items if not _is_result(item.block))]


def _is_result(block: Block) -> bool:
    return isinstance(block, ToolResult) and block.kind is not ToolKind.HOSTED


def _call_id(block: Block) -> str:
    return block.call_id if isinstance(block, ToolResult) else ""
