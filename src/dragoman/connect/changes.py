"""Connects a client and disconnects it: reads its files, works out what changes, and writes all of that or none."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dragoman.connect.client import NO_KEY, File
from dragoman.connect.documents import DocumentError, dotted
from dragoman.connect.documents import Path as Inside
from dragoman.connect.editing import Undone, apply, undo
from dragoman.connect.faults import ConnectError
from dragoman.connect.files import missing_folders, read_bytes, remove, write_whole
from dragoman.connect.journal import Edited, Journal

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after; None: there is no file. `kept` are places of ours that somebody else has changed since."""

    place: Path
    before: bytes | None
    after: bytes | None
    secrets: frozenset[str]
    kept: Sequence[Inside] = ()

    @property
    def is_none(self) -> bool:
        """Whether the file stays as it is."""
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done, worked out and not yet done. `commit` does it: all, or nothing (ConnectError)."""

    files: Sequence[Change]
    commit: Callable[[], None]

    @property
    def are_none(self) -> bool:
        """Whether every file stays as it is."""
        return all(change.is_none for change in self.files)


def connecting(files: Sequence[File], journal: Journal) -> Changes:
    """Return what has to change for these settings to be there. Raises ConnectError."""
    known = {edited.place: edited for edited in journal.read()}
    planned = [_planned(file, known.get(str(file.place))) for file in files]
    elsewhere = [edited for place, edited in known.items() if place not in {str(file.place) for file in files}]
    changes = [change for change, _ in planned]

    def commit() -> None:
        edited = [_with_backup(change, new, journal) for change, new in planned]
        touched = [
            new
            for new, (change, _) in zip(edited, planned, strict=True)
            if new.entries and _is_ours(change, new, known)
        ]
        with _refusing("the state folder"):
            journal.write([*elsewhere, *touched])
        _write_all(changes)

    return Changes(changes, commit)


def disconnecting(journal: Journal) -> Changes:
    """Return what has to change for nothing of ours to be left. Raises ConnectError."""
    known = journal.read()
    changes = [_undone(edited) for edited in reversed(known)]

    def commit() -> None:
        _write_all(changes)
        for edited in known:
            if not Path(edited.place).exists():
                remove(Path(edited.place), [Path(folder) for folder in edited.folders])
            if edited.original:
                with suppress(OSError):
                    Path(edited.original).unlink()
        with suppress(OSError):
            journal.backups.rmdir()
        journal.write([])

    return Changes(changes, commit)


def _planned(file: File, known: Edited | None) -> tuple[Change, Edited]:
    before = _read(file.place)
    text = _text(file.place, before)
    try:
        after, entries = apply(file.form, text.removeprefix(_BOM), file.settings, known.entries if known else ())
    except DocumentError as error:
        raise _unreadable(file.place, error) from None
    data = (_BOM + after if text.startswith(_BOM) else after).encode()
    secrets = {str(setting.value) for setting in file.settings if setting.is_secret}
    secrets |= {str(entry.before) for entry in entries if entry.is_secret and entry.was_there}
    change = Change(file.place, before, data, frozenset(secrets - {NO_KEY}))
    if known is None:
        folders = [str(folder) for folder in missing_folders(file.place)]
        return change, Edited(str(file.place), file.form, entries, _digest(data), None, folders=folders)
    is_exact = known.is_exact and before is not None and _digest(before) == known.digest
    new = Edited(known.place, file.form, entries, _digest(data), known.original, is_exact, known.folders)
    return change, new


def _with_backup(change: Change, new: Edited, journal: Journal) -> Edited:
    if change.before is None or change.is_none or new.original is not None:
        return new
    with _refusing(f"the backup of {change.place}"):
        copy = journal.back_up(change.place, change.before)
    return Edited(new.place, new.form, new.entries, new.digest, str(copy), new.is_exact, new.folders)


def _is_ours(change: Change, new: Edited, known: dict[str, Edited]) -> bool:
    """Tell whether there is something to undo: what was there already, as we would have written it, is not ours."""
    return not change.is_none or new.place in known


def _undone(edited: Edited) -> Change:
    place = Path(edited.place)
    before = _read(place)
    secrets = frozenset(str(entry.before) for entry in edited.entries if entry.is_secret and entry.was_there) - {NO_KEY}
    if before is None:
        return Change(place, None, None, secrets)
    if edited.is_exact and _digest(before) == edited.digest:
        original = None if edited.original is None else _read(Path(edited.original))
        if original is not None or edited.original is None:
            return Change(place, before, original, secrets)
    text = _text(place, before)
    try:
        undone: Undone = undo(edited.form, text.removeprefix(_BOM), edited.entries)
    except DocumentError as error:
        raise _unreadable(place, error) from None
    after = (_BOM + undone.text if text.startswith(_BOM) else undone.text).encode()
    is_gone = undone.is_empty and edited.original is None
    return Change(place, before, None if is_gone else after, secrets, undone.kept)


# --- reading and writing ----------------------------------------------------------------------------------------------


def _write_all(changes: Sequence[Change]) -> None:
    """Write every file, or, when one cannot be written, put those back that were."""
    done: list[Change] = []
    try:
        for change in changes:
            if change.is_none:
                continue
            _check_unchanged(change)
            done.append(change)
            _put(change.place, change.after)
    except (OSError, ConnectError) as error:
        for change in reversed(done):
            with suppress(OSError):
                _put(change.place, change.before)
        if isinstance(error, ConnectError):
            raise
        raise _refused(str(error.filename or "a file"), error) from None


def _check_unchanged(change: Change) -> None:
    if _read(change.place) != change.before:
        raise ConnectError(f"{change.place} has just been changed by somebody else", "run the command again")


def _put(place: Path, data: bytes | None) -> None:
    if data is None:
        place.unlink(missing_ok=True)
    else:
        write_whole(place, data)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn an OSError into a ConnectError about `what`."""
    try:
        yield
    except OSError as error:
        raise _refused(what, error) from None


def _refused(what: str, error: OSError) -> ConnectError:
    return ConnectError(
        f"{what}: {error.strerror or error}", "nothing was changed: see to its permissions and to the disk"
    )


def _read(place: Path) -> bytes | None:
    try:
        return read_bytes(place)
    except OSError as error:
        raise _refused(str(place), error) from None


def _text(place: Path, data: bytes | None) -> str:
    try:
        return (data or b"").decode()
    except UnicodeDecodeError:
        raise ConnectError(f"{place} is not UTF-8 text", "nothing was changed: save it as UTF-8") from None


def _unreadable(place: Path, error: DocumentError) -> ConnectError:
    line = f":{error.line}" if error.line else ""
    return ConnectError(
        f"{place}{line}: {error.problem}", "nothing was changed: correct the file, then run the command again"
    )


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def words_of(kept: Sequence[Inside]) -> str:
    """Return the places that stay, in words."""
    return ", ".join(f"`{dotted(path)}`" for path in kept)
