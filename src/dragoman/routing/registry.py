"""Whom requests can go to: the configured providers and the built-in ones, made once from the settings."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import translate
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import providers as shipped
from dragoman import settings as configured
from dragoman.catalog import FILE_NAME, UNKNOWN, Capabilities, Catalogue, sees
from dragoman.catalog import shipped as shipped_catalogue
from dragoman.dialects import Dialect
from dragoman.ir.cost import Cost
from dragoman.routing import demo
from dragoman.routing.presets import Shelf
from dragoman.settings import LossPolicy, Secret, Settings, did_you_mean, read_data

SCRIPTED: Final = "scripted"
"""The protocol of the built-in model, which speaks the IR."""
LONG_CONTEXT: Final = re.compile(r"\[\d+[mk]\]$", re.IGNORECASE)
"""The suffix that asks for the long context: `[1m]`."""

_DEFAULT: Final = "opencode-go"
_BUILT_IN: Final = (_DEFAULT, "opencode-zen")
_COMPARED: Final = 80
_VERSIONED: Final = re.compile(r"/v\d+[a-z0-9]*$")


class ModelSpec(msgspec.Struct, frozen=True):
    """One model of a provider, ready to be asked: at `base_url`, in `protocol`."""

    id: str
    protocol: str
    base_url: str
    dialect: Dialect
    capabilities: Capabilities = UNKNOWN
    name: str | None = None
    is_offered: bool = True


class ProviderSpec(msgspec.Struct, frozen=True):
    """One provider, ready to be asked.

    `pattern` stands for the models that are not listed; None: there are no others. `unlisted` makes one of them of its
    id. `needs_key` tells whether a request without any key makes no sense there, `takes_client_key` whether a
    client's key is meant for it. `vision` is the model that sees what the others cannot.
    """

    name: str
    title: str
    models: Mapping[str, ModelSpec]
    pattern: ModelSpec | None
    losses: LossPolicy
    unlisted: Callable[[str], ModelSpec] | None = None
    api_key: Secret | None = None
    needs_key: bool = False
    takes_client_key: bool = True
    headers: tuple[tuple[str, Secret], ...] = ()
    session_header: str | None = None
    forward_headers: tuple[str, ...] = ()
    vision: str | None = None

    def find(self, model: str) -> ModelSpec | None:
        """Return the model of that id; None when the provider cannot have it."""
        found = self.models.get(model)
        return self.unlisted(model) if found is None and self.unlisted is not None else found


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
        self, settings: Settings, spoken: Collection[str] | None = None, catalogue: Catalogue | None = None
    ) -> None:
        """`spoken` are the names of the protocols that there are; None: nobody has asked.

        Without a `catalogue` the user's own is asked, then the shipped one.

        Raises SettingsError for what only the providers' data can tell: unknown presets, dialect fields, models.
        """
        self.settings = settings
        self.catalogue = catalogue or Catalogue(partial(read_data, settings.data, FILE_NAME), shipped_catalogue)
        self._spoken = spoken
        own = {
            name: _configured(name, provider, settings, self.catalogue) for name, provider in settings.providers.items()
        }
        built_in = [_built_in(shipped.discover()[name], settings, self.catalogue) for name in _BUILT_IN]
        spare = {spec.name: spec for spec in (*built_in, _demo(settings)) if spec.name not in own}
        self.providers: Mapping[str, ProviderSpec] = own | spare
        self.searched: tuple[ProviderSpec, ...] = tuple(own.values()) or (spare[_DEFAULT],)
        """Where a model's id alone is looked up: the configured providers, or else OpenCode Go."""
        self.offered: tuple[ProviderSpec, ...] = tuple(own.values()) or tuple(self.providers.values())
        """Whose models a list without a prefix names: the configured providers, or else all there are."""
        self._nicknames = _nicknames(settings, self.providers)
        self.aliases = tuple(_alias(glob, target) for glob, target in settings.aliases.items())
        self.remembered: dict[Any, Any] = {}
        """What was looked up, by whatever key; whoever writes bounds it."""
        for alias in self.aliases:
            self._check_target(("aliases", alias.glob), alias.target)
        for name, route in (("vision", settings.routes.vision), ("default", settings.routes.default)):
            if route is not None:
                self._check_target(("routes", name, "to"), route.to)

    @property
    def prefixes(self) -> frozenset[str]:
        """Every name that may stand in front of a path or a model's name."""
        return frozenset(self.providers) | frozenset(self._nicknames)

    def speaks(self, model: ModelSpec) -> bool:
        """Tell whether a model can be asked at all: its protocol is spoken."""
        return self._spoken is None or model.protocol in self._spoken or model.protocol == SCRIPTED

    def provider(self, prefix: str) -> ProviderSpec | None:
        """Return the provider that a prefix stands for: its name, or `go` and `zen`."""
        return self.providers.get(prefix) or self.providers.get(self._nicknames.get(prefix, ""))

    def address(self, name: str) -> "Place | None":
        """Return the model that `provider/model` names; its id may hold slashes itself."""
        prefix, slash, model = name.partition("/")
        spec = self.provider(prefix) if slash and model else None
        found = spec.find(model) if spec else None
        return (spec, found) if spec and found else None

    def listed(self, model: str) -> "Place | None":
        """Return the first of the searched providers that lists `model`."""
        return next(((spec, spec.models[model]) for spec in self.searched if model in spec.models), None)

    def anywhere(self, model: str) -> "Place | None":
        """Return the first of the searched providers that takes any model's id."""
        spec = next((spec for spec in self.searched if spec.pattern is not None), None)
        found = spec.find(model) if spec else None
        return (spec, found) if spec and found else None

    def target(self, name: str) -> "Place | None":
        """Return the model that an alias or a route stands for; what looks like an address has to be one."""
        plain = LONG_CONTEXT.sub("", name)
        return self.address(plain) or self.listed(plain) or (None if "/" in plain else self.anywhere(plain))

    def spoken_ids(self, spec: ProviderSpec) -> list[str]:
        """Return the ids of a provider's models that can be asked."""
        return [model.id for model in spec.models.values() if self.speaks(model)]

    def _check_target(self, path: tuple[str, ...], name: str) -> None:
        if self.target(name) is not None:
            return
        prefix, slash, model = name.partition("/")
        spec = self.provider(prefix) if slash else None
        if spec is not None:
            raise self.settings.fault(path, f"`{spec.name}` has no model `{model}`", near(model, self.spoken_ids(spec)))
        if slash:
            raise self.settings.fault(path, f"`{name}`: there is no provider `{prefix}`", near(prefix, self.prefixes))
        raise self.settings.fault(path, f"there is no model `{name}`", near(name, known_names(self)))


Place = tuple[ProviderSpec, ModelSpec]


def counted(registry: Registry, spec: ProviderSpec) -> str:
    """Return how many models a provider has, and how many of them cannot be asked, in words."""
    total = len(spec.models)
    silent = [model.protocol for model in spec.models.values() if not registry.speaks(model)]
    text = f"{total} model" if total == 1 else f"{total} models"
    if silent:
        share = "" if total == 1 else "all of them " if len(silent) == total else f"{len(silent)} of them "
        text += f", {share}on {' and '.join(sorted(set(silent)))}, which this version does not speak"
    if spec.pattern is None:
        return text
    return f"{text}, and any other" if total else "any model"


def key_state(registry: Registry, spec: ProviderSpec) -> str:
    """Return with which key a provider is called, in words."""
    if spec.api_key is not None:
        return "configured"
    if any(model.protocol == SCRIPTED for model in spec.models.values()):
        return "needs no key"
    return "no key configured" if registry.settings.server.keys else "the client's own"


def near(given: str, names: Iterable[str]) -> str | None:
    """Return the hint that names up to three of `names` that are nearest to `given`; None when nothing is near."""
    found = get_close_matches(given[:_COMPARED], list(dict.fromkeys(names)), n=3, cutoff=0.5)
    return "did you mean " + ", ".join(f"`{name}`" for name in found) + "?" if found else None


def base_for(protocol: str, url: str, *, spoken: str | None = None) -> str:
    """Return the base URL for `protocol`, below which a codec's paths stand; no slash at its end.

    `url` is written as the SDK of `spoken` takes it (by default the same protocol). Anthropic's stands before `/v1`;
    OpenAI's holds the version if there is one; Gemini's is brought to end in a version (`/v1beta`), which its SDK
    lets one leave out.
    """
    url = url.rstrip("/")
    match protocol:
        case "anthropic-messages":
            return url.removesuffix("/v1")
        case "gemini-generate":
            return url if _VERSIONED.search(url) else f"{url}/v1beta"
        case _:
            return f"{url}/v1" if spoken == "anthropic-messages" and not _VERSIONED.search(url) else url


def _configured(name: str, provider: configured.Provider, settings: Settings, catalogue: Catalogue) -> ProviderSpec:
    preset = _preset(name, provider, settings)
    if provider.catalog is not None and not catalogue.rows(provider.catalog):
        near_names = did_you_mean(provider.catalog, catalogue.providers())
        path = ("providers", name, "catalog")
        raise settings.fault(path, f"the catalogue has no provider `{provider.catalog}`", near_names)
    return _Builder(name, provider, preset, settings, catalogue).spec()


def _preset(name: str, provider: configured.Provider, settings: Settings) -> shipped.Provider | None:
    if provider.preset is None:
        return None
    presets = shipped.discover()
    if provider.preset not in presets:
        path = ("providers", name, "preset")
        raise settings.fault(path, f"there is no preset `{provider.preset}`", did_you_mean(provider.preset, presets))
    return presets[provider.preset]


def _built_in(preset: shipped.Provider, settings: Settings, catalogue: Catalogue) -> ProviderSpec:
    return _Builder(preset.name, configured.Provider(preset=preset.name), preset, settings, catalogue).spec()


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
    route = configured.Route(to=target) if isinstance(target, str) else target
    return Alias(glob, route.to, re.compile(translate(LONG_CONTEXT.sub("", glob))), route.losses)


class _Builder:
    """Joins what is configured of a provider with what its preset and the catalogue say."""

    def __init__(
        self,
        name: str,
        provider: configured.Provider,
        preset: shipped.Provider | None,
        settings: Settings,
        catalogue: Catalogue,
    ) -> None:
        self._name = name
        self._provider = provider
        self._preset = preset
        self._settings = settings
        self._shelf = Shelf(preset, provider.catalog, catalogue)
        self._protocol = provider.protocol or (preset.protocol if preset else None)
        self._dialect_fields = self._checked(provider.dialect, ("providers", name, "dialect"))

    def spec(self) -> ProviderSpec:
        provider, preset = self._provider, self._preset
        takes_any = preset.takes_any if preset else not provider.models
        is_open = takes_any and self._protocol is not None
        takes_keys = preset is None or preset.needs_key
        return ProviderSpec(
            name=self._name,
            title=preset.title if preset else self._name,
            models=self._models(),
            pattern=self._model(configured.Model(id="*"), (), None) if is_open else None,
            losses=provider.losses or self._settings.server.losses,
            unlisted=self._unlisted if is_open else None,
            api_key=provider.api_key,
            needs_key=preset is not None and preset.needs_key and provider.base_url is None,
            takes_client_key=takes_keys,
            headers=tuple(provider.headers.items()),
            session_header=(provider.session_header or (preset.session_header if preset else None) or "").lower()
            or None,
            forward_headers=preset.forward_headers if preset else (),
            vision=preset.vision if preset else None,
        )

    def _unlisted(self, model: str) -> ModelSpec:
        return self._model(configured.Model(id=model), (), self._shelf.row(model, self._protocol))

    def _models(self) -> dict[str, ModelSpec]:
        rows = self._shelf.rows(self._protocol)
        models: dict[str, ModelSpec] = {}
        for index, entry in enumerate(self._provider.models):
            model = entry if isinstance(entry, configured.Model) else configured.Model(id=entry)
            model = msgspec.structs.replace(model, id=LONG_CONTEXT.sub("", model.id))
            row = rows.get(model.id) or self._shelf.row(model.id, self._protocol)
            models[model.id] = self._model(model, ("providers", self._name, "models", index), row)
        for row in rows.values():
            if row.id not in models:
                models[row.id] = self._model(configured.Model(id=row.id), (), row)
        return models

    def _model(self, model: configured.Model, path: tuple[str | int, ...], row: shipped.Model | None) -> ModelSpec:
        """Join a model's table, the preset's row and the provider's own settings; the more particular one wins."""
        protocol = model.protocol or self._provider.protocol or (row.protocol if row else self._protocol)
        if protocol is None:
            raise self._settings.fault(path, f"the model `{model.id}` of `{self._name}` needs a `protocol`")
        fields = {**self._dialect_fields, **self._checked(model.dialect, (*path, "dialect"))}
        return ModelSpec(
            id=model.id,
            protocol=protocol,
            base_url=self._base(protocol),
            dialect=msgspec.structs.replace(self._dialect(protocol, row), **fields),
            capabilities=_said(model).over(_known(row) if row else UNKNOWN),
            name=model.name or (row.name if row else None),
            is_offered=bool(path) or row is None or row.status == "active",
        )

    def _dialect(self, protocol: str, row: shipped.Model | None) -> Dialect:
        if row is not None and row.protocol == protocol:
            return row.dialect
        if self._preset is not None and self._preset.protocol == protocol:
            return self._preset.dialect
        return shipped.reference(protocol)

    def _base(self, protocol: str) -> str:
        url = self._provider.base_url
        if url is not None:
            return base_for(protocol, url, spoken=self._protocol)
        bases = self._preset.bases if self._preset else {}
        if protocol not in bases:
            path = ("providers", self._name)
            raise self._settings.fault(
                path, f"`{self._name}` does not speak `{protocol}`", did_you_mean(protocol, bases)
            )
        return base_for(protocol, bases[protocol])

    def _checked(self, fields: Mapping[str, object], path: tuple[str | int, ...]) -> dict[str, Any]:
        """Return fields of a dialect, checked; TOML has no null, so `""` stands for it where a text may be none."""
        names = Dialect.__struct_fields__
        checked: dict[str, Any] = {}
        for field, value in fields.items():
            here = (*path, field)
            if field not in names:
                raise self._settings.fault(here, f"a dialect has no field `{field}`", did_you_mean(field, names))
            plain = None if value == "" else value
            try:
                checked[field] = getattr(msgspec.convert({field: plain}, Dialect), field)
            except msgspec.ValidationError as error:
                problem = str(error).partition(" - at ")[0]
                raise self._settings.fault(
                    here, f"`{field}` is `{value}`: {problem[:1].lower()}{problem[1:]}"
                ) from None
        return checked


def _said(model: configured.Model) -> Capabilities:
    """Return what a model's table in the configuration says of it."""
    return Capabilities(
        model.context,
        model.max_output,
        model.vision,
        model.documents,
        model.audio,
        model.video,
        model.tools,
        model.reasoning,
        Cost(*msgspec.structs.astuple(model.cost)) if model.cost else Cost(),
    )


def _known(row: shipped.Model) -> Capabilities:
    """Return what a preset's row says of a model."""
    known = Capabilities(tools=row.tools, reasoning=row.reasoning, cost=row.cost or Cost())
    return known.over(sees(row.inputs, context=row.context, max_output=row.max_output))


def known_names(registry: Registry) -> Iterable[str]:
    """Yield every name of a model that can be asked: ids alone where they are looked up, `provider/id`, plain aliases."""
    for alias in registry.aliases:
        if alias.is_plain:
            yield alias.glob
    for spec in registry.searched:
        yield from registry.spoken_ids(spec)
    for spec in registry.providers.values():
        for model in registry.spoken_ids(spec):
            yield f"{spec.name}/{model}"
