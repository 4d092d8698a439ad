"""Fetches a program from npm or PyPI into a folder of its own, once: it appears there whole or not at all."""

import asyncio
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

UNREACHABLE = frozenset(
    {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EPROTO", "ETIMEDOUT"}
    | {"ERR_SOCKET_TIMEOUT", "FETCH_ERROR", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"}
)
"""npm's words for a registry that it could not talk to."""

UV = Path(sys.executable).with_name("uv")
"""Among the project's own tools."""

VERSION_LIMIT = 60.0
"""Seconds that a program may take to tell its version."""


class UnavailableError(Exception):
    """A program cannot be had on this machine; its text is the reason to skip."""


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package of an exact version, and the program in it that is wanted."""

    name: str
    version: str
    program: str

    @property
    def programs(self) -> str:
        """Where its programs are, below its folder."""
        return "node_modules/.bin"


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """The same from PyPI; `python` are the versions of Python that it runs on."""

    name: str
    version: str
    program: str
    python: str

    @property
    def programs(self) -> str:
        """Where its programs are, below its folder."""
        return "bin"


AnyPackage = Package | PythonPackage


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended: its exit code, and what it wrote."""

    code: int
    output: str
    errors: str


NODE = Package("node", "22.23.3", "node")
"""Brings its own binary: the machine's node only has to be good enough for npm."""


def default_prefix() -> Path:
    """Where programs are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "dragoman-test-clients"


async def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], limit: float) -> Finished:
    """Run a command to its end. After `limit` seconds it is killed with all its children, and TimeoutError raised."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            output, errors = await process.communicate()
    except (TimeoutError, asyncio.CancelledError):
        # The process leads a group of its own: what it has started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return Finished(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


async def install(package: AnyPackage, prefix: Path, limit: float) -> Path:
    """Have `package` below `prefix` and return the folder of its program; raise UnavailableError when it cannot be."""
    home = prefix / _folder(package)
    programs = home / package.programs
    if not (programs / package.program).exists():
        await _fetch(package, prefix, home, limit)
    return programs


def _folder(package: AnyPackage) -> str:
    return f"{package.program}-{package.version}"


async def _fetch(package: AnyPackage, prefix: Path, home: Path, limit: float) -> None:
    draft = _make_draft(package, prefix)
    try:
        match package:
            case Package():
                await _npm_install(package, draft, limit)
            case PythonPackage():
                await _uv_install(package, draft, limit)
        await _try_out(package, draft)
        _move(draft, home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _make_draft(package: AnyPackage, prefix: Path) -> Path:
    try:
        prefix.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{_folder(package)}-", dir=prefix))
    except OSError as error:
        raise UnavailableError(f"`{prefix}` cannot be written: {error.strerror}") from error


def _move(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError as error:
        # Someone else may have been quicker; theirs is as good.
        if not home.exists():
            raise UnavailableError(f"`{home}` cannot be written: {error.strerror}") from error


async def _npm_install(package: Package, draft: Path, limit: float) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("there is no `npm` on the PATH")
    spec = f"{package.name}@{package.version}"
    allowed = {"private": True, "allowScripts": {package.name: True}}
    (draft / "package.json").write_bytes(msgspec.json.encode(allowed))
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--no-save", "--loglevel=error")
    patience = ("--fetch-retries=1", "--fetch-timeout=30000", "--prefer-offline")
    try:
        done = await run([npm, "install", *quiet, *patience, spec], draft, os.environ, limit)
    except TimeoutError:
        raise UnavailableError(f"`npm install {spec}` took longer than {limit:.0f} s") from None
    if done.code == 0:
        return
    found = re.search(r"npm (?:error|ERR!) code (\S+)", done.errors)
    code = found[1] if found else f"exit code {done.code}"
    if code in UNREACHABLE:
        raise UnavailableError(f"the npm registry is not reachable (`{code}`)")
    if code == "EBADPLATFORM":
        raise UnavailableError(f"`{spec}` has no build for {_machine()}")
    raise UnavailableError(f"`npm install {spec}` failed (`{code}`): {_last_words(done.errors)}")


async def _uv_install(package: PythonPackage, draft: Path, limit: float) -> None:
    # Its scripts find their interpreter by their own place: the draft is moved.
    await _uv("venv", ["--relocatable", "--python", package.python, "."], draft, limit)
    python = str(draft / "bin" / "python")
    await _uv("pip", ["install", "--python", python, f"{package.name}=={package.version}"], draft, limit)


async def _uv(command: str, words: Sequence[str], draft: Path, limit: float) -> None:
    spoken = f"uv {command} {' '.join(words)}".replace(str(draft), "")
    try:
        done = await run([str(UV), command, "--quiet", *words], draft, _uv_environment(), limit)
    except FileNotFoundError:
        raise UnavailableError(f"there is no `{UV}`") from None
    except TimeoutError:
        raise UnavailableError(f"`{spoken}` took longer than {limit:.0f} s") from None
    if done.code != 0:
        raise UnavailableError(f"`{spoken}` failed: {_last_words(done.errors)}")


def _uv_environment() -> Mapping[str, str]:
    """Give an environment in which uv also finds what pyenv keeps: its shims run none but the version that was chosen."""
    root = os.environ.get("PYENV_ROOT")
    kept = (Path(root) if root else Path.home() / ".pyenv").glob("versions/*/bin")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, kept)])
    return {"UV_SYSTEM_CERTS": "1", **os.environ, "PATH": path}


async def _try_out(package: AnyPackage, draft: Path) -> None:
    programs = draft / package.programs
    program = programs / package.program
    environment = {"PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}", "HOME": str(draft)}
    try:
        done = await run([str(program), "--version"], draft, environment, VERSION_LIMIT)
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"`{package.program}` does not run on {_machine()}: {error}") from error
    if done.code != 0 or package.version not in done.output:
        words = _last_words(done.errors or done.output)
        raise UnavailableError(f"`{package.program}` {package.version} does not run on {_machine()}: {words}")


def _machine() -> str:
    return f"{platform.system().lower()}-{platform.machine()}"


def _last_words(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and "complete log of this run" not in line]
    return lines[-1].strip() if lines else "it said nothing"
