"""The working folder, and the way to what is in it and nowhere else.

A path is walked name by name, each looked up in the folder that was opened before it, and no link is followed unseen: what others
rename or link meanwhile can make a call fail, but not leave the folder. Hard links are files like any other.
"""

import errno
import os
import secrets
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from dragoman.upstreams.claude_agent.internal.paths import OutsideError, parts_below

_STEP: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How a file is opened: no link, and without waiting for whoever writes into a pipe."""
_WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS: Final = 40
_DEEPEST: Final = 100
"""How many folders may lie in one another: each is held open, and the gateway has only so many descriptors."""
LEFT_OUT: Final = frozenset({".git"})
"""Folders that are not looked into by who looks for something."""


class Folder:
    """A folder by its name. `path` is where it really is."""

    def __init__(self, path: str) -> None:
        """Raises OSError when there is no such folder."""
        # `resolve` would follow links: both names of the folder are known.
        self._given = os.path.abspath(path)  # noqa: PTH100
        self.path = os.path.realpath(path, strict=True)

    def shown(self, path: str) -> str:
        """Return `path` as it is told: from the folder on."""
        return "/".join(parts_below(path, self.path, self._given)) or "."

    @contextmanager
    def place(self, path: str, *, makes: bool = False) -> Iterator[tuple[int, str]]:
        """Provide the open folder that the last name of `path` stands in, and that name (`.` for the folder itself).

        `makes`: folders that are missing on the way are made. The name is no link as long as nobody makes it one. Raises
        OutsideError for a path that leads out, OSError for one that leads nowhere.
        """
        todo = deque(parts_below(path, self.path, self._given))
        walked = [os.open(self.path, _STEP)]
        links = 0
        try:
            name = "."
            while todo:
                name = todo.popleft()
                if name == "..":
                    self._leave(walked, path)
                    name = "."
                    continue
                link = _link(name, walked[-1])
                if link is not None:
                    links += 1
                    self._follow(link, links, walked, todo)
                    name = "."
                elif todo:
                    if len(walked) > _DEEPEST:
                        raise OutsideError(f"the path leads through more than {_DEEPEST} folders")
                    walked.append(_entered(name, walked[-1], makes=makes))
                    name = "."
            yield walked[-1], name
        finally:
            for fd in walked:
                os.close(fd)

    @staticmethod
    def _leave(walked: list[int], path: str) -> None:
        if len(walked) == 1:
            raise OutsideError(f"`{path}` is outside the working folder")
        os.close(walked.pop())

    def _follow(self, link: str, links: int, walked: list[int], todo: deque[str]) -> None:
        """Put what a link says in its place."""
        if links > _MOST_LINKS:
            raise OutsideError("too many links")
        todo.extendleft(reversed(parts_below(link, self.path, self._given)))
        if link.startswith("/"):
            while len(walked) > 1:
                os.close(walked.pop())

    @contextmanager
    def reading(self, path: str) -> Iterator[int]:
        """Provide the regular file at `path`, open for reading. Raises OutsideError or OSError."""
        with self.place(path) as (parent, name):
            fd = os.open(name, READING, dir_fd=parent)
        try:
            _require_file(os.fstat(fd))
            yield fd
        finally:
            os.close(fd)

    def walk(self, path: str, look: Callable[[], None]) -> Iterator[tuple[list[str], list[str], int]]:
        """Yield the folders from `path` on: the names that lead there, those of what is in it save folders, and it itself, open.

        No links are followed, and no more than 100 folders down; `look` is called at each. Raises OutsideError, OSError, and what
        `look` does.
        """
        with self.place(path) as (parent, name):
            for top, folders, names, fd in os.fwalk(name, dir_fd=parent, follow_symlinks=False):
                look()
                inside = top.split("/")[1:]
                folders[:] = sorted(set(folders) - LEFT_OUT) if len(inside) < _DEEPEST else []
                yield inside, sorted(names), fd

    def replace(self, path: str, data: bytes) -> bool:
        """Make `data` all that is in the file at `path`, at once; tell whether it is new. Raises OutsideError or OSError."""
        with self.place(path, makes=True) as (parent, name):
            if name == ".":
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            mode = _mode(name, parent)
            made = f".dragoman-{secrets.token_hex(8)}"
            fd = os.open(made, _WRITING, 0o666, dir_fd=parent)
            try:
                with os.fdopen(fd, "wb") as file:
                    if mode is not None:
                        os.fchmod(fd, mode)
                    file.write(data)
                os.replace(made, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with suppress(OSError):
                    os.unlink(made, dir_fd=parent)
                raise
            return mode is None


def _link(name: str, parent: int) -> str | None:
    """Return what the link `name` says; None when it is none, or nothing is there."""
    try:
        return os.readlink(name, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _entered(name: str, parent: int, *, makes: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=parent)
    except FileNotFoundError:
        if not makes:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    return os.open(name, _STEP, dir_fd=parent)


def _mode(name: str, parent: int) -> int | None:
    """Return the rights of the file that is there; None when there is none."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _require_file(found)
    return stat.S_IMODE(found.st_mode)


def _require_file(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
