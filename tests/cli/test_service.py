"""`dragoman service`: what it writes is what the real tools accept, and holds the keys where nobody else can read them.

No supervisor runs in a test: stand-ins for its commands write down what they are told. `systemd-analyze`, plistlib and the
shell are the real ones.
"""

import json
import os
import plistlib
import shlex
import signal
import subprocess
from pathlib import Path
from shutil import which

import httpx2
import pytest

from dragoman.cli.service_files import Service, launchd, read_environment, systemd, write_environment
from tests.cli.test_cli import COMMAND

KEY = """sk-with "quotes", $dollars, `ticks`, \\backslashes\\ and 'more' #1"""
CONFIGURATION = '[server]\nport = 0\nkeys = ["env:GATEWAY_KEY"]\n'


class Account:
    """A home with stand-ins for the supervisor's commands."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.unit = home / ".config/systemd/user/dragoman.service"
        self.keys = home / ".config/dragoman/service.env"
        (home / "bin").mkdir()
        for name in ("systemctl", "journalctl", "loginctl"):
            stand_in = home / "bin" / name
            stand_in.write_text(f'#!/bin/sh\necho "{name} $*" >> "$HOME/told"\n')
            stand_in.chmod(0o755)
        (home / "dragoman.toml").write_text(CONFIGURATION)

    @property
    def told(self) -> list[str]:
        file = self.home / "told"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, *words: str, path: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE_")}
        place = path or f"{self.home}/bin:{os.environ['PATH']}"
        environment = {**kept, "PATH": place, "HOME": str(self.home), **environ}
        return subprocess.run(
            [COMMAND, "service", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.home,
            env=environment,
        )


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_it_is_installed_looked_at_and_removed(account: Account) -> None:
    assert account.run("install", GATEWAY_KEY=KEY).returncode == 0
    assert account.told == [
        "systemctl --user daemon-reload",
        "systemctl --user enable dragoman.service",
        "systemctl --user restart dragoman.service",
    ]
    assert f"serve --config {account.home}/dragoman.toml" in account.unit.read_text()
    assert KEY not in account.unit.read_text()
    account.run("status")
    account.run("logs", "--follow")
    assert "status --no-pager dragoman.service" in account.told[3]
    assert account.told[4].endswith("--unit dragoman.service --lines 200 --no-pager --follow")
    done = account.run("uninstall")
    assert account.told[5:] == ["systemctl --user disable --now dragoman.service", "systemctl --user daemon-reload"]
    assert not account.unit.exists()
    assert str(account.keys) in done.stdout


def test_the_keys_are_in_a_file_of_your_own(account: Account) -> None:
    """Only those that are meant for the gateway; an earlier install's stay."""
    account.run("install", GATEWAY_KEY=KEY, OTHER="not ours", DRAGOMAN_SERVER_LOG_JSON="true")
    assert account.keys.stat().st_mode & 0o777 == 0o600
    assert read_environment(account.keys.read_text()) == {"GATEWAY_KEY": KEY, "DRAGOMAN_SERVER_LOG_JSON": "true"}
    account.keys.chmod(0o644)
    assert account.run("install", DRAGOMAN_SERVER_LOG_JSON="false").returncode == 0
    assert account.keys.stat().st_mode & 0o777 == 0o600
    assert read_environment(account.keys.read_text()) == {"GATEWAY_KEY": KEY, "DRAGOMAN_SERVER_LOG_JSON": "false"}


def test_a_shell_reads_the_keys_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(write_environment({"GATEWAY_KEY": KEY, "B": ""}))
    shown = subprocess.run(
        ["sh", "-c", f'set -a; . {shlex.quote(str(file))}; printf %s "$GATEWAY_KEY"'], capture_output=True, check=True
    )
    assert shown.stdout.decode() == KEY


def test_what_it_would_write_can_be_looked_at(account: Account) -> None:
    done = account.run("install", "--show", GATEWAY_KEY=KEY)
    assert "ExecStart=" in done.stdout
    assert KEY not in done.stdout
    assert not account.unit.exists()
    assert not account.told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("install",), "GATEWAY_KEY"),
        (("install", "--config", "absent.toml"), "absent.toml: cannot be read"),
        (("status",), "there is no such file"),
        (("uninstall",), "hint: install a service first"),
    ],
    ids=["no key", "no file", "status of nothing", "nothing to remove"],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    account: Account, words: tuple[str, ...], complaint: str
) -> None:
    done = account.run(*words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not account.told
    assert not account.unit.exists()


def test_without_a_supervisor_it_says_so(account: Account) -> None:
    done = account.run("install", path="/nowhere", GATEWAY_KEY=KEY)
    assert done.returncode == 2
    assert "there is no `systemctl` here" in done.stderr
    assert "hint: " in done.stderr


def a_service(tmp_path: Path, *, starts_programs: bool = False) -> Service:
    folder = tmp_path / "a folder, 100% $odd"
    folder.mkdir(exist_ok=True)
    configuration = folder / "dragoman.toml"
    configuration.write_text(CONFIGURATION)
    words = (str(COMMAND), "serve", "--config", str(configuration))
    return Service(words, folder / "service.env", folder, 30, starts_programs)


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd-analyze is the judge")
@pytest.mark.parametrize("starts_programs", [False, True])
def test_systemd_accepts_the_unit(tmp_path: Path, starts_programs: bool) -> None:
    made = systemd(a_service(tmp_path, starts_programs=starts_programs), tmp_path)
    made.file.parent.mkdir(parents=True)
    made.file.write_bytes(made.content)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", made.file],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--user", "--offline=true", "--json=short", made.file],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    rows = {row["json_field"]: row["set"] for row in json.loads(judged.stdout)}
    assert rows["NoNewPrivileges"]
    assert rows["MemoryDenyWriteExecute"] is not starts_programs


def test_the_agent_of_launchd_serves_with_its_keys(tmp_path: Path) -> None:
    """Its command is run as launchd would run it."""
    service = a_service(tmp_path)
    service.environment.write_text(write_environment({"GATEWAY_KEY": KEY}))
    made = launchd(service, tmp_path, 501)
    agent = plistlib.loads(made.content)
    assert made.file == tmp_path / "Library/LaunchAgents/dragoman.gateway.plist"
    assert (agent["RunAtLoad"], agent["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert KEY.encode() not in made.content
    process = subprocess.Popen(
        agent["ProgramArguments"],
        cwd=agent["WorkingDirectory"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert process.stderr is not None
    try:
        url = process.stderr.readline().split()[-1]
        asked = {"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        statuses = [
            httpx2.post(f"{url}/v1/messages", json=asked, headers={"x-api-key": key}).status_code
            for key in (KEY, "another")
        ]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert (statuses, process.returncode) == ([200, 401], 0)
