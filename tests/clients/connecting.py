"""Agents that `dragoman connect` has set up, or that `dragoman launch` runs: as their user would, with the command."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clients.client import Order

CONNECTED, LAUNCHED = "connected", "launched"
"""Variants of cases: the agent's files are written for it, or it gets everything by its command line and environment."""

COMMAND = str(Path(sys.executable).with_name("dragoman"))
WRITE_LIMIT = 60.0


def connect(order: Order, client: str) -> None:
    """Write the client's settings below the order's home."""
    command = [COMMAND, "connect", client, "--model", order.model]
    subprocess.run(command, env=_environment(order), check=True, capture_output=True, timeout=WRITE_LIMIT)


def launched(
    order: Order, client: str, words: Sequence[str], environment: Mapping[str, str]
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Give the command line and the environment of a client that is launched with `words`."""
    command = (COMMAND, "launch", client, "--model", order.model, "--", *words)
    return command, {**environment, **_environment(order), "PATH": order.programs}


def _environment(order: Order) -> dict[str, str]:
    # The gateway's own configuration; it was told its port on its command line, and the tap before it has another.
    configuration = order.home.parents[1] / "dragoman.toml"
    return {
        "PATH": os.defpath,
        "HOME": str(order.home),
        "DRAGOMAN_CONFIG": str(configuration),
        "DRAGOMAN_SERVER_PORT": str(order.port),
    }
