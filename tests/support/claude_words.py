"""What the CLI of the Claude Agent SDK adds of its own to what it is told. Nothing of the gateway's is used here."""

from collections.abc import Mapping
from typing import Any

_REMINDERS = ("<system-reminder>\n# Environment", "<system-reminder>\nYou are powered", "<system-reminder>\nToday's")


def said_by_client(body: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the messages of a request as role and blocks, without what the CLI adds to them of its own."""
    told: list[tuple[str, list[dict[str, Any]]]] = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kept = [_plain(block) for block in blocks if not str(block.get("text", "")).startswith(_REMINDERS)]
        if kept and message["role"] != "system":
            told.append((message["role"], kept))
    return told


def _plain(block: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    if plain.get("is_error") is False:
        del plain["is_error"]
    content = plain.get("content")
    if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
        plain["content"] = content[0]["text"]
    if plain["type"] == "tool_result" and isinstance(plain.get("content"), str):
        # A reminder for a turn that is nothing but results goes into the last of them.
        plain["content"] = plain["content"].partition("\n\n" + _REMINDERS[0])[0]
    return plain
