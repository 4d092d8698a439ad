"""The settings that environment variables say: `DRAGOMAN_SERVER_PORT` is `server.port`."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

import msgspec

from dragoman.settings.describing import rows, types_of
from dragoman.settings.faults import SettingsError, Table, continued, did_you_mean
from dragoman.settings.records import ROUTES, Aliases, Claude, OpenCode, Provider, Record, Route, Server
from dragoman.settings.secret import SECRET_FIELDS

CONFIG_VARIABLE: Final = "DRAGOMAN_CONFIG"
_SERVICE_LINK: Final = re.compile(r"DRAGOMAN_(SERVICE_(HOST|PORT.*)|PORT_\d+_.*)|DRAGOMAN_PORT=(tcp|udp|sctp)://.*")
"""What Kubernetes tells every container of a service with our name.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""


def from_environment(environ: Mapping[str, str], providers: Table) -> Iterator[tuple[str, tuple[str, ...], object]]:
    """Yield (variable, path, value) for every variable that sets something; an empty one does not."""
    for variable in sorted(environ):
        section, _, rest = variable.removeprefix("DRAGOMAN_").partition("_")
        if not variable.startswith("DRAGOMAN_") or variable == CONFIG_VARIABLE or not environ[variable]:
            continue
        path: tuple[str, ...]
        record: type[Record]
        match section:
            case "SERVER":
                path, record = ("server", _field(variable, rest, Server)), Server
            case "ALIASES":
                path, record = ("aliases", _field(variable, rest, Aliases)), Aliases
            case "CLAUDE":
                path, record = ("claude", _field(variable, rest, Claude)), Claude
            case "OPENCODE":
                path, record = ("opencode", _field(variable, rest, OpenCode)), OpenCode
            case "ROUTES":
                path, record = _route(variable, rest), Route
            case "PROVIDERS":
                path, record = _provider_field(variable, rest, providers), Provider
            case _:
                _refuse_unknown(variable, environ[variable])
                continue
        yield variable, path, _parsed(variable, environ[variable], path[-1], types_of(record)[path[-1]])


def _refuse_unknown(variable: str, value: str) -> None:
    """Raise SettingsError for a variable that looks like ours and sets nothing."""
    if _SERVICE_LINK.fullmatch(variable) or _SERVICE_LINK.fullmatch(f"{variable}={value}"):
        return
    names = [name.removeprefix("DRAGOMAN_") for name in (CONFIG_VARIABLE, *(row.variable for row in rows()))]
    given = variable.removeprefix("DRAGOMAN_")
    near = [f"SERVER_{given}"] if f"SERVER_{given}" in names else get_close_matches(given, names, n=1)
    hint = (
        "settings are `DRAGOMAN_SERVER_...`, `DRAGOMAN_PROVIDERS_...`, `DRAGOMAN_ROUTES_...`, `DRAGOMAN_CLAUDE_...`, "
        "`DRAGOMAN_OPENCODE_...`, `DRAGOMAN_ALIASES_PRESET`"
    )
    if near:
        hint = f"did you mean `DRAGOMAN_{near[0]}`?"
    raise SettingsError("there is no setting for this variable", where=variable, hint=hint)


def _field(variable: str, rest: str, record: type[Record]) -> str:
    name = rest.lower()
    if name not in record.__struct_fields__:
        near = did_you_mean(name, record.__struct_fields__)
        raise SettingsError(f"there is no setting `{name}` for this variable", where=variable, hint=near)
    return name


def _route(variable: str, rest: str) -> tuple[str, ...]:
    route, _, name = rest.partition("_")
    if route.lower() not in ROUTES:
        raise SettingsError(
            f"there is no route `{route.lower()}`", where=variable, hint=did_you_mean(route.lower(), ROUTES)
        )
    return "routes", route.lower(), _field(variable, name, Route)


def _provider_field(variable: str, rest: str, providers: Table) -> tuple[str, ...]:
    """Return the path for `MY_CHAT_BASE_URL`: the provider of that name in the file, or a new one (`my-chat`)."""
    fields = sorted(Provider.__struct_fields__, key=len, reverse=True)
    field = next((name for name in fields if rest.endswith(f"_{name.upper()}")), None)
    if field is None:
        hint = "the name ends in one of " + ", ".join(f"`_{name.upper()}`" for name in sorted(fields))
        raise SettingsError("there is no such setting of a provider", where=variable, hint=hint)
    name = rest[: -len(field) - 1]
    known = {_shouted(provider): provider for provider in providers}
    return "providers", known.get(name, name.lower().replace("_", "-")), field


def _shouted(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _parsed(variable: str, text: str, field: str, kind: Any) -> object:  # noqa: ANN401 - an annotated type
    """Return the value of `field` in a variable: JSON for tables, and for lists if it looks like it; else lists have commas."""
    plain = get_args(kind)[0]
    shape = get_origin(plain)
    try:
        if shape is dict or (shape is tuple and text.lstrip().startswith("[")):
            return msgspec.json.decode(text)
        if plain in (bool, int, float):
            return msgspec.convert(text.lower(), plain, strict=False)
    except msgspec.MsgspecError as error:
        given = "" if field in SECRET_FIELDS else f"`{text}`: "
        raise SettingsError(given + continued(str(error)), where=variable) from None
    if shape is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise SettingsError("is set, and names nothing", where=variable, hint="unset it; an empty list is `[]`")
        return parts
    # A secret of Kubernetes' that was made of a file ends in its line break; `env:NAME` takes it off, too.
    return text.strip() if field in SECRET_FIELDS else text
