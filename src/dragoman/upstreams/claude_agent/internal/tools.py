"""The six tools as data: their arguments, what the model is told of them, and the limits that they are held to."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

_PATH: Final = "Path of the file: below the working folder, or absolute in it."
_BELOW: Final = "Folder to look in, below the working folder."


class ToolError(Exception):
    """A call that could not be done; its words are for the model."""


class Limits(msgspec.Struct, frozen=True):
    """What a call may take: seconds, and bytes of output."""

    seconds: float
    output: int


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a tool."""


class Read(Arguments, frozen=True):
    """Read a text file. Every line is shown behind its number and a tab, which are not part of it."""

    file_path: Annotated[str, Meta(description=_PATH)]
    offset: Annotated[int, Meta(description="Number of the first line to show, from 1.", ge=1)] = 1
    limit: Annotated[int, Meta(description="The most lines to show.", ge=1)] = 2000


class Write(Arguments, frozen=True):
    """Write a text file, in place of what was in it. Folders that are missing are made."""

    file_path: Annotated[str, Meta(description=_PATH)]
    content: Annotated[str, Meta(description="The whole new content.")]


class Edit(Arguments, frozen=True):
    """Put one text in the place of another in a file. The old text has to be there exactly, and only once unless `replace_all`."""

    file_path: Annotated[str, Meta(description=_PATH)]
    old_string: Annotated[str, Meta(description="The text to replace, without the line numbers that `read` shows.")]
    new_string: Annotated[str, Meta(description="The text to put there.")]
    replace_all: Annotated[bool, Meta(description="Whether to replace it wherever it stands.")] = False


class Bash(Arguments, frozen=True):
    """Run a command with bash in the working folder. Each call is a new shell; all that it started ends with it."""

    command: Annotated[str, Meta(description="The command.")]
    timeout_s: Annotated[
        float | None, Meta(description="Seconds after which it is ended; it cannot be more than the gateway allows.")
    ] = None


class Glob(Arguments, frozen=True):
    """Find files by their path, the newest first: `src/**/*.py`, `*.{ts,tsx}`. `.git` is left out."""

    pattern: Annotated[
        str, Meta(description="`*`, `?`, `[a-z]` within a name, `**` for any folders, `{a,b}` for either.")
    ]
    path: Annotated[str, Meta(description=_BELOW)] = "."


class Grep(Arguments, frozen=True):
    """Find lines in files by a regular expression (Python's). Shows `path:line number:line`. `.git` is left out."""

    pattern: Annotated[str, Meta(description="The regular expression; it is looked for in each line.")]
    path: Annotated[str, Meta(description="Folder or file to look in, below the working folder.")] = "."
    glob: Annotated[str | None, Meta(description="Only files whose path fits this pattern, as in `glob`.")] = None
    ignore_case: Annotated[bool, Meta(description="Whether capital letters do not matter.")] = False


Call = Read | Write | Edit | Bash | Glob | Grep
TOOLS: Final[dict[str, type[Call]]] = {
    "read": Read,
    "write": Write,
    "edit": Edit,
    "bash": Bash,
    "glob": Glob,
    "grep": Grep,
}
_READ_ONLY: Final = frozenset({"read", "glob", "grep"})
_ROOM: Final = 4
"""The CLI puts longer results into a file, which nobody could read; how many characters beyond our own limit it is to bear."""


def call_of(name: str, arguments: Any) -> Call:  # noqa: ANN401 - JSON
    """Return a call as the model made it. Raises ToolError for a tool that there is not, and for arguments that do not fit."""
    kind = TOOLS.get(name)
    if kind is None:
        raise ToolError(f"there is no tool `{name}`")
    try:
        return msgspec.convert(arguments, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ToolError(f"the arguments of `{name}` do not fit: {error}") from None


def described(names: tuple[str, ...], limits: Limits) -> list[dict[str, Any]]:
    """Return the tools `names` as MCP lists them."""
    return [_described(name, limits) for name in names]


def as_body(names: tuple[str, ...], limits: Limits) -> Raw:
    """Return the same tools as the body of a request to Anthropic lists them."""
    tools = described(names, limits)
    return Raw(
        msgspec.json.encode(
            [{"name": t["name"], "description": t["description"], "input_schema": t["inputSchema"]} for t in tools]
        )
    )


def _described(name: str, limits: Limits) -> dict[str, Any]:
    _, (schema,) = _schemas((TOOLS[name],))
    return {
        "name": name,
        "description": schema.pop("description"),
        "inputSchema": {field: value for field, value in schema.items() if field != "title"},
        "annotations": {"readOnlyHint": name in _READ_ONLY},
        "_meta": {"anthropic/maxResultSizeChars": limits.output * _ROOM},
    }


def _schemas(kinds: tuple[type[Call], ...]) -> tuple[Any, list[dict[str, Any]]]:
    references, components = msgspec.json.schema_components(kinds)
    return references, [dict(components[kind.__name__]) for kind in kinds]
