"""The provider behind OpenCode's server, made of its settings. Which models there are OpenCode alone knows."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from dragoman import settings as configured
from dragoman.catalog import Capabilities
from dragoman.dialects import Dialect
from dragoman.routing.specs import OPENCODE_SERVER, ModelSpec, ProviderSpec
from dragoman.settings import Settings

DIALECT: Final = Dialect(mid_system=False)
"""Its conversations are of users and assistants only."""
_MEANINGLESS: Final = ("preset", "protocol", "dialect", "headers", "session_header", "catalog")
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def opencode_server(name: str, provider: configured.Provider, settings: Settings) -> ProviderSpec:
    """Return the provider `name` of the kind `opencode-server`. Raises SettingsError for what makes no sense there."""
    _check(name, provider, settings)
    any_model = ModelSpec("*", OPENCODE_SERVER, provider.base_url or "", DIALECT)

    def unlisted(model: str) -> ModelSpec:
        return msgspec.structs.replace(any_model, id=model)

    models: dict[str, ModelSpec] = {}
    for entry in provider.models:
        model = entry if isinstance(entry, configured.Model) else configured.Model(id=entry)
        said = {field: getattr(model, field) for field in Capabilities.__struct_fields__ if field != "cost"}
        models[model.id] = msgspec.structs.replace(
            any_model, id=model.id, name=model.name, capabilities=Capabilities(**said)
        )
    return ProviderSpec(
        name=name,
        title="OpenCode",
        models=models,
        pattern=None if models else any_model,
        losses=provider.losses or settings.server.losses,
        unlisted=None if models else unlisted,
        takes_client_key=False,
    )


def _check(name: str, provider: configured.Provider, settings: Settings) -> None:
    others = [other for other, one in settings.providers.items() if one.kind == OPENCODE_SERVER and other != name]
    if others:
        problem = f"`{others[0]}` is of the kind `{OPENCODE_SERVER}` already, and there can be one only"
        raise settings.fault(("providers", name, "kind"), problem, "`[opencode]` describes one OpenCode")
    for field in _MEANINGLESS:
        if getattr(provider, field):
            problem = f"`{field}` means nothing for a provider of the kind `{OPENCODE_SERVER}`"
            raise settings.fault(("providers", name, field), problem)
    if provider.base_url is not None and urlsplit(provider.base_url).hostname not in _HERE:
        problem = f"`base_url` is `{provider.base_url}`: OpenCode's server has to run on this machine"
        raise settings.fault(("providers", name, "base_url"), problem, "it reads folders that the gateway writes")
    if provider.api_key is not None and provider.base_url is None:
        problem = "`api_key` is the password of a server at `base_url`, and there is none"
        raise settings.fault(
            ("providers", name, "api_key"), problem, "keys of models belong into `opencode.environment`"
        )
