"""Just enough HTTP/1.1 to be a server on loopback: read a request whole, keep it, listen on a free port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

LONGEST_HEAD = 1024 * 1024
"""Bytes; a longer head or line is refused by asyncio's reader."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came: names of headers in lower case, `raw` every byte of it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def header(self, name: str) -> str | None:
        """Give the header's value; several are joined as HTTP allows."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def json(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    """Read the next request of a connection; None: the other side has hung up."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    fields = dict(headers)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body, rest = await _read_chunks(reader)
    else:
        body = rest = await reader.readexactly(int(fields.get("content-length", "0")))
    return Asked(method, target, headers, body, head + rest)


async def _read_chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    body, raw = bytearray(), bytearray()
    while True:
        line = await reader.readline()
        size = int(line.partition(b";")[0], 16)
        chunk = await reader.readexactly(size + 2)
        raw += line + chunk
        if size == 0:
            return bytes(body), bytes(raw)
        body += chunk[:-2]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Give every connection to a free port of 127.0.0.1 to `serve` for as long as the block lasts; yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: the one asyncio would make complains aloud when it is cancelled.
        tasks.add(asyncio.get_running_loop().create_task(converse(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=LONGEST_HEAD)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
