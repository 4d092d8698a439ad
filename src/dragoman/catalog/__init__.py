"""What each model can do, from several tongues: the first one that knows is believed."""

from collections.abc import Mapping

import msgspec


class Capabilities(msgspec.Struct, frozen=True, gc=False):
    """What a model can do; None: not known. `context` and `max_output` are tokens."""

    context: int | None = None
    max_output: int | None = None
    vision: bool | None = None
    documents: bool | None = None
    tools: bool | None = None
    reasoning: bool | None = None

    def over(self, other: "Capabilities") -> "Capabilities":
        """Return these capabilities, and where they do not know, what `other` says."""
        return Capabilities(
            *(
                theirs if ours is None else ours
                for ours, theirs in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
            )
        )


UNKNOWN = Capabilities()


def sees(inputs: tuple[str, ...] | None, *, context: int | None = None, max_output: int | None = None) -> Capabilities:
    """Return the capabilities of a model that takes these modalities (`text`, `image`, `pdf`); None: nobody said."""
    if inputs is None:
        return Capabilities(context, max_output)
    return Capabilities(context, max_output, vision="image" in inputs, documents="pdf" in inputs)


class Catalogue:
    """Looks up what a model can do.

    `tables` map (provider, model) to what one source knows, the most trusted one first.
    """

    def __init__(self, *tables: Mapping[tuple[str, str], Capabilities]) -> None:
        self._tables = tables

    def capabilities(self, provider: str, model: str) -> Capabilities:
        """Return what is known of `model` at `provider`; all None when nobody knows it."""
        found = UNKNOWN
        for table in self._tables:
            found = found.over(table.get((provider, model), UNKNOWN))
        return found
