"""Which agent is meant: a model writes names as it remembers them, and the CLI knows only the exact ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "general-purpose": ("general",),
    "general": ("general-purpose",),
    "default": ("general", "general-purpose", "build"),
    "worker": ("general", "general-purpose"),
    "explorer": ("explore",),
    "search": ("explore",),
    "searcher": ("explore",),
    "code-search": ("explore",),
    "research": ("librarian", "explore", "general"),
    "researcher": ("librarian", "explore", "general"),
    "docs": ("librarian",),
    "planner": ("plan",),
    "architect": ("oracle", "plan"),
    "advisor": ("oracle",),
    "reviewer": ("code-reviewer", "oracle"),
    "code-review": ("code-reviewer", "oracle"),
    "builder": ("build",),
    "coder": ("build", "general", "general-purpose"),
}
"""What models call agents, and what clients do: Claude Code's names, OpenCode's, those of its plug-ins. The first that there is."""
_SUFFIXES: Final = ("-subagent", "-agent", "-worker", "-task", "-tool", "-type")
_SHORTEST: Final = 3
"""Letters that a part of a name needs to stand for the whole."""

Step = Callable[[str, Sequence[str]], str | None]


def match_agent(asked: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `asked` means; None: none of them, and nobody guesses.

    Six steps, each tried on all names before the next: exact, case (and `_` or a space for `-`), aliases, prefix, substring,
    suffix. Where several fit, the shortest is meant; of equals the first.
    """
    known = tuple(names)
    return next((found for step in _STEPS if (found := step(asked, known)) is not None), None)


def _exact(asked: str, names: Sequence[str]) -> str | None:
    return asked if asked in names else None


def _case(asked: str, names: Sequence[str]) -> str | None:
    wanted = _plain(asked)
    return next((name for name in names if _plain(name) == wanted), None)


def _alias(asked: str, names: Sequence[str]) -> str | None:
    found = (_case(other, names) for other in _ALIASES.get(_plain(asked), ()))
    return next((name for name in found if name is not None), None)


def _prefix(asked: str, names: Sequence[str]) -> str | None:
    """`lib` is `librarian`."""
    part = _plain(asked)
    return _shortest(name for name in names if len(part) >= _SHORTEST and _plain(name).startswith(part))


def _substring(asked: str, names: Sequence[str]) -> str | None:
    """`junior` is `sisyphus-junior`."""
    part = _plain(asked)
    return _shortest(name for name in names if len(part) >= _SHORTEST and part in _plain(name))


def _suffix(asked: str, names: Sequence[str]) -> str | None:
    """`explore-agent` is `explore`, and so is `code-explore`."""
    wanted = _plain(asked)
    bare = next((wanted.removesuffix(suffix) for suffix in _SUFFIXES if wanted.endswith(suffix)), None)
    if bare:
        return next((found for step in _STEPS[:-1] if (found := step(bare, names)) is not None), None)
    return _shortest(name for name in names if _plain(name) and wanted.endswith(f"-{_plain(name)}"))


_STEPS: Final[tuple[Step, ...]] = (_exact, _case, _alias, _prefix, _substring, _suffix)


def _plain(name: str) -> str:
    return "-".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _shortest(names: Iterable[str]) -> str | None:
    return min(names, key=len, default=None)
