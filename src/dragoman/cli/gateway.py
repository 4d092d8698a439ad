"""The gateway as a command sees it from outside: where it is, which key it wants, what it serves, whether it runs."""

import os
from dataclasses import dataclass, replace
from typing import Any, Final

from dragoman.connect.client import NO_KEY, Client, Connection, Model
from dragoman.protocols import discover
from dragoman.routing.names import list_places, resolve, title_of
from dragoman.routing.registry import Registry
from dragoman.routing.specs import MODEL_KINDS, Place
from dragoman.settings import Settings, SettingsError, given_key

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - what was configured, to be told apart
_MOST = 100
"""Models in a client's menu, when it has to be given a list and nobody named any."""

KEY_NOTE: Final = (
    "note: no key is configured, and none was given: only `demo/...` models answer; hint: --key YOUR_OPENCODE_KEY"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gateway says of itself at `/` and `/health`."""

    version: str
    health: dict[str, Any]


def url_of(settings: Settings) -> str:
    """Return where a client on this machine reaches the gateway of these settings."""
    host = _EVERYWHERE.get(settings.server.host, settings.server.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{settings.server.port}"


def look(url: str, seconds: float = 5.0) -> Seen | None:
    """Return what answers at `url`; None when nothing does, or something that is no Dragoman."""
    import httpx2

    try:
        with httpx2.Client(base_url=url, timeout=seconds, trust_env=False) as client:
            about = client.get("/").json()
            if about.get("name") != "dragoman":
                return None
            return Seen(str(about.get("version")), client.get("/health").json())
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, AttributeError):
        return None


def connection_to(settings: Settings, client: Client, models: tuple[str, ...], key: str | None) -> Connection:
    """Return what `client` is told: the models asked for, or, where it has to be given a list, all that are offered.

    Raises DragomanError for a name that leads nowhere, SettingsError when a model has to be named.
    """
    registry = Registry(settings, discover())
    if client.needs_model and not models:
        hint = "`--model NAME`; `dragoman models` lists what there is"
        raise SettingsError(f"{client.title} has to be told a model", where="--model", hint=hint)
    if models:
        told = tuple(_model(name, _place(registry, name)) for name in models)
        return Connection(url_of(settings), key_of(settings, key), told, has_choice=True)
    places = list_places(registry, spoken=(*discover(), *MODEL_KINDS))
    told = tuple(_model(name, place) for name, place in places[:_MOST])
    return Connection(url_of(settings), key_of(settings, key), told, left_out=len(places) - len(told))


def key_of(settings: Settings, given: str | None) -> str:
    """Return the key that a client presents: the one that was given, else the gateway's first, else a word in its place.

    `env:NAME` stands for a variable's value, so that no key has to be typed. Raises SettingsError when that is not set, and
    for what is refused in a configuration: an empty key, or one that cannot be sent.
    """
    if given is not None:
        return given_key(given, os.environ)
    return settings.server.keys[0].key.reveal() if settings.server.keys else NO_KEY


def lacks_key(settings: Settings, connection: Connection) -> bool:
    """Tell whether nobody has a key for the providers that are there without a configuration."""
    return connection.key == NO_KEY and not settings.server.keys and not settings.providers


def at(connection: Connection, url: str) -> Connection:
    """Return the connection to a gateway that is elsewhere."""
    return replace(connection, url=url)


def _place(registry: Registry, name: str) -> Place:
    found = resolve(registry, name)
    return found.spec, found.card


def _model(name: str, place: Place) -> Model:
    card, can = place[1], place[1].capabilities
    return Model(
        name,
        card.name or title_of(card.id),
        context=can.context,
        max_output=can.max_output,
        sees=can.vision,
        reasons=can.reasoning,
        calls_tools=can.tools,
    )
