"""`python -m bench.claude`: how long the Claude back end takes until the upstream is asked, and what a conversation costs.

Beside it the naive way: one process of the CLI for each request. The upstream is scripted and stands in the same process, so the
figures are those of a machine that has a little else to do; compare them within one run. A run takes about a minute.
"""

# ruff: noqa: ANN401 - settings as the file has them

import argparse
import asyncio
import os
import resource
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from dragoman.engine.ports import Timeouts, Turn
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event
from dragoman.ir.request import FunctionTool, Message, Request, Role, Text
from dragoman.routing.claude_agent import dialect_of
from dragoman.settings import Claude, Provider, Secret, Settings
from dragoman.upstreams.claude_agent.agent import ClaudeAgent
from dragoman.upstreams.claude_agent.environment import environment, find_cli
from dragoman.upstreams.scripted_server import ScriptedServer

MODEL = "claude-sonnet-4-5"
TICKS = os.sysconf("SC_CLK_TCK")
TOOLS = tuple(FunctionTool(name, f"{name} something.") for name in ("Read", "Write", "Edit", "Bash", "Grep", "Glob"))
TARGETS = {"live": 0.120, "spare": 0.400}
"""Seconds on an idle machine with two cores."""
FOLLOW_UPS = 18
IDLE_SECONDS = 3
TIMES_FASTER = 8


class Upstream(ScriptedServer):
    """Knows when it was asked last, and may `look` at whoever asks."""

    asked_at = 0.0
    look: Callable[[], None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked_at = time.perf_counter()
        if self.look is not None:
            self.look()
        await super().__call__(scope, receive, send)


@dataclass
class Conversation:
    """What was said so far, and how long the upstream had to wait for each turn."""

    agent: ClaudeAgent
    upstream: Upstream
    messages: list[Message] = field(default_factory=list)

    async def say(self, text: str) -> tuple[float, str]:
        """Return the seconds until the upstream was asked, and the session that asked."""
        self.messages.append(Message(Role.USER, (Text(text),)))
        turn = Turn(Request(MODEL, tuple(self.messages), (Text("You are measured."),), TOOLS))
        events: list[Event] = []
        began = time.perf_counter()
        async for batch in self.agent.answer(turn):
            events += batch
        self.messages.append(Message(Role.ASSISTANT, collect(events).blocks))
        return self.upstream.asked_at - began, turn.headers["x-claude-session-id"]


@asynccontextmanager
async def running(upstream: Upstream, home: str, **claude: Any) -> AsyncIterator[ClaudeAgent]:
    agent = ClaudeAgent("claude", dialect_of, settings_for(upstream, home, **claude), Timeouts())
    try:
        yield agent
    finally:
        await agent.aclose()


def settings_for(upstream: Upstream, home: str, **claude: Any) -> Settings:
    own = {"HOME": Secret(home), "CLAUDE_CONFIG_DIR": Secret(home)}
    provider = Provider(kind="claude-agent", base_url=upstream.base_url, api_key=Secret("sk-ant-none"))
    return Settings(providers={"claude": provider}, claude=Claude(environment=own, workdir=home, **claude))


async def until_spare(agent: ClaudeAgent) -> None:
    while not agent.house.counts.spare:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)  # the CLI still has something to do behind its first answer


async def cold(upstream: Upstream, home: str, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        async with running(upstream, home, spares=0) as agent:
            found.append((await Conversation(agent, upstream).say(f"Hello {uuid.uuid4()}"))[0])
    return found


async def spare(upstream: Upstream, home: str, rounds: int) -> list[float]:
    found = []
    async with running(upstream, home, spares=1, max_live=4) as agent:
        agent.house.prepare()
        for _ in range(rounds):
            await until_spare(agent)
            found.append((await Conversation(agent, upstream).say(f"Hello {uuid.uuid4()}"))[0])
    return found


@dataclass
class Cost:
    """What a request takes, on average: CPU time, and memory that is shared with nobody."""

    cpu_ms: float
    memory_mb: float


@dataclass
class Live:
    """Follow-ups of live conversations."""

    seconds: list[float]
    kept: int
    cost: Cost
    idle_cpu: float
    """Of a core, while nobody asks."""


async def live(upstream: Upstream, home: str) -> Live:
    """Let three conversations go on, six times each, one turn close upon the other."""
    seconds: list[float] = []
    kept = 0
    async with running(upstream, home, spares=1, max_live=16) as agent:
        conversations = [Conversation(agent, upstream) for _ in range(3)]
        sessions = [(await one.say(f"Hello {uuid.uuid4()}"))[1] for one in conversations]
        pids = [session.process.pid for session in agent.house._live]  # noqa: SLF001 - there is no other way to see them
        await until_spare(agent)
        before = sum(map(cpu_seconds, pids))
        for turn in range(FOLLOW_UPS // len(conversations)):
            for one, session in zip(conversations, sessions, strict=True):
                waited, used = await one.say(f"And then? {turn}")
                seconds.append(waited)
                kept += used == session
        after = sum(map(cpu_seconds, pids))
        await asyncio.sleep(IDLE_SECONDS)
        idle = (sum(map(cpu_seconds, pids)) - after) / IDLE_SECONDS / len(pids)
        memory = sum(map(own_mb, pids)) / len(pids)
    return Live(seconds, kept, Cost((after - before) / FOLLOW_UPS * 1000, memory), idle)


async def naive(upstream: Upstream, home: str, rounds: int) -> tuple[list[float], Cost]:
    """Start a process for each request, as `claude -p` does."""
    settings = settings_for(upstream, home)
    command = [
        find_cli(settings),
        "-p",
        "--model",
        MODEL,
        "--tools",
        "",
        "--setting-sources=",
        "--no-session-persistence",
    ]
    own = environment(settings, os.environ, Secret("sk-ant-none"), upstream.base_url)
    none = subprocess.DEVNULL
    found: list[float] = []
    memory: list[float] = []
    spent = children_cpu_seconds()
    for _ in range(rounds):
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command, f"Hello {uuid.uuid4()}", env=own, cwd=home, stdin=none, stdout=none, stderr=none
        )
        upstream.look = partial(lambda pid: memory.append(own_mb(pid)), process.pid)
        await process.wait()
        found.append(upstream.asked_at - began)
    upstream.look = None
    return found, Cost((children_cpu_seconds() - spent) / rounds * 1000, sum(memory) / len(memory))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children_cpu_seconds() -> float:
    """What the processes took that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def own_mb(pid: int) -> float:
    """The memory that the process shares with nobody (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def measure(rounds: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as home:
        async with Upstream("anthropic-messages") as upstream:
            slow, one_process = await naive(upstream, home, rounds)
            by_name = {
                "one process a request": slow,
                "cold": await cold(upstream, home, rounds),
                "spare": await spare(upstream, home, rounds),
            }
            follow_ups = await live(upstream, home)
            by_name["live"] = follow_ups.seconds
    slowest = median(slow)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'time until the upstream is asked':34} {'median':>8} {'best':>8} {'worst':>8} {'faster':>7}")
    for name, seconds in by_name.items():
        row = [median(seconds), min(seconds), max(seconds)]
        print(f"{name:34} {' '.join(f'{value * 1000:5.0f} ms' for value in row)} {slowest / row[0]:6.1f}x")
    print(f"follow-ups that found their process: {follow_ups.kept} of {FOLLOW_UPS}")
    print(f"{'cost of a request':34} {'CPU':>8} {'memory of its own':>18}")
    for name, cost in (("one process a request", one_process), ("live", follow_ups.cost)):
        print(f"{name:34} {cost.cpu_ms:5.0f} ms {cost.memory_mb:15.0f} MB")
    print(f"a live conversation that nobody asks takes {follow_ups.idle_cpu:.1%} of a core")
    reached = {name: median(by_name[name]) <= limit for name, limit in TARGETS.items()}
    reached["times faster"] = slowest / median(by_name["live"]) >= TIMES_FASTER
    reached["found"] = follow_ups.kept == FOLLOW_UPS
    print("targets: " + ", ".join(f"{name} {'reached' if holds else 'missed'}" for name, holds in reached.items()))
    return all(reached.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.claude", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often to start [5]")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
