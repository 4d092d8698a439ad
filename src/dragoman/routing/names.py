"""What a model's name stands for: addresses, aliases, suffixes, and "did you mean"."""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

import msgspec

from dragoman.codec import ModelCard
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.routing.registry import Registry, known_names, near, preset_hint
from dragoman.routing.specs import LONG_CONTEXT, ModelSpec, Place, ProviderSpec, is_long
from dragoman.settings import LossPolicy, did_you_mean

CLAUDE_SHAPED: Final = "claude-dragoman/"
"""In front of `provider/model` in lists for clients that keep only ids with `claude` in them; taken off again here."""

_REMEMBERED: Final = 4096
_NAME_LIMIT: Final = 512
_CLAUDE_WORDS: Final = ("claude", "anthropic")
_CAPITALS: Final = frozenset({"glm", "gpt"})


class Resolved(msgspec.Struct, frozen=True):
    """Who is meant: the provider and its model.

    `requested` is the name as the client wrote it, `reason` how it was understood, `long_context` whether it, or the alias or
    route that it led to, had the suffix `[1m]`. `losses` is the policy of the route that led there; None: the provider's.
    `takes_client_key` tells whether the client's own key is meant for this provider.
    """

    requested: str
    spec: ProviderSpec
    card: ModelSpec
    reason: str
    long_context: bool = False
    losses: LossPolicy | None = None
    takes_client_key: bool = True

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.spec.name

    @property
    def model(self) -> str:
        """The model's id at the provider."""
        return self.card.id


class _Found(NamedTuple):
    """A place, how it was found, the loss policy of the way there if it has one, and whether that way has the suffix `[1m]`."""

    place: Place
    reason: str
    losses: LossPolicy | None = None
    long_context: bool = False


def resolve(registry: Registry, name: str, prefix: str | None = None) -> Resolved:
    """Return the model that `name` stands for, below the path prefix `prefix`, which restricts it to one provider.

    In this order: `provider/model`; aliases, the first whose glob matches; the models that the searched providers
    list; the route `default`; a searched provider that takes any id. Raises DragomanError (404) with the nearest
    names. A name that was asked for before costs one look into a dict.
    """
    key = (prefix, name)
    found: Resolved | None = registry.remembered.get(key)
    if found is None:
        found = _resolve(registry, name, prefix)
        if len(registry.remembered) >= _REMEMBERED:
            registry.remembered.clear()
        registry.remembered[key] = found
    return found


def list_models(
    registry: Registry,
    prefix: str | None = None,
    *,
    claude_shaped: bool = False,
    spoken: Collection[str] | None = None,
) -> list[ModelCard]:
    """Return the cards of the models that can be asked for below a path prefix, as `list_places` finds them.

    With `claude_shaped` ids without `claude` or `anthropic` in them become `claude-dragoman/provider/id`.
    """
    listed = list_places(registry, prefix, spoken=spoken)
    cards = [_card(name, place) for name, place in listed]
    if not claude_shaped:
        return cards
    aliases = {alias.glob for alias in registry.aliases} if prefix is None else set()
    addresses = [name if name in aliases else f"{spec.name}/{card.id}" for name, (spec, card) in listed]
    return [_claude_shaped(card, address) for card, address in zip(cards, addresses, strict=True)]


def list_places(
    registry: Registry, prefix: str | None = None, *, spoken: Collection[str] | None = None
) -> list[tuple[str, Place]]:
    """Return the models that can be asked for below a path prefix, each once, behind a name that leads to it.

    That is the id alone where it is enough, else `provider/id`. Without a configuration the list without a prefix names
    the models of every built-in provider. `spoken` leaves out models whose protocol is not among them.
    """
    specs = registry.offered if prefix is None else (_of_prefix(registry, prefix),)
    places = [
        (spec, card)
        for spec in specs
        for card in spec.models.values()
        if card.is_offered and (spoken is None or card.protocol in spoken)
    ]
    short = _short_name(registry, prefix)
    listed = {short(place): place for place in places}
    if prefix is None:
        named = [resolve(registry, alias.glob) for alias in registry.aliases if alias.is_plain]
        # An alias that is called as a model is comes first when that name is asked for.
        listed |= {
            one.requested: (one.spec, one.card) for one in named if spoken is None or one.card.protocol in spoken
        }
    return list(listed.items())


def addressed(provider: str, cards: Iterable[ModelCard], *, claude_shaped: bool) -> list[ModelCard]:
    """Return cards of models that a provider has found for itself, under the names that lead there from anywhere.

    `claude_shaped` as in `list_models`.
    """
    named = [msgspec.structs.replace(card, id=f"{provider}/{card.id}") for card in cards]
    return [_claude_shaped(card, card.id) for card in named] if claude_shaped else named


def find_model(registry: Registry, name: str, prefix: str | None = None) -> ModelCard:
    """Return the card of one model under the name that was asked for. Raises DragomanError (404)."""
    resolved = resolve(registry, name, prefix)
    return _card(name, (resolved.spec, resolved.card))


def require_name(name: str) -> None:
    """Raise RequestError for a model's name with nothing in it: a provider that takes any id would be asked for it."""
    if not name.strip():
        raise RequestError("`model` must not be empty", param="model")


def _resolve(registry: Registry, name: str, prefix: str | None) -> Resolved:
    require_name(name)
    plain = LONG_CONTEXT.sub("", name).removeprefix(CLAUDE_SHAPED)
    if not plain.strip() or len(plain) > _NAME_LIMIT:
        raise _not_found(f"`{name[:_NAME_LIMIT]}` cannot be a model's name", "GET /v1/models lists the names")
    found = _anywhere(registry, plain) if prefix is None else _below(registry, plain, prefix)
    if found is None:
        raise _unknown(registry, plain, prefix)
    spec, card = found.place
    return Resolved(name, spec, card, found.reason, found.long_context or is_long(name), found.losses)


def _anywhere(registry: Registry, name: str) -> _Found | None:
    if place := registry.address(name):
        return _Found(place, "addressed")
    for alias in registry.aliases:
        if alias.matcher.match(name) and (place := registry.target(alias.target)):
            return _Found(place, f"alias `{alias.glob}`", alias.losses, is_long(alias.target))
    if place := registry.listed(name):
        return _Found(place, f"listed by `{place[0].name}`")
    found = _by_default(registry)
    if found is None and not _is_addressed(registry, name):
        found = _by_any(registry.anywhere(name))
    return found


def _is_addressed(registry: Registry, name: str) -> bool:
    """Tell whether `name` begins with a provider that there is: a mistyped model of one is nobody else's."""
    head, slash, _ = name.partition("/")
    return bool(slash) and registry.provider(head) is not None


def _below(registry: Registry, name: str, prefix: str) -> _Found | None:
    """Look `name` up in one provider: what leads elsewhere does not count."""
    spec = _of_prefix(registry, prefix)
    if card := spec.models.get(name):
        return _Found((spec, card), f"path prefix `{prefix}`")
    if (place := registry.address(name)) and place[0] is spec:
        return _Found(place, f"path prefix `{prefix}`")
    for alias in registry.aliases:
        if alias.matcher.match(name) and (place := registry.target(alias.target)) and place[0] is spec:
            return _Found(place, f"alias `{alias.glob}`", alias.losses, is_long(alias.target))
    if card := spec.find(name):
        return _Found((spec, card), f"path prefix `{prefix}`")
    found = _by_default(registry)
    return found if found and found.place[0] is spec else None


def _by_default(registry: Registry) -> _Found | None:
    route = registry.settings.routes.default
    place = registry.target(route.to) if route else None
    return _Found(place, "route `default`", route.losses, is_long(route.to)) if place and route else None


def _by_any(place: Place | None) -> _Found | None:
    return _Found(place, f"`{place[0].name}` takes any model") if place else None


# --- what is not there ----------------------------------------------------------------------------------------------


def _of_prefix(registry: Registry, prefix: str) -> ProviderSpec:
    spec = registry.provider(prefix)
    if spec is None:
        raise _not_found(f"there is no provider `{prefix}`", did_you_mean(prefix, sorted(registry.prefixes)))
    return spec


def _unknown(registry: Registry, name: str, prefix: str | None) -> DragomanError:
    if prefix is not None:
        spec = _of_prefix(registry, prefix)
        return _not_found(f"`{spec.name}` has no model `{name}`", _nearest(registry, name, registry.spoken_ids(spec)))
    head, slash, rest = name.partition("/")
    known = registry.provider(head) if slash else None
    if known is not None:
        addresses = [f"{known.name}/{model}" for model in registry.spoken_ids(known)]
        return _not_found(f"`{known.name}` has no model `{rest}`", _nearest(registry, name, addresses))
    hint = (preset_hint(head) if slash else None) or _nearest(registry, name, known_names(registry))
    return _not_found(f"nobody here has a model `{name}`", hint)


def _nearest(registry: Registry, name: str, names: Iterable[str]) -> str:
    elsewhere = [f"{spec.name}/{name}" for spec in registry.providers.values() if name in registry.spoken_ids(spec)]
    if elsewhere:
        return "did you mean " + ", ".join(f"`{address}`" for address in elsewhere) + "?"
    return near(name, names) or "GET /v1/models lists the names"


def _not_found(message: str, hint: str | None) -> DragomanError:
    return DragomanError(Failure(FailureKind.NOT_FOUND, message, code="model_not_found", param="model", hint=hint))


# --- lists ----------------------------------------------------------------------------------------------------------


def _short_name(registry: Registry, prefix: str | None) -> Callable[[Place], str]:
    """Return what names a place in a list: its id, or `provider/id` where the id would lead to another."""

    def short(place: Place) -> str:
        spec, card = place
        if prefix is None and spec not in registry.searched:
            return f"{spec.name}/{card.id}"
        found = resolve(registry, card.id, prefix)
        return card.id if found.spec is spec and found.card is card else f"{spec.name}/{card.id}"

    return short


def _card(name: str, place: Place) -> ModelCard:
    spec, card = place
    title = f"{card.name or title_of(card.id)} ({spec.name})"
    can = card.capabilities
    return ModelCard(name, title, spec.name, context=can.context, max_output=can.max_output)


def _claude_shaped(card: ModelCard, address: str) -> ModelCard:
    if any(word in card.id.lower() for word in _CLAUDE_WORDS):
        return card
    return ModelCard(CLAUDE_SHAPED + address, card.name, card.owner, card.created, card.context, card.max_output)


def title_of(model: str) -> str:
    """Return an id as people write it: `glm-5.3` is `GLM 5.3`, `claude-opus-4-8` is `Claude Opus 4.8`."""
    words = re.sub(r"(?<=-)(\d)-(\d)(?=-|$)", r"\1.\2", model.rpartition("/")[2]).split("-")
    return " ".join(word.upper() if word in _CAPITALS else word[:1].upper() + word[1:] for word in words)
