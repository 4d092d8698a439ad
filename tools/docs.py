"""Rewrite the generated parts of README.md and docs/: `python -m tools.docs`; with `--check`, only say what is out of date.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from msgspec.structs import fields

from dragoman.codec import LossNote
from dragoman.dialects import Dialect
from dragoman.engine.losses import LOSES as BY_ENGINE
from dragoman.ir.failures import FailureKind
from dragoman.ir.grammar import TRANSITIONS
from dragoman.protocols import discover
from dragoman.providers import discover as providers
from dragoman.routing.registry import Registry
from dragoman.settings import Provider, Settings, rows
from dragoman.settings.older_names import OLDER_NAMES
from dragoman.transforms.losses import LOSES as BY_TRANSFORMS
from dragoman.upstreams.claude_agent.environment import INHERITED as TO_CLAUDE
from dragoman.upstreams.claude_agent.internal.toolbox import INHERITED as TO_TOOLS
from dragoman.upstreams.claude_agent.losses import LOSES as CLAUDE_AGENT_LOSES
from dragoman.upstreams.opencode_server.configuration import INHERITED as TO_OPENCODE
from dragoman.upstreams.opencode_server.losses import LOSES as OPENCODE_SERVER_LOSES
from dragoman.upstreams.scripted import MODELS, WORDS
from tools import clients

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (
    *(ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
)
FILES: Final = (
    ("`dragoman.toml`, in the folder where it is started", "the configuration; else the next one", "you", "nobody"),
    ("`$XDG_CONFIG_HOME/dragoman/dragoman.toml`", "the configuration of your account (`~/.config`)", "you", "nobody"),
    (
        "`$XDG_CONFIG_HOME/dragoman/service.env`",
        "keys for the service, mode 600",
        "`dragoman service install`",
        "nobody",
    ),
    (
        "`$XDG_CONFIG_HOME/systemd/user/dragoman.service`",
        "the service, on Linux",
        "`dragoman service install`",
        "`dragoman service uninstall`",
    ),
    (
        "`~/Library/LaunchAgents/dragoman.gateway.plist`",
        "the service, on macOS; its log is `~/Library/Logs/dragoman.log`",
        "`dragoman service install`",
        "`dragoman service uninstall`",
    ),
    (
        "`$XDG_DATA_HOME/dragoman/models.jsonl`",
        "a catalogue newer than the shipped one (`~/.local/share`)",
        "`dragoman models --refresh`",
        "nobody",
    ),
    (
        "clients' own settings ([clients.md](clients.md))",
        "entries that lead them to the gateway",
        "`dragoman connect`",
        "`dragoman connect --undo`",
    ),
    (
        "`$XDG_STATE_HOME/dragoman/connect/`",
        "what was written there and what stood there before (`~/.local/state`)",
        "`dragoman connect`",
        "nobody",
    ),
    (
        "`$XDG_STATE_HOME/dragoman/launch.log`",
        "the log of a gateway that was started along",
        "`dragoman launch`",
        "nobody",
    ),
    ("`$TMPDIR/dragoman-*`", "folders of back ends that are programs", "the gateway", "the gateway, when it stops"),
)
"""(file, what it is, who writes it, who removes it)."""


def passed_on() -> Iterable[tuple[str, str]]:
    """Yield the variables that programs get from the gateway's environment, and which programs."""
    heirs = {"the Claude CLI": TO_CLAUDE, "OpenCode": TO_OPENCODE, "tools of the internal mode": TO_TOOLS}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(name for inherited in heirs.values() for name in inherited):
        groups.setdefault(tuple(heir for heir in heirs if name in heirs[heir]), []).append(f"`{name}`")
    for group, names in groups.items():
        yield ", ".join(names), f"passed on to {', '.join(group)}"


VARIABLES: Final = (
    ("DRAGOMAN_CONFIG", "the configuration file"),
    ("XDG_CONFIG_HOME", "where configurations are; absent: `$HOME/.config`"),
    ("XDG_DATA_HOME", "where data of the account's own is; absent: `$HOME/.local/share`"),
    ("XDG_STATE_HOME", "where `dragoman connect` keeps its journals; absent: `$HOME/.local/state`"),
    ("HOME", "the three before; the logins of the Claude CLI and of OpenCode"),
    ("PATH", "where programs are found: clients, OpenCode, systemd's commands"),
    (
        "NO_PROXY",
        "with `HTTP_PROXY` and `ALL_PROXY`: whether `dragoman doctor` warns of a proxy between client and gateway",
    ),
    *(
        (f"OPENAI_PROXY_{name}", f"`--{option}` of `dragoman server-openai`")
        for name, option in (("HOST", "host"), ("PORT", "port"), ("API_KEY", "key"), ("TIMEOUT", "timeout"))
    ),
    ("`env:NAME` in the configuration", "the key that stands there; any name will do"),
    *(
        (name, f"where `dragoman connect {client}` finds the client's settings, as the client itself")
        for name, client in (
            ("CLAUDE_CONFIG_DIR", "claude-code"),
            ("CODEX_HOME", "codex"),
            ("GEMINI_CLI_HOME", "gemini-cli"),
            ("CONTINUE_GLOBAL_DIR", "continue"),
            ("OPENHANDS_PERSISTENCE_DIR", "openhands"),
            ("APPDATA", "zed"),
            ("LOCALAPPDATA", "claude-desktop"),
        )
    ),
    ("CODEX_DRAGOMAN_KEY", "the gateway's key, which `dragoman launch codex` gives to Codex"),
    *passed_on(),
)
COMMANDS: Final = (
    "serve",
    "connect",
    "launch",
    "demo",
    "translate",
    "check-config",
    "models",
    "server-openai",
    "doctor",
    "doctor claude-agent",
    "service install",
    "service status",
    "service logs",
    "service uninstall",
)
_PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    heads = list(heads)
    text = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    text += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join(text)


def settings() -> str:
    """Return the table of every setting."""
    return table(
        ("section", "setting", "type", "default", "environment", "what it does"),
        (
            (
                f"`[{row.section}]`",
                f"`{row.name}`",
                row.type,
                f"`{row.default}`" if row.default else "",
                f"`{row.variable}`",
                row.description,
            )
            for row in rows()
        ),
    )


def dialects() -> str:
    """Return the table of the fields of a dialect, with the comments that stand beside them."""
    source = (ROOT / "src/dragoman/dialects.py").read_text()
    notes = dict(re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', source, re.DOTALL | re.MULTILINE))
    return table(
        ("field", "default", "meaning"),
        ((f"`{field.name}`", f"`{field.default!r}`", " ".join(notes[field.name].split())) for field in fields(Dialect)),
    )


def losses() -> str:
    """Return the tables of everything that a translation may lose."""
    text = ["Toward any upstream:\n", _notes((*BY_ENGINE, *BY_TRANSFORMS))]
    for codec in discover().values():
        text += [f"\nToward {codec.title}:\n", _notes(codec.loses)]
    text += ["\nThrough the Claude Agent SDK, beside what Anthropic Messages loses:\n", _notes(CLAUDE_AGENT_LOSES)]
    text += [
        "\nThrough OpenCode's server, beside what Anthropic Messages loses by its order of turns:\n",
        _notes(OPENCODE_SERVER_LOSES),
    ]
    return "\n".join(text)


def _notes(notes: Iterable[LossNote]) -> str:
    return table(
        ("code", "what is lost", "under `strict`"), ((f"`{note.code}`", note.meaning, _refused(note)) for note in notes)
    )


def _refused(note: LossNote) -> str:
    if not note.changes_meaning or note.code.startswith("reply_"):  # a reply is there already
        return ""
    return "refused in some cases" if note.not_always else "refused"


def words() -> str:
    """Return the words that the built-in model obeys."""
    return table(("say", "and it"), ((f"`{word.words}`", word.effect) for word in WORDS))


def demo_models() -> str:
    """Return the built-in models."""
    return table(("model", "what it is"), ((f"`demo/{card.id}`", card.name) for card in MODELS))


def presets() -> str:
    """Return the shipped providers."""
    return table(
        ("preset", "provider", "protocols", "models"),
        (
            (
                f"`{provider.name}`",
                f"[{provider.title}]({provider.source})",
                ", ".join(f"`{name}`" for name in provider.bases),
                counted(Registry(Settings(providers={provider.name: Provider(preset=provider.name)})), provider.name),
            )
            for provider in providers().values()
        ),
    )


def counted(registry: Registry, name: str) -> str:
    """Return how many models a provider offers, in words."""
    spec = registry.providers[name]
    offered = sum(model.is_offered for model in spec.models.values())
    if spec.pattern is None:
        return str(offered)
    return f"{offered} and any other" if offered else "any"


def failures() -> str:
    """Return the closed list of failures."""
    return table(
        ("failure", "who must act", "status", "tried again"),
        (
            (f"`{kind.word}`", kind.actor.value, str(kind.status), "yes" if kind.retryable else "no")
            for kind in FailureKind
        ),
    )


def grammar() -> str:
    """Return the table of the legal order of events."""
    return table(
        ("state", "event", "next state"),
        (
            (f"`{state.value}`", f"`{kind.__name__}`", f"`{following.value}`")
            for state, moves in TRANSITIONS.items()
            for kind, following in moves.items()
        ),
    )


def endpoints() -> str:
    """Return every endpoint of the protocols."""
    return table(
        ("endpoint", "protocol", "what for"),
        (
            (f"`{endpoint.method} {endpoint.path}`", codec.title, endpoint.operation.value)
            for codec in discover().values()
            for endpoint in codec.endpoints
        ),
    )


def files() -> str:
    """Return every file that is read or written."""
    return table(("file", "what it is", "written by", "removed by"), FILES)


def environment() -> str:
    """Return the variables that are no settings."""
    older = ((name, f"`{'.'.join(path)}`, as Claude proxies before it had it") for name, path in OLDER_NAMES.items())
    rows = ((name if name.startswith("`") else f"`{name}`", what) for name, what in (*VARIABLES, *older))
    return table(("variable", "what it sets"), rows)


def command_line() -> str:
    """Return the help of every command that has no page of its own."""
    return _helps(command for command in COMMANDS if not command.startswith("service"))


def client_keys() -> str:
    """Return where every client keeps the key that it is given."""
    return table(("client", "where `--key` goes"), clients.keys())


def service_commands() -> str:
    """Return the help of the commands of `dragoman service`."""
    return _helps(command for command in COMMANDS if command.startswith("service"))


def _helps(commands: Iterable[str]) -> str:
    return "\n".join(f"```text\n$ dragoman {command} --help\n{help_of(command)}\n```" for command in commands)


@cache
def help_of(command: str) -> str:
    """Return what `dragoman COMMAND --help` prints, on a terminal of 100 columns."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings,
    "dialects": dialects,
    "losses": losses,
    "words": words,
    "demo-models": demo_models,
    "presets": presets,
    "failures": failures,
    "grammar": grammar,
    "endpoints": endpoints,
    "command-line": command_line,
    "keys-of-clients": client_keys,
    **{f"client-{name}": partial(clients.part_of, name) for name in clients.parts()},
    "service-commands": service_commands,
    "files": files,
    "environment": environment,
}


def rewritten(text: str) -> str:
    """Return a page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[4]}", text)


def main() -> int:
    """Rewrite the pages, or check them; return the exit code."""
    stale = [page for page in PAGES if rewritten(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'out of date; hint: make fix' if '--check' in sys.argv else 'rewritten'}")
        if "--check" not in sys.argv:
            page.write_text(rewritten(page.read_text()))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
