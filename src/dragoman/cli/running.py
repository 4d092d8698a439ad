"""A gateway for a command that needs one: that which runs, or one in this very process for as long as the command."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from dragoman.cli.gateway import look, url_of
from dragoman.cli.root import PortTakenError, Root
from dragoman.connect.journal import state_folder
from dragoman.settings import Settings

_LOOPBACK: Final = "127.0.0.1"


@contextmanager
def running(root: Root, settings: Settings) -> Iterator[str]:
    """Yield the address of the gateway that runs, or of one that runs as long as the block."""
    url = url_of(settings)
    if look(url) is not None:
        yield url
        return
    log = state_folder(Path.home(), os.environ).parent / "launch.log"
    _log_to(log, settings)
    try:
        listener = root.listen(_LOOPBACK, settings.server.port)
    except PortTakenError:  # by something that is no Dragoman
        listener = root.listen(_LOOPBACK, 0)
    port = int(listener.getsockname()[1])
    server_settings = msgspec.structs.replace(settings.server, host=_LOOPBACK, port=port)
    settings = msgspec.structs.replace(settings, server=server_settings)
    app = root.build(settings)
    server = root.make_server(app, settings)

    async def serve() -> None:
        await server.serve(sockets=[listener])
        await app.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gateway", daemon=True)
    thread.start()
    url = f"http://{_LOOPBACK}:{port}"
    print(f"dragoman: a gateway runs at {url} for as long as this; its log: {log}", file=sys.stderr)
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(settings.server.drain_s)
        listener.close()


class _Lines(logging.Formatter):
    """A line an event, with the fields of an exchange behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = getattr(record, "fields", None)
        return f"{super().format(record)} {msgspec.json.encode(fields).decode()}" if fields else super().format(record)


def _log_to(file: Path, settings: Settings) -> None:
    """Send the log to a file: the terminal is the client's."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s: %(message)s"))
    logging.basicConfig(level=settings.server.log_level.upper(), handlers=[handler], force=True)
