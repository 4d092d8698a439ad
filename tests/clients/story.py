"""The tool loop that a model and an agent go through: random words, the calls that bring them, the turns of the script."""

import random
import shlex
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.clients.script import JSON, Call, Say

TEXT = 'First I “write” — naïvely 🥭 — and then\n\tI look; "quoted", \\ and a <tag>.'
REASONING = "The user wants a word in a file 🤔.\n\nThat takes a tool — “tee” will do."


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """The model asks for one tool call, or two at once, and answers with what they have brought; perhaps it `reasons` first.

    The word is written by a command, or as `write` has it: that writes a line to a new file, which is named for the word.
    `ids` are those that the calls have afterwards, where the client has none: the gateway makes them up. It asks in as many
    `rounds` before it answers.
    """

    parallel: bool = False
    reasons: bool = True
    write: Callable[[Path, str], tuple[str, JSON]] | None = None
    ids: tuple[str, ...] = ()
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Story:
    """What is to happen. `words` has the word that each call brings, `file` the one that the first call writes.

    `before` are the rounds that come first, of each of which only the opening is played.
    """

    prompt: str
    opening: Say
    closing: Say
    words: tuple[str, ...]
    file: Path
    before: tuple["Story", ...] = ()

    @property
    def rounds(self) -> tuple["Story", ...]:
        return *self.before, self

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.opening.calls

    def with_ids(self, ids: Sequence[str]) -> "Story":
        """Give the story in which the calls have other ids."""
        calls = tuple(replace(call, id=id) for call, id in zip(self.calls, ids, strict=True))
        return replace(self, opening=replace(self.opening, calls=calls))


@dataclass(frozen=True, slots=True)
class Hands:
    """How an agent's tools are called: each gives the name and the arguments of a call."""

    shell: Callable[[str], tuple[str, JSON]]
    """Runs a command."""
    look: Callable[[Path], tuple[str, JSON]]
    """Reads a file."""


NO_HANDS = Hands(lambda _: ("", {}), lambda _: ("", {}))
"""Of an agent that gives its model no tools: these calls are never played."""


def tell_edits(folder: Path, edit: Callable[[Path, str, str], str]) -> Story:
    """Make up a story in which the model edits a file twice: the word that it is to hold is in another, in `folder`.

    The first `edit` writes another word; what compares the files tells the model the right one.
    """
    written, found = _word(), _word()
    file = folder / "written-1.txt"
    (folder / "found-1.txt").write_text(f"{found}\n", encoding="utf-8")
    return Story(
        prompt=f"Write the word to a file, please. My reference is {_word()}.",
        opening=Say(edit(file, "", f"{written}\n")),
        closing=Say(edit(file, f"{written}\n", f"{found}\n")),
        words=(found, written),
        file=file,
    )


def tell(hands: Hands, folder: Path, loop: ToolLoop) -> Story:
    """Make up a story that nobody can guess; a file that it reads is written to `folder`."""
    rounds = [_round(hands, folder, loop, number) for number in range(1, loop.rounds + 1)]
    return replace(rounds[-1], before=tuple(rounds[:-1]))


def _round(hands: Hands, folder: Path, loop: ToolLoop, number: int) -> Story:
    written, found = _word(), _word()
    file, shelf = folder / f"written-{number}.txt", folder / f"found-{number}.txt"
    first = hands.shell(f"echo {written} | tee {shlex.quote(str(file))}")
    if loop.write:
        file = folder / f"{written}.txt"
        first = loop.write(file, written)
    calls = [_call(first)]
    words = [written]
    if loop.parallel:
        shelf.write_text(f"{found}\n", encoding="utf-8")
        calls.append(_call(hands.look(shelf)))
        words.append(found)
    opening = Say(TEXT, calls=tuple(calls))
    if loop.reasons:
        signature = "".join(random.choices(string.ascii_letters + string.digits + "+/", k=342)) + "=="
        opening = replace(opening, reasoning=REASONING, signature=signature)
    return Story(
        prompt=f"Write the word, please, and tell me about it. My reference is {_word()}.",
        opening=opening,
        closing=Say(f"It is done: “{' and '.join(words)}” 🥭."),
        words=tuple(words),
        file=file,
    )


def _call(call: tuple[str, JSON]) -> Call:
    name, arguments = call
    return Call(f"call_{_word()}", name, arguments)


def _word() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=14))
