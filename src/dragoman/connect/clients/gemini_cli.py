"""Gemini CLI: where to and with which key by its `.env`, how it signs in and which model by its settings."""

import json
from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import Client, Connection, File, Launch, Places, Setting

_URL: Final = "GOOGLE_GEMINI_BASE_URL"
_KEY: Final = "GEMINI_API_KEY"
_SIGN_IN: Final = "gemini-api-key"


def _files(connection: Connection, places: Places) -> Sequence[File]:
    folder = places.below("GEMINI_CLI_HOME") / ".gemini"
    settings = [Setting(("security", "auth", "selectedType"), _SIGN_IN)]
    if connection.model:
        settings.append(Setting(("model", "name"), connection.model.id))
    variables = [Setting((_URL,), connection.url), Setting((_KEY,), connection.key, is_secret=True)]
    return [File(folder / ".env", "dotenv", variables), File(folder / "settings.json", "jsonc", settings)]


def _launch(connection: Connection) -> Launch:
    # Settings of the system win over the user's, who may have chosen to sign in with an account.
    settings = json.dumps({"security": {"auth": {"selectedType": _SIGN_IN}}})
    environment = {
        _URL: connection.url,
        _KEY: connection.key,
        "GEMINI_CLI_SYSTEM_SETTINGS_PATH": "{folder}/settings.json",
    }
    arguments = ("--model", connection.model.id) if connection.model else ()
    return Launch(arguments, environment, {"settings.json": settings})


def _steps(_: Connection) -> Sequence[str]:
    # https://geminicli.com/docs/cli/trusted-folders/: a folder that is not trusted has it read no `.env`, its user's neither.
    return (
        "Trust a folder when it asks. In a script (`--prompt`) it cannot ask: give it `--skip-trust`,",
        "or it reads no .env there and looks for GEMINI_API_KEY in vain.",
    )


CLIENT: Final = Client(
    name="gemini-cli",
    title="Gemini CLI",
    source="https://geminicli.com/docs/reference/configuration/",
    protocol="gemini-generate",
    files=_files,
    program="gemini",
    launch=_launch,
    steps=_steps,
    tested="0.61.0",
)
