"""The provider behind the Claude Agent SDK, made of its settings. It signs in by itself, and is one person's own account."""

import ipaddress
from typing import Final

import msgspec

from dragoman import providers as shipped
from dragoman import settings as configured
from dragoman.catalog import Capabilities
from dragoman.dialects import Dialect
from dragoman.routing.building import said_of
from dragoman.routing.specs import CLAUDE_AGENT, ModelSpec, ProviderSpec
from dragoman.settings import Settings
from dragoman.settings.origins import origin_of

_VENDOR: Final = "anthropic"
_MEANINGLESS: Final = ("preset", "protocol", "dialect", "headers", "session_header", "catalog")
_ABLE: Final = Capabilities(vision=True, documents=True, tools=True, reasoning=True)


def dialect_of(model: str) -> Dialect:
    """Return the quirks of a model: those it has at its vendor's own API. The CLI takes no messages of the system."""
    family = shipped.discover()[_VENDOR].family_of(model)
    return msgspec.structs.replace(family.dialect, mid_system=False)


def claude_agent(name: str, provider: configured.Provider, settings: Settings) -> ProviderSpec:
    """Return the provider `name` of the kind `claude-agent`. Raises SettingsError for what makes no sense there."""
    _check(name, provider, settings)
    any_model = ModelSpec("*", CLAUDE_AGENT, provider.base_url or "", dialect_of("*"), _ABLE)

    def unlisted(model: str) -> ModelSpec:
        return msgspec.structs.replace(any_model, id=model, dialect=dialect_of(model))

    models: dict[str, ModelSpec] = {}
    for entry in provider.models:
        model = entry if isinstance(entry, configured.Model) else configured.Model(id=entry)
        models[model.id] = msgspec.structs.replace(
            unlisted(model.id), name=model.name, capabilities=said_of(model).over(_ABLE)
        )
    return ProviderSpec(
        name=name,
        title="Claude Agent SDK",
        models=models,
        pattern=None if models else any_model,
        losses=provider.losses or settings.server.losses,
        unlisted=None if models else unlisted,
        api_key=provider.api_key,
        takes_client_key=False,
    )


def _check(name: str, provider: configured.Provider, settings: Settings) -> None:
    others = [other for other, one in settings.providers.items() if one.kind == CLAUDE_AGENT and other != name]
    if others:
        problem = f"`{others[0]}` is of the kind `{CLAUDE_AGENT}` already, and there can be one only"
        raise settings.fault(("providers", name, "kind"), problem, "it stands for one person's own account")
    for field in _MEANINGLESS:
        if getattr(provider, field):
            problem = f"`{field}` means nothing for a provider of the kind `{CLAUDE_AGENT}`"
            raise settings.fault(("providers", name, field), problem)
    _check_mode(name, settings)
    if provider.base_url and origin_of(provider.base_url) in _own_origins(settings.server):
        problem = f"`base_url` is this gateway's own address: `{name}` would ask itself"
        raise settings.fault(("providers", name, "base_url"), problem, "leave it out for Anthropic's own")


def _check_mode(name: str, settings: Settings) -> None:
    """Refuse to run tools for others, or nobody knows where."""
    if settings.claude.mode != "internal":
        return
    if not _is_here(settings.server.host):
        problem = f"`{name}` runs tools on this machine, and `{settings.server.host}` is reached from elsewhere"
        raise settings.fault(
            ("claude", "mode"), problem, "set `server.host` to 127.0.0.1, or the mode to `passthrough`"
        )
    if not settings.claude.workdir:
        problem = "the mode `internal` needs `claude.workdir`, the folder that its tools work in"
        raise settings.fault(("claude", "mode"), problem, 'workdir = "/path/of/a/project"')


def _is_here(host: str) -> bool:
    """Tell whether nobody but this machine can reach `host`; of another name nobody knows."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_origins(server: configured.Server) -> set[str | None]:
    return {
        origin_of(f"http://{host}:{server.port}") for host in ("127.0.0.1", "localhost", server.host) if server.port
    }
