"""Plain tables become records, and what is wrong with one is told with its place."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from dragoman.settings import faults
from dragoman.settings.data import data_folder
from dragoman.settings.describing import choices_of, description_of, range_of, types_of
from dragoman.settings.faults import Origin, SettingsError, Table, continued, did_you_mean, dotted
from dragoman.settings.origins import origin_of, without_endpoint, without_user
from dragoman.settings.records import (
    AGENTS,
    ALIAS_PRESET,
    ROUTES,
    AgentRoute,
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
from dragoman.settings.secret import SECRET_FIELDS, Secret

R = TypeVar("R", bound=Record)

_PROVIDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_HEADER: Final = re.compile(r"[\0-\x08\n-\x1f\x7f]|[^\0-\xff]")
_OUT_OF_RANGE: Final = re.compile(r"Expected `(?:int|float)` [<>]")
_AT_PATH: Final = re.compile(r"^(.*) - at `(.*)`$", re.DOTALL)


class Reader:
    """Turns plain tables into records and says what is wrong with them."""

    def __init__(self, origin: Origin, environ: Mapping[str, str]) -> None:
        self._origin = origin
        self._environ = environ

    def settings(self, table: Table) -> Settings:
        """Return the settings of a table whose sections are tables. Raises SettingsError."""
        return Settings(
            server=self._server(table.get("server", {})),
            providers={name: self._provider(name, value) for name, value in table.get("providers", {}).items()},
            aliases=self._aliases(table.get("aliases", {})),
            alias_preset=table.get("aliases", {}).get(ALIAS_PRESET),
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
            found = self.key(key.key, (*path, "keys", index, "key"), "the server")
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
            self._origin.check_names(entry, Key.__struct_fields__, ("server", "keys", index))
        return {"key": entry} if isinstance(entry, str) else entry

    def _claude(self, table: Table) -> Claude:
        path = ("claude",)
        claude = self._record(table, Claude, path)
        token = claude.oauth_token
        return msgspec.structs.replace(
            claude,
            oauth_token=token and self.key(token, (*path, "oauth_token"), "the Claude back end"),
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
                self._origin.check_names(model, Model.__struct_fields__, here)
                if isinstance(model.get("cost"), dict):
                    self._origin.check_names(model["cost"], Cost.__struct_fields__, (*here, "cost"))
        provider = self._record(table, Provider, path)
        self._check_place(provider, path)
        who = f"provider `{name}`"
        return msgspec.structs.replace(
            provider,
            api_key=provider.api_key and self.key(provider.api_key, (*path, "api_key"), who),
            headers={
                header.lower(): self._header(value, (*path, "headers", header), who)
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
        base = without_endpoint(provider.base_url) if provider.base_url is not None else None
        if base is not None:
            hint = f'the endpoint is put behind it: base_url = "{base}"'
            raise self._origin.fault(
                (*path, "base_url"),
                f"`base_url` is `{without_user(provider.base_url or '')}`, which is an endpoint",
                hint,
            )
        if provider.preset is not None or provider.kind != "http":
            return
        for field in ("base_url", "protocol"):
            given = getattr(provider, field)
            all_say = all(isinstance(model, Model) and model.protocol for model in provider.models or ("",))
            if given is None and not (field == "protocol" and all_say):
                raise self._origin.fault(path, f"`{dotted(path)}` needs `{field}`", "or a `preset` to start from")

    def _aliases(self, table: Table) -> dict[str, str | Route]:
        routes = {name: value for name, value in table.items() if isinstance(value, dict) and name != ALIAS_PRESET}
        for name, target in table.items():
            if name not in routes and (not isinstance(target, str) or not target):
                raise self._origin.fault(
                    ("aliases", name),
                    f"the alias `{name}` stands for no model's name",
                    'write "name" = "provider/model"',
                )
        read = {name: self._record(value, Route, ("aliases", name)) for name, value in routes.items()}
        return {name: target for name, target in (table | read).items() if name != ALIAS_PRESET}

    def _routes(self, table: Table) -> Routes:
        self._origin.check_names(table, (*ROUTES, AGENTS), ("routes",))
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
        self._origin.check_names(table, kind.__struct_fields__, path)
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
        field = types_of(kind)[str(parts[0])] if len(parts) == 1 else None
        hint = field and description_of(field)
        if _OUT_OF_RANGE.match(problem) and field is not None:
            return self._origin.fault(here, f"`{dotted(here)}` is `{value}`: it must be {range_of(field)}", hint)
        is_shown = isinstance(value, (str, int, float)) and not SECRET_FIELDS.intersection(parts)
        given = f" is `{msgspec.json.encode(value).decode()}`" if is_shown else ""
        return self._origin.fault(here, f"`{dotted(here)}`{given}: {continued(problem)}", hint)

    def key(self, secret: Secret, path: faults.Path, who: str) -> Secret:
        """Return a key. An empty one is none: of the server's it would let everybody in, of a provider's sign in nobody."""
        found = self._found(secret, path, who)
        if not found.reveal().strip():
            hint = "write the key itself, or `env:NAME`, or leave it out"
            raise self._origin.fault(path, f"{who} has an empty `{path[-1]}`", hint)
        if found.reveal() != found.reveal().strip():
            hint = "write the key alone: a line break at its end often comes from a file"
            raise self._origin.fault(path, f"{who} has white space around its `{path[-1]}`", hint)
        return self._one_line(found, path, who)

    def _header(self, secret: Secret, path: faults.Path, who: str) -> Secret:
        return self._one_line(self._found(secret, path, who), path, who)

    def _one_line(self, found: Secret, path: faults.Path, who: str) -> Secret:
        """Return what is sent in a header, which is one line: what cannot be is told here, not at each request."""
        if _NO_HEADER.search(found.reveal()):
            hint = "copy it anew: it holds a line break, another control character, or one outside latin-1"
            raise self._origin.fault(path, f"`{path[-1]}` of {who} is what no header can carry", hint)
        return found

    def _found(self, secret: Secret, path: faults.Path, who: str) -> Secret:
        """Return what an `env:NAME` stands for."""
        if secret.variable is None:
            return secret
        if not secret.variable:
            raise self._origin.fault(
                path, f"{who} takes `{path[-1]}` from a variable without a name", "write `env:NAME`"
            )
        text = self._environ.get(secret.variable, "").strip()
        if not text:
            raise self._origin.fault(
                path,
                f"{who} takes `{path[-1]}` from the environment variable `{secret.variable}`, which is not set",
                f"export {secret.variable}=..., or write the value itself",
            )
        return Secret(text)


def given_key(text: str, environ: Mapping[str, str]) -> str:
    """Return the key that a flag `--key` gives to a client, by the rules of those that are configured. Raises SettingsError."""
    path = ("key",)
    return Reader(Origin(elsewhere={path: "--key"}), environ).key(Secret(text), path, "the client").reveal()


def _hook(kind: type, value: object) -> object:
    """Make a Secret of a text; a dialect's fields may be anything yet."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is object:
        return value
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
