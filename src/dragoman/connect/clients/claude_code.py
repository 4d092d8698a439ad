"""Claude Code: `env` in its settings reaches the program as environment variables do, and wins over them."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from dragoman.connect.client import Client, Connection, File, Launch, Places, Setting

_URL: Final = "ANTHROPIC_BASE_URL"
_TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the variable's name
_DISCOVERY: Final = "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"

_WINDOW: Final = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"
"""The context window of models that it does not know, which it takes to be a million tokens; those it knows keep theirs.

https://code.claude.com/docs/en/model-config#correct-the-window-for-a-gateway-or-custom-model-id
"""


def _files(connection: Connection, places: Places) -> Sequence[File]:
    settings = [
        Setting(("env", _URL), connection.url),
        Setting(("env", _TOKEN), connection.key, is_secret=True),
        Setting(("env", _DISCOVERY), "1"),
    ]
    settings += [Setting(("env", name), value) for name, value in _window(connection).items()]
    if connection.model:
        settings.append(Setting(("model",), connection.model.id))
    return [File(places.below("CLAUDE_CONFIG_DIR", ".claude") / "settings.json", "jsonc", settings)]


def _window(connection: Connection) -> Mapping[str, str]:
    model = connection.model
    return {_WINDOW: str(model.context)} if model is not None and model.context else {}


def _launch(connection: Connection) -> Launch:
    variables = {_URL: connection.url, _TOKEN: connection.key, _DISCOVERY: "1", **_window(connection)}
    # Variables in the user's own settings would win over the environment; a file of settings wins over both.
    arguments = ["--settings", "{folder}/settings.json"]
    if connection.model:
        arguments += ["--model", connection.model.id]
    settings = json.dumps({"env": variables})
    return Launch(arguments, variables, {"settings.json": settings}, unset=("ANTHROPIC_API_KEY",))


CLIENT: Final = Client(
    name="claude-code",
    title="Claude Code",
    source="https://code.claude.com/docs/en/llm-gateway-connect",
    protocol="anthropic-messages",
    files=_files,
    program="claude",
    launch=_launch,
    tested="2.1.329",
)
