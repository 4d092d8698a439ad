"""`dragoman models`: what can be asked for, what the catalogue knows, and a newer catalogue in its place."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from dragoman.catalog import FILE_NAME, Capabilities, capabilities_of
from dragoman.catalog.files import text_of
from dragoman.catalog.models_dev import NoCatalogueError, read_models_dev
from dragoman.ir.cost import Cost
from dragoman.ir.failures import RequestError
from dragoman.protocols import discover
from dragoman.providers import discover as presets
from dragoman.routing.names import list_places, title_of
from dragoman.routing.registry import Registry, near
from dragoman.routing.specs import MODEL_KINDS, Place
from dragoman.settings import Provider, Settings, SettingsError, did_you_mean, write_data

_HEADS: Final = ("model", "context", "output", "takes", "tools", "thinks", "$ in", "$ out", "name")
_RIGHT: Final = frozenset({"context", "output", "$ in", "$ out"})
_THOUSAND: Final = 1000
_MILLION: Final = 1_000_000


class Listed(msgspec.Struct, frozen=True):
    """One model, as `--json` writes it. `context` and `max_output` are tokens, prices US dollars per million of them."""

    name: str
    provider: str
    model: str
    title: str
    protocol: str | None
    context: int | None
    max_output: int | None
    inputs: tuple[str, ...] | None
    tools: bool | None
    reasoning: bool | None
    cost: Cost


def show(settings: Settings, provider: str | None, search: str | None, *, everything: bool, as_json: bool) -> None:
    """Print the models that can be asked for, or with `everything` all that the catalogue knows.

    One `provider` may be any that is shipped or in the catalogue. What is not configured, hidden or only in the
    catalogue is told on standard error. Raises DragomanError when there is no such provider, or no such model.
    """
    notes: list[str] = []
    rows = list(_everything(settings, provider) if everything else _askable(settings, provider, search, notes))
    found = [row for row in rows if _fits(row, search)]
    if not found:
        hint = notes[0] if notes else "`dragoman models` lists them all, `dragoman models --all` the whole catalogue"
        raise RequestError(_nothing(provider, search), hint=hint)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    else:
        print("\n".join(_table(found)))
    for note in notes:
        print(f"({note})", file=sys.stderr)


def refresh(settings: Settings, file: Path) -> None:
    """Put a catalogue of models.dev's into the user's data directory, in place of the shipped one. Raises SettingsError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(file)) from None
    try:
        about, shelves = read_models_dev(data)
    except NoCatalogueError as error:
        hint = "fetch one: curl -o models.json https://models.dev/api.json"
        raise SettingsError(str(error), where=str(file), hint=hint) from None
    if settings.data is None:
        raise SettingsError("there is no place for it", hint="set XDG_DATA_HOME or HOME")
    try:
        place = write_data(settings.data, FILE_NAME, text_of(about, shelves))
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}", where=str(settings.data / FILE_NAME)) from None
    models = sum(len(rows) for _, rows in shelves)
    print(f"{place}: {_counted(len(shelves), 'provider')}, {_counted(models, 'model')}")


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


# --- which models -----------------------------------------------------------------------------------------------------


def _askable(settings: Settings, provider: str | None, search: str | None, notes: list[str]) -> Iterator[Listed]:
    registry = Registry(settings, discover())
    if provider is not None and registry.provider(provider) is None:
        registry = _with(registry, provider, notes)
    spoken = (*discover(), *MODEL_KINDS)
    beside = [name for name, spec in registry.providers.items() if spec not in registry.offered]
    hidden = 0
    for prefix in [provider] if provider else [None, *beside]:
        for name, place in list_places(registry, prefix):
            row = _listed(name if prefix is None else f"{prefix}/{place[1].id}", place)
            if place[1].protocol in spoken:
                yield row
            elif _fits(row, search):
                hidden += 1
    if hidden:
        more = "1 model is hidden: it speaks" if hidden == 1 else f"{hidden} models are hidden: they speak"
        notes.append(f"{more} a protocol that this version does not speak yet")


def _with(registry: Registry, provider: str, notes: list[str]) -> Registry:
    """Return a registry that has `provider`, too, which is shipped or in the catalogue; note how to configure it."""
    settings = registry.settings
    if provider in presets():
        added = Provider(preset=provider)
        lines = f'preset = "{provider}"'
    elif registry.catalogue.rows(provider):
        shelf = next(shelf for shelf, _ in registry.catalogue.shelves() if shelf.provider == provider)
        where = shelf.api or "https://..."
        added = Provider(protocol="openai-chat", base_url=where, catalog=provider)
        lines = f'protocol = "openai-chat", base_url = "{where}", catalog = "{provider}"'
    else:
        known, others = sorted({*registry.prefixes, *presets()}), registry.catalogue.providers()
        hint = near(provider, known) or near(provider, others) or did_you_mean(provider, known)
        raise RequestError(f"there is no provider `{provider}`", hint=hint)
    notes.append(f"`{provider}` is not configured; to reach it: [providers.{provider}] with {lines}")
    more = msgspec.structs.replace(settings, providers={**settings.providers, provider: added})
    return Registry(more, discover(), registry.catalogue)


def _everything(settings: Settings, provider: str | None) -> Iterator[Listed]:
    for shelf, rows in Registry(settings).catalogue.shelves():
        if provider in (None, shelf.provider):
            for row in rows:
                name = f"{shelf.provider}/{row.id}"
                yield _row(name, shelf.provider, row.id, title_of(row.id), None, capabilities_of(row))


def _listed(name: str, place: Place) -> Listed:
    spec, card = place
    return _row(name, spec.name, card.id, card.name or title_of(card.id), card.protocol, card.capabilities)


def _row(name: str, provider: str, model: str, title: str, protocol: str | None, can: Capabilities) -> Listed:
    return Listed(
        name,
        provider,
        model,
        title,
        protocol,
        can.context,
        can.max_output,
        _inputs(can),
        can.tools,
        can.reasoning,
        can.cost,
    )


def _inputs(can: Capabilities) -> tuple[str, ...] | None:
    known = {"image": can.vision, "pdf": can.documents, "audio": can.audio, "video": can.video}
    if all(value is None for value in known.values()):
        return None
    return ("text", *(modality for modality, is_taken in known.items() if is_taken))


def _fits(row: Listed, search: str | None) -> bool:
    return (search or "").lower() in f"{row.name} {row.title} {row.provider}".lower()


def _nothing(provider: str | None, search: str | None) -> str:
    who = f"`{provider}` has no model" if provider else "there is no model"
    return f"{who} whose name holds `{search}`" if search else f"{who} that can be asked for"


# --- the table --------------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Listed]) -> Iterator[str]:
    lines = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    for line in lines:
        yield "  ".join(_padded(line, widths)).rstrip()


def _padded(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for head, cell, width in zip(_HEADS, line, widths, strict=True):
        yield cell.rjust(width) if head in _RIGHT else cell.ljust(width)


def _cells(row: Listed) -> tuple[str, ...]:
    return (
        row.name,
        _tokens(row.context),
        _tokens(row.max_output),
        "?" if row.inputs is None else ",".join(row.inputs),
        _claim(row.tools),
        _claim(row.reasoning),
        _price(row.cost.input),
        _price(row.cost.output),
        f"{row.title} ({row.provider})",
    )


def _tokens(count: int | None) -> str:
    if count is None:
        return "?"
    if count >= _MILLION:
        return f"{count / _MILLION:.3g}M"
    return f"{count / _THOUSAND:.3g}k" if count >= _THOUSAND else str(count)


def _claim(claim: bool | None) -> str:  # noqa: FBT001 - a cell of the table
    return "?" if claim is None else "yes" if claim else "no"


def _price(dollars: float | None) -> str:
    return "?" if dollars is None else f"{dollars:.4g}"
