"""What a scripted model says: the turns that an upstream plays, and the tokens that every turn reports."""

from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

Fault = str
"""One sentence about something that is not as it has to be."""

FRESH, CACHED, SPOKEN = 211, 1024, 57
"""Tokens that every turn reports: of the prompt, not cached; of the prompt, from the cache; of the answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model makes."""

    id: str
    name: str
    arguments: JSON


@dataclass(frozen=True, slots=True)
class Say:
    """A turn of the model: reasoning, then text, then tool calls. The signature is for protocols that have one."""

    text: str
    reasoning: str = ""
    signature: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """An error answer, as the protocol writes it."""

    status: int
    body: JSON
    is_final: bool = False
    """Whether it says so itself, as some servers do."""


@dataclass(frozen=True, slots=True)
class Break:
    """A stream that begins with some text and ends in the protocol's error event, or `silently`, like one cut off."""

    text: str
    silently: bool = False


Turn = Say | Fail | Break
