"""The shipped providers as data, one module each: where they live, what each of their models speaks.

A provider is a module below this package whose last line is `PROVIDER = Provider(...)`; it is found by being here. A
configuration starts from one with `preset = "its name"`.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pkgutil import get_data, iter_modules
from types import MappingProxyType
from typing import Literal

import msgspec

from dragoman.dialects import Dialect
from dragoman.ir.cost import Cost

ANTHROPIC = Dialect(tool_name_limit=128, web_search=True)
"""Anthropic's own server: tool names up to 128 characters, a web search of its own."""
_SEARCHING = Dialect(web_search=True)
_REFERENCE = {"anthropic-messages": ANTHROPIC, "openai-responses": _SEARCHING, "gemini-generate": _SEARCHING}


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


class Family(msgspec.Struct, frozen=True):
    """The models whose ids fit `glob`: what their server is like, and what they speak if not the provider's protocol."""

    glob: str
    dialect: Dialect
    protocol: str | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped provider.

    `bases` holds for each protocol that it speaks the base URL as that protocol's own SDK takes it; `protocol` is the
    one of its models, `dialect` theirs, unless they are of one of the `families`, of which the first that fits counts.

    Which models there are is told by the shipped table `table` (a list in `opencode.json`), or else by the catalogue, under
    the name `catalog` that models.dev has for the provider, save what fits a glob in `hides`; with neither it is
    known to the server alone. `takes_any` tells whether other models may be asked for, `needs_key` whether it takes
    a key at all. `vision` is the model that looks at what the others cannot see, `session_header` carries the
    conversation's id, `forward_headers` are the beginnings of names of client headers that it gets when the client
    sent them, `nickname` is a shorter prefix.
    """

    name: str
    title: str
    source: str
    protocol: str
    bases: Mapping[str, str]
    dialect: Dialect = Dialect()
    families: tuple[Family, ...] = ()
    table: str | None = None
    catalog: str | None = None
    hides: tuple[str, ...] = ()
    takes_any: bool = True
    needs_key: bool = True
    session_header: str | None = None
    forward_headers: tuple[str, ...] = ()
    vision: str | None = None
    nickname: str | None = None

    def family_of(self, model: str) -> Family:
        """Return the family of a model, that of the provider itself when it is in no other."""
        found = next((family for family in self.families if fnmatchcase(model, family.glob)), None)
        return found or Family("*", self.dialect)

    def shows(self, model: str) -> bool:
        """Tell whether a model of the catalogue is one that can be talked to."""
        return not any(fnmatchcase(model, glob) for glob in self.hides)


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


def table_of(provider: Provider) -> Mapping[str, Model]:
    """Return the models in a provider's shipped table by their ids, in the order of its source; none without a table."""
    return {row.id: row for row in _tables().tiers[provider.table]} if provider.table else {}


@cache
def _tables() -> _Tables:
    data = get_data(__name__, "opencode.json")
    if data is None:
        raise FileNotFoundError("opencode.json")
    return msgspec.json.decode(data, type=_Tables)
