"""Whom to ask, in order, and why. Pure: a plan is made from names and settings alone."""

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from dragoman.catalog import UNKNOWN, Capabilities
from dragoman.dialects import Dialect
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.providers import reference
from dragoman.routing.agents import rerouted
from dragoman.routing.building import base_for
from dragoman.routing.identity import agent_of
from dragoman.routing.names import Resolved, require_name, resolve
from dragoman.routing.registry import Registry
from dragoman.routing.specs import LONG_CONTEXT, MODEL_KINDS, SEAL_PROTOCOLS, is_long
from dragoman.settings import LossPolicy, Secret
from dragoman.settings.origins import origin_of

URL_HEADER: Final = "x-upstream-url"
FORMAT_HEADER: Final = "x-upstream-format"
FORMATS: Final[Mapping[str, str]] = {"openai": "openai-chat", "anthropic": "anthropic-messages"}

_ANONYMOUS: Final = "public"
_SHORTEST_KEY: Final = 16
_HOW_TO_SEND: Final = "send it as `x-api-key` or `Authorization: Bearer`, or configure the provider's `api_key`"


class Attempt(msgspec.Struct, frozen=True):
    """One model to ask, ready to be called.

    `raw` tells whether the client speaks its protocol too. `forward_headers` are the beginnings of names of client
    headers that it gets on a translated way, too. `needs_key` tells whether a call without any key makes no sense,
    `keeps_client_keys` that clients' keys are the gateway's own and never passed on, `takes_client_key` whether a
    client's key is meant for this provider.
    """

    provider: str
    model: str
    protocol: str
    base_url: str
    dialect: Dialect
    capabilities: Capabilities
    reason: str
    raw: bool
    losses: LossPolicy
    api_key: Secret | None = None
    needs_key: bool = False
    keeps_client_keys: bool = False
    takes_client_key: bool = True
    secret_headers: tuple[tuple[str, Secret], ...] = ()
    session_header: str | None = None
    forward_headers: tuple[str, ...] = ()
    beta: str | None = None
    """An `anthropic-beta` to add to those of the client."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The configured headers, lower-case name and value."""
        return tuple((name, value.reveal()) for name, value in self.secret_headers)

    @property
    def may_be_blind(self) -> bool:
        """Whether something is known that the model cannot see: images, or documents."""
        return self.capabilities.vision is False or self.capabilities.documents is False

    @property
    def seal_protocol(self) -> str:
        """The protocol whose seals the model gives, and wants back."""
        return SEAL_PROTOCOLS.get(self.protocol, self.protocol)

    def with_losses(self, policy: LossPolicy | None) -> "Attempt":
        """Return the attempt under the loss policy of whoever asks; None: its own stays."""
        return self if policy is None or policy == self.losses else msgspec.structs.replace(self, losses=policy)

    def key_for(self, client_key: str | None) -> str | None:
        """Return the key to call with: the configured one, else the client's.

        `client_key` is None when there is none, or when it is the gateway's own and must not leave it. Raises
        DragomanError (401, not to be tried again) when the provider needs a key and there is none that could be one.
        """
        if self.api_key is not None:
            return self.api_key.reveal()
        if not self.takes_client_key:
            client_key = None
        if not self.needs_key or client_key == _ANONYMOUS:
            return client_key
        if self.keeps_client_keys:
            raise _unauthorized(
                f"`{self.provider}` needs a key: this gateway has keys of its own, so a client's key is never passed on",
                f"configure `api_key` of provider `{self.provider}`",
            )
        if not client_key:
            raise _unauthorized(f"`{self.provider}` needs a key, and there is none", _HOW_TO_SEND)
        if len(client_key) < _SHORTEST_KEY:
            problem = f"`{self.provider}` needs a key, and the one that came is too short to be one"
            raise _unauthorized(problem, _HOW_TO_SEND)
        return client_key


class Plan(msgspec.Struct, frozen=True):
    """The attempts, in order; `vision` takes the place of one whose model cannot see what is shown."""

    attempts: tuple[Attempt, ...]
    vision: Attempt | None = None


def plan(registry: Registry, resolved: Resolved, client_protocol: str, spoken: Collection[str]) -> Plan:
    """Return whom to ask for a model. `spoken` are the names of the protocols that there are.

    Raises DragomanError (501) for a model whose protocol is not among them. Made once for each model and client
    protocol.
    """
    key = (
        resolved.provider,
        resolved.model,
        resolved.reason,
        resolved.long_context,
        resolved.takes_client_key,
        client_protocol,
    )
    found: Plan | None = registry.remembered.get(key)
    if found is None:
        attempt = _attempt(registry, resolved, client_protocol, spoken)
        other = vision_target(registry, resolved) if attempt.may_be_blind else None
        sees = other is not None and _is_spoken(other.card.protocol, spoken)
        vision = _attempt(registry, other, client_protocol, spoken) if other and sees else None
        if vision is not None and vision.provider != attempt.provider:
            # The client sent its key to the provider that it asked, and to nobody else.
            vision = msgspec.structs.replace(vision, takes_client_key=False)
        found = Plan((attempt,), vision)
        registry.remembered[key] = found
    return found


def vision_target(registry: Registry, resolved: Resolved) -> Resolved | None:
    """Return the model that looks in place of one that cannot see: the route `vision`, else the provider's own."""
    route = registry.settings.routes.vision
    name = route.to if route else f"{resolved.provider}/{resolved.spec.vision}" if resolved.spec.vision else None
    place = registry.target(name) if name else None
    if place is None or place == (resolved.spec, resolved.card):
        return None
    losses = (route.losses if route else None) or resolved.losses
    return msgspec.structs.replace(
        resolved,
        spec=place[0],
        card=place[1],
        reason="route `vision`",
        losses=losses,
        long_context=resolved.long_context or (route is not None and is_long(route.to)),
    )


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a plan is made from, beside the model's name: the path's prefix, the headers with lower-case names, and the body.

    The body is looked at where there are routes for agents and headers do not tell who is asking.
    """

    prefix: str | None = None
    headers: Mapping[str, str] = {}
    body: bytes = b""


def plan_request(registry: Registry, model: str, client_protocol: str, spoken: Collection[str], asked: Asked) -> Plan:
    """Return the plan for a request: by its `x-upstream-url` if it has one, else by the model's name and the agent's."""
    headers = asked.headers
    url = headers.get(URL_HEADER)
    if url is not None:
        return plan_for_url(registry, url, headers.get(FORMAT_HEADER), model, client_protocol)
    if FORMAT_HEADER in headers:
        raise RequestError(
            f"`{FORMAT_HEADER}` comes without `{URL_HEADER}`", param=FORMAT_HEADER, hint="send both or neither"
        )
    resolved = resolve(registry, model, asked.prefix)
    if registry.settings.routes.agents:
        resolved = rerouted(registry, resolved, agent_of(headers, asked.body), asked.prefix)
    return plan(registry, resolved, client_protocol, spoken)


def plan_for_url(registry: Registry, url: str, form: str | None, model: str, client_protocol: str) -> Plan:
    """Return the plan for an upstream that the request itself names: its base URL, and `openai` or `anthropic`.

    Only origins that `server.allow_upstream_urls` lists are called (DragomanError, 403), by text alone: no name is
    looked up, no number re-read, and what is called is put together from what was compared. Raises RequestError for
    what is no URL or format.
    """
    server = registry.settings.server
    if not server.allow_upstream_urls:
        raise _forbidden(
            f"`{URL_HEADER}` is switched off", "list the origin in `server.allow_upstream_urls` to allow it"
        )
    origin = origin_of(url)
    if origin is None:
        raise RequestError(
            f"`{URL_HEADER}` is no plain http(s) URL",
            param=URL_HEADER,
            hint="like `https://host/v1`, without user and password",
        )
    if origin not in {origin_of(allowed) for allowed in server.allow_upstream_urls}:
        raise _forbidden(
            f"the upstream `{origin}` is not allowed", "list its origin in `server.allow_upstream_urls` to allow it"
        )
    protocol = FORMATS.get(form or "")
    if protocol is None:
        raise RequestError(
            f"`{FORMAT_HEADER}` is `{form}`" if form else f"`{URL_HEADER}` comes without `{FORMAT_HEADER}`",
            param=FORMAT_HEADER,
            hint="`openai` or `anthropic`",
        )
    require_name(model)
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise RequestError(f"`{URL_HEADER}` has a query", param=URL_HEADER, hint="give the base URL alone")
    written = origin.removesuffix(":80" if parts.scheme == "http" else ":443")
    attempt = Attempt(
        provider=written.partition("://")[2],
        model=LONG_CONTEXT.sub("", model),
        protocol=protocol,
        base_url=base_for(protocol, written + parts.path),
        dialect=reference(protocol),
        capabilities=UNKNOWN,
        reason=f"`{URL_HEADER}`",
        raw=protocol == client_protocol,
        losses=server.losses,
    )
    return Plan((attempt,))


def _attempt(registry: Registry, resolved: Resolved, client_protocol: str, spoken: Collection[str]) -> Attempt:
    spec, card = resolved.spec, resolved.card
    if not _is_spoken(card.protocol, spoken):
        raise DragomanError(
            Failure(
                FailureKind.NOT_IMPLEMENTED,
                f"`{card.id}` of {spec.title} speaks `{card.protocol}`, which this version does not",
                param="model",
                hint="this version speaks " + ", ".join(f"`{name}`" for name in sorted(spoken)),
            )
        )
    return Attempt(
        provider=spec.name,
        model=card.id,
        protocol=card.protocol,
        base_url=card.base_url,
        dialect=card.dialect,
        capabilities=card.capabilities,
        reason=resolved.reason,
        raw=card.protocol == client_protocol,
        losses=resolved.losses or spec.losses,
        api_key=spec.api_key,
        needs_key=spec.needs_key,
        keeps_client_keys=bool(registry.settings.server.keys),
        takes_client_key=spec.takes_client_key and resolved.takes_client_key,
        secret_headers=spec.headers,
        session_header=spec.session_header,
        forward_headers=spec.forward_headers,
        beta=card.dialect.long_context_beta if resolved.long_context else None,
    )


def _is_spoken(protocol: str, spoken: Collection[str]) -> bool:
    return protocol in spoken or protocol in MODEL_KINDS


def _unauthorized(message: str, hint: str) -> DragomanError:
    return DragomanError(Failure(FailureKind.AUTHENTICATION, message, hint=hint, should_retry=False))


def _forbidden(message: str, hint: str) -> DragomanError:
    return DragomanError(Failure(FailureKind.PERMISSION, message, param=URL_HEADER, hint=hint))
