"""The tool loop that a model and an agent go through: random words, the calls that bring them, the turns of the script."""

import random
import shlex
import string
from dataclasses import dataclass
from pathlib import Path

from tests.clients.client import Client
from tests.clients.upstream import Call, Say

TEXT = 'First I “write” — naïvely 🥭 — and then\n\tI look; "quoted", \\ and a <tag>.'
REASONING = "The user wants a word in a file 🤔.\n\nThat takes a tool — “tee” will do."


@dataclass(frozen=True, slots=True)
class Story:
    """What is to happen. `words` has the word that each call brings, `file` the one that the first call writes."""

    prompt: str
    opening: Say
    closing: Say
    words: tuple[str, ...]
    file: Path

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.opening.calls


def tell(client: Client, folder: Path, *, parallel: bool) -> Story:
    """Make up a story that nobody can guess; a file that it reads is written to `folder`."""
    written, found = _word(), _word()
    file, shelf = folder / "written.txt", folder / "found.txt"
    calls = [_call(client.shell(f"echo {written} | tee {shlex.quote(str(file))}"))]
    words = [written]
    if parallel:
        shelf.write_text(f"{found}\n", encoding="utf-8")
        calls.append(_call(client.look(shelf)))
        words.append(found)
    signature = "".join(random.choices(string.ascii_letters + string.digits + "+/", k=342)) + "=="
    return Story(
        prompt=f"Write the word, please, and tell me about it. My reference is {_word()}.",
        opening=Say(TEXT, REASONING, signature, tuple(calls)),
        closing=Say(f"It is done: “{' and '.join(words)}” 🥭."),
        words=tuple(words),
        file=file,
    )


def _call(call: tuple[str, dict[str, object]]) -> Call:
    name, arguments = call
    return Call(f"call_{_word()}", name, arguments)


def _word() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=14))
