"""What the tools read, write, edit and glob do. They block: they are called in a thread."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final

from dragoman.upstreams.claude_agent.internal.folder import Folder
from dragoman.upstreams.claude_agent.internal.paths import Pattern
from dragoman.upstreams.claude_agent.internal.tools import Edit, Glob, Limits, Read, ToolError, Write

_LONGEST_LINE: Final = 2000
_SNIFFED: Final = 8192
_LARGEST_EDITED: Final = 32 * 1024 * 1024
_MOST_FOUND: Final = 20_000


class Deadline:
    """When a call has to be done. Set `is_cancelled` to end it at its next look."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self.is_cancelled = False

    def check(self) -> None:
        """Raise ToolError when it is over."""
        if self.is_cancelled:
            raise ToolError("the call was cancelled")
        if time.monotonic() > self._end:
            raise ToolError(f"it took longer than {self._seconds:g} s, and was ended")


def read(folder: Folder, call: Read, limits: Limits, deadline: Deadline) -> str:
    """Return the lines asked for, numbered. Raises ToolError, OutsideError, OSError."""
    shown: list[str] = []
    room = limits.output
    number = 0
    with folder.reading(call.file_path) as fd, os.fdopen(os.dup(fd), "rb") as file:
        if b"\0" in file.read(_SNIFFED):
            raise ToolError(f"`{call.file_path}` is no text file")
        file.seek(0)
        for number, line in enumerate(_lines(file, deadline), 1):
            if number < call.offset:
                continue
            text = f"{number}\t{line}"
            room -= len(text.encode()) + 1
            if len(shown) == call.limit or room < 0:
                return "\n".join(shown) + f"\n[the file goes on: the next line is {number}; ask with `offset`]"
            shown.append(text)
    if not shown:
        return "[the file is empty]" if number == 0 else f"[the file has {number} lines]"
    return "\n".join(shown)


def _lines(file: BinaryIO, deadline: Deadline) -> Iterator[str]:
    """Yield the lines, the long ones cut."""
    readline = file.readline
    while line := readline(_LONGEST_LINE):
        deadline.check()
        rest = 0
        while line[-1:] != b"\n" and (more := readline(_SNIFFED)):
            rest += len(more)
            line = line[:_LONGEST_LINE] + (b"\n" if more.endswith(b"\n") else b"")
        text = line.decode(errors="replace").removesuffix("\n")
        yield f"{text} [{rest} bytes of this line left out]" if rest else text


def write(folder: Folder, call: Write) -> str:
    """Write the file, and say so. Raises OutsideError, OSError, ValueError."""
    data = call.content.encode()
    is_new = folder.replace(call.file_path, data)
    return f"{'made' if is_new else 'wrote'} {folder.shown(call.file_path)}: {len(data)} bytes"


def edit(folder: Folder, call: Edit) -> str:
    """Replace the text, and say how often. Raises ToolError, OutsideError, OSError, ValueError."""
    if not call.old_string:
        raise ToolError("`old_string` is empty: to write a whole file, use `write`")
    if call.old_string == call.new_string:
        raise ToolError("`old_string` and `new_string` are the same")
    with folder.reading(call.file_path) as fd:
        if os.fstat(fd).st_size > _LARGEST_EDITED:
            raise ToolError(f"`{call.file_path}` is larger than {_LARGEST_EDITED} bytes")
        with os.fdopen(os.dup(fd), "rb") as file:
            data = file.read()
    old, new = call.old_string.encode(), call.new_string.encode()
    count = data.count(old)
    if count == 0:
        raise ToolError(f"`old_string` does not stand in `{call.file_path}`")
    if count > 1 and not call.replace_all:
        raise ToolError(f"`old_string` stands there {count} times: make it longer, or set `replace_all`")
    folder.replace(call.file_path, data.replace(old, new))
    return f"changed {folder.shown(call.file_path)} in {count} place{'s' if count > 1 else ''}"


def glob(folder: Folder, call: Glob, limits: Limits, deadline: Deadline) -> str:
    """Return the paths that fit, the newest first. Raises ToolError, OutsideError, OSError."""
    pattern = Pattern(call.pattern)
    base = folder.shown(call.path)
    before = [] if base == "." else [base]
    found: list[tuple[float, str]] = []
    for inside, names, fd in folder.walk(call.path, deadline.check):
        for name in names:
            if pattern.fits([*inside, name]):
                with suppress(OSError):  # it may have gone since
                    changed = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime
                    found.append((changed, "/".join([*before, *inside, name])))
        if len(found) > _MOST_FOUND:
            break
    if not found:
        return "[no file fits]"
    return cut([path for _, path in sorted(found, key=lambda one: (-one[0], one[1]))], limits)


def cut(lines: list[str], limits: Limits) -> str:
    """Return as many lines as may be shown, and how many are left out."""
    room = limits.output
    for place, line in enumerate(lines):
        room -= len(line.encode(errors="replace")) + 1
        if room < 0:
            return "\n".join(lines[:place]) + f"\n[{len(lines) - place} more left out]"
    return "\n".join(lines)
