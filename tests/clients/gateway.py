"""The gateway under test: a process of its own, with a configuration file, a port and a log."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.clients.speech import Speech

START_LIMIT = 15.0
STOP_LIMIT = 10.0
"""Seconds that the gateway may take to answer `/health`, and to end after SIGTERM."""

CLIENT_KEY = "sk-client-0f1e2d3c4b5a69788796"
"""What the client shows to the gateway. It must go no further."""

SERVER = """\
[server]
keys = ["{key}"]
"""

PROVIDER = """\
[providers.{speech.provider}]
protocol = "{speech.protocol}"
base_url = "http://127.0.0.1:{port}{speech.base}"
api_key = "{speech.key}"
models = ["{speech.model}"]
"""


CLAUDE_AGENT = """\
[providers.{speech.provider}]
kind = "claude-agent"
base_url = "http://127.0.0.1:{port}{speech.base}"
api_key = "{speech.key}"
models = ["{speech.model}"]

[claude]
self_test = false
"""
INTERNAL = """\
mode = "internal"
workdir = "{folder}"
"""

AGENT = """\
[[routes.agents]]
{agent}
to = "{model}"
"""


class GatewayError(Exception):
    """The gateway did not come up, or did not go; its text says how, with its log."""


@dataclass(slots=True)
class Gateway:
    """A running gateway. `folder` is where it was started, and where its own tools work if it has any."""

    port: int
    log: Path
    folder: Path

    def log_size(self) -> int:
        return self.log.stat().st_size

    def log_since(self, size: int) -> str:
        """Give what was logged after the log had `size` bytes."""
        return self.log.read_bytes()[size:].decode(errors="replace")


def configuration(ports: Mapping[Speech, int], aliases: Mapping[str, str], agents: Mapping[str, str]) -> str:
    """Write the configuration for upstreams on ports of loopback."""
    providers = [
        (PROVIDER if speech.retells is None else CLAUDE_AGENT).format(speech=speech, port=port)
        for speech, port in ports.items()
    ]
    names = ["[aliases]", *(f'"{alias}" = "{model}"' for alias, model in aliases.items()), ""]
    routes = [AGENT.format(agent=agent, model=model) for agent, model in agents.items()]
    return "\n".join([SERVER.format(key=CLIENT_KEY), *providers, *names, *routes])


def internal_configuration(speech: Speech, port: int, folder: Path) -> str:
    """Write the configuration of a gateway that runs the tools itself, in `folder`."""
    provider = CLAUDE_AGENT.format(speech=speech, port=port) + INTERNAL.format(folder=folder)
    return "\n".join([SERVER.format(key=CLIENT_KEY), provider])


@asynccontextmanager
async def running(configured: str, folder: Path) -> AsyncIterator[Gateway]:
    """Run the gateway for as long as the block lasts."""
    file = folder / "dragoman.toml"
    file.write_text(configured, encoding="utf-8")
    gateway = Gateway(_free_port(), folder / "gateway.log", folder)
    command = [str(Path(sys.executable).with_name("dragoman")), "serve", "--config", str(file)]
    try:
        with gateway.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, "--port", str(gateway.port), cwd=folder, env=_environment(folder), stdout=log, stderr=log
            )
    except OSError as error:
        raise GatewayError(f"`{command[0]}` cannot be started: {error.strerror}") from error
    try:
        await _wait_for_health(process, gateway)
        yield gateway
    finally:
        await _stop(process, gateway)


def _environment(folder: Path) -> Mapping[str, str]:
    # Nothing of the person who runs this: no proxy, no DRAGOMAN_* setting, no key.
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def _wait_for_health(process: asyncio.subprocess.Process, gateway: Gateway) -> None:
    try:
        async with asyncio.timeout(START_LIMIT):
            while not await _is_healthy(gateway.port):
                if process.returncode is not None:
                    raise GatewayError(f"it ended with code {process.returncode}:\n{gateway.log_since(0)}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        words = gateway.log_since(0)
        raise GatewayError(f"`/health` did not answer 200 within {START_LIMIT:.0f} s:\n{words}") from None


async def _is_healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: close\r\n\r\n" % port)
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False
    finally:
        writer.close()


async def _stop(process: asyncio.subprocess.Process, gateway: Gateway) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_LIMIT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise GatewayError(f"it did not end within {STOP_LIMIT:.0f} s of SIGTERM:\n{gateway.log_since(0)}") from None
