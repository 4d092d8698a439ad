"""How OpenCode's server is started: where the program is, whose models it has, its environment. Nothing is inherited unasked.

Of the person's own OpenCode it gets the providers and the logins; agents, commands, plugins, MCP servers and rules stay outside.
https://opencode.ai/docs/config/
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dragoman.settings import Secret, Settings, SettingsError
from dragoman.upstreams.opencode_server.wire import VERSION

PLUGIN: Final = Path(__file__).with_name("plugin") / "dragoman.js"
PASSWORD_VARIABLE: Final = "OPENCODE_SERVER_PASSWORD"  # noqa: S105 - a variable's name
USER: Final = "opencode"
INHERITED: Final = (
    *("PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
    *("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""What a program needs to run and to reach the network. Keys are not among it, but for those that the person's file names."""
_SWITCHED_OFF: Final = (
    *("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "SHARE", "PROJECT_CONFIG", "CLAUDE_CODE", "EXTERNAL_SKILLS"),
    *("AUTOCOMPACT", "PRUNE"),
)
_PLUGINS_OF_LOGINS: Final = "OPENCODE_DISABLE_DEFAULT_PLUGINS"
"""Without a login OpenCode's own plugins are not needed: they renew logins, and speak to those who gave them."""
_FOLDERS: Final[Mapping[str, str]] = {
    "HOME": "home",
    "XDG_DATA_HOME": "data",
    "XDG_CONFIG_HOME": "config",
    "XDG_CACHE_HOME": "cache",
    "XDG_STATE_HOME": "state",
}
_TAKEN_OVER: Final = ("provider", "enabled_providers", "disabled_providers")
_NO_INSTALL: Final = b'{"lockfileVersion":3,"packages":{"":{"dependencies":{"@opencode-ai/plugin":"*"}}}}'
"""With this and an empty `node_modules` beside its configuration OpenCode installs nothing from npm for our plugin's sake."""
_STRING_OR_COMMENT: Final = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_VARIABLE: Final = re.compile(r"\{env:([^}]+)\}")
_FILE: Final = re.compile(r"\{file:([^}]+)\}")
_json: Final = msgspec.json.encode


class Start(msgspec.Struct, frozen=True):
    """How to start it: the program, its whole environment (the password apart), and the file with the person's logins."""

    program: str
    environment: Mapping[str, str]
    logins: Path | None


def read_start(settings: Settings, environ: Mapping[str, str]) -> Start:
    """Return how it is started. Raises SettingsError when there is no program, or a file cannot be read."""
    own, told = read_own(settings, environ)
    environment = {name: environ[name] for name in (*INHERITED, *told) if name in environ}
    environment |= {f"OPENCODE_DISABLE_{name}": "1" for name in _SWITCHED_OFF}
    environment |= {
        "OPENCODE_DB": ":memory:",
        "OPENCODE_CONFIG_CONTENT": _json(own | _ours()).decode(),
        "DRAGOMAN_CHILD": "1",
        "npm_config_fetch_retries": "0",
    }
    logins = _logins(settings, environ)
    if logins is None:
        environment[_PLUGINS_OF_LOGINS] = "1"
    environment |= {name: value.reveal() for name, value in settings.opencode.environment.items()}
    return Start(find_program(settings, environ), environment, logins)


def find_program(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the path of the program. Raises SettingsError with what to install when there is none."""
    given = settings.opencode.cli
    if given is not None:
        if not os.access(given, os.X_OK):
            raise settings.fault(("opencode", "cli"), f"`{given}` is no program that can be run")
        return given
    found = shutil.which("opencode", path=environ.get("PATH"))
    if found is None:
        raise SettingsError(
            "there is no `opencode` on the PATH", hint=f"npm install -g opencode-ai@{VERSION}, or set `opencode.cli`"
        )
    return found


def _ours() -> dict[str, Any]:
    """Return what is configured whatever the person says: our plugin, and nothing that looks around or runs by itself."""
    return {
        "plugin": [PLUGIN.as_uri()],
        "share": "disabled",
        "autoupdate": False,
        "snapshot": False,
        "lsp": False,
        "formatter": False,
        "compaction": {"auto": False, "prune": False},
    }


def read_own(settings: Settings, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return what the person's own configuration says of providers, and the names of the variables that it takes keys from.

    Raises SettingsError for a file that cannot be read.
    """
    file = _config_file(settings, environ)
    if file is None:
        return {}, []
    try:
        whole = msgspec.json.decode(plain_json(file.read_text()), type=dict[str, Any])
    except (OSError, ValueError) as error:
        raise settings.fault(("opencode", "config"), f"`{file}` cannot be read: {error}") from None
    kept = {name: whole[name] for name in _TAKEN_OVER if name in whole}
    text = _json(kept).decode()
    home = environ.get("HOME", "")
    text = _FILE.sub(lambda found: "{file:" + _absolute(found[1], file.parent, home) + "}", text)
    return msgspec.json.decode(text), _VARIABLE.findall(text)


def _absolute(path: str, folder: Path, home: str) -> str:
    """Return a path that a file of configuration names, as it is meant there."""
    path = path.strip()
    return home + path[1:] if path.startswith("~/") else str(folder / path)


def plain_json(text: str) -> str:
    """Return JSON without the comments and the commas behind last items that OpenCode takes."""
    bare = _STRING_OR_COMMENT.sub(lambda found: found[1] or " ", text)
    return _STRING_OR_COMMA.sub(lambda found: found[1] or "", bare)


def _config_file(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    given = settings.opencode.config
    if given is not None:
        return Path(given) if given else None
    home = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    files = (Path(home) / "opencode" / name for name in ("opencode.jsonc", "opencode.json"))
    return next((file for file in files if file.is_file()), None)


def _logins(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    given = settings.opencode.auth
    if given is not None:
        return Path(given) if given else None
    home = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '')}/.local/share"
    file = Path(home) / "opencode" / "auth.json"
    return file if file.is_file() else None


def furnish(folder: Path, start: Start, password: Secret) -> dict[str, str]:
    """Make the folders that a server runs in below `folder`, and return its environment."""
    places = {variable: folder / name for variable, name in _FOLDERS.items()}
    for place in places.values():
        place.mkdir()
    config = places["XDG_CONFIG_HOME"] / "opencode"
    (config / "node_modules").mkdir(parents=True)
    (config / "package-lock.json").write_bytes(_NO_INSTALL)
    if start.logins is not None:
        data = places["XDG_DATA_HOME"] / "opencode"
        data.mkdir()
        # Not a copy: a login that is renewed is to be renewed for the person, too.
        (data / "auth.json").symlink_to(start.logins.absolute())
    found = {variable: str(place) for variable, place in places.items()}
    return {**start.environment, **found, PASSWORD_VARIABLE: password.reveal()}
