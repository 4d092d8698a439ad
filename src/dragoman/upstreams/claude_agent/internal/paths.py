"""Paths as words: which lie below a folder, and which fit a pattern. Nothing is looked up."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from typing import Final

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_MOST_PATTERNS: Final = 256


class OutsideError(ValueError):
    """A path that leads out of the folder."""


def parts_below(path: str, *roots: str) -> list[str]:
    """Return the names that lead from the folder to `path`, `..` among them; `roots` are the folder's own absolute names.

    Raises OutsideError for an absolute path that does not begin with one of them, and for what can be no path.
    """
    if "\0" in path:
        raise OutsideError("a path has no NUL in it")
    if path.startswith("/"):
        bare = [root.rstrip("/") for root in roots]
        found = next((path[len(root) :] for root in bare if path == root or path.startswith(f"{root}/")), None)
        if found is None:
            raise OutsideError(f"`{path}` is outside the working folder")
        path = found
    return [part for part in path.split("/") if part not in ("", ".")]


class Pattern:
    """A glob: `*`, `?` and `[...]` within a name, `**` for any folders, `{a,b}` for either.

    Each name is matched by itself, and `**` by a table, so that no pattern takes long.
    """

    def __init__(self, text: str) -> None:
        self._choices = [
            tuple(
                None if part == "**" else re.compile(translate(part))
                for part in one.split("/")
                if part not in ("", ".")
            )
            for one in _unfolded(text)
        ]

    def fits(self, parts: Sequence[str]) -> bool:
        """Tell whether the path made of `parts` fits."""
        return any(_fits(choice, parts) for choice in self._choices)


def _fits(pattern: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Walk the pattern; `reached` has the numbers of parts that its beginning can have used up."""
    reached = {0}
    for piece in pattern:
        if piece is None:
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and piece.match(parts[at])}
    return len(parts) in reached


def _unfolded(text: str) -> Iterator[str]:
    """Yield the patterns that the braces of one stand for."""
    waiting, count = [text], 0
    while waiting:
        one = waiting.pop()
        braces = _BRACES.search(one)
        if braces is None or count + len(waiting) >= _MOST_PATTERNS:
            count += 1
            yield one
            continue
        before, after = one[: braces.start()], one[braces.end() :]
        waiting += [before + choice + after for choice in braces[1].split(",")]
