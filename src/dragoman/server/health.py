"""How the gateway is: what it runs, whom it can reach with which key, how much it is doing."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from dragoman import __version__
from dragoman.routing.registry import Registry, key_state
from dragoman.routing.specs import ProviderSpec
from dragoman.server.app import App


class Connections(Protocol):
    """How many connections there are to one origin, and how many of them wait for a call."""

    @property
    def open(self) -> int:
        """All that are open."""

    @property
    def idle(self) -> int:
        """Those of them that are free."""


def health(app: App, registry: Registry, connections: Mapping[str, Connections]) -> dict[str, Any]:
    """Return the content of `/health`, with the connections to each origin. Keys are never in it, only whether there are any.

    To be called by the request that asks for it, which is not counted among the running ones.
    """
    return {
        "status": "draining" if app.is_draining else "ok",
        "version": __version__,
        "uptime_s": round(time.time() - app.started, 1),
        "requests": {"running": app.running - 1, "answered": app.answered},
        "needs_key": app.needs_key,
        "protocols": list(app.protocols),
        "providers": {spec.name: _provider(registry, spec) for spec in registry.providers.values()},
        "connections": {origin: {"open": count.open, "idle": count.idle} for origin, count in connections.items()},
    }


def _provider(registry: Registry, spec: ProviderSpec) -> dict[str, Any]:
    models = [*spec.models.values(), *([spec.pattern] if spec.pattern else [])]
    offered = [model for model in spec.models.values() if model.is_offered]
    return {
        "title": spec.title,
        "protocols": sorted({model.protocol for model in models}),
        "models": len(offered),
        "models_not_spoken": sum(not registry.speaks(model) for model in offered),
        "models_no_longer_offered": len(spec.models) - len(offered),
        "takes_any_model": spec.pattern is not None,
        "key": key_state(registry, spec),
        "losses": spec.losses,
    }
