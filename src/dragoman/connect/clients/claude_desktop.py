"""Claude Desktop, in its mode for third-party inference: an entry in its library of configurations, made the applied one."""

from collections.abc import Sequence
from typing import Final

from dragoman.connect.client import TITLE, Client, Connection, File, Places, Setting
from dragoman.connect.documents import Item

_ENTRY: Final = "6472616f-6d61-4e00-8000-000000000001"
"""The entry's id, a UUID that is ours."""


def _files(connection: Connection, places: Places) -> Sequence[File]:
    support = places.application_support
    local = places.below("LOCALAPPDATA", "AppData", "Local") if places.platform == "win32" else support
    library = local / "Claude-3p" / "configLibrary"
    settings = [
        Setting(("inferenceProvider",), "gateway"),
        Setting(("inferenceGatewayBaseUrl",), connection.url),
        Setting(("inferenceGatewayApiKey",), connection.key, is_secret=True),
        Setting(("inferenceGatewayAuthScheme",), "bearer"),
    ]
    if connection.model:
        names = [_shaped(model.id) for model in connection.models]
        settings.append(Setting(("inferenceModels",), [{"name": name} for name in names]))
    applied = [Setting(("entries", Item("id", _ENTRY), "name"), TITLE), Setting(("appliedId",), _ENTRY)]
    mode = [Setting(("deploymentMode",), "3p")]
    return [
        File(library / f"{_ENTRY}.json", "jsonc", settings),
        File(library / "_meta.json", "jsonc", applied),
        File(local / "Claude-3p" / "claude_desktop_config.json", "jsonc", mode),
        File(support / "Claude" / "claude_desktop_config.json", "jsonc", mode),
    ]


def _shaped(model: str) -> str:
    """Return a name that the application keeps: it passes over those without `claude` in them."""
    return model if "claude" in model.lower() or "anthropic" in model.lower() else f"claude-dragoman/{model}"


def _steps(connection: Connection) -> Sequence[str]:
    return (
        "Quit Claude Desktop, and start it again.",
        "Where it does not show the gateway: Help > Troubleshooting > Enable Developer Mode,",
        "then Developer > Configure third-party inference, and enter these values:",
        "  Connection: Gateway (Anthropic-compatible)",
        f"  Gateway base URL: {connection.url}",
        "  Gateway API key: the key that this gateway accepts (any word where it wants none)",
        "  Gateway auth scheme: bearer",
    )


CLIENT: Final = Client(
    name="claude-desktop",
    title="Claude Desktop",
    source="https://claude.com/docs/cowork/3p/gateway",
    protocol="anthropic-messages",
    files=_files,
    steps=_steps,
)
