"""What each model can do and costs, from several tongues: the first one that knows is believed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pkgutil import get_data
from typing import Any, Final

import msgspec

from dragoman.catalog.files import Row, Shelf, Shelves, rows_of, shelves_of
from dragoman.ir.cost import Cost

FILE_NAME: Final = "models.jsonl"
"""How the catalogue's file is called, the shipped one and a user's own."""


class Capabilities(msgspec.Struct, frozen=True, gc=False):
    """What a model can do; None: not known. `context` and `max_output` are tokens."""

    context: int | None = None
    max_output: int | None = None
    vision: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    video: bool | None = None
    tools: bool | None = None
    reasoning: bool | None = None
    cost: Cost = Cost()

    def over(self, other: "Capabilities") -> "Capabilities":
        """Return these capabilities, and where they do not know, what `other` says."""
        ours, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        cost = Cost(*_joined(msgspec.structs.astuple(self.cost), msgspec.structs.astuple(other.cost)))
        return msgspec.structs.replace(Capabilities(*_joined(ours, theirs)), cost=cost)


UNKNOWN = Capabilities()


def _joined(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> list[Any]:
    return [other if own is None else own for own, other in zip(ours, theirs, strict=True)]


def sees(inputs: tuple[str, ...] | None, *, context: int | None = None, max_output: int | None = None) -> Capabilities:
    """Return the capabilities of a model that takes these modalities (`text`, `image`, `pdf`); None: nobody said."""
    if inputs is None:
        return Capabilities(context, max_output)
    return Capabilities(
        context,
        max_output,
        vision="image" in inputs,
        documents="pdf" in inputs,
        audio="audio" in inputs,
        video="video" in inputs,
    )


def capabilities_of(row: Row) -> Capabilities:
    """Return what a row of the catalogue says."""
    seen = sees(row.inputs, context=row.context, max_output=row.max_output)
    return msgspec.structs.replace(seen, tools=row.tools, reasoning=row.reasoning, cost=row.cost)


def shipped() -> bytes:
    """Return the catalogue that comes with the package."""
    return get_data(__name__, FILE_NAME) or b""


class Catalogue:
    """Looks up what a provider's models can do, by the provider's name in models.dev.

    `sources` return the text of one catalogue each (empty: there is none), the most trusted one first; a provider's rows come
    from the first that has any. Nothing is read before somebody asks, and only the rows of the providers asked for
    are kept.
    """

    def __init__(self, *sources: Callable[[], bytes]) -> None:
        self._sources = sources or (shipped,)
        self._known: dict[str, Mapping[str, Row]] = {}

    def rows(self, provider: str) -> Mapping[str, Row]:
        """Return the models of `provider` by their ids; none when nobody knows it."""
        rows = self._known.get(provider)
        if rows is None:
            rows = self._known[provider] = self._read(provider)
        return rows

    def providers(self) -> list[str]:
        """Return the names of all providers that somebody knows."""
        return sorted({shelf.provider for shelf, _ in self.shelves()})

    def shelves(self) -> Shelves:
        """Return everything that is known, provider by provider; of a provider that several know the most trusted word."""
        found: dict[str, tuple[Shelf, list[Row]]] = {}
        for source in self._sources:
            with suppress(msgspec.DecodeError):
                for shelf, rows in shelves_of(source()):
                    found.setdefault(shelf.provider, (shelf, rows))
        return list(found.values())

    def capabilities(self, provider: str | None, model: str) -> Capabilities:
        """Return what is known of `model` at `provider`; all None when nobody knows it."""
        row = self.rows(provider).get(model) if provider else None
        return capabilities_of(row) if row else UNKNOWN

    def _read(self, provider: str) -> Mapping[str, Row]:
        for source in self._sources:
            # A file that was damaged since it was written knows nothing; `dragoman check-config` names it.
            try:
                rows = rows_of(source(), provider)
            except msgspec.DecodeError:
                continue
            if rows:
                return {row.id: row for row in rows}
        return {}
