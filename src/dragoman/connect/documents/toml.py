"""TOML, edited by tomlkit, which keeps comments, order and spelling: https://toml.io/en/v1.0.0."""

from collections.abc import MutableMapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Table

from dragoman.connect.documents.paths import MISSING, DocumentError, Item, Missing, Path, Value, dotted, item_of


class Toml:
    """A document of tomlkit's."""

    def __init__(self, text: str) -> None:
        try:
            self._document = tomlkit.parse(text)
        except TOMLKitError as error:
            raise DocumentError(f"is not TOML: {error}", getattr(error, "line", None)) from None

    def get(self, path: Path) -> Value | Missing:
        """Return the value at `path`, as plain Python."""
        here: Any = self._document.unwrap()
        for part in path:
            here = _step(here, part)
            if here is MISSING:
                return MISSING
        return here

    def put(self, path: Path, value: Value) -> None:
        """Set the value at `path`; tables that are missing are written as `[a.b]`."""
        here: Any = self._document
        for depth, part in enumerate(path[:-1]):
            inner = _step(here, part)
            if inner is MISSING:
                # Tables that hold tables alone need no line of their own.
                here[part] = tomlkit.table(is_super_table=depth < len(path) - 2)
                inner = here[part]
            here = inner
        if not isinstance(here, MutableMapping):
            raise DocumentError(f"`{dotted(path[:-1])}` is no table")
        here[path[-1]] = value

    def remove(self, path: Path) -> None:
        """Take the value away, if it is there."""
        here: Any = self._document
        for part in path[:-1]:
            here = _step(here, part)
            if here is MISSING:
                return
        if isinstance(here, MutableMapping):
            removed = here.pop(path[-1], None)
            # What somebody wrote below the table's last line was read as a part of it.
            for line in _comments(removed):
                self._document.add(tomlkit.comment(line))

    def text(self) -> str:
        """Return the text."""
        return tomlkit.dumps(self._document)

    def is_empty(self) -> bool:
        """Tell whether there is neither a value nor a comment."""
        return not self.text().strip()


def _comments(removed: Any) -> list[str]:  # noqa: ANN401 - what TOML can say
    if not isinstance(removed, Table):
        return []
    return [item.as_string().strip().lstrip("#").strip() for _, item in removed.value.body if isinstance(item, Comment)]


def _step(here: Any, part: str | Item) -> Any:  # noqa: ANN401 - what TOML can say
    if isinstance(part, Item):
        place = item_of(here, part) if isinstance(here, list) else None
        return MISSING if place is None else here[place]
    if not isinstance(here, MutableMapping):
        raise DocumentError(f"there is no table around `{part}`")
    return here.get(part, MISSING)


FORMAT: Final = Toml
