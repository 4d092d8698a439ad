"""Ids in the form that Anthropic takes: `^[a-zA-Z0-9_-]+$`, each call's its own, the same for the same history.

Others issue ids like `functions.run:0`, and may want to see them again: what is written in another form here is read back.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

_is_legal: Final = re.compile(r"[a-zA-Z0-9_-]+").fullmatch
_MARK: Final = "dgm-"
"""How an id begins that stands for another one, in base64url."""


def legal_id(id: str) -> str:
    """Return `id`, or what stands for it where the API would refuse it."""
    if not id or _is_legal(id):
        return id
    return _MARK + base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def original_id(id: str) -> str:
    """Return the id that `id` stands for; an id that stands for none is itself."""
    if not id.startswith(_MARK):
        return id
    text = id.removeprefix(_MARK)
    try:
        original = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return id
    return original if legal_id(original) == id else id


class ToolIds:
    """Gives the tool calls of one history, or of one reply, their ids. Legal ids stay as they are."""

    __slots__ = ("_new_id", "_taken")

    def __init__(self, new_id: Callable[[str], str] | None = None) -> None:
        self._new_id = new_id
        self._taken: set[str] = set()

    def issue(self, id: str) -> str:
        """Return the id for the next call, whose own is `id`."""
        if not id:
            id = self._new_id("toolu_") if self._new_id else "toolu_0"
        issued, count = legal_id(id), 1
        while issued in self._taken:
            count += 1
            issued = legal_id(f"{id}_{count}")
        self._taken.add(issued)
        return issued


def message_id(id: str, new_id: Callable[[str], str]) -> str:
    """Return the id of a reply: the upstream's where it is one of Anthropic's form."""
    return id if id.startswith("msg_") else new_id("msg_")
