"""Codex CLI: a provider of models in its `config.toml`, which speaks OpenAI Responses."""

import json
from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import PROVIDER, TITLE, Client, Connection, File, Launch, Places, Setting

# What begins with `DRAGOMAN_` is a setting: a `dragoman` that the agent runs in its shell would not take it for one.
_KEY: Final = "CODEX_DRAGOMAN_KEY"


def _files(connection: Connection, places: Places) -> Sequence[File]:
    table = ("model_providers", PROVIDER)
    settings = [
        Setting(("model_provider",), PROVIDER),
        Setting((*table, "name"), TITLE),
        Setting((*table, "base_url"), f"{connection.url}/v1"),
        Setting((*table, "wire_api"), "responses"),
        Setting((*table, "experimental_bearer_token"), connection.key, is_secret=True),
    ]
    if connection.model:
        settings.insert(0, Setting(("model",), connection.model.id))
    return [File(places.below("CODEX_HOME", ".codex") / "config.toml", "toml", settings)]


def _launch(connection: Connection) -> Launch:
    # A key on the command line could be read by every user of the machine: it goes by a variable.
    overrides = {
        "model_provider": PROVIDER,
        f"model_providers.{PROVIDER}.name": TITLE,
        f"model_providers.{PROVIDER}.base_url": f"{connection.url}/v1",
        f"model_providers.{PROVIDER}.wire_api": "responses",
        f"model_providers.{PROVIDER}.env_key": _KEY,
    }
    if connection.model:
        overrides["model"] = connection.model.id
    arguments = [word for name, value in overrides.items() for word in ("-c", f"{name}={json.dumps(value)}")]
    return Launch(arguments, {_KEY: connection.key})


CLIENT: Final = Client(
    name="codex",
    title="Codex CLI",
    source="https://developers.openai.com/codex/config-advanced#custom-model-providers",
    protocol="openai-responses",
    files=_files,
    program="codex",
    launch=_launch,
    needs_model=True,
    tested="0.169.0",
)
