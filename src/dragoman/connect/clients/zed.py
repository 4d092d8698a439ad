"""Zed: an OpenAI-compatible provider in its settings. Its key stands in the system's keychain or in a variable, never in a file."""

from collections.abc import Sequence
from typing import Any, Final

from dragoman.connect.client import TITLE, Client, Connection, File, Model, Places, Setting
from dragoman.connect.documents import Item

_CONTEXT: Final = 128_000
"""Tokens, for models of which nothing is known: Zed asks for a figure."""


def _files(connection: Connection, places: Places) -> Sequence[File]:
    table = ("language_models", "openai_compatible", TITLE)
    settings = [Setting((*table, "api_url"), f"{connection.url}/v1")]
    for model in connection.models:
        place = (*table, "available_models", Item("name", model.id))
        settings += [Setting((*place, *path), value) for path, value in _told(model)]
    if connection.model:
        settings += [
            Setting(("agent", "default_model", "provider"), TITLE),
            Setting(("agent", "default_model", "model"), connection.model.id),
        ]
    folder = places.home / ".config" if places.platform == "darwin" else places.application_support
    return [File(folder / ("Zed" if places.platform == "win32" else "zed") / "settings.json", "jsonc", settings)]


def _told(model: Model) -> Sequence[tuple[tuple[str, ...], Any]]:
    told: list[tuple[tuple[str, ...], Any]] = [
        (("display_name",), model.name),
        (("max_tokens",), model.context or _CONTEXT),
    ]
    if model.max_output:
        told.append((("max_output_tokens",), model.max_output))
    told.append((("capabilities", "tools"), model.calls_tools is not False))
    told.append((("capabilities", "images"), bool(model.sees)))
    return told


def _steps(_: Connection) -> Sequence[str]:
    return (
        f"Give Zed the key: run `agent: open settings`, find {TITLE} among the LLM providers, and paste",
        "  API key: the key that this gateway accepts (any word where it wants none)",
        "Or start Zed with that key in the variable DRAGOMAN_API_KEY.",
    )


CLIENT: Final = Client(
    name="zed",
    title="Zed",
    source="https://zed.dev/docs/ai/use-api-access#openai-compatible",
    protocol="openai-chat",
    files=_files,
    lists_models=True,
    steps=_steps,
)
