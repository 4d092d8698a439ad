"""What a coding agent is to this program, and what it is put through. One module per agent; a table of them in `__main__`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.install import AnyPackage, Finished
from tests.clients.script import JSON, Fail
from tests.clients.speech import Speech
from tests.clients.story import Hands, ToolLoop


@dataclass(frozen=True, slots=True)
class Order:
    """What an agent is told to do: `port` is where it finds the gateway, `home` its own folder, `programs` its PATH."""

    prompt: str
    model: str
    dialect: Speech
    port: int
    key: str
    home: Path
    programs: str
    variant: str = ""


def surroundings(order: Order) -> dict[str, str]:
    """Make the part of the environment that every agent gets: nothing of the person's own, and no way out to a network."""
    dead_end = "http://127.0.0.1:9"
    return {
        "PATH": order.programs,
        "HOME": str(order.home),
        "TMPDIR": str(order.home),
        "LANG": "C.UTF-8",
        "HTTP_PROXY": dead_end,
        "HTTPS_PROXY": dead_end,
        "NO_PROXY": "127.0.0.1,localhost",
    }


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent says at its end: its last words, whether it calls that a failure, and what it saw of the models.

    `tokens` are those of all turns: of the prompt and not cached, from the cache, of the answers. They, `models` and
    `reasoning` are None when the agent does not tell them.
    """

    text: str
    is_failure: bool
    tokens: tuple[int, int, int] | None
    models: frozenset[str] | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenStream:
    """The first stream breaks off with an error, or `silently`; the agent asks again, as a stream or `whole`."""

    whole: bool = False
    silently: bool = False
    shows_both: bool = False
    """Whether its last words begin with those of the stream that broke."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The upstream refuses; the agent's last words hold `words`, and it asks `calls` times in all."""

    fail: Fail
    words: tuple[str, ...]
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Compaction:
    """The upstream finds the prompt too long; the agent asks for a summary, and goes on from that."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """The model has a sub-agent look; what that asks goes to `helper`, and what finds a title to `titler`."""

    helper: Speech
    titler: Speech
    hand_over: Callable[[str], tuple[str, JSON]]
    """The name and the arguments of the call that starts the sub-agent with a prompt."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """The agents that tell their names, with the modes that they tell; the sub-agent tells whose it is, too."""


@dataclass(frozen=True, slots=True)
class Errand:
    """The model asks for a call of the gateway's own tools, in internal mode; the agent sees one reply, and no call."""


@dataclass(frozen=True, slots=True)
class Edits:
    """The model's text holds edits of a file: a test fails after the first, and its words bring the second.

    After each the agent asks, without a stream, for a commit's message. `edit` gives the text in which a file's whole content
    becomes another.
    """

    edit: Callable[[Path, str, str], str]


Plot = ToolLoop | BrokenStream | Refusal | Compaction | Delegation | Errand | Edits


@dataclass(frozen=True, slots=True)
class Case:
    """One run of an agent that speaks `dialect`; the model that it asks for by the name `model` is at `upstream`."""

    name: str
    dialect: Speech
    upstream: Speech
    model: str
    plot: Plot
    variant: str = ""
    """A word for the agent's own `start`, such as another way to sign in."""
    declined: int = 0
    """Requests of the agent that are answered with 426, for it to go on without a WebSocket."""


@dataclass(frozen=True, slots=True)
class Client:
    """A coding agent."""

    name: str
    package: AnyPackage
    start: Callable[[Order], tuple[Sequence[str], Mapping[str, str]]]
    """Its command line and its whole environment."""
    read: Callable[[Finished], Said]
    hands: Hands
    cases: tuple[Case, ...]
    aliases: Mapping[str, str]
    """Names of models that the gateway has to know for it, and whose they are."""
    agents: Mapping[str, str] = field(default_factory=dict)
    """Agents of it that have a route of their own, as the configuration tells which, and whose model that is."""
    start_limit: float = 0.0
    """Seconds that it may take before it begins, where that takes long."""
    private_marks: tuple[str, ...] = ()
    """How those texts of its requests begin that are meant for its own vendor, and must not reach other upstreams."""
