"""What the way through OpenCode costs: `python -m bench.opencode` with the real program and an upstream on this machine.

Time until the upstream is asked, and until the reply has ended; CPU time and memory of OpenCode's server.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from dragoman.engine.ports import Timeouts, Turn
from dragoman.ir.request import FunctionTool, Message, Request, Role, Text
from dragoman.routing.opencode_server import DIALECT
from dragoman.settings import OpenCode, Settings
from dragoman.upstreams.http import HttpUpstream
from dragoman.upstreams.opencode_server.child import Child
from dragoman.upstreams.opencode_server.configuration import read_start
from dragoman.upstreams.opencode_server.runner import Runner
from dragoman.upstreams.opencode_server.server import OpenCodeServer
from dragoman.upstreams.scripted_server import ScriptedServer
from tests.support.opencode import own_configuration, real_program

ROUNDS = 30
_TICK = os.sysconf("SC_CLK_TCK")


class Bench:
    """OpenCode before an upstream that notes when it is asked."""

    def __init__(self, back_end: OpenCodeServer, upstream: ScriptedServer, child: Child) -> None:
        self._back_end = back_end
        self._upstream = upstream
        self._child = child

    async def ask(self, tools: int, text: str = "Hello?") -> tuple[float, float]:
        """Return the seconds until the upstream was asked, and until the reply had ended."""
        offered = tuple(FunctionTool(f"tool_{tools}_{number}", "A tool.") for number in range(tools))
        message = Message(Role.USER, (Text(text),))
        request = Request("openai-chat/assistant", (message,), (Text("Be brief."),), offered)
        before = len(self._upstream.seen)
        started = time.perf_counter()
        reply = asyncio.ensure_future(self._whole(Turn(request)))
        while len(self._upstream.seen) == before:  # noqa: ASYNC110 - half a millisecond more or less is no news here
            await asyncio.sleep(0.0005)
        asked = time.perf_counter() - started
        await reply
        return asked, time.perf_counter() - started

    async def _whole(self, turn: Turn) -> None:
        async for _ in self._back_end.answer(turn):
            pass

    def cpu(self) -> float:
        """Return the CPU seconds of OpenCode's server so far."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory(self) -> int:
        """Return its resident memory, in MB."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1000


async def _times(ask: Callable[[int], Awaitable[tuple[float, float]]], numbers: list[int]) -> str:
    times = [await ask(number) for number in numbers]
    columns = [sorted(column) for column in zip(*times, strict=True)]
    said = [f"{statistics.median(c) * 1000:.0f} ({c[0] * 1000:.0f} to {c[-1] * 1000:.0f})" for c in columns]
    return f"{said[0]} ms until the upstream is asked, {said[1]} ms until the reply has ended"


async def main(program: str) -> int:
    """Print the figures of `program`; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        async with ScriptedServer("openai-chat") as upstream:
            file = Path(name) / "opencode.json"
            file.write_bytes(msgspec.json.encode(own_configuration({"openai-chat": upstream.base_url})))
            settings = Settings(opencode=OpenCode(cli=program, config=str(file), auth="", max_toolsets=100))
            runner = Runner("opencode", HttpUpstream(), read_start(settings, os.environ), settings.opencode)
            back_end = OpenCodeServer("opencode", DIALECT, runner, Timeouts())
            started = time.perf_counter()
            running = await runner.running()
            print(f"load {os.getloadavg()[0]:.1f}; started in {time.perf_counter() - started:.1f} s")
            try:
                assert running.child is not None
                await _measure(Bench(back_end, upstream, running.child))
            finally:
                await back_end.aclose()
    return 0


async def _measure(bench: Bench) -> None:
    print(f"memory at the start: {bench.memory()} MB")
    print(f"the first request of a set of tools: {await _times(bench.ask, [1, 2, 3, 4, 5])}")
    await asyncio.sleep(1)
    before = bench.cpu()
    print(f"the next ones: {await _times(bench.ask, [3] * ROUNDS)}")
    await asyncio.sleep(1)
    print(f"CPU of OpenCode a request: {(bench.cpu() - before) / ROUNDS * 1000:.0f} ms")
    started = time.perf_counter()
    await asyncio.gather(*(bench.ask(3, "write 100 words, every 10 ms") for _ in range(8)))
    print(f"8 streams of 1 s each at once: {time.perf_counter() - started:.2f} s; memory: {bench.memory()} MB")
    for _ in range(100):
        await bench.ask(3)
    await asyncio.sleep(2)
    print(f"memory after 150 requests and 6 sets of tools: {bench.memory()} MB")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(real_program())))
