"""Read what models.dev publishes: https://models.dev/api.json, or a snapshot of it in columns; plain or compressed with gzip."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman.catalog.files import ACTIVE, About, Row, Shelf, Shelves, flags_of

_GZIP: Final = b"\x1f\x8b"
_LARGEST: Final = 256 * 1024 * 1024
_WEBSITE: Final = "https://models.dev"


class NoCatalogueError(ValueError):
    """The file is none of models.dev's; the text says why, in one line."""


class _Limit(msgspec.Struct, frozen=True):
    context: int | None = None
    output: int | None = None


class _Modalities(msgspec.Struct, frozen=True):
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)


class _Cost(msgspec.Struct, frozen=True):
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


class _Model(msgspec.Struct, frozen=True):
    """A model as https://models.dev/api.json has it."""

    id: str
    limit: _Limit = _Limit()
    modalities: _Modalities = _Modalities()
    cost: _Cost | None = None
    tool_call: bool = False
    reasoning: bool = False
    temperature: bool = False
    status: str | None = None
    release_date: str | None = None


class _Provider(msgspec.Struct, frozen=True):
    models: dict[str, _Model]
    name: str = ""
    api: str | None = None
    doc: str | None = None


class _ColumnsProvider(msgspec.Struct, frozen=True):
    models: list[list[Any]]
    name: str = ""
    api: str | None = None
    doc: str | None = None


class _Columns(msgspec.Struct, frozen=True):
    """A snapshot: the names of the columns once, and each model as a list."""

    fields: list[str]
    providers: dict[str, _ColumnsProvider]
    source: str = _WEBSITE


class _Cells(msgspec.Struct, frozen=True):
    """A snapshot's model, by the names of its columns."""

    id: str
    context: int | None = None
    output: int | None = None
    # `in` is a word of Python's.
    takes: str = msgspec.field(default="text", name="in")
    makes: str = msgspec.field(default="text", name="out")
    tool_call: int = 0
    reasoning: int = 0
    temperature: int = 0
    status: str | None = None
    cost_in: float | None = None
    cost_out: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    release_date: str | None = None


_decode_columns: Final = msgspec.json.Decoder(_Columns).decode
_decode_api: Final = msgspec.json.Decoder(dict[str, _Provider]).decode


class _Shape(msgspec.Struct, frozen=True):
    fields: msgspec.Raw = msgspec.Raw()


def read_models_dev(data: bytes) -> tuple[About, Shelves]:
    """Return the catalogue in a file of models.dev's. Raises NoCatalogueError."""
    data = _plain(data)
    try:
        if msgspec.json.decode(data, type=_Shape).fields:
            return _from_columns(_decode_columns(data))
        shelves = [
            (Shelf(id, provider.name, provider.api, provider.doc), [_row(model) for model in provider.models.values()])
            for id, provider in _decode_api(data).items()
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoCatalogueError(f"is no catalogue of {_WEBSITE}: {error}") from None
    return About(f"{_WEBSITE}/api.json"), _checked(shelves)


def _plain(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = inflate.decompress(data, _LARGEST)
    except zlib.error as error:
        raise NoCatalogueError(f"is damaged: {error}") from None
    if not inflate.eof:
        raise NoCatalogueError("is cut short" if not inflate.unconsumed_tail else "is far too large")
    return plain


def _from_columns(table: _Columns) -> tuple[About, Shelves]:
    shelves: Shelves = []
    for id, provider in table.providers.items():
        cells = (dict(zip(table.fields, model, strict=False)) for model in provider.models)
        rows = [_row_of_cells(msgspec.convert(_without_none(cell), _Cells)) for cell in cells]
        shelves.append((Shelf(id, provider.name, provider.api, provider.doc), rows))
    return About(table.source), _checked(shelves)


def _without_none(cells: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cells.items() if value is not None}


def _checked(shelves: Shelves) -> Shelves:
    if not any(rows for _, rows in shelves):
        raise NoCatalogueError(f"is no catalogue of {_WEBSITE}: there is not a single model in it")
    return shelves


def _row(model: _Model) -> Row:
    cost = model.cost or _Cost()
    return Row(
        id=model.id,
        context=model.limit.context or None,
        max_output=model.limit.output or None,
        takes=_joined(model.modalities.input),
        makes=_joined(model.modalities.output),
        flags=flags_of(tools=model.tool_call, reasoning=model.reasoning, sampling=model.temperature),
        status=_status(model.status),
        released=model.release_date,
        price_input=cost.input,
        price_output=cost.output,
        price_cache_read=cost.cache_read,
        price_cache_write=cost.cache_write,
    )


def _row_of_cells(cells: _Cells) -> Row:
    return Row(
        id=cells.id,
        context=cells.context or None,
        max_output=cells.output or None,
        takes=_joined(cells.takes.split(",")),
        makes=_joined(cells.makes.split(",")),
        flags=flags_of(tools=bool(cells.tool_call), reasoning=bool(cells.reasoning), sampling=bool(cells.temperature)),
        status=_status(cells.status),
        released=cells.release_date,
        price_input=cells.cost_in,
        price_output=cells.cost_out,
        price_cache_read=cells.cache_read,
        price_cache_write=cells.cache_write,
    )


def _joined(modalities: Sequence[str] | Iterable[str]) -> str:
    return ",".join(modality for modality in modalities if modality) or "text"


def _status(word: str | None) -> str:
    return ACTIVE if word in (None, "active") else str(word)
