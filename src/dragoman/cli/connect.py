"""`dragoman connect`: write a client's settings, or take them back; what changes is shown first."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import click

from dragoman.cli.gateway import KEY_NOTE, connection_to, lacks_key, look
from dragoman.connect.changes import Change, Changes, connecting, disconnecting, words_of
from dragoman.connect.client import Client, Connection, Places, Platform
from dragoman.connect.discovery import client_of, names
from dragoman.connect.journal import Journal, state_folder
from dragoman.connect.showing import diff
from dragoman.settings import Settings

_PLATFORMS: Final = ("linux", "darwin", "win32")


def listed() -> int:
    """Print the clients, and in which way each is connected; return the exit code."""
    width = max(len(name) for name in names())
    for client in map(client_of, names()):
        ways = "connect, launch" if client.launch else "connect" if client.files else "values to paste"
        print(f"{client.name:{width}}  {client.title:16} {ways}")
    return 0


def connect(
    settings: Settings, client: Client, models: tuple[str, ...], key: str | None, *, only_show: bool, asks: bool
) -> int:
    """Write the client's settings; return the exit code. Raises ConnectError, SettingsError, DragomanError."""
    connection = connection_to(settings, client, models, key)
    if client.files is None:
        _tell(client, connection)
        return 0
    places = places_here()
    changes = connecting(client.files(connection, places), _journal(client, places))
    if changes.are_none:
        print(f"{client.title} is connected with {connection.url} already: nothing to change")
        return 0
    _show(changes)
    if only_show or (asks and not _agreed()):
        print("nothing was written")
        return 0
    changes.commit()
    written = [change for change in changes.files if not change.is_none]
    print(f"{client.title} is connected with {connection.url}: {_counted(written)} written")
    backups = _journal(client, places).backups
    if backups.is_dir():
        print(f"what was there before is kept in {backups}; `dragoman connect {client.name} --undo` brings it back")
    _warn(client, settings, connection)
    _tell(client, connection)
    return 0


def disconnect(client: Client, *, only_show: bool, asks: bool) -> int:
    """Take back what `connect` wrote; return the exit code. Raises ConnectError."""
    changes = disconnecting(_journal(client, places_here()))
    if not changes.files:
        print(f"nothing to undo: no settings of {client.title} were written by `dragoman connect`")
        return 0
    _show(changes)
    if only_show or (asks and not changes.are_none and not _agreed()):
        print("nothing was written")
        return 0
    changes.commit()
    kept = [change for change in changes.files if change.kept]
    for change in kept:
        print(f"kept, because it was changed since: {words_of(change.kept)} in {change.place}")
    print(f"{client.title}: what `dragoman connect` wrote is taken back{', save that' if kept else ''}")
    return 0


def places_here() -> Places:
    """Return where the user's files are."""
    platform = cast("Platform", sys.platform) if sys.platform in _PLATFORMS else "linux"
    return Places(Path.home(), os.environ, platform)


def _journal(client: Client, places: Places) -> Journal:
    return Journal(state_folder(places.home, places.environ), client.name)


def _show(changes: Changes) -> None:
    for change in changes.files:
        for line in _diff(change):
            print(line)


def _diff(change: Change) -> Sequence[str]:
    before, after = ((data or b"").decode(errors="replace") for data in (change.before, change.after))
    return list(diff(str(change.place), before, after, change.secrets))


def _agreed() -> bool:
    return not sys.stdin.isatty() or click.confirm("write this?", default=True)


def _counted(written: Sequence[Change]) -> str:
    return "1 file" if len(written) == 1 else f"{len(written)} files"


def _warn(client: Client, settings: Settings, connection: Connection) -> None:
    """Say what will not work yet."""
    if lacks_key(settings, connection):
        print(KEY_NOTE)
    if connection.left_out and client.lists_models:
        print(
            f"note: {connection.left_out} more models are offered than were listed; hint: name those you want with --model"
        )
    if look(connection.url) is None:
        print(f"note: no gateway answers at {connection.url} yet; hint: dragoman serve")


def _tell(client: Client, connection: Connection) -> None:
    steps = client.steps(connection)
    if steps:
        print(f"what is left to do in {client.title} ({client.source}):")
        for step in steps:
            print(f"  {step}")
