"""Aider: flat settings in the home's `.aider.conf.yml`."""

from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import Client, Connection, File, Launch, Places, Setting


def _files(connection: Connection, places: Places) -> Sequence[File]:
    settings = [
        Setting(("openai-api-base",), f"{connection.url}/v1"),
        Setting(("openai-api-key",), connection.key, is_secret=True),
    ]
    if connection.model:
        settings.insert(0, Setting(("model",), _name(connection.model.id)))
    return [File(places.home / ".aider.conf.yml", "yaml", settings)]


def _name(model: str) -> str:
    """Return a model's name with the prefix by which it asks for any OpenAI-compatible server."""
    return f"openai/{model}"


def _launch(connection: Connection) -> Launch:
    # Both win over its files. The key goes by a variable: other users of the machine can read a command line.
    arguments = ["--openai-api-base", f"{connection.url}/v1"]
    if connection.model:
        arguments += ["--model", _name(connection.model.id)]
    return Launch(arguments, {"AIDER_OPENAI_API_KEY": connection.key})


CLIENT: Final = Client(
    name="aider",
    title="Aider",
    source="https://aider.chat/docs/config/aider_conf.html",
    protocol="openai-chat",
    files=_files,
    program="aider",
    launch=_launch,
    needs_model=True,
    tested="0.86.2",
)
