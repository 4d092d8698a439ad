"""What the commands need of the composition root, which this room may not import."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dragoman.engine.record import RecordSink
from dragoman.settings import Settings


class PortTakenError(Exception):
    """The address cannot be listened on; `hint` says what to do about it. `is_in_use`: because something else does already."""

    def __init__(self, problem: str, hint: str, *, is_in_use: bool = False) -> None:
        super().__init__(problem)
        self.hint = hint
        self.is_in_use = is_in_use


class HttpServer(Protocol):
    """A server that runs until a signal, or until it is told to exit."""

    should_exit: bool

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in a loop of its own."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the running loop."""


class LogSetup(Protocol):
    """Sends the logs to standard error."""

    def __call__(self, *, as_json: bool, level: str) -> RecordSink:
        """Do so, and return where the lines of exchanges go."""


@dataclass(frozen=True, slots=True)
class Root:
    """Handed over by `dragoman.main`; each field is the function of that name there."""

    build: Callable[..., Any]
    listen: Callable[[str, int], socket.socket]
    with_key: Callable[..., tuple[Settings, str | None]]
    make_server: Callable[[Any, Settings], HttpServer]
    set_up_logs: LogSetup
    configuration: Callable[..., Any]
    supervise: Callable[..., None]
