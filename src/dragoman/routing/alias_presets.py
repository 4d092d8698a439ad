"""Ready-made aliases: names that tools have built in, for models that are there instead."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from dragoman.routing.specs import ProviderSpec

_OPUS: Final = (
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
    "claude-opus-4-6",
    "claude-opus-4-5",
)
_SONNET: Final = ("claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5", "claude-sonnet-4")
_HAIKU: Final = ("claude-haiku-4-5", "claude-3-5-haiku")
_MESSAGES: Final = "anthropic-messages"

PRESETS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "openai-to-claude": {
        "gpt-4o": _SONNET,
        "gpt-4o-20*": _SONNET,
        "gpt-4o-mini": _HAIKU,
        "gpt-4o-mini-20*": _HAIKU,
        "gpt-4-turbo": _SONNET,
        "gpt-4-turbo-*": _SONNET,
        "gpt-4": _SONNET,
        "gpt-4-[01]*": _SONNET,
        "gpt-3.5-turbo": _HAIKU,
        "gpt-3.5-turbo-*": _HAIKU,
        "o1": _OPUS,
        "o1-20*": _OPUS,
        "o1-preview": _OPUS,
        "o1-mini": _SONNET,
        "o1-mini-20*": _SONNET,
        "claude-3-5-haiku*": _HAIKU,
        "claude-3-5-*": _SONNET,
    }
}
"""By the preset's name: globs, and the models that each may stand for, the best first."""


def aliases_of(preset: str, providers: Iterable[ProviderSpec]) -> Iterator[tuple[str, str]]:
    """Yield each alias of a preset with the address of the best model for it: of the first provider that has any of them.

    A provider that takes any id in Anthropic's protocol is taken at its word. Nothing is yielded where nobody has any.
    """
    specs = list(providers)
    for glob, wanted in PRESETS[preset].items():
        target = _listed(specs, wanted) or _taken(specs, wanted)
        if target is not None:
            yield glob, target


def _listed(specs: Iterable[ProviderSpec], wanted: tuple[str, ...]) -> str | None:
    for spec in specs:
        ids = {_plain(model.id): model.id for model in spec.models.values() if model.is_offered}
        found = next((ids[model] for model in wanted if model in ids), None)
        if found is not None:
            return f"{spec.name}/{found}"
    return None


def _taken(specs: Iterable[ProviderSpec], wanted: tuple[str, ...]) -> str | None:
    spec = next((spec for spec in specs if spec.pattern is not None and spec.pattern.protocol == _MESSAGES), None)
    return f"{spec.name}/{wanted[0]}" if spec else None


def _plain(model: str) -> str:
    """Return an id as Anthropic writes it: OpenRouter's is `anthropic/claude-sonnet-4.6`."""
    return model.rpartition("/")[2].replace(".", "-")
