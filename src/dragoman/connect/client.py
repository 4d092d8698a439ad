"""What a client is: where its settings stand, what is written there, and how it is run with none of that.

All of it is data and pure functions. A client is one module in `clients/` whose last line is `CLIENT = Client(...)`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final, Literal

from dragoman.connect.documents import Format, Path, Value

PROVIDER: Final = "dragoman"
"""What clients call the gateway in their settings."""
TITLE: Final = "Dragoman"
NO_KEY: Final = "dragoman"
"""What stands for a key where the gateway wants none: most clients insist on one."""

Platform = Literal["linux", "darwin", "win32"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the gateway's, as much of it as clients ask for. Sizes are tokens; None: not known."""

    id: str
    name: str
    context: int | None = None
    max_output: int | None = None
    sees: bool | None = None
    reasons: bool | None = None
    calls_tools: bool | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """The gateway that a client is to use.

    `url` has no slash at its end and no `/v1`. The first of `models` is the client's own choice when `has_choice`;
    `left_out` are so many more that are offered.
    """

    url: str
    key: str = NO_KEY
    models: Sequence[Model] = ()
    has_choice: bool = False
    left_out: int = 0

    @property
    def model(self) -> Model | None:
        """The model that was asked for; None: the client's own settings decide."""
        return self.models[0] if self.has_choice else None


@dataclass(frozen=True, slots=True)
class Places:
    """Where a user's files are on this machine."""

    home: FilePath
    environ: Mapping[str, str]
    platform: Platform = "linux"

    def below(self, variable: str, *default: str) -> FilePath:
        """Return the folder that an environment variable names, else the one below the home."""
        named = self.environ.get(variable)
        return FilePath(named) if named else self.home.joinpath(*default)

    @property
    def config(self) -> FilePath:
        """The folder of settings, as the XDG base directory specification has it."""
        return self.below("XDG_CONFIG_HOME", ".config")

    @property
    def application_support(self) -> FilePath:
        """Where desktop applications keep their settings."""
        match self.platform:
            case "darwin":
                return self.home / "Library" / "Application Support"
            case "win32":
                return self.below("APPDATA", "AppData", "Roaming")
            case "linux":
                return self.config


@dataclass(frozen=True, slots=True)
class Setting:
    """A value to write. `is_secret`: it is never shown."""

    path: Path
    value: Value
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file with settings of ours in it, and perhaps others."""

    place: FilePath
    form: Format
    settings: Sequence[Setting]


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run a client without touching its files.

    `arguments` stand before those of the user. `files` are texts for a folder of their own that lives as long as the
    client; `{folder}` in arguments and variables is that folder. `unset` are variables that would lead it elsewhere.
    """

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unset: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A coding agent.

    `files` is None when nothing can be written for it; `steps` are what is left for its user, with exact values to
    paste. `launch` is None when it takes its settings from nowhere but its files. `tested` is the version that the
    project's own tests drive, None when they drive none. `protocol` is what it speaks to the gateway. `lists_models` tells
    whether its settings hold its menu of models.
    """

    name: str
    title: str
    source: str
    """Where its vendor describes these settings."""
    protocol: str
    files: Callable[[Connection, Places], Sequence[File]] | None = None
    steps: Callable[[Connection], Sequence[str]] = lambda _: ()
    program: str | None = None
    launch: Callable[[Connection], Launch] | None = None
    needs_model: bool = False
    lists_models: bool = False
    tested: str | None = None
