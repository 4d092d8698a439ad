"""Does this request continue that conversation? Hashes of canonical messages, so that how a client writes them does not matter."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.request import Block, Text, ToolCall
from dragoman.wire.arguments import as_object

_json: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder().decode
_REASONING: Final = frozenset({"thinking", "redacted_thinking"})


def opening(model: str, system: str, agents: bytes = b"{}") -> bytes:
    """Return the key of a conversation in which nothing has been said yet; `agents` are those that the CLI is told of."""
    return sha256(_json([model, system]) + agents).digest()


def advance(key: bytes, role: str, content: Raw) -> bytes:
    """Return the key after a message in Anthropic's form (a text, or a list of blocks)."""
    said = _decode(content)
    blocks = [{"type": "text", "text": said}] if isinstance(said, str) else said
    return _advanced(key, role, blocks)


def advance_by_reply(key: bytes, blocks: Iterable[Block]) -> bytes:
    """Return the key after the model's reply: what its client will send back of it."""
    return _advanced(key, "assistant", [_as_sent_back(block) for block in blocks])


def _as_sent_back(block: Block) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case ToolCall(id=id, name=name, arguments=arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": _decode(as_object(arguments)[0])}
        case _:
            return {"type": "thinking"}


def _advanced(key: bytes, role: str, blocks: Sequence[Mapping[str, Any]]) -> bytes:
    words: list[str] = []
    others: list[Any] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            words.append(_words(block.get("text", "")))
        elif kind == "tool_use":
            others.append([kind, block.get("id"), block.get("name"), block.get("input")])
        elif kind == "tool_result":
            said = _of_result(block.get("content"))
            others.append([kind, block.get("tool_use_id"), said, bool(block.get("is_error"))])
        elif kind not in _REASONING:
            others.append(_uncached(block))
    return sha256(key + _json([role, "".join(words), others])).digest()


def _of_result(content: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Return a tool result in one form, whether it came as a text or as blocks."""
    if content is None:
        return []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [_words(block.get("text", "")) if block.get("type") == "text" else _uncached(block) for block in blocks]


def _uncached(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _words(text: str) -> str:
    """Return a text without its white space: clients trim it, and join blocks in ways of their own."""
    return "".join(text.split())
