"""Continue: models in its `config.yaml`."""

from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import TITLE, Client, Connection, File, Launch, Model, Places, Setting
from dragoman.connect.documents import Item
from dragoman.connect.editing import written

_FILE: Final = "config.yaml"
_ROLES: Final = ("chat", "edit", "apply")


def _files(connection: Connection, places: Places) -> Sequence[File]:
    place = places.below("CONTINUE_GLOBAL_DIR", ".continue") / _FILE
    # A file that is there has its name; a new one needs one.
    head = () if place.is_file() else _head()
    models = [setting for model in connection.models for setting in _model(model, connection)]
    return [File(place, "yaml", [*head, *models])]


def _head() -> Sequence[Setting]:
    words = {"name": TITLE, "version": "1.0.0", "schema": "v1"}
    return [Setting((name,), word) for name, word in words.items()]


def _model(model: Model, connection: Connection) -> Sequence[Setting]:
    place = ("models", Item("name", f"{TITLE}: {model.id}"))
    settings = [
        Setting((*place, "provider"), "openai"),
        Setting((*place, "model"), model.id),
        Setting((*place, "apiBase"), f"{connection.url}/v1"),
        Setting((*place, "apiKey"), connection.key, is_secret=True),
        Setting((*place, "roles"), list(_ROLES)),
    ]
    if model.calls_tools is not False:
        settings.append(Setting((*place, "capabilities"), ["tool_use", "image_input"] if model.sees else ["tool_use"]))
    if model.context:
        settings.append(Setting((*place, "defaultCompletionOptions", "contextLength"), model.context))
    return settings


def _launch(connection: Connection) -> Launch:
    settings = [*_head(), *(setting for model in connection.models for setting in _model(model, connection))]
    return Launch(("--config", f"{{folder}}/{_FILE}"), files={_FILE: written("yaml", settings)})


CLIENT: Final = Client(
    name="continue",
    title="Continue",
    source="https://docs.continue.dev/reference",
    protocol="openai-chat",
    files=_files,
    program="cn",
    launch=_launch,
    needs_model=True,
    tested="1.5.47",
)
