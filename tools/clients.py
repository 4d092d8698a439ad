"""The generated parts of the guide to clients: what `dragoman connect` writes for each, and what is left to paste."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dragoman.connect.client import Client, Connection, File, Model, Places
from dragoman.connect.discovery import client_of, names
from dragoman.connect.editing import written

KEY: Final = "your-key"
_HOME: Final = Path("/home/you")
_MODEL: Final = Model("demo/assistant", "Demo", context=200_000, max_output=32_000, sees=True, calls_tools=True)
CONNECTION: Final = Connection("http://127.0.0.1:4747", KEY, (_MODEL,), has_choice=True)
PLACES: Final = Places(_HOME, {})
_LANGUAGES: Final = {"jsonc": "json", "toml": "toml", "yaml": "yaml", "dotenv": "ini", "whole": "js"}


def part_of(name: str) -> str:
    """Return what the guide says of a client, in Markdown."""
    return "\n".join(_lines(client_of(name)))


def parts() -> tuple[str, ...]:
    """Return the names of all clients: each has a part of its own, `client-NAME`."""
    return names()


def keys() -> Iterator[tuple[str, str]]:
    """Yield every client's title, and where `--key` goes."""
    for name in names():
        client = client_of(name)
        places = [
            f"`{setting.path[-1]}` in `{_shown(file)}`"
            for file in (client.files(CONNECTION, PLACES) if client.files else ())
            for setting in file.settings
            if setting.is_secret
        ]
        yield client.title, ", ".join(places) or "nowhere: it is pasted by hand"


def _shown(file: File) -> str:
    return str(file.place).replace(str(_HOME), "~")


def _lines(client: Client) -> Iterator[str]:
    tested = f", tested with {client.tested}" if client.tested else ""
    yield f"[{client.title}]({client.source}){tested}\n"
    yield from ("```sh", f"dragoman connect {client.name} --model demo/assistant --key {KEY}")
    if client.launch is not None:
        yield f"dragoman launch {client.name} --model demo/assistant --key {KEY}    # or so, with nothing written"
    yield "```"
    for file in client.files(CONNECTION, PLACES) if client.files else ():
        yield from _file(client, file)
    steps = client.steps(CONNECTION)
    if steps:
        yield from ("\nWhat is left to do by hand:\n", "```text", *steps, "```")


def _file(client: Client, file: File) -> Iterator[str]:
    if file.form == "whole":
        yield f"\nand `{_shown(file)}`, a plugin of ours."
        return
    yield f"\nwrites to `{_shown(file)}`:\n"
    yield f"<!-- not run here: it is {client.title}'s -->"
    yield from (f"```{_LANGUAGES[file.form]}", written(file.form, file.settings).rstrip("\n"), "```")
