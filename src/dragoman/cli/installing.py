"""Install, look at and remove the service: the files that are written, and the commands that the supervisor is told."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dragoman.cli.service_files import (
    Service,
    Supervisor,
    launchd,
    read_environment,
    referred_to,
    systemd,
    write_environment,
)
from dragoman.settings import Settings, SettingsError, find, load

_PRIVATE: Final = 0o600
_OUR_VARIABLES: Final = ("DRAGOMAN_", "CLAUDE_PROXY_")
_NOBODY: Final = "install a service first: `dragoman service install`"


def install(config: str | None, *, show: bool) -> None:
    """Write the service's files and start it, or start it anew; `show`: only print what would be written.

    Raises SettingsError for a configuration that could not be served.
    """
    home = _Home(os.environ)
    kept = read_environment(home.environment.read_text()) if home.environment.exists() else {}
    environ = {**kept, **os.environ}
    file = find(config, environ)
    settings = load(config, environ)
    values = {**kept, **_wanted(environ, file)}
    made = home.supervisor(settings, file)
    if show:
        print(f"# {made.file}\n{made.content.decode()}\n# {home.environment}: {', '.join(sorted(values)) or 'empty'}")
        return
    _write_private(home.environment, write_environment(values))
    made.file.parent.mkdir(parents=True, exist_ok=True)
    made.file.write_bytes(made.content)
    for command in made.before_start:
        run(command, quiet=True)
    for command in made.start:
        if run(command):
            raise SettingsError(
                "failed", where=" ".join(command), hint="does your account have a running systemd or launchd?"
            )
    where = f"{settings.server.host}:{settings.server.port}"
    print(f"dragoman: installed {made.file}\nkeys are in {home.environment}\nit listens on {where}; {made.hint}")


def installed() -> Supervisor:
    """Return the supervisor of the service that is installed."""
    return _Home(os.environ).installed()


def uninstall() -> None:
    """Stop the service and remove its file; configuration and keys stay."""
    home = _Home(os.environ)
    made = home.installed()
    for command in made.stop:
        run(command, quiet=True)
    made.file.unlink()
    for command in made.forget:
        run(command, quiet=True)
    print(f"dragoman: removed {made.file}")
    if home.environment.exists():
        print(f"keys are still in {home.environment}")


def run(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run a command of the supervisor's on our terminal; return its status."""
    try:
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL if quiet else None).returncode  # noqa: S603 - ours
    except FileNotFoundError:
        problem = f"there is no `{command[0]}` here: the service needs systemd or launchd"
        raise SettingsError(problem, hint="let your own supervisor run `dragoman serve`") from None


class _Home:
    """Where the service's files are."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        if not environ.get("HOME"):
            raise SettingsError("there is no `HOME`: a service belongs to an account")
        self._home = Path(environ["HOME"])
        self._configuration = Path(environ.get("XDG_CONFIG_HOME") or self._home / ".config")
        self.environment = self._configuration / "dragoman/service.env"

    def supervisor(self, settings: Settings = Settings(), file: Path | None = None) -> Supervisor:  # noqa: B008 - frozen
        words = [sys.executable, "-m", "dragoman", "serve", *(("--config", str(file.absolute())) if file else ())]
        starts_programs = any(provider.kind != "http" for provider in settings.providers.values())
        made = Service(words, self.environment, self._home, settings.server.drain_s, starts_programs)
        if sys.platform == "darwin":
            return launchd(made, self._home, os.getuid())
        return systemd(made, self._configuration)

    def installed(self) -> Supervisor:
        made = self.supervisor()
        if not made.file.exists():
            raise SettingsError("there is no such file", where=str(made.file), hint=_NOBODY)
        return made


def _wanted(environ: Mapping[str, str], file: Path | None) -> dict[str, str]:
    """Return what the service needs of the environment: our settings, and what the configuration refers to."""
    names = referred_to(file.read_text(encoding="utf-8")) if file else frozenset()
    found = {name: value for name, value in environ.items() if name in names or name.startswith(_OUR_VARIABLES)}
    if broken := next((name for name, value in found.items() if "\n" in value or "\0" in value), None):
        raise SettingsError("has more than one line: a service cannot be given it", where=broken)
    return found


def _write_private(file: Path, text: str) -> None:
    """Write a file that nobody else can read, not even while it is being written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as out:
        out.write(text)
    part.replace(file)
