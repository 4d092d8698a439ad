"""`dragoman check-config`: what the settings come to."""

import msgspec

from dragoman.catalog import FILE_NAME
from dragoman.catalog.files import about_of, shelves_of
from dragoman.protocols import discover
from dragoman.routing.agents import match_of
from dragoman.routing.registry import KeyState, Registry, counted, key_state
from dragoman.settings import Settings, SettingsError, read_data


def check(settings: Settings, *, makes_key: bool) -> None:
    """Print what the settings come to; `makes_key` tells that one of the keys is made when it is served.

    Raises SettingsError for what is wrong with them.
    """
    registry = Registry(settings, discover())
    count = len(settings.server.keys)
    keys = "no client keys" if not count else "1 client key" if count == 1 else f"{count} client keys"
    print(f"configuration: {settings.origin.file or 'no file, defaults and environment'}")
    print(
        f"listens on {settings.server.host}:{settings.server.port}, {'a client key is made at the start' if makes_key else keys}"
    )
    for spec in registry.providers.values():
        protocols = sorted(
            {model.protocol for model in spec.models.values()} | ({spec.pattern.protocol} if spec.pattern else set())
        )
        key = _key(key_state(registry, spec))
        print(f"provider {spec.name}: {', '.join(protocols)}; {counted(registry, spec)}; {key}")
    for alias in registry.aliases:
        print(f"alias {alias.glob} -> {alias.target}")
    for name, route in (("vision", settings.routes.vision), ("default", settings.routes.default)):
        if route is not None:
            print(f"route {name} -> {route.to}")
    for match in map(match_of, settings.routes.agents):
        print(f"{match.reason} -> {match.target}")
    if settings.data is not None and (own := read_data(settings.data, FILE_NAME)):
        print(f"catalogue {_catalogue(own, str(settings.data / FILE_NAME))}")
    print("ok")


def _key(state: KeyState) -> str:
    match state:
        case "configured":
            return "its key is configured"
        case "needs no key":
            return state
        case "the CLI's own login":
            return "signed in by the CLI's own login"
        case "OpenCode's own":
            return "OpenCode's own logins and keys are used"
        case "no key configured":
            return "no key configured, and this gateway's own keys are never passed on"
        case "the client's own":
            return "the client's own key is passed on"


def _catalogue(text: bytes, place: str) -> str:
    """Return what the user's own catalogue is. Raises SettingsError for a damaged one."""
    try:
        count = sum(len(rows) for _, rows in shelves_of(text))
        return f"{place}: {count} models, from {about_of(text).source}"
    except msgspec.DecodeError as error:
        hint = "make it anew with `dragoman models --refresh FILE`, or remove it: the shipped one is used meanwhile"
        raise SettingsError(f"is damaged: {error}", where=place, hint=hint) from None
