"""What the tool grep does, as a program of its own: a regular expression can take for ever, and only a process can be ended then.

It reads one JSON object (`folder`, `pattern`, `path`, `glob`, `ignore_case`, `output` in bytes) and writes `path:number:line`.
What is wrong with the call is one line and the exit status 2. It needs no library.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dragoman.upstreams.claude_agent.internal.folder import READING, Folder
from dragoman.upstreams.claude_agent.internal.paths import OutsideError, Pattern

_SNIFFED: Final = 8192
_LONGEST_SHOWN: Final = 500
_LARGEST: Final = 32 * 1024 * 1024
WRONG: Final = 2


def command() -> list[str]:
    """Return the command that runs it: the interpreter with nothing that is installed, which starts in a third of the time."""
    source = str(Path(__file__).parents[4])
    program = f"import sys; sys.path.insert(0, {source!r}); from {__name__} import main; main()"
    return [sys.executable, "-I", "-S", "-c", program]


def main() -> None:
    """Do what is asked on stdin."""
    out = sys.stdout.buffer
    asked = json.load(sys.stdin.buffer)
    room = asked["output"]
    try:
        for line in _found(asked):
            data = line.encode(errors="replace") + b"\n"
            room -= len(data)
            if room < 0:
                out.write(b"[more left out: look for less]\n")
                return
            out.write(data)
    except re.error as error:
        _give_up(f"the regular expression is wrong: {error}")
    except OutsideError as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"`{asked['path']}`: {error.strerror}")


def _give_up(words: str) -> None:
    sys.stdout.buffer.write(words.encode(errors="replace"))
    sys.stdout.flush()
    sys.exit(WRONG)


def _found(asked: dict[str, Any]) -> Iterator[str]:
    expression = re.compile(asked["pattern"], re.IGNORECASE if asked["ignore_case"] else 0)
    glob = Pattern(asked["glob"]) if asked["glob"] else None
    for path, inside, data in _files(Folder(asked["folder"]), asked["path"]):
        if glob is None or glob.fits(inside) or glob.fits(inside[-1:]):
            for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
                if expression.search(line):
                    yield f"{path}:{number}:{line[:_LONGEST_SHOWN]}"


def _files(folder: Folder, path: str) -> Iterator[tuple[str, list[str], bytes]]:
    """Yield the text files: the path to show, the names that lead there from where was asked for, what is in it."""
    shown = folder.shown(path)
    with folder.place(path) as (parent, name):
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        if not is_folder:
            data = _text(name, parent)
            if data is not None:
                yield shown, [name], data
            return
    before = [] if shown == "." else [shown]
    for inside, names, fd in folder.walk(path, lambda: None):
        for name in names:
            data = _text(name, fd)
            if data is not None:
                yield "/".join([*before, *inside, name]), [*inside, name], data


def _text(name: str, parent: int) -> bytes | None:
    """Return what is in a file; None for one that is no text, too large, or not to be read."""
    try:
        fd = os.open(name, READING, dir_fd=parent)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        data = file.read()
        return None if b"\0" in data[:_SNIFFED] else data
