"""What the CLI in use can do, and what is done about what it cannot."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

_TEXTUAL: Final = frozenset({"text", "tool_use", "tool_result"})
_REASONING: Final = frozenset({"thinking", "redacted_thinking"})


class Check(msgspec.Struct, frozen=True):
    """One thing that the back end relies on, and whether it holds; if not, `problem` says what was seen."""

    name: str
    what: str
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.problem is None


class Abilities(msgspec.Struct, frozen=True):
    """What there is another way for, when it does not hold: a history that is told, several calls in one turn."""

    history: bool = True
    parallel_calls: bool = True


def abilities_of(checks: Iterable[Check]) -> Abilities:
    """Return what the checks leave of them."""
    failed = {check.name for check in checks if not check.holds}
    return Abilities(history="history" not in failed, parallel_calls="parallel-calls" not in failed)


def flattened(messages: Iterable[tuple[str, Raw]]) -> Raw:
    """Return a conversation as one user's message: a text that quotes what was said, and the pictures and files of it.

    The last rung of the ladder, for a CLI that takes no history.
    """
    lines: list[str] = []
    others: list[Any] = []
    for role, content in messages:
        said = msgspec.json.decode(content)
        for block in [{"type": "text", "text": said}] if isinstance(said, str) else said:
            kind = block["type"]
            if kind in _TEXTUAL:
                lines.append(f"{role}: {_quoted(block, others)}")
            elif kind not in _REASONING:
                lines.append(f"{role}: [{kind} {len(others) + 1}, below]")
                others.append(block)
    text = "This is the conversation so far; answer its last message.\n\n" + "\n\n".join(lines)
    return Raw(msgspec.json.encode([{"type": "text", "text": text}, *others]))


def _quoted(block: dict[str, Any], others: list[Any]) -> str:
    match block:
        case {"type": "text", "text": text}:
            return str(text)
        case {"type": "tool_use"}:
            return f"calls {block['name']} ({block['id']}) with {msgspec.json.encode(block['input']).decode()}"
        case _:
            content = block.get("content") or ""
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            media = [part for part in parts if part["type"] != "text"]
            others += media
            words = "\n".join(part["text"] for part in parts if part["type"] == "text")
            outcome = "failed" if block.get("is_error") else "answered"
            return f"the call {block['tool_use_id']} {outcome}: {words}" + " [below]" * len(media)
