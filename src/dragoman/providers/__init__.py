"""The shipped providers as data, one module each: where they live, what each of their models speaks.

A provider is a module below this package whose last line is `PROVIDER = Provider(...)`; it is found by being here. A
configuration starts from one with `preset = "its name"`.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import get_data, iter_modules
from types import MappingProxyType
from typing import Literal

import msgspec

from dragoman.dialects import Dialect

ANTHROPIC = Dialect(tool_name_limit=128, web_search=True)
"""Anthropic's own server: tool names up to 128 characters, a web search of its own."""
_SEARCHING = Dialect(web_search=True)
_REFERENCE = {"anthropic-messages": ANTHROPIC, "openai-responses": _SEARCHING, "gemini-generate": _SEARCHING}


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Prices in US dollars per million tokens; None: not known, or no such price."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


class Model(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One model of a provider.

    `context` and `max_output` are tokens, `inputs` the modalities it takes (`text`, `image`, `pdf`, `audio`,
    `video`). None means that the source does not say. `status` is `active`, `deprecated` (still answers, no longer
    offered) or `unlisted` (named in the provider's documentation, missing in its newest catalogue).
    """

    id: str
    protocol: str
    dialect: Dialect = Dialect()
    name: str | None = None
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[str, ...] | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    status: Literal["active", "deprecated", "unlisted"] = "active"
    free: bool = False
    cost: Cost | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped provider.

    `bases` holds for each protocol that it speaks the base URL as that protocol's own SDK takes it; `protocol` is the
    one of models that are not listed, `dialect` theirs. `takes_any` tells whether such models may be asked for at
    all. Models stand in `models`, or in the shipped table `table` (a list in `opencode.json`). `vision` is the model
    that looks at what the others cannot see, `session_header` carries the conversation's id, `forward_headers` are
    the beginnings of names of client headers that it gets when the client sent them, `nickname` is a shorter prefix.
    """

    name: str
    title: str
    source: str
    protocol: str
    bases: Mapping[str, str]
    dialect: Dialect = Dialect()
    models: tuple[Model, ...] = ()
    table: str | None = None
    takes_any: bool = True
    session_header: str | None = None
    forward_headers: tuple[str, ...] = ()
    vision: str | None = None
    nickname: str | None = None


class _Tables(msgspec.Struct, frozen=True):
    tiers: dict[str, tuple[Model, ...]]


def reference(protocol: str) -> Dialect:
    """Return the dialect of a protocol's own reference server."""
    return _REFERENCE.get(protocol, Dialect())


@cache
def discover() -> Mapping[str, Provider]:
    """Return every shipped provider by its name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    providers: list[Provider] = [module.PROVIDER for module in modules]
    return MappingProxyType(
        {provider.name: provider for provider in sorted(providers, key=lambda provider: provider.name)}
    )


def models_of(provider: Provider) -> Mapping[str, Model]:
    """Return the models of a shipped provider by their ids, in the order of its source."""
    rows = provider.models if provider.table is None else _tables().tiers[provider.table]
    return {row.id: row for row in rows}


@cache
def _tables() -> _Tables:
    data = get_data(__name__, "opencode.json")
    if data is None:
        raise FileNotFoundError("opencode.json")
    return msgspec.json.decode(data, type=_Tables)
