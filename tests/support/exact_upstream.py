"""An upstream that answers with exact bytes, one prepared answer a request, and remembers what it was asked.

The answers are written against the wire formats by hand (`tests/support/wires.py`), never by the codecs under test.
"""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.faulty_upstream import ThreadedUpstream, chunk, head, read_request, reset, until_left, whole

_NOTHING_PREPARED = whole(b'{"error":{"message":"the test has prepared no answer"}}', "500 Internal Server Error")
_REASONS = {200: "OK", 429: "Too Many Requests", 529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, one packet a piece. Behind `until` pieces the upstream waits for `gate`, if there is one.

    `stays`: it then says nothing more and waits for the other side to leave; `closes`: it closes the connection; `resets`: it
    breaks it off.
    """

    pieces: tuple[bytes, ...]
    stays: bool = False
    closes: bool = False
    resets: bool = False
    gate: threading.Event | None = None
    until: int = 1


@dataclass(slots=True)
class Asked:
    """A request as it arrived. `left` is set when the gateway has left before the answer's end, at `left_at` (monotonic)."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    left: threading.Event = field(default_factory=threading.Event)
    left_at: float = 0.0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ExactUpstream(ThreadedUpstream):
    """Runs while inside: `upstream.answers(...)`, then ask, then look at `upstream.asked`."""

    def __init__(self) -> None:
        super().__init__(self._serve_connection)
        self._answers: deque[Answer] = deque()
        self._arrived = threading.Semaphore(0)
        self.asked: list[Asked] = []

    @property
    def last(self) -> Any:
        """The body of the last request."""
        return self.asked[-1].json

    def answers(self, *answers: Answer) -> None:
        """Forget what was before; answer the next requests with these, in turn."""
        self.asked.clear()
        self._answers = deque(answers)
        self._arrived = threading.Semaphore(0)

    def wait(self) -> Asked:
        """Wait until a request has arrived, and return the last one."""
        assert self._arrived.acquire(timeout=10), "nothing was asked"
        return self.asked[-1]

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request_head, body = await read_request(reader)
            asked = _asked(request_head, body)
            answer = self._answers.popleft() if self._answers else Answer((_NOTHING_PREPARED,))
            self.asked.append(asked)
            self._arrived.release()
            if answer.stays:
                # Who leaves while we still write breaks the connection off; that is leaving, too.
                with suppress(ConnectionError):
                    await self._write(answer, writer)
                    await until_left(reader)
                asked.left_at = time.monotonic()
                asked.left.set()
                return
            await self._write(answer, writer)
            if answer.resets:
                await asyncio.sleep(0.02)  # a reset overtakes what is still on its way
                reset(writer)
                return
            if answer.closes:
                return

    @staticmethod
    async def _write(answer: Answer, writer: asyncio.StreamWriter) -> None:
        for index, piece in enumerate(answer.pieces):
            if answer.gate and index == answer.until:
                await asyncio.to_thread(answer.gate.wait, 10)
            writer.write(piece)
            await writer.drain()


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a whole answer; `body` is bytes or anything that is JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    rows = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    reason = _REASONS.get(status, "Unlucky")
    return Answer((head(f"{status} {reason}", *(f"{name}: {value}" for name, value in rows.items())) + data,))


def stream_answer(
    *pieces: bytes, is_cut: bool = False, stays: bool = False, gate: threading.Event | None = None
) -> Answer:
    """Return an event stream, chunked; one that `is_cut` ends without its last chunk."""
    opening = head("200 OK", "content-type: text/event-stream", "transfer-encoding: chunked")
    ending = () if is_cut or stays else (chunk(b""),)
    return Answer((opening, *map(chunk, pieces), *ending), stays=stays, closes=is_cut, gate=gate, until=2)


def silence() -> Answer:
    """Return an answer that never comes, not even its head."""
    return Answer((), stays=True)


def _asked(request_head: bytes, body: bytes) -> Asked:
    request_line, *lines = request_head.decode("latin-1").split("\r\n")
    rows = (line.partition(":") for line in lines if line)
    return Asked(request_line.split(" ")[1], {name.lower(): value.strip() for name, _, value in rows}, body)
