"""Files that are read as they are, and written whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def read_bytes(place: Path) -> bytes | None:
    """Return a file's bytes; None when there is none. Raises OSError."""
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def missing_folders(place: Path) -> list[Path]:
    """Return the folders that have to be made for a file, the innermost first."""
    return [folder for folder in place.parents if not folder.exists()]


def write_whole(place: Path, data: bytes) -> None:
    """Write a file so that at any moment it has its old bytes or the new ones. Raises OSError.

    It keeps its permissions; a new one is for its owner alone, as are new folders: there may be keys in it. What is a
    link stays one: the file that it leads to is written.
    """
    target = place.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as part:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        with suppress(FileNotFoundError):
            Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def remove(place: Path, folders: list[Path]) -> None:
    """Remove a file, and those of the folders that are empty then. Raises OSError."""
    place.unlink(missing_ok=True)
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
