"""A tap between client and gateway: passes every byte on at once, and keeps what was asked and what was answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.clients.sockets import Asked, listening, read_request


@dataclass(slots=True)
class Exchange:
    """One request of the client, and the bytes that came back for it."""

    asked: Asked
    answered: bytearray = field(default_factory=bytearray)

    @property
    def status(self) -> int:
        """The answer's HTTP status; 0: none came."""
        words = self.answered.split(b" ", 2)
        return int(words[1]) if len(words) > 1 else 0


@dataclass(slots=True)
class Tap:
    """Listens on `port` for the client; `target` is the port where the gateway listens."""

    target: int
    port: int = 0
    exchanges: list[Exchange] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
        mine: list[Exchange] = []
        back = asyncio.create_task(_relay(theirs, writer, mine))
        try:
            while (asked := await read_request(reader)) is not None:
                mine.append(Exchange(asked))
                self.exchanges.append(mine[-1])
                ours.write(asked.raw)
                await ours.drain()
        finally:
            back.cancel()
            ours.close()
            with suppress(asyncio.CancelledError):
                await back


async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter, exchanges: list[Exchange]) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            if exchanges:
                exchanges[-1].answered += data
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def tapping(target: int) -> AsyncIterator[Tap]:
    """Run a tap in front of a port for as long as the block lasts."""
    tap = Tap(target)
    async with listening(tap.serve) as tap.port:
        yield tap
