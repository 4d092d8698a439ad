"""What is configured of a provider, joined with what its preset and the catalogue say."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import providers as shipped
from dragoman import settings as configured
from dragoman.catalog import UNKNOWN, Capabilities, Catalogue, sees
from dragoman.dialects import Dialect
from dragoman.ir.cost import Cost
from dragoman.routing.presets import Shelf
from dragoman.routing.specs import LONG_CONTEXT, ModelSpec, ProviderSpec
from dragoman.settings import Settings, did_you_mean

_VERSIONED: Final = re.compile(r"/v\d+[a-z0-9]*$")


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


class Builder:
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
        """Return the provider, ready to be asked. Raises SettingsError."""
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
            capabilities=said_of(model).over(_known(row) if row else UNKNOWN),
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


def said_of(model: configured.Model) -> Capabilities:
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
