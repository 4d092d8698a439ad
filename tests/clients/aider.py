"""Aider, headless, set up by our command: aider.chat/docs/scripting.html. It has no tools: edits stand in the model's text."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.clients.chat import CHAT
from tests.clients.client import Case, Client, Edits, Order, Refusal, Said, surroundings
from tests.clients.connecting import CONNECTED, LAUNCHED, connect, launched
from tests.clients.gemini import GEMINI
from tests.clients.install import Finished, PythonPackage
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.story import NO_HANDS

EDIT = """\
I edit the file — naïvely 🥭.

{file}
```
<<<<<<< SEARCH
{before}=======
{after}>>>>>>> REPLACE
```
"""
TOO_LONG = "has hit a token limit!"
COMPLAINTS = ("litellm.", TOO_LONG)
"""What it says of errors; its exit code is 0 all the same."""

REASONER = "reasoner"
"""An alias: LiteLLM takes `responses/` in front of a model for the protocol that it is to speak."""

OFF = ("check-update", "detect-urls", "fancy-input", "pretty", "show-model-warnings", "show-release-notes")
"""What would look around on the network, or adorn what it writes."""


def _edit(file: Path, before: str, after: str) -> str:
    return EDIT.format(file=file.name, before=before, after=after)


def _cases() -> Iterator[Case]:
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        model = REASONER if upstream is RESPONSES else f"{upstream.provider}/{upstream.model}"
        yield Case("connected, edits until a test holds", CHAT, upstream, model, Edits(_edit), CONNECTED)
        bad_key = Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],))
        yield Case("connected, 401", CHAT, upstream, model, bad_key, CONNECTED)
        too_long = Refusal(upstream.too_long, (TOO_LONG,))
        yield Case("connected, prompt is too long", CHAT, upstream, model, too_long, CONNECTED)
    yield Case("launched, edits until a test holds", CHAT, MESSAGES, "messages/writer-1", Edits(_edit), LAUNCHED)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    quietly = [f"--no-{name}" for name in OFF]
    test = ("--auto-test", "--test-cmd", "diff found-1.txt written-1.txt")
    words = ("--yes-always", "--edit-format", "diff", *test, *quietly, "--message", order.prompt)
    environment = {**surroundings(order), "AIDER_ANALYTICS": "false", "COLUMNS": "1000"}
    if order.variant == LAUNCHED:
        return launched(order, "aider", words, environment)
    connect(order, "aider")
    return ("aider", *words), environment


def _read(finished: Finished) -> Said:
    complains = any(words in finished.output for words in COMPLAINTS)
    return Said(finished.output, is_failure=finished.code != 0 or complains, tokens=None)


CLIENT = Client(
    name="aider",
    package=PythonPackage("aider-chat", "0.86.2", "aider", ">=3.10,<3.13"),
    start=_start,
    read=_read,
    hands=NO_HANDS,
    cases=tuple(_cases()),
    aliases={REASONER: "responses/reasoner-1"},
)
