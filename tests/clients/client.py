"""What a coding agent is to this program, and what it is put through. One record per agent; a table of them in `__main__`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.clients.install import Finished, Package
from tests.clients.upstream import JSON, Fail, Speech


@dataclass(frozen=True, slots=True)
class Order:
    """What an agent is told to do: `port` is where it finds the gateway, `home` its own folder, `programs` its PATH."""

    prompt: str
    model: str
    port: int
    key: str
    home: Path
    programs: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent says at its end: its last words, whether it calls that a failure, and what it saw of the models.

    `tokens` are those of all turns: of the prompt and not cached, from the cache, of the answers.
    """

    text: str
    is_failure: bool
    models: frozenset[str]
    tokens: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """The model asks for one tool call, or two at once, and answers with what they have brought."""

    parallel: bool = False


@dataclass(frozen=True, slots=True)
class FallBack:
    """The first stream breaks off with an error; the agent asks again without streaming."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The upstream refuses the first call; the agent's last words hold `words`, and it does not ask again."""

    fail: Fail
    words: tuple[str, ...]


Plot = ToolLoop | FallBack | Refusal


@dataclass(frozen=True, slots=True)
class Case:
    """One run of an agent: with the upstream that speaks `speech`, which it asks for by the name `model`."""

    name: str
    speech: Speech
    model: str
    plot: Plot
    variant: str = ""
    """A word for the agent's own `start`, such as another way to sign in."""


Fault = str
"""One sentence about something that is not as it has to be."""


@dataclass(frozen=True, slots=True)
class Client:
    """A coding agent."""

    name: str
    speech: Speech
    """What it speaks to the gateway."""
    package: Package
    start: Callable[[Order], tuple[Sequence[str], Mapping[str, str]]]
    """Its command line and its whole environment."""
    read: Callable[[Finished], Said]
    shell: Callable[[str], tuple[str, JSON]]
    """The tool call (name, arguments) that runs a command."""
    look: Callable[[Path], tuple[str, JSON]]
    """The tool call that reads a file."""
    private_marks: tuple[str, ...]
    """How those texts of its requests begin that are meant for its own vendor, and must not reach other upstreams."""
    cases: tuple[Case, ...]
