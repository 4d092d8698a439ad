"""YAML, edited in place: ruamel.yaml tells where everything stands, and what is not touched stays byte for byte.

Writing the whole file back, as the library can, moves comments of a removed entry away and indents anew what nobody
has touched. https://yaml.org/spec/1.2.2/
"""

import json
import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from dragoman.connect.documents.paths import MISSING, DocumentError, Item, Missing, Path, Value, dotted, item_of

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class Yaml:
    """A mapping in a text; an empty text, or one of comments alone, is an empty mapping."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._text = text
        self._read()

    def get(self, path: Path) -> Value | Missing:
        """Return the value at `path`."""
        here: Any = self._value
        for part in path:
            here = _step(here, part)
            if here is MISSING:
                return MISSING
        return here

    def put(self, path: Path, value: Value) -> None:
        """Set the value at `path`, with the mappings and lists that lead there."""
        known = next(depth for depth in range(len(path), -1, -1) if self.get(path[:depth]) is not MISSING)
        if known and known < len(path) and self.get(path[:known]) in (None, {}, []):
            known -= 1  # it has nothing in it: it is written anew, in lines of its own
        here = self.get(path[:known])
        if known == len(path):
            self._replace(path, _flow(value))
        elif known and here in (None, {}, []):
            raise DocumentError(f"`{dotted(path[:known])}` is empty")
        elif self.get(path[: known + 1]) is not MISSING:
            key = path[known]
            lines = _block(path[known + 1 :], value)
            self._replace(path[: known + 1], self._newline + self._indented(lines, self._column(path[:known]) + 2))
            if isinstance(key, Item):
                raise DocumentError(f"`{dotted(path[: known + 1])}` is no mapping")
        else:
            self._add(path[:known], path[known:], value)

    def remove(self, path: Path) -> None:
        """Take the entry away, if it is there; comments on lines of their own stay."""
        if self.get(path) is MISSING:
            return
        container = self._node(path[:-1])
        if not isinstance(container, CollectionNode):
            return
        place = self._place(container, path[:-1], path[-1])
        start, end = self._span(container, place)
        if container.flow_style:
            following = place + 1 < len(container.value)
            start, end = (
                (start, self._span(container, place + 1)[0])
                if following
                else (self._span(container, place - 1)[1] if place else start, end)
            )
            self._splice(start, end, "")
            return
        if len(container.value) == 1 and path[:-1] and isinstance(path[-2], str):
            self._replace(path[:-1], "{}" if isinstance(container, MappingNode) else "[]")
            return
        line_start = self._text.rfind("\n", 0, start) + 1
        ahead = self._text[line_start:start].strip(" ")
        if ahead and place + 1 < len(container.value):  # behind the dash of its list
            self._splice(start, self._span(container, place + 1)[0], "")
        else:
            self._splice(line_start, self._line_end(end) + len(self._newline), "")

    def text(self) -> str:
        """Return the text."""
        return self._text

    def is_empty(self) -> bool:
        """Tell whether there is neither a value nor a comment."""
        return not self._text.strip()

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._root: Node | None = YAML(pure=True).compose(self._text)
            loaded = YAML(typ="safe", pure=True).load(self._text)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise DocumentError(f"is not YAML: {error.problem or error.context}", line) from None
        except YAMLError as error:
            raise DocumentError(f"is not YAML: {error}") from None
        if loaded is not None and not isinstance(loaded, dict):
            raise DocumentError("holds no mapping at its outermost level")
        self._value: dict[Any, Any] = loaded or {}

    def _node(self, path: Path) -> Node | None:
        here, value = self._root, self._value
        for depth, part in enumerate(path):
            if not isinstance(here, CollectionNode):
                return None
            place = self._place(here, path[:depth], part)
            child = here.value[place]
            here = child[1] if isinstance(here, MappingNode) else child
            value = _step(value, part)
        return here

    def _place(self, container: CollectionNode, path: Path, part: str | Item) -> int:
        """Return where in its container an entry stands that is there."""
        if isinstance(part, Item):
            return item_of(self.get(path), part) or 0  # type: ignore[arg-type] # a list has items
        return next(i for i, (key, _) in enumerate(container.value) if key.value == part)

    def _span(self, container: CollectionNode, place: int) -> tuple[int, int]:
        child = container.value[place]
        if isinstance(container, MappingNode):
            key, value = child
            return key.start_mark.index, max(_end(value), self._colon(key) + 1)
        start = child.start_mark.index
        if not container.flow_style:
            start = self._text.rindex("-", 0, start)
        return start, max(_end(child), start + 1)

    def _colon(self, key: Node) -> int:
        return self._text.index(":", key.end_mark.index)

    def _column(self, path: Path) -> int:
        """Return the column at which the entries of a container begin."""
        node = self._node(path)
        if not isinstance(node, CollectionNode) or not node.value:
            return 0
        start = self._span(node, 0)[0]
        return start - (self._text.rfind("\n", 0, start) + 1)

    def _line_end(self, place: int) -> int:
        """Return where the line of `place` ends, or that before it when `place` is at its beginning."""
        if place and self._text[place - 1] == "\n":
            place -= len(self._newline)
        found = self._text.find(self._newline, place)
        return len(self._text) if found < 0 else found

    # --- changing -----------------------------------------------------------------------------------------------------

    def _splice(self, start: int, end: int, text: str) -> None:
        self._text = self._text[:start] + text + self._text[end:]
        self._read()

    def _replace(self, path: Path, text: str) -> None:
        """Write another value behind the key at the end of `path`."""
        container = self._node(path[:-1])
        if not isinstance(container, MappingNode) or isinstance(path[-1], Item):
            raise DocumentError(f"`{dotted(path[:-1])}` is no mapping")
        key, value = container.value[self._place(container, path[:-1], path[-1])]
        colon = self._colon(key)
        space = "" if text.startswith(self._newline) else " "
        self._splice(colon + 1, max(_end(value), colon + 1), space + text)

    def _add(self, path: Path, rest: Path, value: Value) -> None:
        """Add an entry at the end of the container at `path`."""
        container = self._node(path)
        lines = _block(rest, value)
        if container is None or not isinstance(container, CollectionNode):
            if path:
                raise DocumentError(f"`{dotted(path)}` is no mapping")
            end = "" if not self._text or self._text.endswith("\n") else self._newline
            self._splice(len(self._text), len(self._text), end + self._indented(lines, 0) + self._newline)
            return
        if isinstance(container, SequenceNode) != isinstance(rest[0], Item):
            raise DocumentError(f"`{dotted(path)}` is no {'list' if isinstance(rest[0], Item) else 'mapping'}")
        if not container.value:  # `{}`, and nothing else
            start, end = container.start_mark.index, container.end_mark.index
            self._splice(start, end, self._indented(lines, 0))
            return
        last = self._span(container, len(container.value) - 1)[1]
        if container.flow_style:
            entry = json.dumps(_nested(rest, value), ensure_ascii=False)[1:-1]
            self._splice(last, last, f", {entry}")
            return
        place = self._line_end(last)
        self._splice(place, place, self._newline + self._indented(lines, self._column(path)))

    def _indented(self, lines: list[str], column: int) -> str:
        return self._newline.join(" " * column + line for line in lines)


def _end(node: Node) -> int:
    """Return where a node's content ends: a block's own mark is behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(node, MappingNode):
            return max(_end(last[1]), int(last[0].end_mark.index) + 1)
        return _end(last)
    # What is empty stands, as the library sees it, where the next thing begins.
    is_empty = node.start_mark.index == node.end_mark.index
    return -1 if is_empty else int(node.end_mark.index)


def _step(here: Any, part: str | Item) -> Any:  # noqa: ANN401 - what YAML can say
    if here is None:
        return MISSING
    if isinstance(part, Item):
        if not isinstance(here, list):
            raise DocumentError(f"there is no list around `{part.value}`")
        place = item_of(here, part)
        return MISSING if place is None else here[place]
    if not isinstance(here, dict):
        raise DocumentError(f"there is no mapping around `{part}`")
    return here.get(part, MISSING)


def _flow(value: Value) -> str:
    """Return a value in one line: JSON is YAML, and a plain word needs no quotes."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _block(path: Path, value: Value) -> list[str]:
    """Return the lines that make up an entry."""
    match path[0]:
        case Item(field=field, value=name):
            inner = [f"{field}: {_flow(name)}", *(_block(path[1:], value) if path[1:] else ())]
            return [f"{'  ' if number else '- '}{line}" for number, line in enumerate(inner)]
        case str(key) if path[1:]:
            return [f"{_flow(key)}:", *(f"  {line}" for line in _block(path[1:], value))]
        case str(key):
            return [f"{_flow(key)}: {_flow(value)}"]


def _nested(path: Path, value: Value) -> Value:
    """Return what an entry adds to a container that is written in one line."""
    for part in reversed(path):
        value = (
            [{part.field: part.value, **(value if isinstance(value, dict) else {})}]
            if isinstance(part, Item)
            else {part: value}
        )
    return value


FORMAT: Final = Yaml
