"""`.env` files: lines of `NAME=value`, comments, and whatever else their programs let stand there."""

import re
from typing import Final

from dragoman.connect.documents.paths import MISSING, DocumentError, Missing, Path, Value

_LINE: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(.*?)[ \t]*$")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./\[\]-]*")


class DotEnv:
    """Paths have one name; values are texts. Of a name that is set twice the last line counts, as it does to readers."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = text.splitlines()

    def get(self, path: Path) -> Value | Missing:
        """Return the text after `NAME=`, without its quotes."""
        place = self._find(path)
        return MISSING if place is None else _bare(self._words(place)[2])

    def put(self, path: Path, value: Value) -> None:
        """Set the value in its line, or in a new one at the end."""
        place = self._find(path)
        line = f"{_name(path)}={_quoted(str(value))}"
        if place is None:
            self._lines.append(line)
        else:
            self._lines[place] = line

    def remove(self, path: Path) -> None:
        """Take the line away."""
        place = self._find(path)
        if place is not None:
            del self._lines[place]

    def text(self) -> str:
        """Return the lines."""
        return "".join(f"{line}{self._newline}" for line in self._lines)

    def is_empty(self) -> bool:
        """Tell whether there is no line with anything in it."""
        return not any(line.strip() for line in self._lines)

    def _words(self, place: int) -> tuple[str, str, str]:
        found = _LINE.match(self._lines[place])
        return ("", "", "") if found is None else (found[0], found[1], found[2])

    def _find(self, path: Path) -> int | None:
        name = _name(path)
        return next((i for i in range(len(self._lines) - 1, -1, -1) if self._words(i)[1] == name), None)


def _name(path: Path) -> str:
    if len(path) == 1 and isinstance(path[0], str):
        return path[0]
    raise DocumentError("a line of this file has one name")


def _bare(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\") if text[0] == '"' else text[1:-1]
    return text.partition(" #")[0].rstrip()


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


FORMAT: Final = DotEnv
