"""OpenHands CLI: the model of its agent, which it asks through LiteLLM."""

from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import Client, Connection, File, Launch, Places, Setting


def _files(connection: Connection, places: Places) -> Sequence[File]:
    settings = [
        Setting(("kind",), "Agent"),
        Setting(("llm", "base_url"), f"{connection.url}/v1"),
        Setting(("llm", "api_key"), connection.key, is_secret=True),
        Setting(("llm", "usage_id"), "agent"),
    ]
    if connection.model:
        settings.insert(1, Setting(("llm", "model"), _name(connection.model.id)))
    folder = places.below("OPENHANDS_PERSISTENCE_DIR", ".openhands")
    return [File(folder / "agent_settings.json", "jsonc", settings)]


def _name(model: str) -> str:
    """Return a model's name with the prefix by which LiteLLM asks any OpenAI-compatible server."""
    return f"openai/{model}"


def _launch(connection: Connection) -> Launch:
    environment = {"LLM_BASE_URL": f"{connection.url}/v1", "LLM_API_KEY": connection.key}
    if connection.model:
        environment["LLM_MODEL"] = _name(connection.model.id)
    return Launch(("--override-with-envs",), environment)


CLIENT: Final = Client(
    name="openhands",
    title="OpenHands CLI",
    source="https://docs.openhands.dev/openhands/usage/llms/llms",
    protocol="openai-chat",
    files=_files,
    program="openhands",
    launch=_launch,
    needs_model=True,
    tested="1.16.0",
)
