"""The user's own data, in `$XDG_DATA_HOME/dragoman`: what a command has written there and takes the place of what is shipped."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def data_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder; None where there is no home. It need not exist.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    home = environ.get("XDG_DATA_HOME") or (f"{environ['HOME']}/.local/share" if environ.get("HOME") else None)
    return Path(home) / "dragoman" if home else None


def read_data(folder: Path | None, name: str) -> bytes:
    """Return a file of the user's own; empty where there is none that can be read."""
    if folder is not None:
        with suppress(OSError):
            return (folder / name).read_bytes()
    return b""


def write_data(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of the user's own, whole or not at all; return where it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    file, part = folder / name, folder / f"{name}.part"
    part.write_bytes(data)
    part.replace(file)
    return file
