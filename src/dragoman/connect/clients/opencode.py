"""OpenCode: a provider of its configuration, and a plugin that tells which session and agent is asking."""

import json
from collections.abc import Sequence
from importlib.resources import files as resources
from typing import Any, Final

from dragoman.connect.client import PROVIDER, TITLE, Client, Connection, File, Launch, Model, Places, Setting

_PLUGIN: Final = "dragoman.js"


def _files(connection: Connection, places: Places) -> Sequence[File]:
    folder = places.config / "opencode"
    names = ("opencode.jsonc", "opencode.json")
    place = next((folder / name for name in names if (folder / name).is_file()), folder / "opencode.json")
    settings = [*_settings(("provider", PROVIDER), _provider(connection))]
    if connection.model:
        settings.append(Setting(("model",), f"{PROVIDER}/{connection.model.id}"))
    return [
        File(place, "jsonc", settings),
        File(folder / "plugin" / _PLUGIN, "whole", [Setting((), _plugin())]),
    ]


def _provider(connection: Connection) -> dict[str, Any]:
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": TITLE,
        "options": {"baseURL": f"{connection.url}/v1", "apiKey": connection.key},
        "models": {model.id: _model(model) for model in connection.models},
    }


def _model(model: Model) -> dict[str, Any]:
    told: dict[str, Any] = {"name": model.name}
    told |= {"tool_call": model.calls_tools} if model.calls_tools is not None else {}
    told |= {"reasoning": model.reasons} if model.reasons is not None else {}
    told |= {"attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}} if model.sees else {}
    if model.context and model.max_output:  # it takes both or none
        told["limit"] = {"context": model.context, "output": model.max_output}
    return told


def _settings(path: Sequence[str], value: Any) -> Sequence[Setting]:  # noqa: ANN401 - what JSON can say
    """Return a setting for each value in a table, so that each can be taken back by itself."""
    if not isinstance(value, dict):
        return [Setting(path, value, is_secret=path[-1] == "apiKey")]
    return [setting for name, inner in value.items() for setting in _settings((*path, name), inner)]


def _plugin() -> str:
    return (resources(__package__) / _PLUGIN).read_text(encoding="utf-8")


def _launch(connection: Connection) -> Launch:
    configuration: dict[str, Any] = {
        "provider": {PROVIDER: _provider(connection)},
        "plugin": ["file://{folder}/dragoman.js"],
    }
    if connection.model:
        configuration["model"] = f"{PROVIDER}/{connection.model.id}"
    return Launch(environment={"OPENCODE_CONFIG_CONTENT": json.dumps(configuration)}, files={_PLUGIN: _plugin()})


CLIENT: Final = Client(
    name="opencode",
    title="OpenCode",
    source="https://opencode.ai/docs/providers/#custom-provider",
    protocol="openai-chat",
    files=_files,
    lists_models=True,
    program="opencode",
    launch=_launch,
    tested="1.18.33",
)
