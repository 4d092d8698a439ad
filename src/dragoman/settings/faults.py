"""What is wrong with a setting, and where it was written: the file and its line, the variable or the flag."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

Path = tuple[str | int, ...]
Table = dict[str, Any]

_PART: Final = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER: Final = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEY})[ \t]*\]")
_ENTRY: Final = re.compile(rf"[ \t]*({_KEY})[ \t]*=")


class SettingsError(Exception):
    """A setting that cannot be. `str` of it is one line, and a second one with a hint when there is one."""

    def __init__(
        self, problem: str, *, where: str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        self.problem = problem
        self.where = where
        self.line = line
        self.hint = hint
        place = where if line is None else f"{where}:{line}"
        text = f"{place}: {problem}" if place else problem
        super().__init__(f"{text}\nhint: {hint}" if hint else text)


class Origin:
    """Where settings were written. It holds the file's text, which may hold keys: it does not show it."""

    __slots__ = ("_elsewhere", "_text", "file")

    def __init__(
        self, file: str | None = None, text: str = "", elsewhere: Mapping[Path, str] = MappingProxyType({})
    ) -> None:
        """`elsewhere` names the variable or the flag of each setting that did not come from the file."""
        self.file = file
        self._text = text
        self._elsewhere = elsewhere

    def __repr__(self) -> str:
        return f"Origin({self.file!r})"

    def fault(self, path: Path, problem: str, hint: str | None = None) -> SettingsError:
        """Return the error to raise about the setting at `path`."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._elsewhere:
                return SettingsError(problem, where=self._elsewhere[path[:end]], hint=hint)
        line = line_of(self._text, path) if self.file else None
        return SettingsError(problem, where=self.file, line=line, hint=hint)

    def check_names(self, table: Table, names: tuple[str, ...], path: Path) -> None:
        """Raise SettingsError for an entry of `table`, which stands at `path`, that has none of these names."""
        for name in table:
            if name not in names:
                here = (*path, name)
                raise self.fault(here, f"there is no setting `{dotted(here)}`", did_you_mean(name, names))


def dotted(path: Path) -> str:
    """Return `path` as people write it: `providers.chat.models[0].id`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def continued(problem: str) -> str:
    """Return a sentence as it goes on behind a colon: `JSON is malformed` is no word to be written small."""
    return problem[:1].lower() + problem[1:] if problem[1:2].islower() else problem


def did_you_mean(given: str, names: Iterable[str]) -> str | None:
    """Return the hint that names what is nearest to `given`, or else everything there is to choose from."""
    names = list(names)
    near = get_close_matches(given, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return "one of " + ", ".join(f"`{name}`" for name in names) if names else None


def line_of(text: str, path: Path) -> int | None:
    """Return the number of the line in a TOML text where `path` is set, or the deepest part of it that is written out.

    A table that is only written as part of another's name (`[path.more]`) is set there.

    A small scan, for error messages: what stands in inline tables over several lines is found by its key alone.
    """
    table: Path = ()
    counts: dict[Path, int] = {}
    best, best_depth, below = None, 0, None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        written: Path = ()
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                table = (*table, index)
            written = table
        elif entry := _ENTRY.match(line):
            written = (*table, *_parts(entry[1]))
        depth = len(written)
        if depth > best_depth and written == path[:depth]:
            best, best_depth = number, depth
        elif below is None and depth > len(path) and written[: len(path)] == path:
            below = number
    if below is not None and best_depth < len(path):
        return below
    rest = [part for part in path[best_depth:] if isinstance(part, str)]
    if best is not None and rest:
        return _within(lines, best, rest[-1])
    return best


def _within(lines: list[str], start: int, key: str) -> int:
    """Return the one line from `start` on, within one value, where `key` is set in an inline table; else `start`."""
    wanted = re.compile(rf"""[{{,]\s*["']?{re.escape(key)}["']?[ \t]*=""")
    found = []
    for number in range(start, len(lines) + 1):
        line = lines[number - 1]
        if number > start and (_HEADER.match(line) or _ENTRY.match(line)):
            break
        if wanted.search(line):
            found.append(number)
    return found[0] if len(found) == 1 else start


def _parts(key: str) -> Path:
    """Return the parts of a dotted TOML key."""
    try:
        table = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str | int] = []
    value: object = table
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        parts.append(name)
    return tuple(parts)
