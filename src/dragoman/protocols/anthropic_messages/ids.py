"""Ids in the form that Anthropic takes: `^[a-zA-Z0-9_-]+$`, each call's its own, the same for the same history."""

import re
from collections.abc import Callable
from typing import Final

_ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")


def legal_id(id: str) -> str:
    """Return `id` with what the API refuses in it replaced."""
    return _ODD.sub("_", id)


class ToolIds:
    """Gives the tool calls of one history, or of one reply, their ids. Legal ids stay as they are."""

    __slots__ = ("_new_id", "_taken")

    def __init__(self, new_id: Callable[[str], str] | None = None) -> None:
        self._new_id = new_id
        self._taken: set[str] = set()

    def issue(self, id: str) -> str:
        """Return the id for the next call, whose own is `id`."""
        wanted = legal_id(id)
        if not wanted:
            wanted = self._new_id("toolu_") if self._new_id else "toolu_0"
        issued, count = wanted, 1
        while issued in self._taken:
            count += 1
            issued = f"{wanted}_{count}"
        self._taken.add(issued)
        return issued


def message_id(id: str, new_id: Callable[[str], str]) -> str:
    """Return the id of a reply: the upstream's where it is one of Anthropic's form."""
    return id if id.startswith("msg_") else new_id("msg_")
