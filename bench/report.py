"""What comes out: medians over the rounds, a table, and the targets beside what was measured."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.plan import AGENT, BURST, GATEWAY, NGINX, Choice, nginx_lanes
from bench.protocols import PAIRS, RAW, TRANSLATED, Lane
from bench.workloads import WORKLOADS, Workload

PAIR_BURST_LIMIT: Final = 8
"""Times nginx."""
PAIR_AGENT_LIMIT: Final = 5
"""Milliseconds."""


@dataclass(frozen=True)
class Cell:
    """One load on one server in one round. Requests and events are counted upstream."""

    server: str
    lane: Lane
    workload: Workload
    round: int
    requests: int
    events: int
    cpu_seconds: float
    seconds: float
    p50_us: float
    p99_us: float
    foreign: float
    """Share of the two cores' time that went to others than this run."""


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds of one row."""

    us_per_request: float
    us_per_event: float | None
    requests_per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class Start:
    """How long the gateway takes to its first answer, and the memory it then has and has after the load."""

    seconds: float
    idle_mb: float
    loaded_mb: float


@dataclass(frozen=True)
class Results:
    """A whole run."""

    cells: tuple[Cell, ...]
    start: Start

    def figures(self, server: str, lane: Lane, workload: Workload) -> Figures | None:
        wanted = [each for each in self.cells if (each.server, each.lane, each.workload) == (server, lane, workload)]
        if not wanted:
            return None
        events = [each.cpu_seconds / each.events * 1e6 for each in wanted if each.events]
        return Figures(
            us_per_request=median(each.cpu_seconds / each.requests * 1e6 for each in wanted),
            us_per_event=median(events) if events else None,
            requests_per_second=median(each.requests / each.seconds for each in wanted),
            p50_us=median(each.p50_us for each in wanted),
            p99_us=median(each.p99_us for each in wanted),
        )

    def ratio(self, lane: Lane, workload: Workload) -> float | None:
        """The gateway's CPU per request, in times of what nginx needs to pass on what the same upstream says."""
        ours = self.figures(GATEWAY, lane, workload)
        theirs = self.figures(NGINX, Lane(lane.upstream, lane.upstream), workload)
        return ours.us_per_request / theirs.us_per_request if ours and theirs else None

    def microseconds(self, lane: Lane, workload: Workload) -> float | None:
        """The gateway's CPU per request."""
        figures = self.figures(GATEWAY, lane, workload)
        return figures.us_per_request if figures else None

    def milliseconds(self, lane: Lane, workload: Workload) -> float | None:
        microseconds = self.microseconds(lane, workload)
        return None if microseconds is None else microseconds / 1000


# ---- targets

Measure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """A limit that the project has set itself."""

    title: str
    limit: float
    unit: str
    measure: Measure


@dataclass(frozen=True)
class Verdict:
    """A target, and what was measured: None when nothing was."""

    target: Target
    measured: float | None

    @property
    def word(self) -> str:
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.target.limit else "missed"


def ratio_of(workload: str, lane: Lane) -> Measure:
    return lambda results: results.ratio(lane, WORKLOADS[workload])


def dearest_burst(results: Results) -> float | None:
    return dearest(results.ratio(lane, BURST) for lane in PAIRS if not lane.is_raw)


def dearest_agent(results: Results) -> float | None:
    return dearest(results.milliseconds(lane, AGENT) for lane in PAIRS)


def dearest(measured: Iterable[float | None]) -> float | None:
    return max((each for each in measured if each is not None), default=None)


def microseconds_per_event(results: Results) -> float | None:
    figures = results.figures(GATEWAY, TRANSLATED, WORKLOADS["paced"])
    return figures.us_per_event if figures else None


TARGETS: Final = (
    Target("small JSON, raw", 4, "x nginx", ratio_of("json", RAW)),
    Target("small JSON, translated", 6, "x nginx", ratio_of("json", TRANSLATED)),
    Target("burst stream, raw", 3, "x nginx", ratio_of("burst", RAW)),
    Target("burst stream, translated", 8, "x nginx", ratio_of("burst", TRANSLATED)),
    Target(
        "agent body streamed, translated", 4.5, "ms/request", lambda results: results.milliseconds(TRANSLATED, AGENT)
    ),
    Target("100 paced streams, translated", 70, "us/event", microseconds_per_event),
    Target("burst stream, dearest translated pair", PAIR_BURST_LIMIT, "x nginx", dearest_burst),
    Target("agent body, dearest pair", PAIR_AGENT_LIMIT, "ms/request", dearest_agent),
    Target("start to first /health", 0.5, "s", lambda results: results.start.seconds),
    Target("idle memory (RSS)", 50, "MB", lambda results: results.start.idle_mb),
)


def verdicts(results: Results) -> list[Verdict]:
    return [Verdict(target, target.measure(results)) for target in TARGETS]


# ---- printing

LATENCY: Final = {"whole": "whole reply", "first": "first event", "transit": "an event's way"}


def print_tables(results: Results, choice: Choice) -> None:
    rows = [(NGINX, lane) for lane in nginx_lanes(choice.lanes)] + [(GATEWAY, lane) for lane in choice.lanes]
    for workload in choice.workloads:
        print_workload(results, workload, rows)
    if choice.pairs:
        print_pairs(results, choice.pairs)


def print_workload(results: Results, workload: Workload, rows: Iterable[tuple[str, Lane]]) -> None:
    print(f"\n{workload.title}   (latency: {LATENCY[workload.latency]})")
    head = f"  {'CPU of':10} {'lane':22} {'us/request':>11} {'x nginx':>8} {'us/event':>9} {'requests/s':>11}"
    print(f"{head} {'p50 ms':>8} {'p99 ms':>8}")
    for server, lane in rows:
        figures = results.figures(server, lane, workload)
        if figures is None:
            continue
        ratio = results.ratio(lane, workload) if server == GATEWAY else None
        print(
            f"  {server:10} {lane!s:22} {figures.us_per_request:11.1f} {number(ratio, 8, 1)} "
            f"{number(figures.us_per_event, 9, 1)} {figures.requests_per_second:11.0f} "
            f"{figures.p50_us / 1000:8.2f} {figures.p99_us / 1000:8.2f}"
        )


def print_pairs(results: Results, pairs: Iterable[Lane]) -> None:
    print(f"\npairs: CPU of the gateway   (A: {BURST.title}; B: {AGENT.title})")
    print(f"  {'client -> upstream':22} {'A us/request':>13} {'A x nginx':>10} {'B ms/request':>13}")
    for lane in pairs:
        burst, agent = results.microseconds(lane, BURST), results.milliseconds(lane, AGENT)
        ratio = results.ratio(lane, BURST)
        print(
            f"  {lane!s:22} {number(burst, 13, 1)} {number(ratio, 10, 1)} {number(agent, 13, 2)}"
            f"{verdict_on_pair(lane, ratio, agent)}"
        )


def verdict_on_pair(lane: Lane, ratio: float | None, agent: float | None) -> str:
    missed = []
    if ratio is not None and ratio > PAIR_BURST_LIMIT and not lane.is_raw:
        missed.append(f"A > {PAIR_BURST_LIMIT} x nginx")
    if agent is not None and agent > PAIR_AGENT_LIMIT:
        missed.append(f"B > {PAIR_AGENT_LIMIT} ms")
    return f"  missed: {', '.join(missed)}" if missed else ""


def print_start(start: Start) -> None:
    print(f"\nstart to first answered /health: {start.seconds:.2f} s (median)")
    print(f"memory (RSS): {start.idle_mb:.0f} MB idle after the start, {start.loaded_mb:.0f} MB after the load")


def print_verdicts(all_verdicts: Sequence[Verdict]) -> None:
    print(f"\n{'target':38} {'limit':>18} {'measured':>10}")
    for verdict in all_verdicts:
        target = verdict.target
        limit = f"<= {target.limit:g} {target.unit}"
        print(f"{target.title:38} {limit:>18} {number(verdict.measured, 10, 2)}  {verdict.word}")


def number(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"


# ---- JSON


def as_json(results: Results, machine: dict[str, object]) -> dict[str, object]:
    return {
        "machine": machine,
        "start": {
            "seconds": results.start.seconds,
            "idle_mb": results.start.idle_mb,
            "loaded_mb": results.start.loaded_mb,
        },
        "cells": [cell_as_json(cell) for cell in results.cells],
        "targets": [
            {
                "title": verdict.target.title,
                "limit": verdict.target.limit,
                "unit": verdict.target.unit,
                "measured": verdict.measured,
                "verdict": verdict.word,
            }
            for verdict in verdicts(results)
        ],
    }


def cell_as_json(cell: Cell) -> dict[str, object]:
    names = {"lane": str(cell.lane), "workload": cell.workload.name}
    per_event = cell.cpu_seconds / cell.events * 1e6 if cell.events else None
    derived = {"us_per_request": cell.cpu_seconds / cell.requests * 1e6, "us_per_event": per_event}
    return {**vars(cell), **names, **derived}
