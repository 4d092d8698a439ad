"""A real gateway on a real socket, in a thread of this process: black-box tests talk to it over HTTP."""

import asyncio
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import msgspec
import uvloop

from dragoman.engine.losses import LOSES as BY_ENGINE
from dragoman.engine.record import Line, Record
from dragoman.main import build, listen, make_server
from dragoman.protocols import discover
from dragoman.server.app import App
from dragoman.settings import Provider, Route, Routes, Secret, Server, Settings
from dragoman.transforms.losses import LOSES as BY_TRANSFORMS
from dragoman.upstreams.claude_agent.losses import LOSES as BY_CLAUDE_AGENT
from dragoman.upstreams.http import HttpUpstream
from dragoman.upstreams.opencode_server.losses import LOSES as BY_OPENCODE

DECLARED = {
    note.code
    for loses in (
        BY_ENGINE,
        BY_TRANSFORMS,
        BY_CLAUDE_AGENT,
        BY_OPENCODE,
        *(codec.loses for codec in discover().values()),
    )
    for note in loses
}
"""All that may be lost: whatever else a gateway records fails the test that it ran for."""


def provider(
    protocol: str, base_url: str, api_key: str | None = "sk-upstream-0123456789", **fields: object
) -> Provider:
    """Return the settings of an upstream; `fields` as the configuration file writes them."""
    made = msgspec.convert({"protocol": protocol, "base_url": base_url, **fields}, Provider)
    return msgspec.structs.replace(made, api_key=Secret(api_key)) if api_key else made


class RunningGateway:
    """A gateway that runs while inside: `with RunningGateway(providers={...}) as gateway: gateway.url`."""

    def __init__(
        self,
        providers: Mapping[str, Provider] = {},
        server: Server | None = None,
        upstream: HttpUpstream | None = None,
        *,
        aliases: Mapping[str, str | Route] = {},
        routes: Routes = Routes(),  # noqa: B008 - frozen
    ) -> None:
        self.lines: list[Line] = []
        """What the log says of each exchange; it comes after the answer."""
        self._upstream = upstream
        self._undeclared: set[str] = set()
        self.settings = Settings(server=server or Server(port=0), providers=providers, aliases=aliases, routes=routes)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()
        self.app: App
        self.url = ""

    def __enter__(self) -> Self:
        self._socket = listen(self.settings.server.host, self.settings.server.port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread.start()
        assert self._started.wait(10), "the gateway did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive(), "the gateway did not stop"
        self._socket.close()
        assert not self._undeclared, "lost, and not declared"

    def forget_lines(self) -> None:
        """Forget the lines, those included that exchanges from before still have to write."""
        deadline = time.monotonic() + 10
        while self.app.running:
            assert time.monotonic() < deadline, "something still runs"
            time.sleep(0.002)
        self.lines.clear()

    def wait_for_lines(self, count: int) -> list[Line]:
        """Return the lines when there are `count`: an exchange ends a little after its answer."""
        deadline = time.monotonic() + 10
        while len(self.lines) < count:
            assert time.monotonic() < deadline, f"{len(self.lines)} lines instead of {count}"
            time.sleep(0.002)
        return self.lines

    def _note(self, record: Record) -> None:
        self.lines.append(record.line())
        self._undeclared.update(loss.code for loss in record.ledger if loss.code not in DECLARED)

    def _run(self) -> None:
        self.app = build(self.settings, self._note, self._upstream)
        self._server = make_server(self.app, self.settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._started.set()
        await self._server.serve(sockets=[self._socket])
        await self.app.aclose()
