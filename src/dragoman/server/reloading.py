"""The configuration while it is served: read anew when its file changes or somebody asks, kept when the new one is wrong."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from dragoman.settings import Server, Settings, SettingsError

LOOK_SECONDS: Final = 1.0
"""How often the file is looked at. A look costs microseconds, and sees what inotify does not: ConfigMaps, network drives."""
_FIXED: Final = ("host", "port", "workers", "drain_s", "log_level", "log_json")
"""What the process was started with."""
_LOG: Final = logging.getLogger("dragoman.server")

Stamp = tuple[int, int, int] | None


class Configuration:
    """Holds the settings that are served, and puts others in their place.

    `read` reads them again and `use` serves with them; both raise SettingsError for what cannot be.
    """

    def __init__(self, settings: Settings, read: Callable[[], Settings], use: Callable[[Settings], None]) -> None:
        self._settings = settings
        self._read = read
        self._use = use
        self._file = Path(settings.origin.file) if settings.origin.file else None
        self._used = self._seen = self._stamp()
        self._has_terminal = os.isatty(0)

    @property
    def drain_s(self) -> float:
        """How long running replies get to finish when the gateway is stopped, in seconds."""
        return self._settings.server.drain_s

    def hold(self) -> None:
        """Let SIGHUP wait until it is followed: it would end the process."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])

    def watch(self) -> None:
        """Follow the file and SIGHUP, in the running loop of the main thread."""
        self.obey()
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_on)

    def obey(self) -> None:
        """Follow SIGHUP alone, in the running loop of the main thread."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.hang_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    def hang_up(self) -> bool:
        """Take a SIGHUP: reload, or stop if it says that our terminal was closed; tell whether there are new settings."""
        if self._has_terminal and not os.isatty(0):
            os.kill(os.getpid(), signal.SIGTERM)
            return False
        return self.reload()

    def has_changed(self) -> bool:
        """Tell whether the file is another one than was read; one that is being written is waited for until it rests."""
        before, self._seen = self._seen, self._stamp()
        return self._seen == before and self._seen not in (None, self._used)

    def reload(self) -> bool:
        """Read the settings anew and serve with them; tell whether that went well, else why not in the log."""
        self._used = self._seen = self._stamp()
        try:
            settings = self._fitted(self._read())
            self._use(settings)
        except SettingsError as error:
            _LOG.error("the configuration stays as it was: %s", str(error).replace("\n", "; "))
            return False
        self._settings = settings
        _LOG.info("serving with the new configuration")
        return True

    def _look_on(self) -> None:
        if self.has_changed():
            self.reload()
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_on)

    def _fitted(self, settings: Settings) -> Settings:
        """Return `settings` with those of the process as it was started, and name in the log what has to wait."""
        old, new = self._settings.server, settings.server
        for name in _FIXED:
            if getattr(old, name) != getattr(new, name):
                _LOG.warning("`server.%s` takes effect when the gateway is started again", name)
        fixed = {name: getattr(old, name) for name in _FIXED}
        return msgspec.structs.replace(settings, server=Server(**{**msgspec.structs.asdict(new), **fixed}))

    def _stamp(self) -> Stamp:
        """Return what tells one state of the file from another; None while there is none."""
        try:
            state = self._file.stat() if self._file else None
        except OSError:
            return None
        return (state.st_mtime_ns, state.st_size, state.st_ino) if state else None
