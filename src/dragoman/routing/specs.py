"""Providers and their models, ready to be asked."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from dragoman.catalog import UNKNOWN, Capabilities
from dragoman.dialects import Dialect
from dragoman.settings import LossPolicy, Secret

SCRIPTED: Final = "scripted"
"""The protocol of the built-in model, which speaks the IR."""
CLAUDE_AGENT: Final = "claude-agent"
"""The same of the Claude Agent SDK, which is a kind of provider."""
OPENCODE_SERVER: Final = "opencode-server"
"""The same of OpenCode's server."""
MODEL_KINDS: Final = frozenset({SCRIPTED, CLAUDE_AGENT, OPENCODE_SERVER})
"""What is asked in the IR itself: no codec stands between."""
SEAL_PROTOCOLS: Final[Mapping[str, str]] = {CLAUDE_AGENT: "anthropic-messages"}
"""The protocol whose seals such a kind deals in, where it has any."""
LONG_CONTEXT: Final = re.compile(r"\[\d+[mk]\]$", re.IGNORECASE)
"""The suffix that asks for the long context: `[1m]`."""


def is_long(name: str) -> bool:
    """Tell whether a model's name asks for the long context."""
    return LONG_CONTEXT.search(name) is not None


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


Place = tuple[ProviderSpec, ModelSpec]
