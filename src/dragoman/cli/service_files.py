"""What the system's own supervisor is told: a systemd user unit, a launchd agent, and the file with the service's keys."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

UNIT: Final = "dragoman.service"
LABEL: Final = "dragoman.gateway"
_BEYOND_DRAIN: Final = 10
"""Seconds that a stopping gateway gets beyond `drain_s`."""
_SAFE: Final = re.compile(r"[A-Za-z0-9_./:@%+=,-]+")
_REFERENCE: Final = re.compile(r"""["']env:([A-Za-z_][A-Za-z0-9_]*)["']""")
_SPECIAL: Final = re.compile(r'(["\\$`])')
_BEHIND_BACKSLASH: Final = r"\\\1"
_LINE: Final = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')

_HARDENING: Final = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
"""
"""Only what works in every user's manager: what needs namespaces of its own does not start where users may have none."""
_WITHOUT_PROGRAMS: Final = """\
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
"""
"""For a gateway that starts no programs: the Claude CLI compiles while it runs, and has a sandbox."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is to run: the words of the command, the file with its environment, and how long it may take to stop."""

    command: Sequence[str]
    environment: Path
    folder: Path
    drain_s: float
    starts_programs: bool = False


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One kind of supervisor: the file that it reads, and the commands that it understands."""

    file: Path
    content: bytes
    before_start: Sequence[Sequence[str]]
    """Ends what runs; may fail, because nothing may be running."""
    start: Sequence[Sequence[str]]
    stop: Sequence[Sequence[str]]
    forget: Sequence[Sequence[str]]
    """What follows when the file is gone."""
    status: Sequence[str]
    logs: Sequence[str]
    follow: Sequence[str]
    hint: str


def systemd(service: Service, configuration: Path) -> Supervisor:
    """Return the user unit, below `configuration` (`$XDG_CONFIG_HOME`).

    https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
    """
    control = ("systemctl", "--user")
    journal = ("journalctl", "--user", "--unit", UNIT, "--lines", "200", "--no-pager")
    hardening = _HARDENING if service.starts_programs else _HARDENING + _WITHOUT_PROGRAMS
    text = (
        "[Unit]\n"
        "Description=Dragoman, a gateway between coding agents and models\n"
        "StartLimitIntervalSec=60\n"
        "StartLimitBurst=10\n"
        "\n[Service]\n"
        "Type=exec\n"
        f"ExecStart={' '.join(map(_unit_word, service.command))}\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n"
        f"EnvironmentFile=-{_escaped(str(service.environment))}\n"
        f"WorkingDirectory={_escaped(str(service.folder))}\n"
        "Restart=on-failure\n"
        "RestartSec=2\n"
        "KillMode=mixed\n"
        f"TimeoutStopSec={service.drain_s + _BEYOND_DRAIN:g}\n"
        f"{hardening}"
        "\n[Install]\n"
        "WantedBy=default.target\n"
    )
    return Supervisor(
        file=configuration / "systemd/user" / UNIT,
        content=text.encode(),
        before_start=(),
        start=((*control, "daemon-reload"), (*control, "enable", UNIT), (*control, "restart", UNIT)),
        stop=((*control, "disable", "--now", UNIT),),
        forget=((*control, "daemon-reload"),),
        status=(*control, "status", "--no-pager", UNIT),
        logs=journal,
        follow=(*journal, "--follow"),
        hint="it ends when you log out; `loginctl enable-linger` lets it run on, and start with the machine",
    )


def launchd(service: Service, home: Path, user: int) -> Supervisor:
    """Return the agent of the user with the number `user`.

    launchd reads no environment files: a shell does. launchd.plist(5), launchctl(1).
    """
    import plistlib

    log = home / "Library/Logs/dragoman.log"
    file = home / f"Library/LaunchAgents/{LABEL}.plist"
    script = (
        f"set -a; [ ! -r {quote(str(service.environment))} ] || . {quote(str(service.environment))}; set +a; exec "
        + " ".join(map(quote, service.command))
    )
    content = {
        "Label": LABEL,
        "ProgramArguments": ["/bin/sh", "-c", script],
        "WorkingDirectory": str(service.folder),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 2,
        "ExitTimeOut": int(service.drain_s) + _BEYOND_DRAIN,
        "Umask": 0o077,
        "ProcessType": "Interactive",
        "StandardErrorPath": str(log),
        "StandardOutPath": str(log),
    }
    domain = f"gui/{user}"
    return Supervisor(
        file=file,
        content=plistlib.dumps(content),
        before_start=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        start=(("launchctl", "bootstrap", domain, str(file)),),
        stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        forget=(),
        status=("launchctl", "print", f"{domain}/{LABEL}"),
        logs=("tail", "-n", "200", str(log)),
        follow=("tail", "-n", "200", "-F", str(log)),
        hint=f"its log is {log}",
    )


def referred_to(configuration: str) -> frozenset[str]:
    """Return the variables that a configuration's text takes keys from (`env:NAME`)."""
    return frozenset(_REFERENCE.findall(configuration))


def read_environment(text: str) -> dict[str, str]:
    """Return what `write_environment` wrote."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {one[1]: re.sub(r"\\(.)", r"\1", one[2]) for one in found if one}


def write_environment(values: Mapping[str, str]) -> str:
    """Return the file as systemd and a shell read it alike."""
    lines = (f'{name}="{_SPECIAL.sub(_BEHIND_BACKSLASH, value)}"' for name, value in sorted(values.items()))
    return "\n".join(("# The service's environment, for nobody else to read.", *lines, ""))


def _unit_word(word: str) -> str:
    """Return a word of ExecStart."""
    return (
        _escaped(word)
        if _SAFE.fullmatch(word)
        else '"' + _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
