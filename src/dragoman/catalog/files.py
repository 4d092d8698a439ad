"""The catalogue's file: one line a model, below one line for its provider, so that one provider's rows are found by a search.

The first line says where the figures come from. A provider's line is a JSON object, a model's an array without what is
missing at its end: 8,000 models are 600 kB, of which a look-up decodes a provider's lines alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from dragoman.ir.cost import Cost

_TOOLS: Final = "t"
_REASONING: Final = "r"
_SAMPLING: Final = "s"
ACTIVE: Final = ""


class About(msgspec.Struct, frozen=True):
    """The first line: where the figures come from, and under which licence."""

    source: str
    licence: str = "MIT License, Copyright (c) 2025 models.dev"


class Shelf(msgspec.Struct, frozen=True, omit_defaults=True):
    """The line of a provider: its name in models.dev and among people, where it is (None: its SDK knows), its documentation."""

    provider: str
    title: str = ""
    api: str | None = None
    docs: str | None = None


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The line of a model.

    `context` and `max_output` are tokens, `takes` and `makes` modalities with commas between them, `flags` the letters
    t (calls tools), r (reasons) and s (takes a temperature), `status` empty for active or else `beta` or `deprecated`,
    prices US dollars per million tokens, `released` a date. None: not known.
    """

    id: str
    context: int | None = None
    max_output: int | None = None
    takes: str = "text"
    makes: str = "text"
    flags: str = ""
    status: str = ACTIVE
    released: str | None = None
    price_input: float | None = None
    price_output: float | None = None
    price_cache_read: float | None = None
    price_cache_write: float | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The modalities that it takes."""
        return tuple(self.takes.split(","))

    @property
    def tools(self) -> bool:
        """Whether it calls tools."""
        return _TOOLS in self.flags

    @property
    def reasoning(self) -> bool:
        """Whether it thinks before it answers."""
        return _REASONING in self.flags

    @property
    def sampling(self) -> bool:
        """Whether it takes a temperature."""
        return _SAMPLING in self.flags

    @property
    def cost(self) -> Cost:
        """Its prices."""
        return Cost(self.price_input, self.price_output, self.price_cache_read, self.price_cache_write)

    @property
    def converses(self) -> bool:
        """Whether it can be talked to: text in, text out, and not only numbers (embeddings take no setting at all)."""
        return "text" in self.inputs and "text" in self.makes.split(",") and bool(self.flags)


def flags_of(*, tools: bool, reasoning: bool, sampling: bool) -> str:
    """Return the letters for what a model can do."""
    return _TOOLS * tools + _REASONING * reasoning + _SAMPLING * sampling


Shelves = list[tuple[Shelf, list[Row]]]

_about: Final = msgspec.json.Decoder(About).decode
_shelf: Final = msgspec.json.Decoder(Shelf).decode
_rows: Final = msgspec.json.Decoder(Row).decode_lines


def text_of(about: About, shelves: Iterable[tuple[Shelf, Iterable[Row]]]) -> bytes:
    """Return a catalogue's file, providers and models in alphabetical order."""
    lines = [msgspec.json.encode(about)]
    for shelf, rows in sorted(shelves, key=lambda entry: entry[0].provider):
        lines.append(msgspec.json.encode(shelf))
        lines += (_line(row) for row in sorted(rows, key=lambda row: row.id))
    return b"\n".join(lines) + b"\n"


def _line(row: Row) -> bytes:
    values: list[Any] = [
        int(value) if isinstance(value, float) and value.is_integer() else value
        for value in msgspec.structs.astuple(row)
    ]
    while values[-1] is None:
        values.pop()
    return msgspec.json.encode(values)


def about_of(text: bytes) -> About:
    """Return what the first line says. Raises msgspec.DecodeError for a file that is no catalogue."""
    return _about(text[: text.find(b"\n")])


def rows_of(text: bytes, provider: str) -> list[Row]:
    """Return the models of one provider; none when it is not there. Raises msgspec.DecodeError for damaged lines."""
    head = b'\n{"provider":%b' % msgspec.json.encode(provider)
    place = text.find(head)
    if place < 0:
        return []
    start = text.find(b"\n", place + 1) + 1
    end = text.find(b"\n{", start - 1)
    return _rows(text[start : end if end >= 0 else len(text)])


def shelves_of(text: bytes) -> Iterator[tuple[Shelf, list[Row]]]:
    """Yield everything that is in a catalogue. Raises msgspec.DecodeError for damaged lines."""
    for part in text.split(b"\n{")[1:]:
        head, _, lines = part.partition(b"\n")
        yield _shelf(b"{" + head), _rows(lines)
