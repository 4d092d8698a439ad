"""A server of OpenCode's that is the gateway's own child: started, watched, ended."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.settings import Secret
from dragoman.upstreams.opencode_server.configuration import Start, furnish

_READY: Final = re.compile(rb"listening on (http://\S+)")
_LINE_LIMIT: Final = 1024 * 1024
_WORDS_KEPT: Final = 20
_GRACE_SECONDS: Final = 3.0


class ServerError(DragomanError):
    """OpenCode's server could not be started, has ended, or said something unexpected."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(Failure(FailureKind.UPSTREAM_UNREACHABLE, message, hint=hint))


class Child:
    """A running server. `url` is where it is, `password` what it wants to see, `folder` a place of its own on the disk."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, password: Secret) -> None:
        self._process = process
        self._words: deque[str] = deque(maxlen=_WORDS_KEPT)
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.folder = folder
        self.password = password
        self.url = ""
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def spawn(cls, start: Start, seconds: float) -> "Child":
        """Start a server, and return it when it listens. Raises ServerError when it does not within `seconds`."""
        folder = Path(tempfile.mkdtemp(prefix="dragoman-opencode-"))
        password = Secret(secrets.token_urlsafe(24))
        try:
            process = await asyncio.create_subprocess_exec(
                *(
                    start.program,
                    "serve",
                    "--hostname",
                    "127.0.0.1",
                    "--port",
                    str(_free_port()),
                    "--log-level",
                    "ERROR",
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=furnish(folder, start, password),
                cwd=folder / "home",
                limit=_LINE_LIMIT,
                # A group of its own: a Ctrl-C at the gateway's terminal is not for it, and what it starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ServerError(f"OpenCode could not be started: {error.strerror}", "check `opencode.cli`") from None
        child = cls(process, folder, password)
        try:
            child.url = await asyncio.wait_for(asyncio.shield(child._ready), seconds)
        except BaseException as error:
            await child.stop()
            if isinstance(error, TimeoutError):
                raise ServerError(f"OpenCode did not listen within {seconds:g} s", "raise `opencode.start_s`") from None
            raise
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def gone(self) -> None:
        """Wait until it has ended."""
        await asyncio.wait((self._reading,))

    def obituary(self) -> str:
        """Return how it has ended, in words."""
        words = f": {self._words[-1]}" if self._words else ""
        return f"OpenCode's server has ended (exit status {self._process.returncode}){words}"

    async def stop(self) -> None:
        """End it and all that it has started, and take its folder away."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reading), _GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self.gone()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        with suppress(ValueError, ConnectionError):
            async for line in self._process.stdout:
                self._take(line)
        await self._process.wait()
        if not self._ready.done():
            self._ready.set_exception(ServerError(self.obituary()))
            self._ready.exception()

    def _take(self, line: bytes) -> None:
        found = _READY.search(line)
        if found is not None and not self._ready.done():
            self._ready.set_result(found[1].decode())
        elif text := line.decode(errors="replace").strip():
            self._words.append(text[:500])


def _free_port() -> int:
    """Return a port that was free a moment ago: OpenCode's own choice would be the one that people's servers have."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
