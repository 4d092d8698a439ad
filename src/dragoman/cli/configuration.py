"""`dragoman check-config` and `dragoman models`: what the settings come to."""

from dragoman.ir.failures import RequestError
from dragoman.protocols import discover
from dragoman.routing.names import list_models
from dragoman.routing.registry import SCRIPTED, Registry
from dragoman.settings import Settings


def check(settings: Settings) -> None:
    """Print what the settings come to. Raises SettingsError for what is wrong with them."""
    registry = Registry(settings)
    print(f"configuration: {settings.origin.file or 'no file, defaults and environment'}")
    print(f"listens on {settings.server.host}:{settings.server.port}, {len(settings.server.keys)} client keys")
    for spec in registry.providers.values():
        protocols = sorted(
            {model.protocol for model in spec.models.values()} | ({spec.pattern.protocol} if spec.pattern else set())
        )
        key = "its key is configured" if spec.api_key else "the client's own key is passed on"
        some = f"{len(spec.models)} models" + (" and any other" if spec.pattern else "")
        print(f"provider {spec.name}: {', '.join(protocols)}; {some}; {key}")
    for alias in registry.aliases:
        print(f"alias {alias.glob} -> {alias.target}")
    for name, route in (("vision", settings.routes.vision), ("default", settings.routes.default)):
        if route is not None:
            print(f"route {name} -> {route.to}")
    print("ok")


def list_all(settings: Settings, provider: str | None, search: str | None) -> None:
    """Print the models that can be asked for: the name to ask for, the context window, what people call it.

    Raises DragomanError when there is no such provider, or no model whose name holds `search`.
    """
    registry = Registry(settings)
    spoken = (*discover(), SCRIPTED)
    prefixes = (
        [provider]
        if provider
        else [None, *(name for name in registry.providers if registry.provider(name) not in registry.searched)]
    )
    wanted = (search or "").lower()
    is_found = False
    for prefix in prefixes:
        for card in list_models(registry, prefix, spoken=spoken):
            name = card.id if prefix is None else f"{prefix}/{card.id}"
            if wanted in f"{name} {card.name}".lower():
                print(f"{name:45} {card.context or '?':>9}  {card.name}")
                is_found = True
    if not is_found:
        who = f"`{provider}` has no model" if provider else "there is no model"
        problem = f"{who} whose name holds `{search}`" if search else f"{who} in a protocol that is spoken"
        raise RequestError(problem, hint="`dragoman models` lists them all")
