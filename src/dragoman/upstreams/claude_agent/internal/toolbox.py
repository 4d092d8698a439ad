"""Does what a call of the model asks for, within the folder and the limits."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from dragoman.settings import Claude, SettingsError
from dragoman.upstreams.claude_agent.internal import files, searching
from dragoman.upstreams.claude_agent.internal.commands import run
from dragoman.upstreams.claude_agent.internal.files import Deadline
from dragoman.upstreams.claude_agent.internal.folder import Folder
from dragoman.upstreams.claude_agent.internal.paths import OutsideError
from dragoman.upstreams.claude_agent.internal.tools import (
    Bash,
    Call,
    Edit,
    Glob,
    Grep,
    Limits,
    Read,
    ToolError,
    Write,
    call_of,
)

INHERITED: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What commands see of the gateway's environment: no key, token or address is in it."""


class Outcome(msgspec.Struct, frozen=True):
    """What a call came to, in words for the model."""

    text: str
    is_error: bool = False


class Toolbox:
    """The tools of one gateway. Several calls may run at a time; those that write do so one after the other."""

    def __init__(self, settings: Claude, environ: Mapping[str, str]) -> None:
        """Raises SettingsError when there is no working folder."""
        try:
            self._folder = Folder(settings.workdir or "")
        except OSError as error:
            raise SettingsError(
                f"`claude.workdir` is `{settings.workdir}`: {error.strerror}",
                hint="the mode `internal` needs the folder that its tools work in",
            ) from None
        self.names = settings.tools
        self.limits = Limits(settings.tool_timeout_s, settings.tool_output_kib * 1024)
        self._environment = {name: environ[name] for name in INHERITED if name in environ} | {"TERM": "dumb"}
        # The first that there is: a `bash` on the PATH may be somebody's wrapper, which costs a quarter of a second.
        self._shell = shutil.which("/bin/bash") or shutil.which("bash") or "/bin/sh"
        self._writing = threading.Lock()

    @property
    def path(self) -> str:
        """Where the tools work."""
        return self._folder.path

    async def run(self, name: str, arguments: dict[str, Any]) -> Outcome:
        """Do it; what goes wrong is an outcome, too. Cancelling ends what was started."""
        outcome = await self._outcome(name, arguments)
        # Names of files need not be Unicode; what is told has to be.
        return msgspec.structs.replace(outcome, text=outcome.text.encode(errors="replace").decode())

    async def _outcome(self, name: str, arguments: dict[str, Any]) -> Outcome:
        if name not in self.names:
            return Outcome(f"there is no tool `{name}`", is_error=True)
        try:
            return await self._run(call_of(name, arguments))
        except (ToolError, OutsideError) as error:
            return Outcome(str(error), is_error=True)
        except OSError as error:
            where = arguments.get("file_path") or arguments.get("path") or name
            return Outcome(f"`{where}`: {error.strerror or error}", is_error=True)
        except ValueError as error:
            # Text that is no Unicode: half of a pair of surrogates.
            return Outcome(f"the arguments of `{name}` cannot be used: {error}", is_error=True)

    async def _run(self, call: Call) -> Outcome:
        folder, limits = self._folder, self.limits
        match call:
            case Bash():
                return await self._bash(call)
            case Grep():
                return await self._grep(call)
            case Read():
                return await self._in_thread(partial(files.read, folder, call, limits))
            case Glob():
                return await self._in_thread(partial(files.glob, folder, call, limits))
            case Write():
                return await self._in_thread(partial(self._one_by_one, partial(files.write, folder, call)))
            case Edit():
                return await self._in_thread(partial(self._one_by_one, partial(files.edit, folder, call)))

    async def _in_thread(self, work: Callable[[Deadline], str]) -> Outcome:
        deadline = Deadline(self.limits.seconds)
        try:
            return Outcome(await asyncio.to_thread(work, deadline))
        except asyncio.CancelledError:
            deadline.is_cancelled = True
            raise

    def _one_by_one(self, work: Callable[[], str], deadline: Deadline) -> str:
        with self._writing:
            deadline.check()
            return work()

    async def _bash(self, call: Bash) -> Outcome:
        seconds = min(call.timeout_s or self.limits.seconds, self.limits.seconds)
        ended = await run(
            (self._shell, "-c", call.command),
            folder=self.path,
            environment=self._environment,
            seconds=max(seconds, 0.0),
            limit=self.limits.output,
        )
        text = ended.output.decode(errors="replace")
        if ended.is_late:
            return Outcome(f"{text}\n[ended after {seconds:g} s: its time was over]".lstrip("\n"), is_error=True)
        if ended.status:
            return Outcome(f"{text}\n[exit status {ended.status}]".lstrip("\n"), is_error=True)
        return Outcome(text or "[no output]")

    async def _grep(self, call: Grep) -> Outcome:
        asked = {**msgspec.structs.asdict(call), "folder": self.path, "output": self.limits.output}
        ended = await run(
            searching.command(),
            folder=os.sep,
            environment={},
            seconds=self.limits.seconds,
            limit=2 * self.limits.output,
            words=msgspec.json.encode(asked),
        )
        text = ended.output.decode(errors="replace").removesuffix("\n")
        if ended.is_late:
            raise ToolError(f"it took longer than {self.limits.seconds:g} s, and was ended")
        if ended.status == searching.WRONG:
            raise ToolError(text)
        if ended.status:
            raise ToolError(f"the search broke off (exit status {ended.status})")
        return Outcome(text or "[nothing was found]")
