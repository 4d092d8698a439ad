"""Whole replies from the wire to the IR."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.codec import Source
from dragoman.protocols.anthropic_messages.reply import decode_reply

RECORDINGS = Path(__file__).parents[2] / "recordings" / "anthropic_messages"
SOURCE = Source("anthropic", "m")
USUAL: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "usage": {}}
CONTENTS: dict[str, list[dict[str, Any]]] = {
    "text": [{"type": "text", "text": "hi", "citations": None}],
    "cited": [{"type": "text", "text": "hi", "citations": [{"type": "char_location", "cited_text": "h"}]}],
    "a new field": [{"type": "text", "text": "hi", "mood": "good"}],
    "thought": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "x"},
    ],
    "calls": [{"type": "tool_use", "id": f"toolu_{n}", "name": "f", "input": {"n": n}} for n in range(2)],
    "nothing": [],
}


def either_way(body: dict[str, Any]) -> None:
    """A field that says nothing has a reply read a part at a time: it is the same one."""
    parts = decode_reply(msgspec.json.encode({**body, "not_known_yet": None}), SOURCE)
    assert decode_reply(msgspec.json.encode(body), SOURCE) == parts


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_a_recorded_reply_says_the_same_in_one_reading_and_in_parts(path: Path) -> None:
    either_way(msgspec.json.decode(path.read_bytes()))


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "max_tokens", "a new word", None])
def test_a_reply_says_the_same_in_one_reading_and_in_parts(content: list[dict[str, Any]], reason: str | None) -> None:
    either_way({**USUAL, "content": content, "stop_reason": reason, "stop_sequence": None, "container": None})
