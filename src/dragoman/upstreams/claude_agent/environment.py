"""How the CLI of the Claude Agent SDK is started: where it is, its arguments, its environment. Nothing is inherited unasked.

The CLI is spoken to as the SDK's own client speaks to it, over its stream-json protocol, but without that client: a conversation
needs things of the CLI that the client does not pass on (a prompt of any size, tools that change, messages of the past), and
importing it costs 70 MB and seconds.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dragoman.settings import Secret, Settings, SettingsError

SDK: Final = "claude_agent_sdk"

INHERITED: Final = (
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ),
    *("CLAUDE_CONFIG_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
    *("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""What a program needs to run, to find its own login, and to reach the network. Keys and tokens are not among it."""

_SWITCHES: Final[Mapping[str, str]] = {
    "CLAUDE_AGENT_SDK_MCP_NO_PREFIX": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_AGENT_SDK_DISABLE_BUILTIN_AGENTS": "1",
    "CLAUDE_CODE_FORK_SUBAGENT": "0",
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_MAX_MCP_DESCRIPTION_LENGTH": "200000",
    "DISABLE_AUTO_COMPACT": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
"""Tools keep their names, no agents but the client's are told of, nothing is asked twice, compacted or sent home."""

_ARGUMENTS: Final = (
    *("--output-format", "stream-json", "--verbose", "--input-format", "stream-json", "--include-partial-messages"),
    # No settings, servers or prompt but the client's; no transcript on the disk.
    *("--setting-sources=", "--strict-mcp-config", "--system-prompt", "", "--no-session-persistence"),
    # No skills either: a client's tool called `Skill` would have the CLI list its own.
    "--disable-slash-commands",
)


def find_cli(settings: Settings) -> str:
    """Return the path of the CLI. Raises SettingsError with what to install when there is none."""
    if settings.claude.cli is not None:
        if not os.access(settings.claude.cli, os.X_OK):
            raise settings.fault(("claude", "cli"), f"`{settings.claude.cli}` is no program that can be run")
        return settings.claude.cli
    found = find_spec(SDK)
    places = found.submodule_search_locations if found else None
    for place in places or ():
        cli = Path(place) / "_bundled" / "claude"
        if os.access(cli, os.X_OK):
            return str(cli)
    what = "brings no CLI for this machine" if found else "is not installed"
    raise SettingsError(f"the Claude Agent SDK {what}", hint="pip install 'dragoman[claude]', or set `claude.cli`")


def find_folder(settings: Settings) -> str:
    """Return the folder that the CLI is to run in, "" for one of the gateway's own. Raises SettingsError when it is none."""
    folder = settings.claude.workdir or ""
    if folder and not Path(folder).is_dir():
        raise settings.fault(("claude", "workdir"), f"`{folder}` is no folder")
    return folder


def arguments(cli: str, session_id: str, tools: str = "", transcript: Path | None = None) -> list[str]:
    """Return the command to run for a conversation that is to be called `session_id` (a UUID), and may resume from a transcript.

    `tools` are those of the CLI's own that stay.
    """
    past = () if transcript is None else (f"--resume={transcript}", "--fork-session")
    return [cli, *_ARGUMENTS, "--tools", tools, f"--session-id={session_id}", *past]


def environment(
    settings: Settings, environ: Mapping[str, str], api_key: Secret | None, base_url: str | None
) -> dict[str, str]:
    """Return the whole environment of the CLI.

    A key, a token or another address is in it only when the configuration says so: without any the CLI uses its own login.
    """
    claude = settings.claude
    made = {name: environ[name] for name in INHERITED if name in environ} | dict(_SWITCHES)
    if api_key is not None:
        made["ANTHROPIC_API_KEY"] = api_key.reveal()
        # Who signs in with a plan has to leave this on.
        made["CLAUDE_CODE_ATTRIBUTION_HEADER"] = "0"
    if claude.oauth_token is not None:
        made["CLAUDE_CODE_OAUTH_TOKEN"] = claude.oauth_token.reveal()
    if base_url:
        made["ANTHROPIC_BASE_URL"] = base_url
    return made | {name: value.reveal() for name, value in claude.environment.items()}
