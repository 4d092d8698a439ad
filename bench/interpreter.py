"""Which Python runs the gateway that is measured: the distribution's, as nginx is the distribution's, where it is new enough.

A Python that was built without profile-guided optimisation, as pyenv builds it unless told otherwise, costs about an eighth more.
Those of distributions, python.org, uv and the official images are built with it.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent
_OWN: Final = Path(sys.executable).parent
_OF_THE_SYSTEM: Final = "/usr/bin/python3"
_ASK: Final = "import sys; print(*sys.version_info[:3], sys.prefix)"


class NoInterpreterError(Exception):
    """The Python that was asked for cannot run the gateway."""


@dataclass(frozen=True)
class Interpreter:
    """The gateway's program in an environment, and the Python that runs it."""

    gateway: Path
    version: str
    prefix: str

    def __str__(self) -> str:
        return f"Python {self.version} of {self.prefix}"


def find() -> Interpreter:
    """Return what `BENCH_PYTHON` names, else the system's Python, else our own; its environment is made when it is missing.

    Raises NoInterpreterError when the one that was asked for will not do.
    """
    asked = os.environ.get("BENCH_PYTHON")
    try:
        return _prepared(asked or _OF_THE_SYSTEM)
    except (OSError, subprocess.SubprocessError, ValueError, NoInterpreterError) as error:
        if asked:
            raise NoInterpreterError(f"`BENCH_PYTHON={asked}`: {error}") from error
        return Interpreter(_OWN / "dragoman", _written(sys.version_info[:3]), sys.base_prefix)


def _prepared(python: str) -> Interpreter:
    """Return `python` with an environment, beside our own, of what uv.lock names."""
    done = subprocess.run([python, "-c", _ASK], capture_output=True, check=True, timeout=20, text=True)
    *numbers, prefix = done.stdout.split()
    version = tuple(map(int, numbers))
    if version < (3, 11):
        raise NoInterpreterError(f"Python {_written(version)} is older than 3.11")
    if prefix == sys.base_prefix:
        return Interpreter(_OWN / "dragoman", _written(version), prefix)
    uv = shutil.which("uv", path=f"{_OWN}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise NoInterpreterError("there is no uv to make its environment with")
    place = _OWN.parent / f"bench-{_written(version)}"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(
        [uv, "sync", "--quiet", "--frozen", "--no-dev", "--python", python],
        cwd=_ROOT,
        env=environment | {"UV_PROJECT_ENVIRONMENT": str(place)},
        check=True,
        timeout=300,
        capture_output=True,
    )
    return Interpreter(place / "bin" / "dragoman", _written(version), prefix)


def _written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
