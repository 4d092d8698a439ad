"""The settings as rows of a table, for the docs and for `--help`."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from dragoman.settings.records import (
    AgentRoute,
    Aliases,
    Claude,
    Cost,
    Key,
    Model,
    OpenCode,
    Provider,
    Record,
    Route,
    Server,
)
from dragoman.settings.secret import Secret

SECTIONS: Final[Mapping[str, type[Record]]] = {
    "server": Server,
    "server.keys": Key,
    "providers.NAME": Provider,
    "providers.NAME.models": Model,
    "providers.NAME.models.cost": Cost,
    "aliases": Aliases,
    "routes.vision": Route,
    "routes.default": Route,
    "routes.agents": AgentRoute,
    "claude": Claude,
    "opencode": OpenCode,
}
_WORDS: Final[Mapping[object, str]] = {
    bool: "true or false",
    float: "number",
    int: "whole number",
    str: "text",
    Secret: "text",
    Key: "text or table",
    Model: "table",
    Cost: "table",
    object: "any",
}


class Row(NamedTuple):
    """One setting, in words. `variable` is empty where there is none."""

    section: str
    name: str
    type: str
    default: str
    variable: str
    description: str


def rows() -> Iterator[Row]:
    """Yield every setting, section by section, in the order of their definition."""
    for section, record in SECTIONS.items():
        hints = types_of(record)
        for field in msgspec.structs.fields(record):
            default = "" if field.required else _default(field)
            is_listed = section.endswith((".keys", ".agents")) or ".models" in section
            variable = "" if is_listed else variable_of(section, field.name)
            yield Row(
                section, field.name, words_for(hints[field.name]), default, variable, description_of(hints[field.name])
            )


def types_of(record: type[Record]) -> dict[str, Any]:
    """Return the annotated type of each field."""
    return get_type_hints(record, include_extras=True)


def variable_of(section: str, name: str) -> str:
    """Return the environment variable of a setting: `DRAGOMAN_SERVER_PORT`."""
    return f"DRAGOMAN_{section}_{name}".replace(".", "_").replace("-", "_").upper()


def description_of(hint: object) -> str:
    """Return the description that an annotated type carries."""
    metas = (meta for meta in get_args(hint)[1:] if isinstance(meta, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")


def range_of(hint: object) -> str:
    """Return the range that an annotated type's numbers have to be in, in words: `0 to 65535`."""
    meta = next(meta for meta in get_args(hint)[1:] if isinstance(meta, msgspec.Meta))
    if meta.gt is not None:
        return f"more than {meta.gt}"
    return f"{meta.ge} or more" if meta.le is None else f"{meta.ge} to {meta.le}"


def words_for(hint: object) -> str:
    """Return a type as people say it."""
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return words_for(arguments[0])
    if kind is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if kind in (Union, UnionType):
        return " or ".join(words_for(part) for part in arguments if part is not NoneType)
    if kind is tuple:
        return f"list of {words_for(arguments[0])}"
    return "table" if kind is dict else _WORDS[hint]


def choices_of(name: str) -> tuple[str, ...]:
    """Return the words that a setting of this name may be, where it is one of a closed list."""
    hints = (types_of(record).get(name) for record in SECTIONS.values())
    return next((words for words in map(_literal, hints) if words), ())


def _literal(hint: object) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((words for words in map(_literal, get_args(hint)) if words), ())


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else {}
    return "" if value is None else msgspec.json.encode(value).decode()
