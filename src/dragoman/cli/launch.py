"""`dragoman launch`: run a client against the gateway, with nothing written to its files.

Where no gateway runs, one does in this very process for as long as the client: however either ends, none is left behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from dragoman.cli.gateway import KEY_NOTE, at, connection_to, lacks_key
from dragoman.cli.root import Root
from dragoman.cli.running import running
from dragoman.connect.client import Client, Launch
from dragoman.connect.faults import ConnectError
from dragoman.connect.journal import state_folder
from dragoman.settings import Settings

_LOOPBACK: Final = "127.0.0.1"
_PROXY_FREE: Final = ("NO_PROXY", "no_proxy")
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
_LEFT_TO_CLIENT: Final = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends these to the client, too: it decides what they mean."""


def launch(
    root: Root, settings: Settings, client: Client, models: tuple[str, ...], key: str | None, words: Sequence[str]
) -> int:
    """Run the client with `words` on its command line; return its exit code (128 and more: the signal that ended it).

    Raises ConnectError when it cannot be run, SettingsError and DragomanError as `connect` does.
    """
    if client.launch is None or client.program is None:
        hint = f"dragoman connect {client.name}"
        raise ConnectError(f"{client.title} takes its settings from its own files alone", hint)
    program = shutil.which(client.program)
    if program is None:
        raise ConnectError(f"`{client.program}` is not on the PATH", f"install {client.title}: {client.source}")
    connection = connection_to(settings, client, models, key)
    if lacks_key(settings, connection):
        print(KEY_NOTE, file=sys.stderr)
    with running(root, settings) as url, _private_folder() as name:
        made = client.launch(at(connection, url))
        folder = Path(name)
        for file, text in made.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        arguments = [argument.replace("{folder}", name) for argument in made.arguments]
        return _run([program, *arguments, *words], environment_for(made, folder, os.environ))


@contextmanager
def _private_folder() -> Iterator[str]:
    """Yield a folder for the launch alone. It is below the user's own: Gemini CLI trusts no file below a folder of everybody's."""
    around = state_folder(Path.home(), os.environ).parent / "launch"
    around.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in around.iterdir():  # by a launcher that was killed
        if not _runs(left.name.partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=around) as name:
        yield name


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    return True


def environment_for(made: Launch, folder: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Return the client's environment: the user's, without what leads elsewhere, with what leads to the gateway."""
    kept = {name: value for name, value in own.items() if name not in made.unset}
    told = {name: value.replace("{folder}", str(folder)) for name, value in made.environment.items()}
    for name in _PROXY_FREE:
        hosts = own.get(name, "")
        told[name] = f"{hosts},{_LOOPBACK},localhost" if hosts else f"{_LOOPBACK},localhost"
    return kept | told


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a client to its end and return its code. A signal that comes before it has started is passed on when it has."""
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if process is None:
            early.append(number)
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)

    # None of them is ignored: the client would inherit that, and no handler.
    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    before |= {number: signal.signal(number, _leave) for number in _LEFT_TO_CLIENT}
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the program that the user named
        for number in early:
            pass_on(number, None)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the terminal sends it to the client, too."""
