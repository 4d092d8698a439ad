"""The models that OpenCode has configured: which one is meant, what it can do, how its package wants to be told things."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal

import msgspec
from msgspec import structs

from dragoman.codec import ModelCard
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.upstreams.opencode_server.wire import Model, Provider


class Package(msgspec.Struct, frozen=True):
    """What OpenCode's package for a protocol can be told, beside what all can.

    `passes_fields`: fields of the body that it does not know go up as they are. `needs_max_tokens`: a request without is refused.
    `budget`: thought has a budget in tokens, which is added to those of the answer. `error_flag`: a tool's result can be an error.
    `shows_results`: it can hold pictures and files. `cuts_schemas`: of a tool's schema it passes on what its server is known to
    take; our plugin puts the whole one back. `samples`: when temperature, top_p and top_k are passed on.
    """

    passes_fields: bool = False
    needs_max_tokens: bool = False
    top_k: bool = True
    budget: bool = False
    error_flag: bool = False
    shows_results: bool = False
    cuts_schemas: bool = False
    samples: Literal["always", "unless thinking", "unless able to think"] = "always"


_ANTHROPIC: Final = Package(
    needs_max_tokens=True, budget=True, error_flag=True, shows_results=True, samples="unless thinking"
)
_OPENAI: Final = Package(top_k=False, cuts_schemas=True, samples="unless able to think")
_GOOGLE: Final = Package(cuts_schemas=True)
_PACKAGES: Final[Mapping[str, Package]] = {
    "@ai-sdk/openai-compatible": Package(passes_fields=True, top_k=False),
    "@ai-sdk/openai": structs.replace(_OPENAI, shows_results=True),
    "@ai-sdk/azure": _OPENAI,
    "@ai-sdk/google": _GOOGLE,
    "@ai-sdk/google-vertex": _GOOGLE,
    "@ai-sdk/xai": Package(top_k=False),
    "@ai-sdk/mistral": Package(top_k=False),
    "@ai-sdk/groq": Package(top_k=False),
    "@ai-sdk/anthropic": _ANTHROPIC,
    "@ai-sdk/google-vertex/anthropic": _ANTHROPIC,
    "@ai-sdk/amazon-bedrock": Package(needs_max_tokens=True),
}
_ANY: Final = Package()
_NEVER_SAMPLED: Final = re.compile("claude-(?:opus-5|opus-4-[78]|fable-5|sonnet-5)")
"""Models that Anthropic's package gives no temperature, top_p or top_k, as their server refuses them."""
_FITTED: Final = re.compile("kimi|gemini", re.IGNORECASE)
"""Models to which OpenCode fits schemas, whatever their package."""


class Place(msgspec.Struct, frozen=True):
    """A model and the provider of OpenCode's that has it."""

    provider: str
    model: Model

    @property
    def id(self) -> str:
        """Its id here: `provider/model`."""
        return f"{self.provider}/{self.model.id}"

    @property
    def npm(self) -> str:
        """The package that speaks to it."""
        return self.model.api.npm

    @property
    def package(self) -> Package:
        """What that package can be told."""
        return _PACKAGES.get(self.npm, _ANY)

    @property
    def fits_schemas(self) -> bool:
        """Whether OpenCode changes the schemas of tools, and nobody puts them back."""
        return not self.package.cuts_schemas and _FITTED.search(self.model.api.id) is not None

    def samples(self, *, thinks: bool) -> bool:
        """Tell whether temperature, top_p and top_k reach the model in a turn in which it `thinks`, or not."""
        match self.package.samples:
            case "always":
                return True
            case "unless able to think":
                return not self.model.capabilities.reasoning
            case "unless thinking":
                return not thinks and _NEVER_SAMPLED.search(self.model.api.id) is None


class Shelf:
    """All of them. `provider/model` names one; a model's id alone does where one provider has it.

    `owner` is what the settings call OpenCode. Where OpenCode has a provider of the same name, that may be left out.
    """

    def __init__(self, owner: str, providers: Sequence[Provider] = ()) -> None:
        self._owner = owner
        self._places = {
            place.id: place
            for provider in providers
            for model in provider.models.values()
            for place in (Place(provider.id, model),)
        }

    def find(self, name: str) -> Place | None:
        """Return the model that `name` stands for; None when there is none, or several."""
        place = self._places.get(name) or self._places.get(f"{self._owner}/{name}")
        if place is not None:
            return place
        found = [place for place in self._places.values() if place.model.id == name]
        return found[0] if len(found) == 1 else None

    def missing(self, name: str) -> DragomanError:
        """Return the error (404) for a name that stands for no model, with those that are near."""
        near = get_close_matches(name, self._places, n=3, cutoff=0.5)
        said = ", ".join(f"`{one}`" for one in near)
        hint = f"did you mean {said}?" if near else "GET /v1/models lists the names"
        message = f"OpenCode has no model `{name}` configured"
        return DragomanError(Failure(FailureKind.NOT_FOUND, message, code="model_not_found", param="model", hint=hint))

    def cards(self) -> Iterator[ModelCard]:
        """Yield a card for each, under its id here."""
        for place in self._places.values():
            limit = place.model.limit
            yield ModelCard(
                place.id,
                f"{place.model.name or place.model.id} ({self._owner})",
                place.provider,
                context=int(limit.context) or None,
                max_output=int(limit.output) or None,
            )

    def __len__(self) -> int:
        return len(self._places)
