"""JSON with comments and trailing commas, edited in place: what is not touched stays byte for byte.

There is no library in Python that writes it back with its comments. https://jsonc.org
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from dragoman.connect.documents.paths import MISSING, DocumentError, Item, Missing, Path, Value, dotted, item_of

_BLANK: Final = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TEXT: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/[ \t]*)?(?=\r?\n|$)")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")


@dataclass(frozen=True, slots=True)
class _Node:
    """A value, and where it stands in the text: from `start` up to `end`. `comma` is behind its last member, if one is there."""

    value: Value
    start: int
    end: int
    members: "tuple[_Member, ...]" = ()
    comma: bool = False


@dataclass(frozen=True, slots=True)
class _Member:
    """An entry of an object (`name`) or of a list (`name` is empty), from its first byte."""

    start: int
    node: _Node
    name: str = field(default="")


class Jsonc:
    """An object in a text; an empty text is an empty object."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        found = _INDENT.search(text)
        self._unit = found[1] if found else "  "
        self._root = self._parse()

    def get(self, path: Path) -> Value | Missing:
        """Return the value at `path`."""
        node = self._find(path)
        return MISSING if node is None else node.value

    def put(self, path: Path, value: Value) -> None:
        """Set the value at `path`; what leads there is made where it is missing."""
        if not self._text.strip():
            self._splice(0, len(self._text), f"{{}}{self._newline}")
        known = next(depth for depth in range(len(path), -1, -1) if self._find(path[:depth]) is not None)
        node = self._find(path[:known])
        if node is None:  # the whole is always there
            raise DocumentError("is not JSON")
        inner = _nested(path[known + 1 :], value)
        if known == len(path):
            self._splice(node.start, node.end, self._written(value, self._indent_at(node.start)))
            return
        match path[known]:
            case str() as name if isinstance(node.value, dict):
                self._insert(node, inner, name)
            case Item() as item if isinstance(node.value, list):
                self._insert(node, {item.field: item.value, **inner})
            case _:
                raise DocumentError(
                    f"`{dotted(path[:known])}` is no {'list' if isinstance(path[known], Item) else 'object'}"
                )

    def remove(self, path: Path) -> None:
        """Take the value away, if it is there, with its comma, and with its line when nothing else stands there."""
        container, node = self._find(path[:-1]), self._find(path)
        if container is None or node is None:
            return
        place = next(i for i, member in enumerate(container.members) if member.node is node)
        start, end = container.members[place].start, node.end
        is_last = place == len(container.members) - 1
        if not is_last or container.comma:
            self._cut(start, self._text.index(",", self._blank(end)) + 1)
            return
        self._cut(start, end)
        if place > 0:  # what is the last one now has no comma behind it
            comma = self._text.index(",", self._blank(container.members[place - 1].node.end))
            self._splice(comma, comma + 1, "")

    def text(self) -> str:
        """Return the text."""
        return self._text

    def is_empty(self) -> bool:
        """Tell whether there is nothing in it, not even a comment."""
        return re.sub(r"\s", "", self._text) in ("", "{}")

    # --- finding ------------------------------------------------------------------------------------------------------

    def _find(self, path: Path) -> _Node | None:
        here = self._root
        for depth, part in enumerate(path):
            if isinstance(part, Item):
                place = item_of(here.value, part) if isinstance(here.value, list) else None
                found = None if place is None else here.members[place].node
            elif isinstance(here.value, dict):
                # Of a name that is there twice the last one counts, as it does to readers.
                found = next((member.node for member in reversed(here.members) if member.name == part), None)
            else:
                raise DocumentError(f"`{dotted(path[:depth])}` is no object")
            if found is None:
                return None
            here = found
        return here

    def _indent_at(self, place: int) -> str:
        """Return the white space that the line of `place` begins with."""
        line = self._text[self._text.rfind("\n", 0, place) + 1 :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    # --- changing -----------------------------------------------------------------------------------------------------

    def _splice(self, start: int, end: int, text: str) -> None:
        self._text = self._text[:start] + text + self._text[end:]
        self._root = self._parse()

    def _written(self, value: Value, indent: str) -> str:
        lines = json.dumps(value, indent=self._unit, ensure_ascii=False).split("\n")
        return f"{self._newline}{indent}".join(lines)

    def _insert(self, container: _Node, value: Value, name: str | None = None) -> None:
        """Add an entry at the end of a container."""
        label = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
        outer = self._indent_at(container.start)
        last = container.members[-1].node if container.members else None
        closing = container.end - 1
        if last is None:
            inside = self._text[container.start + 1 : closing].rstrip()
            entry = label + self._written(value, outer + self._unit)
            body = f"{inside}{self._newline}{outer}{self._unit}{entry}{self._newline}{outer}"
            self._splice(container.start + 1, closing, body)
            return
        if "\n" not in self._text[container.members[0].start : closing]:
            entry = f", {label}{json.dumps(value, ensure_ascii=False)}"
            self._splice(last.end, closing if container.comma else last.end, entry)
            return
        indent = self._indent_at(container.members[-1].start)
        entry = f"{self._newline}{indent}{label}{self._written(value, indent)}"
        after = self._text.index(",", last.end) + 1 if container.comma else last.end
        line = _REST_OF_LINE.match(self._text, after)
        end = line.end() if line else after
        comma = "" if container.comma else ","
        rest = self._text[after:end]
        self._splice(
            last.end, end, f"{self._text[last.end : after]}{comma}{rest}{entry}{',' if container.comma else ''}"
        )

    def _cut(self, start: int, end: int) -> None:
        """Take a stretch of text away, with the line that it leaves blank."""
        line_start = self._text.rfind("\n", 0, start) + 1
        line_end = self._text.find("\n", end)
        stands_alone = (
            not self._text[line_start:start].strip() and line_end >= 0 and not self._text[end:line_end].strip()
        )
        if stands_alone:
            self._splice(line_start, line_end + 1, "")
        else:
            self._splice(start, end + (self._text[end : end + 1] == " "), "")

    # --- reading ------------------------------------------------------------------------------------------------------

    def _parse(self) -> _Node:
        start = self._blank(0)
        if start == len(self._text):
            return _Node({}, start, start)
        try:
            root = self._value(start)
        except RecursionError:
            raise DocumentError("is nested too deeply") from None
        if (rest := self._blank(root.end)) != len(self._text):
            raise self._fault(rest)
        if not isinstance(root.value, dict):
            raise DocumentError("holds no object at its outermost level")
        return root

    def _blank(self, place: int) -> int:
        found = _BLANK.match(self._text, place)
        return found.end() if found else place

    def _fault(self, place: int) -> DocumentError:
        line = self._text.count("\n", 0, place) + 1
        seen = self._text[place : place + 1]
        return DocumentError(f"is not JSON: unexpected `{seen}`" if seen else "is not JSON: it ends too early", line)

    def _value(self, place: int) -> _Node:
        match self._text[place : place + 1]:
            case "{" | "[":
                return self._container(place)
            case _:
                found = _TEXT.match(self._text, place) or _WORD.match(self._text, place)
                if found is None:
                    raise self._fault(place)
                return _Node(_scalar(found[0]), place, found.end())

    def _container(self, start: int) -> _Node:
        is_object = self._text[start] == "{"
        members: list[_Member] = []
        place, comma = self._blank(start + 1), False
        while self._text[place : place + 1] != ("}" if is_object else "]"):
            if members and not comma:
                raise self._fault(place)
            member = self._member(place) if is_object else _Member(place, self._value(place))
            members.append(member)
            place = self._blank(member.node.end)
            comma = self._text[place : place + 1] == ","
            place = self._blank(place + 1) if comma else place
        value: Any = {one.name: one.node.value for one in members} if is_object else [one.node.value for one in members]
        return _Node(value, start, place + 1, tuple(members), comma)

    def _member(self, start: int) -> _Member:
        name = _TEXT.match(self._text, start)
        if name is None:
            raise self._fault(start)
        colon = self._blank(name.end())
        if self._text[colon : colon + 1] != ":":
            raise self._fault(colon)
        return _Member(start, self._value(self._blank(colon + 1)), _scalar(name[0]))


def _scalar(text: str) -> Any:  # noqa: ANN401 - what JSON can say
    try:
        return json.loads(text)
    except ValueError:
        raise DocumentError(f"is not JSON: unexpected `{text}`") from None


def _nested(path: Path, value: Value) -> Value:
    """Return the tables that lead to `value`, from the inside out."""
    for part in reversed(path):
        value = [{part.field: part.value, **value}] if isinstance(part, Item) else {part: value}
    return value


FORMAT: Final = Jsonc
