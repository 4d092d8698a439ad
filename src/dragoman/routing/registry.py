"""Whom requests can go to: the configured providers and the built-in ones, made once from the settings."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import translate
from functools import partial
from typing import Any, Final, Literal

import msgspec

from dragoman import providers as shipped
from dragoman import settings as configured
from dragoman.catalog import FILE_NAME, Capabilities, Catalogue
from dragoman.catalog import shipped as shipped_catalogue
from dragoman.dialects import Dialect
from dragoman.routing import demo
from dragoman.routing.alias_presets import PRESETS, aliases_of
from dragoman.routing.building import Builder
from dragoman.routing.claude_agent import claude_agent
from dragoman.routing.opencode_server import opencode_server
from dragoman.routing.specs import (
    CLAUDE_AGENT,
    LONG_CONTEXT,
    MODEL_KINDS,
    OPENCODE_SERVER,
    SCRIPTED,
    ModelSpec,
    Place,
    ProviderSpec,
)
from dragoman.settings import LossPolicy, Settings, did_you_mean, read_data

_DEFAULT: Final = "opencode-go"
_BUILT_IN: Final = (_DEFAULT, "opencode-zen")
_COMPARED: Final = 80
KeyState = Literal[
    "configured", "needs no key", "the CLI's own login", "OpenCode's own", "no key configured", "the client's own"
]
"""With which key a provider is called: words for people, and for programs that read `/health`."""
_ALL_MODELS: Final = "`dragoman models` lists what there is"
_TO_A_MODEL: Final = 'an alias stands for a model: "name" = "provider/model"'


class Alias(msgspec.Struct, frozen=True):
    """A name, or a glob of names, that stands for `target`. `losses`: the policy for what comes by it; None: the target's."""

    glob: str
    target: str
    matcher: re.Pattern[str]
    losses: LossPolicy | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is one name."""
        return not set("*?[") & set(self.glob)


class Registry:
    """Everything that names are looked up in. Immutable, but for what it remembers of past look-ups."""

    def __init__(
        self,
        settings: Settings,
        spoken: Collection[str] | None = None,
        catalogue: Catalogue | None = None,
        *,
        is_closed: bool = False,
    ) -> None:
        """`spoken` are the names of the protocols that there are; None: nobody has asked.

        Without a `catalogue` the user's own is asked, then the shipped one. `is_closed`: there are no providers but the
        configured ones.

        Raises SettingsError for what only the providers' data can tell: unknown presets, dialect fields, models.
        """
        self.settings = settings
        self.catalogue = catalogue or Catalogue(partial(read_data, settings.data, FILE_NAME), shipped_catalogue)
        self._spoken = spoken
        own = {
            name: _configured(name, provider, settings, self.catalogue) for name, provider in settings.providers.items()
        }
        spare = {} if is_closed else _spare(settings, self.catalogue, own)
        self.providers: Mapping[str, ProviderSpec] = own | spare
        self.searched: tuple[ProviderSpec, ...] = tuple(own.values()) or (spare[_DEFAULT],)
        """Where a model's id alone is looked up: the configured providers, or else OpenCode Go."""
        self.offered: tuple[ProviderSpec, ...] = tuple(own.values()) or tuple(self.providers.values())
        """Whose models a list without a prefix names: the configured providers, or else all there are."""
        self._nicknames = {} if is_closed else _nicknames(settings, self.providers)
        self.aliases = tuple(
            _alias(glob, target)
            for glob, target in (*settings.aliases.items(), *self._ready_made(settings.alias_preset))
        )
        self.remembered: dict[Any, Any] = {}
        """What was looked up, by whatever key; whoever writes bounds it."""
        for glob, target in settings.aliases.items():
            self._check_target(("aliases", glob), _target(target))
        for name, route in (("vision", settings.routes.vision), ("default", settings.routes.default)):
            if route is not None:
                self._check_target(("routes", name, "to"), route.to)
        for index, agent in enumerate(settings.routes.agents):
            self._check_target(("routes", "agents", index, "to"), agent.to)

    @property
    def prefixes(self) -> frozenset[str]:
        """Every name that may stand in front of a path or a model's name."""
        return frozenset(self.providers) | frozenset(self._nicknames)

    def speaks(self, model: ModelSpec) -> bool:
        """Tell whether a model can be asked at all: its protocol is spoken."""
        return self._spoken is None or model.protocol in self._spoken or model.protocol in MODEL_KINDS

    def provider(self, prefix: str) -> ProviderSpec | None:
        """Return the provider that a prefix stands for: its name, or `go` and `zen`."""
        return self.providers.get(prefix) or self.providers.get(self._nicknames.get(prefix, ""))

    def address(self, name: str) -> Place | None:
        """Return the model that `provider/model` names; its id may hold slashes itself."""
        prefix, slash, model = name.partition("/")
        spec = self.provider(prefix) if slash and model.strip() else None
        found = spec.find(model) if spec else None
        return (spec, found) if spec and found else None

    def listed(self, model: str) -> Place | None:
        """Return the first of the searched providers that lists `model`."""
        return next(((spec, spec.models[model]) for spec in self.searched if model in spec.models), None)

    def anywhere(self, model: str) -> Place | None:
        """Return the first of the searched providers that takes any model's id."""
        spec = next((spec for spec in self.searched if spec.pattern is not None), None)
        found = spec.find(model) if spec else None
        return (spec, found) if spec and found else None

    def target(self, name: str) -> Place | None:
        """Return the model that an alias or a route stands for; what looks like an address has to be one."""
        plain = LONG_CONTEXT.sub("", name)
        return self.address(plain) or self.listed(plain) or (None if "/" in plain else self.anywhere(plain))

    def spoken_ids(self, spec: ProviderSpec) -> list[str]:
        """Return the ids of a provider's models that can be asked."""
        return [model.id for model in spec.models.values() if self.speaks(model)]

    def _ready_made(self, preset: str | None) -> list[tuple[str, str]]:
        """Return the aliases of a preset that the user's own leave room for."""
        if preset is None:
            return []
        path = ("aliases", "preset")
        if preset not in PRESETS:
            problem = f"there are no ready-made aliases `{preset}`"
            raise self.settings.fault(path, problem, did_you_mean(preset, PRESETS))
        found = [pair for pair in aliases_of(preset, self.offered) if pair[0] not in self.settings.aliases]
        if not found:
            hint = 'configure a provider that has one, e.g. with preset = "anthropic"'
            raise self.settings.fault(path, f"no provider has a model for the aliases `{preset}`", hint)
        return found

    def _check_target(self, path: tuple[str | int, ...], name: str) -> None:
        if self.target(name) is not None:
            return
        prefix, slash, model = name.partition("/")
        spec = self.provider(prefix) if slash else None
        if spec is not None:
            hint = near(model, self.spoken_ids(spec)) or _ALL_MODELS
            raise self.settings.fault(path, f"`{spec.name}` has no model `{model}`", hint)
        if slash:
            known = preset_hint(prefix) or near(prefix, self.prefixes) or did_you_mean(prefix, sorted(self.prefixes))
            raise self.settings.fault(path, f"`{name}`: there is no provider `{prefix}`", known)
        names = self._led_by_aliases(name)
        if len(names) == 1:
            hint = near(name, _models_names(self)) or _ALL_MODELS
            raise self.settings.fault(path, f"there is no model `{name}`", hint)
        if names[-1] in names[:-1]:
            circle = " -> ".join(f"`{one}`" for one in names[names.index(names[-1]) :])
            raise self.settings.fault(path, f"the aliases go in a circle: {circle}", _TO_A_MODEL)
        raise self.settings.fault(path, f"`{name}` is an alias itself", f"write what it stands for: `{names[-1]}`")

    def _led_by_aliases(self, name: str) -> list[str]:
        """Return the names that one alias after the other leads to from `name`, up to a model's or to one that was there before."""
        names = [name]
        while names[-1] not in names[:-1] and self.target(names[-1]) is None:
            alias = next((alias for alias in self.aliases if alias.matcher.match(names[-1])), None)
            if alias is None:
                break
            names.append(alias.target)
        return names


def counted(registry: Registry, spec: ProviderSpec) -> str:
    """Return how many models a provider offers, how many of them cannot be asked, and how many more it has, in words."""
    offered = [model for model in spec.models.values() if model.is_offered]
    total, older = len(offered), len(spec.models) - len(offered)
    silent = [model.protocol for model in offered if not registry.speaks(model)]
    text = f"{total} model" if total == 1 else f"{total} models"
    if silent:
        share = "" if total == 1 else "all of them " if len(silent) == total else f"{len(silent)} of them "
        text += f", {share}on {' and '.join(sorted(set(silent)))}, which this version does not speak"
    if older:
        text += f" ({older} more can be asked for, and are not offered any longer)"
    if spec.pattern is None:
        return text
    return f"{text}, and any other" if total else "any model"


def key_state(registry: Registry, spec: ProviderSpec) -> KeyState:
    """Return with which key a provider is called."""
    if spec.api_key is not None:
        return "configured"
    if any(model.protocol == CLAUDE_AGENT for model in (*spec.models.values(), spec.pattern) if model):
        return "the CLI's own login"
    if any(model.protocol == OPENCODE_SERVER for model in (*spec.models.values(), spec.pattern) if model):
        return "OpenCode's own"
    if not spec.takes_client_key or any(model.protocol == SCRIPTED for model in spec.models.values()):
        return "needs no key"
    return "no key configured" if registry.settings.server.keys else "the client's own"


def preset_hint(provider: str) -> str | None:
    """Return how to configure a provider that is shipped; None when it is not."""
    known = provider in shipped.discover()
    return f'to reach it, configure [providers.{provider}] with preset = "{provider}"' if known else None


def near(given: str, names: Iterable[str]) -> str | None:
    """Return the hint that names up to three of `names` that are nearest to `given`; None when nothing is near."""
    found = get_close_matches(given[:_COMPARED], list(dict.fromkeys(names)), n=3, cutoff=0.5)
    return "did you mean " + ", ".join(f"`{name}`" for name in found) + "?" if found else None


def _configured(name: str, provider: configured.Provider, settings: Settings, catalogue: Catalogue) -> ProviderSpec:
    if provider.kind == CLAUDE_AGENT:
        return claude_agent(name, provider, settings)
    if provider.kind == OPENCODE_SERVER:
        return opencode_server(name, provider, settings)
    preset = _preset(name, provider, settings)
    if provider.catalog is not None and not catalogue.rows(provider.catalog):
        near_names = did_you_mean(provider.catalog, catalogue.providers())
        path = ("providers", name, "catalog")
        raise settings.fault(path, f"the catalogue has no provider `{provider.catalog}`", near_names)
    return Builder(name, provider, preset, settings, catalogue).spec()


def _preset(name: str, provider: configured.Provider, settings: Settings) -> shipped.Provider | None:
    if provider.preset is None:
        return None
    presets = shipped.discover()
    if provider.preset not in presets:
        path = ("providers", name, "preset")
        raise settings.fault(path, f"there is no preset `{provider.preset}`", did_you_mean(provider.preset, presets))
    return presets[provider.preset]


def _built_in(preset: shipped.Provider, settings: Settings, catalogue: Catalogue) -> ProviderSpec:
    return Builder(preset.name, configured.Provider(preset=preset.name), preset, settings, catalogue).spec()


def _spare(settings: Settings, catalogue: Catalogue, own: Collection[str]) -> dict[str, ProviderSpec]:
    """Return the providers that are there without a word about them."""
    built_in = [_built_in(shipped.discover()[name], settings, catalogue) for name in _BUILT_IN]
    return {spec.name: spec for spec in (*built_in, _demo(settings)) if spec.name not in own}


def _demo(settings: Settings) -> ProviderSpec:
    can = Capabilities(vision=True, documents=True, tools=True)
    models = {card.id: ModelSpec(card.id, SCRIPTED, "", Dialect(), can, card.name) for card in demo.MODELS}
    return ProviderSpec(demo.PROVIDER, "the built-in demo", models, None, settings.server.losses)


def _nicknames(settings: Settings, providers: Mapping[str, ProviderSpec]) -> dict[str, str]:
    """Return what `go` and `zen` stand for: the first configured provider with that preset, else the built-in one."""
    nicknames: dict[str, str] = {}
    for preset in shipped.discover().values():
        if preset.nickname is None or preset.nickname in providers:
            continue
        own = (name for name, provider in settings.providers.items() if provider.preset == preset.name)
        nicknames[preset.nickname] = next(own, preset.name)
    return nicknames


def _alias(glob: str, target: str | configured.Route) -> Alias:
    return Alias(
        glob,
        _target(target),
        re.compile(translate(LONG_CONTEXT.sub("", glob))),
        None if isinstance(target, str) else target.losses,
    )


def _target(target: str | configured.Route) -> str:
    return target if isinstance(target, str) else target.to


def known_names(registry: Registry) -> Iterable[str]:
    """Yield every name of a model that can be asked: ids alone where they are looked up, `provider/id`, plain aliases."""
    for alias in registry.aliases:
        if alias.is_plain:
            yield alias.glob
    yield from _models_names(registry)


def _models_names(registry: Registry) -> Iterable[str]:
    for spec in registry.searched:
        yield from registry.spoken_ids(spec)
    for spec in registry.providers.values():
        for model in registry.spoken_ids(spec):
            yield f"{spec.name}/{model}"
