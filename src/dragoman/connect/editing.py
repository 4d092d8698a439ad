"""Edits texts: settings go in, and come out again. Pure; what was done is an Entry that undoes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from dragoman.connect.client import Setting
from dragoman.connect.documents import MISSING, Document, Format, Item, Path, Value, open_document


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that was written: where, its digest, and what stood there before (`was_there`).

    `path` is as JSON has it: an item of a list is an object of its field and value. `depth` is how many of the path's
    parts were there before. The value itself is not kept: it may be a key.
    """

    path: list[str | dict[str, str]]
    digest: str
    depth: int
    was_there: bool = False
    before: Value = None
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Undone:
    """A text without what is ours; `kept` are the places that somebody else has changed since."""

    text: str
    kept: Sequence[Path]
    is_empty: bool


def apply(form: Format, text: str, settings: Sequence[Setting], known: Sequence[Entry] = ()) -> tuple[str, list[Entry]]:
    """Return the text with the settings in it, and an entry for each.

    `known` are the entries of an earlier time, so that what stood there before us is what stood there before all of
    them; those that are no longer set are taken back. Raises DocumentError.
    """
    wanted = {_encoded(setting.path) for setting in settings}
    left = [entry for entry in known if _encoded(_path_of(entry)) not in wanted]
    document = open_document(form, undo(form, text, left).text if left else text)
    earlier = {_encoded(_path_of(entry)): entry for entry in known}
    entries = []
    for setting in settings:
        current = document.get(setting.path)
        entry = earlier.get(_encoded(setting.path))
        if entry is None or current is MISSING or _digest(current) != entry.digest:
            entry = _entry(document, setting, current)
        if current != setting.value or type(current) is not type(setting.value):
            document.put(setting.path, setting.value)
        entries.append(msgspec.structs.replace(entry, digest=_digest(setting.value)))
    return document.text(), entries


def undo(form: Format, text: str, entries: Sequence[Entry]) -> Undone:
    """Return the text without what the entries say was written; what has changed since stays. Raises DocumentError."""
    document = open_document(form, text)
    kept: list[Path] = []
    for entry in reversed(entries):
        path = _path_of(entry)
        current = document.get(path)
        if current is MISSING:
            continue
        if _digest(current) != entry.digest:
            kept.append(path)
        elif entry.was_there:
            document.put(path, entry.before)
        else:
            document.remove(path)
            _prune(document, path, entry.depth)
    return Undone(document.text(), kept[::-1], document.is_empty())


def written(form: Format, settings: Sequence[Setting]) -> str:
    """Return the text of a new file with these settings."""
    return apply(form, "", settings)[0]


def _entry(document: Document, setting: Setting, current: Value) -> Entry:
    path = setting.path
    depth = next(depth for depth in range(len(path), -1, -1) if depth == 0 or document.get(path[:depth]) is not MISSING)
    was_there = current is not MISSING
    return Entry(_encoded_path(path), "", depth, was_there, current if was_there else None, setting.is_secret)


def _prune(document: Document, path: Path, depth: int) -> None:
    """Take away the tables that were made for a value, when nothing else has come into them."""
    for end in range(len(path) - 1, depth, -1):
        around = document.get(path[:end])
        last = path[end - 1]
        rest = {last.field} if isinstance(last, Item) else set()
        if around is None or around == [] or (isinstance(around, dict) and set(around) == rest):
            document.remove(path[:end])
        else:
            return


def _digest(value: Value) -> str:
    return sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _encoded_path(path: Path) -> list[str | dict[str, str]]:
    return [{"field": part.field, "value": part.value} if isinstance(part, Item) else part for part in path]


def _encoded(path: Path) -> bytes:
    return msgspec.json.encode(_encoded_path(path))


def _path_of(entry: Entry) -> Path:
    return tuple(part if isinstance(part, str) else Item(part["field"], part["value"]) for part in entry.path)
