"""`dragoman check-config` and `dragoman models`: what the settings come to."""

import sys

from dragoman.ir.failures import RequestError
from dragoman.protocols import discover
from dragoman.routing.names import list_models
from dragoman.routing.registry import SCRIPTED, Registry, counted, key_state
from dragoman.settings import Settings

_KEYS = {
    "configured": "its key is configured",
    "needs no key": "needs no key",
    "no key configured": "no key configured, and this gateway's own keys are never passed on",
    "the client's own": "the client's own key is passed on",
}


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
        key = _KEYS[key_state(registry, spec)]
        print(f"provider {spec.name}: {', '.join(protocols)}; {counted(registry, spec)}; {key}")
    for alias in registry.aliases:
        print(f"alias {alias.glob} -> {alias.target}")
    for name, route in (("vision", settings.routes.vision), ("default", settings.routes.default)):
        if route is not None:
            print(f"route {name} -> {route.to}")
    print("ok")


def list_all(settings: Settings, provider: str | None, search: str | None) -> None:
    """Print the models that can be asked for: the name to ask for, the context window, what people call it.

    How many are hidden goes to standard error. Raises DragomanError when there is no such provider, or no model whose
    name holds `search`.
    """
    registry = Registry(settings, discover())
    spoken = (*discover(), SCRIPTED)
    prefixes = (
        [provider]
        if provider
        else [None, *(name for name in registry.providers if registry.provider(name) not in registry.offered)]
    )
    wanted = (search or "").lower()
    shown = hidden = 0
    for prefix in prefixes:
        spoken_ids = {card.id for card in list_models(registry, prefix, spoken=spoken)}
        for card in list_models(registry, prefix):
            name = card.id if prefix is None else f"{prefix}/{card.id}"
            if wanted not in f"{name} {card.name}".lower():
                continue
            if card.id not in spoken_ids:
                hidden += 1
                continue
            print(f"{name:45} {card.context or '?':>9}  {card.name}")
            shown += 1
    if hidden:
        more = "1 model is hidden: it speaks" if hidden == 1 else f"{hidden} models are hidden: they speak"
        hint = f"{more} a protocol that this version does not speak yet"
        if not shown:
            raise RequestError(f"{_nothing(provider, search)} and can be asked", hint=hint)
        print(f"({hint})", file=sys.stderr)
    if not shown:
        raise RequestError(_nothing(provider, search), hint="`dragoman models` lists them all")


def _nothing(provider: str | None, search: str | None) -> str:
    who = f"`{provider}` has no model" if provider else "there is no model"
    return f"{who} whose name holds `{search}`" if search else f"{who} whose protocol is spoken"
