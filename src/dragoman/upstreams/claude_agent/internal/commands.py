"""A command that is run: in a group of its own, for so long and no longer, and with so much of its output kept."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import msgspec

_LAST_WORDS_SECONDS: Final = 1.0
"""How long the output is waited for when everybody is gone: who has left the group can still hold it."""
_REAPED_SECONDS: Final = 5.0


class Ended(msgspec.Struct, frozen=True):
    """How a command ended: `status` is its exit status (negative: a signal), `left_out` the bytes of output that were not kept.

    `is_late`: it was ended when its time was over. `output` is what it wrote to stdout and stderr, as it came.
    """

    status: int
    output: bytes
    left_out: int
    is_late: bool


class _Output:
    """Keeps the beginning and the end."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.left_out = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, 0) :]
        if len(self._tail) > 2 * self._half:
            self._trim()

    def _trim(self) -> None:
        over = max(len(self._tail) - self._half, 0)
        self.left_out += over
        del self._tail[:over]

    def whole(self) -> bytes:
        self._trim()
        gap = f"\n[{self.left_out} bytes of output left out]\n".encode() if self.left_out else b""
        return bytes(self._head) + gap + bytes(self._tail)


class _Listener(asyncio.SubprocessProtocol):
    """Tells when the command has exited, and when its output has ended, which are two things."""

    def __init__(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.output = _Output(limit)
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - both are one
        self.output.add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - as the base class has it
        if fd == 1 and not self.closed.done():
            self.closed.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


async def run(
    command: Sequence[str],
    *,
    folder: str,
    environment: Mapping[str, str],
    seconds: float,
    limit: int,
    words: bytes = b"",
) -> Ended:
    """Run `command` in `folder`, with `words` on its stdin, and keep at most `limit` bytes of output.

    When it has exited, when its time is over, and when the call is cancelled, all of its group is killed: what it left
    behind, too. Raises OSError when it cannot be started.
    """
    transport, listener = await _started(command, folder, environment, limit, hears=bool(words))
    try:
        if words:
            _tell(transport, words)
        _, late = await asyncio.wait((listener.exited,), timeout=seconds)
    finally:
        await _end(transport, listener)
    status = transport.get_returncode()
    output = listener.output
    return Ended(-signal.SIGKILL if status is None else status, output.whole(), output.left_out, bool(late))


async def _started(
    command: Sequence[str], folder: str, environment: Mapping[str, str], limit: int, *, hears: bool
) -> tuple[asyncio.SubprocessTransport, _Listener]:
    """Start it in a group of its own. Cancelled, this waits for it: only a command that is known can be ended with its group."""
    pipe = asyncio.subprocess.PIPE
    starting = asyncio.ensure_future(
        asyncio.get_running_loop().subprocess_exec(
            lambda: _Listener(limit),
            *command,
            stdin=pipe if hears else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait((starting,))
        if starting.exception() is None:
            await _end(*starting.result())
        raise


async def _end(transport: asyncio.SubprocessTransport, listener: _Listener) -> None:
    """Kill the group, and hear its last words."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    try:
        await asyncio.wait((listener.exited,), timeout=_REAPED_SECONDS)
        await asyncio.wait((listener.closed,), timeout=_LAST_WORDS_SECONDS)
    finally:
        transport.close()


def _tell(transport: asyncio.SubprocessTransport, words: bytes) -> None:
    # Not asked for its class: uvloop's are none of asyncio's. It is closed already when the command was quick.
    stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    if not stdin.is_closing():
        stdin.write(words)
        stdin.close()
