"""The composition root: it joins settings, protocols, engine and all edges, programs and sockets among them."""

import asyncio
import errno
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from dragoman.assembly import Lasting, make_gateway, make_pages, memory, timeouts
from dragoman.cli.root import PortTakenError, Root
from dragoman.engine.calibrating import CalibratingSink
from dragoman.engine.ports import Timeouts
from dragoman.engine.record import RecordSink, log_record
from dragoman.protocols import discover
from dragoman.routing.claude_agent import dialect_of
from dragoman.routing.opencode_server import DIALECT as OPENCODE_DIALECT
from dragoman.routing.registry import Registry
from dragoman.routing.specs import CLAUDE_AGENT, OPENCODE_SERVER
from dragoman.server.app import App
from dragoman.server.auth import is_loopback
from dragoman.server.logs import set_up
from dragoman.server.reloading import Configuration
from dragoman.server.supervising import supervise
from dragoman.settings import Key, Secret, Settings, SettingsError
from dragoman.stores.calibration import Calibrations
from dragoman.upstreams.http import HttpUpstream

if TYPE_CHECKING:
    import uvicorn

    from dragoman.upstreams.claude_agent.agent import ClaudeAgent
    from dragoman.upstreams.opencode_server.server import OpenCodeServer

_LOG = logging.getLogger("dragoman.server")
_REMEMBERED_SECONDS = 24 * 60 * 60
"""What clients leave out is kept for a working day's conversations, and then some."""
_REMEMBERED_ROWS = 50_000
_REMEMBERED_BYTES = 64 * 1024 * 1024
_LAST_WORDS_SECONDS = 1.0
_REPLIES_SECONDS = 24 * 60 * 60
_REPLIES_ROWS = 100_000
_REPLIES_BYTES = 128 * 1024 * 1024
_PORT_HINT = "stop what listens there, or choose another port with --port"
_PORT_HINTS = {
    errno.EADDRNOTAVAIL: "this machine has no such address: 127.0.0.1 is for this machine alone, 0.0.0.0 for all that reach it",
    errno.EACCES: "ports below 1024 need the rights of root: choose a higher one with --port",
}


def build(
    settings: Settings,
    sink: RecordSink = log_record,
    upstream: HttpUpstream | None = None,
    *,
    protocols: Collection[str] | None = None,
) -> App:
    """Return the application; the records of its exchanges go to `sink`, its calls through `upstream` (by default a new one).

    With `protocols` clients are served in these alone, and by the configured providers alone.

    Raises SettingsError for what only the registry can tell is wrong.
    """
    codecs = {name: codec for name, codec in discover().items() if protocols is None or name in protocols}
    registry = Registry(settings, codecs, is_closed=protocols is not None)
    calibration = Calibrations()
    upstream = upstream or HttpUpstream()
    lasting = Lasting(
        upstream,
        upstream.counts,
        calibration,
        memory(_REMEMBERED_SECONDS, _REMEMBERED_ROWS, _REMEMBERED_BYTES),
        memory(_REPLIES_SECONDS, _REPLIES_ROWS, _REPLIES_BYTES),
        CalibratingSink(sink, calibration),
        codecs,
        protocols is not None,
        _claude_agent(registry, timeouts(settings)),
        _opencode_server(registry, timeouts(settings)),
    )
    app = App(make_gateway(registry, lasting), partial(_change, lasting, _concerns_programs(settings)))
    app.pages.update(make_pages(app, registry, lasting))
    if lasting.claude is not None:
        app.on_start.append(_starter(lasting.claude, settings))
    if lasting.opencode is not None:
        app.on_start.append(lasting.opencode.start)
    return app


def _change(lasting: Lasting, concerns_programs: object, app: App, settings: Settings) -> None:
    """Serve with other settings from now on. Raises SettingsError, and changes nothing, when they cannot be.

    What runs ends as it began. Back ends that are programs, and hold conversations, stay the ones that they are.
    """
    if _concerns_programs(settings) != concerns_programs:
        problem = "providers that are programs take other settings only when the gateway is started again"
        raise SettingsError(problem, where=settings.origin.file)
    registry = Registry(settings, lasting.codecs, is_closed=lasting.is_closed)
    app.serve(make_gateway(registry, lasting))
    app.pages.update(make_pages(app, registry, lasting))


def _concerns_programs(settings: Settings) -> object:
    """Return all settings that back ends which are programs were started with, to be compared."""
    programs = {name: one for name, one in settings.providers.items() if one.kind != "http"}
    return settings.claude, settings.opencode, programs


def _claude_agent(registry: Registry, timeouts: Timeouts) -> "ClaudeAgent | None":
    """Return the back end of the provider of the kind `claude-agent`, if one is configured."""
    settings = registry.settings
    name = next((name for name, provider in settings.providers.items() if provider.kind == CLAUDE_AGENT), None)
    if name is None:
        return None
    from dragoman.upstreams.claude_agent.agent import ClaudeAgent

    if not is_loopback(settings.server.host):
        host = settings.server.host
        _LOG.warning(
            "`%s` answers with your own Claude account, and %s is reached from elsewhere: share neither", name, host
        )
    return ClaudeAgent(name, dialect_of, settings, timeouts)


def _opencode_server(registry: Registry, timeouts: Timeouts) -> "OpenCodeServer | None":
    """Return the back end of the provider of the kind `opencode-server`, if one is configured."""
    settings = registry.settings
    found = ((name, one) for name, one in settings.providers.items() if one.kind == OPENCODE_SERVER)
    name, provider = next(found, (None, None))
    if name is None or provider is None:
        return None
    from dragoman.upstreams.opencode_server.configuration import read_start
    from dragoman.upstreams.opencode_server.runner import Address, Runner
    from dragoman.upstreams.opencode_server.server import OpenCodeServer

    where = Address(provider.base_url, provider.api_key) if provider.base_url else read_start(settings, os.environ)
    # A client of its own: what a conversation with OpenCode needs is no connection to a model.
    runner = Runner(name, HttpUpstream(), where, settings.opencode)
    return OpenCodeServer(name, OPENCODE_DIALECT, runner, timeouts)


def _starter(claude: "ClaudeAgent", settings: Settings) -> Callable[[], None]:
    from dragoman.upstreams.claude_agent.selftest import run_checks

    return partial(claude.start, partial(run_checks, settings, dialect_of) if settings.claude.self_test else None)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises PortTakenError with one clear line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        is_unknown = isinstance(error, socket.gaierror)
        hint = "no address is known for this name: give one with --host" if is_unknown else _PORT_HINT
        problem = f"{host}:{port}: {error.strerror or error}"
        hint = hint if is_unknown else _PORT_HINTS.get(error.errno or 0, hint)
        raise PortTakenError(problem, hint, is_in_use=error.errno == errno.EADDRINUSE) from None
    listener.listen(2048)
    return listener


def with_key(settings: Settings, made: str | None = None, *, always: bool = False) -> tuple[Settings, str | None]:
    """Return settings that are safe to serve, and the key that had to be made for that; `made` is one from before.

    Off loopback nobody is let in without one; `always`: nor is anybody there.
    """
    server = settings.server
    if server.keys or (is_loopback(server.host) and not always):
        return settings, None
    import msgspec

    key = made or f"dgm-{secrets.token_urlsafe(24)}"
    server = msgspec.structs.replace(server, keys=(Key(key=Secret(key)),))
    return msgspec.structs.replace(settings, server=server), key


def make_server(app: App, settings: Settings) -> "uvicorn.Server":
    """Return the HTTP server for `app`, to be run with the sockets of `listen`."""
    import uvicorn

    from dragoman.server.http_protocol import HttpProtocol

    class Server(uvicorn.Server):
        """Tells the application when it is to take no more requests, and ends in good order when a signal has asked for it."""

        def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ANN401, ARG002 - as in the base class
            # The base class would remember the signal and, all done, let it kill the process: exit status 143 instead of 0.
            app.is_draining = True
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            for start in app.on_start:
                start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if app.running:
                replies = "1 reply" if app.running == 1 else f"{app.running} replies"
                _LOG.info("waiting for %s, at most %g s (Ctrl-C again: not at all)", replies, settings.server.drain_s)
            await super().shutdown(sockets)
            # Whoever ran out of time has been cancelled, and still tells its client so.
            if tasks := tuple(self.server_state.tasks):
                await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)
            # Processes that were started for replies do not outlive them.
            await app.aclose()
            _LOG.info("stopped")

    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=90,
        timeout_graceful_shutdown=settings.server.drain_s,  # type: ignore[arg-type] # it is only waited for
        backlog=2048,
    )
    return Server(config)


def main() -> None:
    """Run the command line."""
    from dragoman.cli.main import run

    run(Root(build, listen, with_key, make_server, set_up, Configuration, supervise))
