"""How a value inside a file is named, and the faults of files that cannot be edited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Value = Any
"""What JSON can say: None, bool, int, float, str, list, dict."""


@dataclass(frozen=True, slots=True)
class Item:
    """The table in a list whose `field` is `value`; it is added at the end when there is none."""

    field: str
    value: str


Path = Sequence[str | Item]
"""From the outermost table inwards. The empty path is the file as a whole."""


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""What is found where nothing is."""


class DocumentError(Exception):
    """A file is not what its name says, or holds something else where a table has to be; it is left as it is."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def dotted(path: Path) -> str:
    """Return a path in words: `models[name=Dragoman].apiBase`."""
    words = [f"[{part.field}={part.value}]" if isinstance(part, Item) else f".{part}" for part in path]
    return "".join(words).removeprefix(".")


def item_of(elements: Sequence[Value], item: Item) -> int | None:
    """Return the place of `item` in a list; None when it is not there."""
    found = (
        i for i, element in enumerate(elements) if isinstance(element, dict) and element.get(item.field) == item.value
    )
    return next(found, None)
