"""Cursor: its settings have a screen and no file, and its own servers do the asking."""

from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import Client, Connection


def _steps(connection: Connection) -> Sequence[str]:
    models = ", ".join(model.id for model in connection.models[:20]) or "<model>"
    return (
        "Cursor Settings > Models > API Keys, and enter these values:",
        "  OpenAI API Key: the key that this gateway accepts (any word where it wants none)",
        f"  Override OpenAI Base URL: {connection.url}/v1",
        f"  Add Custom Model: {models}",
        "Requests come from Cursor's servers: the gateway needs a public address with https, and a key (`server.keys`).",
    )


CLIENT: Final = Client(
    name="cursor",
    title="Cursor",
    source="https://cursor.com/help/models-and-usage/api-keys",
    protocol="openai-chat",
    steps=_steps,
)
