"""Keeps a server of OpenCode's at hand: starts it, or finds it at its address, and again when it is gone."""

import asyncio
import logging
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from dragoman.engine.ports import Upstream
from dragoman.ir.failures import DragomanError
from dragoman.settings import OpenCode, Secret
from dragoman.upstreams.opencode_server.api import Api
from dragoman.upstreams.opencode_server.child import Child, ServerError
from dragoman.upstreams.opencode_server.configuration import Start
from dragoman.upstreams.opencode_server.models import Place, Shelf
from dragoman.upstreams.opencode_server.prompt import AGENT
from dragoman.upstreams.opencode_server.toolsets import Toolsets
from dragoman.upstreams.opencode_server.wire import VERSION, read_health, read_providers

_LOG: Final = logging.getLogger("dragoman.upstreams")
_LOOK_SECONDS: Final = 10.0
_PATIENCE: Final = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before it is started again, by how often it has failed in a row."""
_STABLE_SECONDS: Final = 60.0


class Address(msgspec.Struct, frozen=True):
    """Where a server runs that is not the gateway's own."""

    url: str
    password: Secret | None


class Running:
    """A server that is ready: what it offers, and the folders of tools that it knows."""

    def __init__(self, owner: str, api: Api, toolsets: Toolsets, version: str, child: Child | None) -> None:
        self._owner = owner
        self.api = api
        self.toolsets = toolsets
        self.version = version
        self.child = child
        self.shelf = Shelf(owner)
        self._looked = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.api.is_listening and not (self.child is not None and self.child.is_over)

    async def look(self) -> None:
        """Learn which models it has."""
        self._looked = time.monotonic()
        self.shelf = Shelf(self._owner, (await self.api.ask(read_providers, "GET", "/config/providers")).providers)

    async def find(self, name: str) -> Place:
        """Return the model that `name` stands for. Raises DragomanError (404) when there is none."""
        place = self.shelf.find(name)
        if place is None and time.monotonic() - self._looked > _LOOK_SECONDS:
            await self.look()
            place = self.shelf.find(name)
        if place is None:
            raise self.shelf.missing(name)
        return place


class Runner:
    """The one server. Whoever asks for it while it starts waits with the others."""

    def __init__(self, owner: str, upstream: Upstream, where: Start | Address, limits: OpenCode) -> None:
        """`owner` is what the settings call it."""
        self._owner = owner
        self._upstream = upstream
        self._where = where
        self._limits = limits
        self._running: Running | None = None
        self._starting: asyncio.Task[Running] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failed = 0
        self._started = 0.0
        self._is_closed = False
        self._folder: Path | None = None
        self.restarts = 0
        """How often it had to be started again."""
        self.problem: str | None = None
        """Why it could not be started, if so."""

    @property
    def current(self) -> Running | None:
        """The server, if there is one that is ready."""
        return self._running if self._running is not None and self._running.is_alive else None

    async def running(self) -> Running:
        """Return a server that is ready. Raises DragomanError when none can be had."""
        found = self.current
        if found is not None:
            return found
        # Whoever leaves while it starts leaves the others waiting for it.
        return await asyncio.shield(self.start())

    def start(self) -> asyncio.Task[Running]:
        """Have it started, if nobody has yet."""
        if self._starting is None or (self._starting.done() and self.current is None):
            self._starting = asyncio.ensure_future(self._start())
            self._starting.add_done_callback(self._note)
        return self._starting

    async def _start(self) -> Running:
        if self._is_closed:
            raise ServerError("the gateway is closing")
        if self._failed:
            await asyncio.sleep(_PATIENCE[min(self._failed, len(_PATIENCE) - 1)])
        old, self._running = self._running, None
        if old is not None:
            await _end(old)
        self._failed += 1
        running = await self._begin()
        self._failed = 0
        self._started = time.monotonic()
        self._running = running
        self._watching = asyncio.ensure_future(self._watch(running))
        _LOG.info("OpenCode %s is ready, with %d models", running.version, len(running.shelf))
        return running

    async def _begin(self) -> Running:
        child = None
        if isinstance(self._where, Start):
            child = await Child.spawn(self._where, self._limits.start_s)
            api = Api(self._upstream, child.url, child.password)
        else:
            api = Api(self._upstream, self._where.url, self._where.password)
        try:
            return await self._prepare(api, child)
        except BaseException:
            await api.aclose()
            if child is not None:
                await child.stop()
            raise

    async def _prepare(self, api: Api, child: Child | None) -> Running:
        version = (await api.ask(read_health, "GET", "/global/health")).version
        if version != VERSION and not self._limits.any_version:
            raise ServerError(
                f"OpenCode is version {version}, and this back end was made for {VERSION}",
                f"npm install -g opencode-ai@{VERSION}, or set `opencode.any_version`",
            )
        await api.start_listening()
        running = Running(self._owner, api, Toolsets(self._home(child), self._limits.max_toolsets), version, child)
        await running.look()
        # Its first request would otherwise wait for all that OpenCode makes ready when it is first asked for agents.
        folder = running.toolsets.take(b"")
        try:
            agents = await api.call("GET", "/agent", folder=folder)
        finally:
            running.toolsets.leave(folder)
        if f'"name":"{AGENT}"'.encode() not in agents:
            raise ServerError(
                "OpenCode's server has not loaded the gateway's plugin",
                "see docs/opencode.md for what to put into its file",
            )
        return running

    def _home(self, child: Child | None) -> Path:
        if child is not None:
            return child.folder / "tools"
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="dragoman-opencode-"))
        return self._folder

    async def _watch(self, running: Running) -> None:
        """Start it again as soon as it is gone: the next request should not have to wait for that."""
        await running.api.gone()
        if self._is_closed:
            return
        how = running.child.obituary() if running.child is not None and running.child.is_over else "it is silent"
        _LOG.warning("OpenCode is gone (%s): it is started again", how)
        self.restarts += 1
        if time.monotonic() - self._started < _STABLE_SECONDS:
            self._failed = max(self._failed, 1)
        self.start()

    def _note(self, starting: "asyncio.Task[Running]") -> None:
        error = None if starting.cancelled() else starting.exception()
        self.problem = None
        if isinstance(error, DragomanError):
            self.problem = error.failure.text.replace("\n", "; ")
            _LOG.warning("OpenCode does not start: %s", self.problem)

    async def aclose(self) -> None:
        """End it, if it is the gateway's own; else leave nothing in it. Its connections are closed."""
        self._is_closed = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait((self._starting,))
        if self._running is not None:
            await _end(self._running)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        await self._upstream.aclose()


async def _end(running: Running) -> None:
    if running.child is None and running.is_alive:
        for folder in running.toolsets.folders():
            with suppress(DragomanError):
                await running.api.call("POST", "/instance/dispose", folder=folder)
    await running.api.aclose()
    if running.child is not None:
        await running.child.stop()
