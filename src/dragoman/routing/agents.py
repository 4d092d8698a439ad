"""Routes for agents: sub-agents and side jobs, such as finding a title, on other models than the one that was asked for."""

import re
from fnmatch import translate

import msgspec

from dragoman.routing.names import Resolved
from dragoman.routing.registry import Registry
from dragoman.routing.specs import is_long
from dragoman.settings import AgentRoute, LossPolicy


class AgentMatch(msgspec.Struct, frozen=True):
    """A route, ready to be matched; what is None matches anybody."""

    target: str
    reason: str
    name: re.Pattern[str] | None = None
    mode: str | None = None
    losses: LossPolicy | None = None

    def matches(self, name: str | None, mode: str | None) -> bool:
        """Tell whether requests of this agent go this way; one that is not known matches no name and no mode."""
        if self.mode is not None and self.mode != mode:
            return False
        return self.name is None or (name is not None and self.name.match(name) is not None)


def match_of(route: AgentRoute) -> AgentMatch:
    """Return what a route of the configuration matches."""
    words = [f"agent `{route.agent}`"] if route.agent else []
    words += [f"mode `{route.mode}`"] if route.mode else []
    pattern = re.compile(translate(route.agent)) if route.agent else None
    return AgentMatch(route.to, f"route for {', '.join(words)}", pattern, route.mode, route.losses)


def rerouted(
    registry: Registry, resolved: Resolved, agent: tuple[str | None, str | None], prefix: str | None
) -> Resolved:
    """Return whom a request goes to when an `agent` (name, mode) sent it that has a route of its own; else whom it went to anyway.

    Below a path prefix, which restricts a request to one provider, only routes to that provider count. The client sent
    its key to the provider that it asked: another one does not get it.
    """
    name, mode = agent
    if name is None and mode is None:
        return resolved
    for route in _matches(registry):
        place = registry.target(route.target) if route.matches(name, mode) else None
        if place is None or (prefix is not None and place[0] is not resolved.spec):
            continue
        return msgspec.structs.replace(
            resolved,
            spec=place[0],
            card=place[1],
            reason=route.reason,
            losses=route.losses or resolved.losses,
            long_context=resolved.long_context or is_long(route.target),
            takes_client_key=place[0] is resolved.spec,
        )
    return resolved


def _matches(registry: Registry) -> tuple[AgentMatch, ...]:
    found: tuple[AgentMatch, ...] | None = registry.remembered.get(AgentMatch)
    if found is None:
        found = tuple(match_of(route) for route in registry.settings.routes.agents)
        registry.remembered[AgentMatch] = found
    return found
