"""What was said before, for a CLI that does not take it by its input: a transcript to resume from, or a quotation."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.upstreams.claude_agent.lines import past_message

_TEXTUAL: Final = frozenset({"text", "tool_use", "tool_result"})
_REASONING: Final = frozenset({"thinking", "redacted_thinking"})
_WHEN: Final = "2026-01-01T00:00:00.000Z"
"""A transcript's entries bear a time; the model is not told of it."""
GO_ON: Final = Raw(b'"Go on."')
"""What is said behind a transcript that ends with results: the CLI asks nobody before somebody says something."""


def transcript(messages: Sequence[tuple[str, Raw]], model: str) -> bytes:
    """Return a conversation as the CLI writes it to the disk: an entry a line, each of which names the one before.

    `messages` are role and content in Anthropic's form.
    """
    session, parent = str(uuid.uuid4()), None
    lines: list[bytes] = []
    for number, (role, content) in enumerate(messages):
        said = past_message(content, model, number) if role == "assistant" else {"role": role, "content": content}
        entry = {
            "type": role,
            "message": said,
            "uuid": str(uuid.uuid4()),
            "parentUuid": parent,
            "sessionId": session,
            "timestamp": _WHEN,
            "isSidechain": False,
        }
        parent = entry["uuid"]
        lines.append(msgspec.json.encode(entry) + b"\n")
    return b"".join(lines)


def ends_with_results(content: Raw) -> bool:
    """Tell whether these words of a user's have results of calls in them."""
    said = msgspec.json.decode(content)
    return not isinstance(said, str) and any(block["type"] == "tool_result" for block in said)


def flattened(messages: Iterable[tuple[str, Raw]]) -> Raw:
    """Return a conversation as one user's message: a text that quotes what was said, and the pictures and files of it.

    The last rung of the ladder: calls and results are words now, and reasoning is left out.
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
