"""A scripted upstream: a server that answers in its protocol from a script, and keeps what it is asked.

Every event leaves in two writes, cut in its middle, so that no reader may count on whole lines or whole characters.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from tests.clients.script import JSON, Break, Fail, Say, Turn
from tests.clients.sockets import Asked, listening, read_request
from tests.clients.speech import Speech

PAUSE = 0.002
"""Seconds between two writes."""


@dataclass(slots=True)
class Upstream:
    """A server that plays one script at a time. `seen` are the turns it was asked for, `strays` all other requests."""

    speech: Speech
    port: int = 0
    seen: list[Asked] = field(default_factory=list)
    strays: list[Asked] = field(default_factory=list)
    _turns: list[Turn] = field(default_factory=list)

    def play(self, *turns: Turn) -> None:
        """Forget what was asked so far and answer the next requests with `turns`, one each."""
        self.seen.clear()
        self.strays.clear()
        self._turns = list(turns)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while (asked := await read_request(reader)) is not None:
            await self._answer(asked, writer)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        wanted = self.speech.wanted(asked)
        if wanted is None:
            self.strays.append(asked)
            await _send_json(writer, 404, {"error": {"type": "not_found_error", "message": "not in the script"}})
            return
        self.seen.append(asked)
        turn = self._turns.pop(0) if self._turns else Fail(500, {"error": {"message": "the script has ended"}})
        match turn:
            case Fail(status=status, body=body, is_final=is_final):
                await _send_json(writer, status, body, "x-should-retry: false\r\n" if is_final else "")
            case Say() if wanted.streams:
                await _send_stream(writer, self.speech.stream(turn, wanted.model))
            case Say():
                await _send_json(writer, 200, self.speech.whole(turn, wanted.model))
            case Break():
                await _send_stream(writer, self.speech.break_off(turn, wanted.model))


async def _send_json(writer: asyncio.StreamWriter, status: int, body: JSON, more: str = "") -> None:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status} Scripted\r\n{more}content-type: application/json\r\ncontent-length: {len(data)}"
    writer.write(head.encode() + b"\r\n\r\n" + data)
    await writer.drain()


async def _send_stream(writer: asyncio.StreamWriter, events: Iterator[bytes]) -> None:
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for event in events:
        middle = len(event) // 2
        for part in (event[:middle], event[middle:]):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(PAUSE)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def serving(speech: Speech) -> AsyncIterator[Upstream]:
    """Run an upstream on a free port for as long as the block lasts."""
    upstream = Upstream(speech)
    async with listening(upstream.serve) as upstream.port:
        yield upstream
