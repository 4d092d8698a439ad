"""Tools that take free text, said as functions with one string where a protocol has no others."""

from typing import Final

import msgspec
from msgspec import Raw

SCHEMA: Final = Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)
"""The schema of such a function."""


class _Grammar(msgspec.Struct):
    definition: str | None = None


class _Format(msgspec.Struct):
    """A tool's format in the forms of OpenAI's two protocols: the grammar stands in it, or one level deeper."""

    type: str = ""
    definition: str | None = None
    grammar: _Grammar | None = None


_format_of: Final = msgspec.json.Decoder(_Format).decode


def described(description: str | None, text_format: Raw | None) -> str:
    """Return what the function says of itself: what the tool does, and the format that its text must fit."""
    parts = [description or "", "`input` is the tool's whole input as plain text."]
    if text_format is not None and (grammar := _grammar_of(text_format)):
        parts.append(f"It must fit this format:\n{grammar}")
    return "\n\n".join(part for part in parts if part)


def wrapped(text: str) -> str:
    """Return a free text as the function's arguments."""
    return msgspec.json.encode({"input": text}).decode()


def _grammar_of(text_format: Raw) -> str:
    try:
        form = _format_of(text_format)
    except (msgspec.DecodeError, RecursionError):
        return str(text_format, "utf-8")
    found = form.definition or (form.grammar.definition if form.grammar else None)
    return found or ("" if form.type == "text" else str(text_format, "utf-8"))
