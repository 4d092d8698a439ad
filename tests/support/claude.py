"""A gateway before the CLI of the Claude Agent SDK, which asks an upstream on this machine with a key that is none."""

# ruff: noqa: ANN401 - settings as the file has them

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from dragoman.settings import Claude, Provider, Secret
from dragoman.upstreams.claude_agent.agent import ClaudeAgent
from dragoman.upstreams.claude_agent.session import State
from tests.support.gateway import RunningGateway

MODEL = "claude-sonnet-4-5"
SYSTEM = "You are a careful agent."
_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS = [{"name": name, "description": f"{name} a file", "input_schema": _SCHEMA} for name in ("Read", "Bash")]


_NO_KEY = Secret("sk-ant-none")


class ClaudeGateway(RunningGateway):
    """Runs while inside; `home` is all that the CLI has of a home."""

    def __init__(self, url: str, home: Path, api_key: Secret | None = _NO_KEY, **claude: Any) -> None:
        environment = {"HOME": Secret(str(home)), "CLAUDE_CONFIG_DIR": Secret(str(home / "claude"))}
        super().__init__(
            {"claude": Provider(kind="claude-agent", base_url=url, api_key=api_key)},
        )
        self.home = home
        self.settings = msgspec.structs.replace(
            self.settings, claude=Claude(environment=environment, **{"self_test": False, **claude})
        )

    @property
    def agent(self) -> ClaudeAgent:
        found = self.app.gateway.parts.models["claude-agent"]
        assert isinstance(found, ClaudeAgent)
        return found

    @property
    def busy(self) -> set[int]:
        """The processes of those that are asked for something, or told what was said before."""
        busy = (State.SEEDING, State.BUSY)
        return {session.process.pid for session in self.agent.house._live if session.state in busy}

    @property
    def pids(self) -> set[int]:
        """The processes of live conversations."""
        return {session.process.pid for session in self.agent.house._live if session.is_alive}


@contextmanager
def claude_gateway(url: str, home: Path, **claude: Any) -> Iterator[ClaudeGateway]:
    with ClaudeGateway(url, home, **claude) as gateway:
        yield gateway


def running_children(pid: int) -> dict[int, str]:
    """Return the children of a process and their states (`Z`: a zombie)."""
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found[int(place.parent.name)] = state
    return found
