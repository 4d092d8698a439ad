"""An application made of settings: what every composition root shares. Which edges there are, a root says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.codec import Codec
from dragoman.engine.client import Arrival
from dragoman.engine.parts import Limits, Parts
from dragoman.engine.ports import Calibration, Store, Timeouts, Upstream
from dragoman.engine.record import RecordSink
from dragoman.routing.names import addressed, find_model, list_models
from dragoman.routing.plan import Asked, Plan, plan_request
from dragoman.routing.registry import Registry
from dragoman.routing.specs import CLAUDE_AGENT, MODEL_KINDS, OPENCODE_SERVER, SCRIPTED
from dragoman.server.app import App
from dragoman.server.auth import OriginCheck
from dragoman.server.clocks import RandomIds, SystemClock
from dragoman.server.gateway import Gateway
from dragoman.server.health import Connections, health
from dragoman.server.pages import Page, about, json_page, openapi, text_page
from dragoman.server.router import Router
from dragoman.settings import Settings
from dragoman.stores.memory import MemoryStore
from dragoman.upstreams.scripted import ScriptedModel

if TYPE_CHECKING:
    from dragoman.upstreams.claude_agent.agent import ClaudeAgent
    from dragoman.upstreams.opencode_server.server import OpenCodeServer

DEFAULT_DIALECT = "openai-chat"
"""Whose errors a client gets that cannot be recognised: the one that most tools speak."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """What outlives a change of the configuration: connections, what is remembered, and where records go."""

    upstream: Upstream
    connections: Callable[[], Mapping[str, Connections]]
    """The connections to upstreams by origin, as far as the edge knows of any."""
    calibration: Calibration
    store: Store
    replies: Store
    sink: RecordSink
    codecs: Mapping[str, Codec]
    """The protocols that clients are served in."""
    is_closed: bool = False
    """Whether only the configured providers are asked."""
    claude: "ClaudeAgent | None" = None
    opencode: "OpenCodeServer | None" = None


def make_gateway(registry: Registry, lasting: Lasting) -> Gateway:
    """Return what serves with the registry's settings."""
    codecs, claude, opencode = lasting.codecs, lasting.claude, lasting.opencode
    server = registry.settings.server
    parts = Parts(
        plan=_planner(registry, tuple(codecs)),
        codecs=codecs,
        upstream=lasting.upstream,
        models={SCRIPTED: ScriptedModel()}
        | ({CLAUDE_AGENT: claude} if claude else {})
        | ({OPENCODE_SERVER: opencode} if opencode else {}),
        clock=SystemClock(),
        ids=RandomIds(),
        store=lasting.store,
        replies=lasting.replies,
        limits=Limits(timeouts(registry.settings), server.heartbeat_s, server.retries),
        calibration=lasting.calibration,
        sink=lasting.sink,
    )
    return Gateway(
        parts=parts,
        router=Router(codecs.values(), registry.prefixes),
        origins=OriginCheck(server.host, server.allowed_hosts, server.cors_origins),
        keys=server.keys,
        body_limit=server.max_body_mib * 1024 * 1024,
        models=_lister(registry, tuple(codecs), claude, opencode),
        default_codec=codecs[DEFAULT_DIALECT],
        ids=RandomIds(),
    )


def make_pages(app: App, registry: Registry, lasting: Lasting) -> Mapping[str, Page]:
    """Return what is served beside the protocols."""
    claude, opencode = lasting.claude, lasting.opencode
    paths = app.gateway.router.paths
    has_keys = bool(registry.settings.server.keys)
    return {
        "/": json_page(about),
        "/health": json_page(
            lambda: (
                health(app, registry, lasting.connections())
                | ({"claude_agent": claude.health()} if claude else {})
                | ({"opencode_server": opencode.health()} if opencode else {})
            )
        ),
        "/ping": text_page("pong"),
        "/api/hello": text_page("hello"),
        "/openapi.json": json_page(lambda: openapi(paths, has_keys)),
    }


def timeouts(settings: Settings) -> Timeouts:
    """Return the watchdogs that the settings ask for."""
    server = settings.server
    return Timeouts(server.connect_timeout_s, server.first_byte_timeout_s, server.idle_timeout_s)


def memory(seconds: int, rows: int, size: int) -> MemoryStore:
    """Return a store in memory for `rows` of `size` bytes in all, each until it has not been asked for during `seconds`."""
    return MemoryStore(SystemClock.monotonic, idle_seconds=seconds, max_rows=rows, max_bytes=size)


def _planner(registry: Registry, spoken: tuple[str, ...]) -> Callable[[str, Arrival], Plan]:
    # Whose request it is may stand in its body: then a plan is good for no other one with the same head.
    is_kept = not registry.settings.routes.agents

    def plan(model: str, arrival: Arrival) -> Plan:
        headers = arrival.headers
        if is_kept and headers.planned is not None and headers.planned[0] == model:
            return headers.planned[1]
        asked = Asked(arrival.prefix, headers, arrival.body)
        found = plan_request(registry, model, arrival.codec.name, spoken, asked)
        if is_kept:
            headers.planned = (model, found)
        return found

    return plan


def _lister(
    registry: Registry, spoken: tuple[str, ...], claude: "ClaudeAgent | None", opencode: "OpenCodeServer | None"
) -> Callable[[Codec, str | None, str | None, Mapping[str, str]], bytes]:
    def models(codec: Codec, prefix: str | None, model: str | None, query: Mapping[str, str]) -> bytes:
        if model is not None:
            return codec.encode_model(find_model(registry, model, prefix))
        cards = list_models(registry, prefix, claude_shaped=codec.lists_claude_shaped, spoken=(*spoken, *MODEL_KINDS))
        if claude is not None and prefix in (None, claude.provider) and registry.providers[claude.provider].pattern:
            listed = {card.id for card in cards}
            cards = [*cards, *(card for card in claude.cards() if card.id not in listed)]
        if (
            opencode is not None
            and prefix in (None, opencode.provider)
            and registry.providers[opencode.provider].pattern
        ):
            cards = [*cards, *addressed(opencode.provider, opencode.cards(), claude_shaped=codec.lists_claude_shaped)]
        return codec.encode_page(cards, query) if query and codec.encode_page else codec.encode_models(cards)

    return models
