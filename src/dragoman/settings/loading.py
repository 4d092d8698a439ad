"""Read the settings: the file, over it the environment, over it the flags. The only I/O is reading the file."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from dragoman.settings import faults
from dragoman.settings.data import data_folder
from dragoman.settings.describing import choices_of, description_of, range_of, rows, types_of
from dragoman.settings.faults import Origin, SettingsError, did_you_mean, dotted
from dragoman.settings.older_names import from_older_names
from dragoman.settings.origins import origin_of, without_user
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
    Routes,
    Server,
    Settings,
)
from dragoman.settings.secret import Secret

R = TypeVar("R", bound=Record)
Table = dict[str, Any]

FILE_NAME: Final = "dragoman.toml"
CONFIG_VARIABLE: Final = "DRAGOMAN_CONFIG"
SECTIONS: Final = ("server", "providers", "aliases", "routes", "claude", "opencode")
ROUTES: Final = ("vision", "default")
AGENTS: Final = "agents"
_ALIAS_PRESET: Final = "preset"
_TOML_HINT: Final = 'a setting is `name = value` below its `[table]`, and a text stands in quotes: `host = "127.0.0.1"`'
_SECRET_FIELDS: Final = frozenset({"api_key", "headers", "keys", "oauth_token", "environment"})
_PROVIDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AT_LINE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$")
_OUT_OF_RANGE: Final = re.compile(r"Expected `(?:int|float)` [<>]")
_SERVICE_LINK: Final = re.compile(r"DRAGOMAN_(SERVICE_(HOST|PORT.*)|PORT_\d+_.*)|DRAGOMAN_PORT=(tcp|udp|sctp)://.*")
"""What Kubernetes tells every container of a service with our name.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""
_AT_PATH: Final = re.compile(r"^(.*) - at `(.*)`$", re.DOTALL)


def load(
    path: str | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] = {},
    here: Path = Path(),
) -> Settings:
    """Return the settings of the file at `path` (`--config`), of `environ` and of `flags`.

    `flags` maps dotted names to values: `{"server.port": 8080}`; None is one that was not given. Without `path` the
    file is looked for: `DRAGOMAN_CONFIG`, `dragoman.toml` in the folder `here`,
    `$XDG_CONFIG_HOME/dragoman/dragoman.toml`; it need not exist. Raises SettingsError. Names that only other rooms
    know (presets, fields of dialects, who an alias stands for) are checked when the registry is built, and reported
    the same way.
    """
    file = find(path, environ, here)
    text, table = _read(file, is_by_variable=not path and bool(environ.get(CONFIG_VARIABLE))) if file else ("", {})
    elsewhere: dict[faults.Path, str] = {}
    origin = Origin(str(file) if file else None, text, elsewhere)
    if isinstance(table.get("aliases"), str):
        table["aliases"] = {_ALIAS_PRESET: table["aliases"]}
    _check_tables(table, origin)
    for variable, place, value in (
        *from_older_names(environ, table.get("providers", {})),
        *_from_environment(environ, table.get("providers", {})),
    ):
        _put(table, place, value)
        elsewhere[place] = variable
    for name, value in flags.items():
        if value is not None:
            place = tuple(name.split("."))
            _put(table, place, value)
            elsewhere[place] = f"--{place[-1].replace('_', '-')}"
    return _Reader(origin, environ).settings(table)


def find(path: str | None, environ: Mapping[str, str], here: Path = Path()) -> Path | None:
    """Return the file to read; None when there is none. One that was asked for by name has to exist: `load` says so."""
    named = path or environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else None)
    places = [here / FILE_NAME, *([Path(home) / "dragoman" / FILE_NAME] if home else [])]
    return next((place for place in places if place.is_file()), None)


def _read(file: Path, *, is_by_variable: bool) -> tuple[str, Table]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        hint = f"the environment variable `{CONFIG_VARIABLE}` names this file: correct it, or unset it"
        problem = f"cannot be read: {error.strerror}"
        raise SettingsError(problem, where=str(file), hint=hint if is_by_variable else None) from None
    except UnicodeDecodeError:
        raise SettingsError("is not UTF-8 text", where=str(file), hint="TOML files are UTF-8") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.match(str(error))
        problem = found[1] if found else str(error)
        line = int(found[2]) if found and found[2] else len(text.splitlines())
        raise SettingsError(f"not TOML: {problem}", where=str(file), line=line, hint=_TOML_HINT) from None


def _check_tables(table: Table, origin: Origin) -> None:
    """Check that the sections are known, and tables of tables where they have to be."""
    _check_names(table, SECTIONS, (), origin)
    for section in SECTIONS:
        inner = table.get(section, {})
        _require_table(inner, (section,), origin)
        for name, value in inner.items() if section in ("providers", "routes") else ():
            if (section, name) == ("routes", AGENTS):
                _require_tables(value, (section, name), origin)
            else:
                _require_table(value, (section, name), origin)


def _require_table(value: object, path: faults.Path, origin: Origin) -> None:
    if not isinstance(value, dict):
        raise origin.fault(path, f"`{dotted(path)}` is no table", f"write it as [{dotted(path)}]")


def _require_tables(value: object, path: faults.Path, origin: Origin) -> None:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise origin.fault(path, f"`{dotted(path)}` is no list of tables", f"write each as [[{dotted(path)}]]")


def _check_names(table: Table, names: tuple[str, ...], path: faults.Path, origin: Origin) -> None:
    for name in table:
        if name not in names:
            here = (*path, name)
            raise origin.fault(here, f"there is no setting `{dotted(here)}`", did_you_mean(name, names))


def _put(table: Table, path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value


# --- the environment ------------------------------------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str], providers: Table) -> Iterator[tuple[str, tuple[str, ...], object]]:
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
        yield variable, path, _parsed(variable, environ[variable], types_of(record)[path[-1]])


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


def _parsed(variable: str, text: str, kind: Any) -> object:  # noqa: ANN401 - an annotated type
    """Return a variable's value: JSON for tables, and for lists if it looks like it; else lists have commas."""
    plain = get_args(kind)[0]
    shape = get_origin(plain)
    try:
        if shape is dict or (shape is tuple and text.lstrip().startswith("[")):
            return msgspec.json.decode(text)
        if plain in (bool, int, float):
            return msgspec.convert(text.lower(), plain, strict=False)
    except msgspec.MsgspecError as error:
        problem = str(error)
        raise SettingsError(f"`{text}`: {problem[:1].lower()}{problem[1:]}", where=variable) from None
    if shape is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


# --- the records ----------------------------------------------------------------------------------------------------


class _Reader:
    """Turns plain tables into records and says what is wrong with them."""

    def __init__(self, origin: Origin, environ: Mapping[str, str]) -> None:
        self._origin = origin
        self._environ = environ

    def settings(self, table: Table) -> Settings:
        return Settings(
            server=self._server(table.get("server", {})),
            providers={name: self._provider(name, value) for name, value in table.get("providers", {}).items()},
            aliases=self._aliases(table.get("aliases", {})),
            alias_preset=table.get("aliases", {}).get(_ALIAS_PRESET),
            routes=self._routes(table.get("routes", {})),
            claude=self._claude(table.get("claude", {})),
            opencode=self._opencode(table.get("opencode", {})),
            origin=self._origin,
            data=data_folder(self._environ),
        )

    def _server(self, table: Table) -> Server:
        path = ("server",)
        if isinstance(entries := table.get("keys"), list):
            table = {**table, "keys": [self._key_table(entry, index) for index, entry in enumerate(entries)]}
        server = self._record(table, Server, path)
        keys: list[Key] = []
        for index, key in enumerate(server.keys):
            found = self._found(key.key, (*path, "keys", index, "key"), "the server")
            if found in [other.key for other in keys]:
                raise self._origin.fault((*path, "keys", index), f"`server.keys[{index}]` is there already")
            keys.append(msgspec.structs.replace(key, key=found))
        for index, url in enumerate(server.allow_upstream_urls):
            if origin_of(url) is None or urlsplit(url).path not in ("", "/"):
                raise self._origin.fault(
                    (*path, "allow_upstream_urls", index),
                    f"`{without_user(url)}` is no origin",
                    "write it as `https://host` or `http://host:port`",
                )
        return msgspec.structs.replace(server, keys=tuple(keys))

    def _key_table(self, entry: object, index: int) -> object:
        """Return the table that an entry of `keys` stands for, which may be the key alone."""
        if isinstance(entry, dict):
            _check_names(entry, Key.__struct_fields__, ("server", "keys", index), self._origin)
        return {"key": entry} if isinstance(entry, str) else entry

    def _claude(self, table: Table) -> Claude:
        path = ("claude",)
        claude = self._record(table, Claude, path)
        token = claude.oauth_token
        return msgspec.structs.replace(
            claude,
            oauth_token=token and self._found(token, (*path, "oauth_token"), "the Claude back end"),
            environment={
                name: self._found(value, (*path, "environment", name), "the Claude back end")
                for name, value in claude.environment.items()
            },
        )

    def _opencode(self, table: Table) -> OpenCode:
        path = ("opencode",)
        opencode = self._record(table, OpenCode, path)
        return msgspec.structs.replace(
            opencode,
            environment={
                name: self._found(value, (*path, "environment", name), "OpenCode")
                for name, value in opencode.environment.items()
            },
        )

    def _provider(self, name: str, table: Table) -> Provider:
        path = ("providers", name)
        if not _PROVIDER_NAME.fullmatch(name):
            raise self._origin.fault(
                path, f"`{name}` cannot be a provider's name", "letters, digits, `-`, `_` and `.`; it is part of paths"
            )
        models = table.get("models", ())
        for index, model in enumerate(models if isinstance(models, list) else ()):
            if isinstance(model, dict):
                here = (*path, "models", index)
                _check_names(model, Model.__struct_fields__, here, self._origin)
                if isinstance(model.get("cost"), dict):
                    _check_names(model["cost"], Cost.__struct_fields__, (*here, "cost"), self._origin)
        provider = self._record(table, Provider, path)
        self._check_place(provider, path)
        who = f"provider `{name}`"
        return msgspec.structs.replace(
            provider,
            api_key=provider.api_key and self._found(provider.api_key, (*path, "api_key"), who),
            headers={
                header.lower(): self._found(value, (*path, "headers", header), who)
                for header, value in provider.headers.items()
            },
        )

    def _check_place(self, provider: Provider, path: faults.Path) -> None:
        """Check that it is known where the provider is and what it speaks there."""
        if provider.base_url is not None and origin_of(provider.base_url) is None:
            raise self._origin.fault(
                (*path, "base_url"),
                f"`base_url` is `{without_user(provider.base_url)}`, which is no URL of an upstream",
                "write it as `https://host/v1`, without user and password",
            )
        if provider.preset is not None or provider.kind != "http":
            return
        for field in ("base_url", "protocol"):
            given = getattr(provider, field)
            all_say = all(isinstance(model, Model) and model.protocol for model in provider.models or ("",))
            if given is None and not (field == "protocol" and all_say):
                raise self._origin.fault(path, f"`{dotted(path)}` needs `{field}`", "or a `preset` to start from")

    def _aliases(self, table: Table) -> dict[str, str | Route]:
        routes = {name: value for name, value in table.items() if isinstance(value, dict) and name != _ALIAS_PRESET}
        for name, target in table.items():
            if name not in routes and (not isinstance(target, str) or not target):
                raise self._origin.fault(
                    ("aliases", name),
                    f"the alias `{name}` stands for no model's name",
                    'write "name" = "provider/model"',
                )
        read = {name: self._record(value, Route, ("aliases", name)) for name, value in routes.items()}
        return {name: target for name, target in (table | read).items() if name != _ALIAS_PRESET}

    def _routes(self, table: Table) -> Routes:
        _check_names(table, (*ROUTES, AGENTS), ("routes",), self._origin)
        routes = {name: self._record(value, Route, ("routes", name)) for name, value in table.items() if name != AGENTS}
        agents = [self._agent_route(index, value) for index, value in enumerate(table.get(AGENTS, ()))]
        return Routes(**routes, agents=tuple(agents))

    def _agent_route(self, index: int, table: Table) -> AgentRoute:
        path = ("routes", AGENTS, index)
        route = self._record(table, AgentRoute, path)
        if not route.agent and route.mode is None:
            raise self._origin.fault(
                path, f"`{dotted(path)}` fits every agent", "give it an `agent`, a `mode`, or both"
            )
        return route

    def _record(self, table: Table, kind: type[R], path: faults.Path) -> R:
        _check_names(table, kind.__struct_fields__, path, self._origin)
        try:
            return msgspec.convert(table, kind, dec_hook=_hook)
        except msgspec.ValidationError as error:
            raise self._misfit(str(error), table, kind, path) from None

    def _misfit(self, message: str, table: Table, kind: type[R], path: faults.Path) -> SettingsError:
        """Return the error for a value that does not fit, with the value unless it may be secret."""
        found = _AT_PATH.match(message)
        problem, place = (found[1], found[2]) if found else (message, "$")
        parts = [int(part) if part.isdigit() else part for part in re.findall(r"[A-Za-z_]+|\d+", place)]
        here = (*path, *parts)
        value: Any = table
        for part in parts:
            value = value[part]
        if problem.startswith("Invalid enum value"):
            names = choices_of(str(parts[-1]))
            return self._origin.fault(here, f"`{dotted(here)}` cannot be `{value}`", did_you_mean(str(value), names))
        if _OUT_OF_RANGE.match(problem) and len(parts) == 1:
            hint = types_of(kind)[str(parts[0])]
            must = f"`{dotted(here)}` is `{value}`: it must be {range_of(hint)}"
            return self._origin.fault(here, must, description_of(hint))
        is_shown = isinstance(value, (str, int, float)) and not _SECRET_FIELDS.intersection(parts)
        given = f" is `{msgspec.json.encode(value).decode()}`" if is_shown else ""
        return self._origin.fault(here, f"`{dotted(here)}`{given}: {problem[:1].lower()}{problem[1:]}")

    def _found(self, secret: Secret, path: faults.Path, who: str) -> Secret:
        """Return what an `env:NAME` stands for."""
        if secret.variable is None:
            return secret
        text = self._environ.get(secret.variable, "").strip()
        if not text:
            raise self._origin.fault(
                path,
                f"{who} takes `{path[-1]}` from the environment variable `{secret.variable}`, which is not set",
                f"export {secret.variable}=..., or write the value itself",
            )
        return Secret(text)


def _hook(kind: type, value: object) -> object:
    """Make a Secret of a text; a dialect's fields may be anything yet."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is object:
        return value
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
