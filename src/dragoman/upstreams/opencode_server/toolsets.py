"""A folder for each set of tools: OpenCode reads a folder's tools once, and offers them to whoever names it."""

import shutil
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Final

FILE: Final = "dragoman-tools.json"
"""What our plugin reads in the folder that a request names."""


class Toolsets:
    """The folders below one. Those in use stay; of the others the ones used last, up to `most` in all."""

    def __init__(self, home: Path, most: int) -> None:
        self._home = home
        self._most = most
        self._users: OrderedDict[str, int] = OrderedDict()
        home.mkdir(exist_ok=True)

    def __len__(self) -> int:
        return len(self._users)

    def folders(self) -> list[str]:
        """Return all that there are."""
        return list(self._users)

    def take(self, tools: bytes) -> str:
        """Return the folder for `tools` (JSON, or nothing), to be given back with `leave`."""
        folder = self._home / sha256(tools).hexdigest()[:24]
        name = str(folder)
        if name not in self._users:
            folder.mkdir()
            if tools:
                (folder / FILE).write_bytes(tools)
        self._users[name] = self._users.get(name, 0) + 1
        self._users.move_to_end(name)
        return name

    def leave(self, folder: str) -> list[str]:
        """Give a folder back; return those that are there no more, whose state in OpenCode's server is of no use now."""
        self._users[folder] -= 1
        idle = [name for name, users in self._users.items() if not users]
        gone = idle[: max(len(self._users) - self._most, 0)]
        for name in gone:
            del self._users[name]
            shutil.rmtree(name, ignore_errors=True)
        return gone
