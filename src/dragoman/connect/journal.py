"""What was written for a client, so that it can be undone: one file of our own for each, which its owner alone can read."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from dragoman.connect.documents import Format
from dragoman.connect.editing import Entry
from dragoman.connect.files import write_whole


class Edited(msgspec.Struct, frozen=True):
    """A file that was edited.

    `digest` is that of the bytes we left. `original` is the copy of the bytes from before us, None when there was no
    file; while `is_exact`, putting it back undoes everything, because nobody else has written in between. `folders`
    were made for the file, the innermost first.
    """

    place: str
    form: Format
    entries: list[Entry]
    digest: str
    original: str | None
    is_exact: bool = True
    folders: list[str] = []


def state_folder(home: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder of journals and backups, as the XDG base directory specification has it."""
    named = environ.get("XDG_STATE_HOME")
    return (Path(named) if named else home / ".local" / "state") / "dragoman" / "connect"


class Journal:
    """The journal of one client."""

    def __init__(self, folder: Path, client: str) -> None:
        self._file = folder / f"{client}.json"
        self.backups = folder / "backups" / client

    def read(self) -> list[Edited]:
        """Return what was written, in order; nothing when there is no journal, or none that can be read."""
        with suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(self._file.read_bytes(), type=list[Edited])
        return []

    def write(self, edited: list[Edited]) -> None:
        """Keep this in place of what was kept; an empty list is no journal at all. Raises OSError."""
        if edited:
            write_whole(self._file, msgspec.json.format(msgspec.json.encode(edited), indent=1))
        else:
            self._file.unlink(missing_ok=True)

    def back_up(self, place: Path, data: bytes) -> Path:
        """Keep a copy of a file; return where. Raises OSError."""
        number = 1
        while (copy := self.backups / f"{place.name}.{number}").exists():
            number += 1
        write_whole(copy, data)
        return copy
