"""`python -m bench`: the gateway's CPU time per request and per event, beside nginx as a plain proxy in the same run.

One core carries a scripted upstream and the load, another one the server under test. CPU time of a process is what noise
disturbs least; rounds are interleaved, so that a slow minute meets everyone. Compare ratios within one run. Four lanes are
measured under every workload, and all sixteen pairs of protocols, more shortly, under two. A full run takes about five minutes,
`--quick` less than one.
"""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import interpreter, processes, report
from bench.answers import WrongAnswerError, check_lane
from bench.plan import GATEWAY, NGINX, Choice, ChoiceError, Task, choose
from bench.processes import BenchError, Cores, Server
from bench.protocols import Lane, Protocol
from bench.report import Cell, Results, Start
from bench.workloads import WORKLOADS, Workload, request_bytes

WARM_UP_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Row:
    """One line of the tables: a server, and what passes through it."""

    server: Server
    lane: Lane


@dataclass(frozen=True)
class Stand:
    """The bench as it is set up: the instruments and where they stand."""

    cores: Cores
    folder: Path
    load: Path
    upstream: Server
    gateway: Path

    def serving(self) -> AbstractContextManager[Server]:
        """The gateway, while inside."""
        return processes.gateway(self.gateway, self.upstream.port, self.cores, self.folder)

    def check(self, row: Row, workload: Workload) -> None:
        try:
            check_lane(row.server.port, self.upstream.port, workload, row.lane)
        except (WrongAnswerError, OSError) as error:
            raise BenchError(f"{row.server.name}, {row.lane}, {workload.name}: wrong answer: {error}") from error

    def run_load(self, row: Row, workload: Workload, seconds: float) -> dict[str, dict[str, float]]:
        """Latencies by kind; a reply that fails or is cut short ends the run."""
        request = self.folder / "request.http"
        request.write_bytes(request_bytes(workload, row.lane, row.server.port))
        settings = (row.server.port, request, workload.connections, seconds, workload.deltas)
        command = ["taskset", "-c", str(self.cores.instruments), str(self.load), *map(str, settings)]
        done = subprocess.run(command, capture_output=True, timeout=seconds + 60, check=True)
        said = json.loads(done.stdout)
        if said["bad"] or said["unfinished"] or not said["good"]:
            counts = f"{said['good']} good, {said['bad']} bad, {said['unfinished']} unfinished replies"
            raise BenchError(f"{row.server.name}, {row.lane}, {workload.name}: {counts}; {said['excerpt']}")
        return {kind: said[kind] for kind in ("whole", "first", "transit")}

    def measure(self, row: Row, workload: Workload, round_number: int, seconds: float) -> Cell:
        time.sleep(SETTLE_SECONDS)
        before, start = self.readings(row.server), time.perf_counter()
        latencies = self.run_load(row, workload, seconds)[workload.latency]
        elapsed, after = time.perf_counter() - start, self.readings(row.server)
        requests, events, cpu, ours, everyone = (new - old for new, old in zip(after, before, strict=True))
        return Cell(
            server=row.server.name,
            lane=row.lane,
            workload=workload,
            round=round_number,
            requests=int(requests),
            events=int(events),
            cpu_seconds=cpu,
            seconds=elapsed,
            p50_us=latencies["p50"],
            p99_us=latencies["p99"],
            foreign=max(0.0, (everyone - ours) / (len({*vars(self.cores).values()}) * elapsed)),
        )

    def readings(self, server: Server) -> tuple[float, ...]:
        """Upstream's requests and events; CPU seconds of the server, of all of us, of everyone on the two cores."""
        cpu, children = server.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = cpu + self.upstream.cpu_seconds() + children.ru_utime + children.ru_stime + time.process_time()
        return (*processes.upstream_counts(self.upstream), cpu, ours, processes.busy_seconds(self.cores))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, help="how often everything is measured (3; quick: 1)")
    parser.add_argument(
        "--seconds", type=float, help="how long a load on a core lane runs (2; quick: 1); on a pair: a quarter"
    )
    parser.add_argument("--work", help=f"measure the core lanes under these workloads: all, {', '.join(WORKLOADS)}")
    parser.add_argument(
        "--pairs", help=f"measure these pairs: all, {', '.join(Protocol)} (each with all), chat-gemini, ..."
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round; of core lanes: Chat raw, Messages to Chat"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every measurement to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    parsed = parser.parse_args()
    try:
        parsed.choice = choose(parsed.work, parsed.pairs, quick=parsed.quick)
    except ChoiceError as error:
        parser.error(str(error))
    parsed.rounds = parsed.rounds or (1 if parsed.quick else 3)
    parsed.seconds = parsed.seconds or (1.0 if parsed.quick else 2.0)
    return parsed


def measure_starts(stand: Stand, times: int) -> tuple[float, float]:
    """Medians of seconds to the first answer and of resident megabytes a second later."""
    seconds, memory = [], []
    for _ in range(times):
        with stand.serving() as server:
            time.sleep(1)
            seconds.append(server.start_seconds)
            memory.append(server.resident_mb())
    return median(seconds), median(memory)


def measure_all(stand: Stand, servers: Mapping[str, Server], tasks: Sequence[Task], rounds: int) -> Iterator[Cell]:
    """Check, warm up, then measure everything once a round, every other round backwards."""
    for task in tasks:
        row = Row(servers[task.server], task.lane)
        stand.check(row, task.workload)
        stand.run_load(row, task.workload, min(WARM_UP_SECONDS, task.seconds))
    for round_number in range(rounds):
        start = time.perf_counter()
        for task in tasks if round_number % 2 == 0 else tasks[::-1]:
            yield stand.measure(Row(servers[task.server], task.lane), task.workload, round_number, task.seconds)
        print(f"# round {round_number + 1} of {rounds}: {time.perf_counter() - start:.0f} s", flush=True)


def run(options: argparse.Namespace, cores: Cores, folder: Path, gateway: Path) -> Results:
    """Set everything up, measure, print the tables."""
    choice: Choice = options.choice
    with ExitStack() as stack:
        upstream = stack.enter_context(processes.scripted_upstream(cores, folder))
        stand = Stand(cores, folder, processes.build("load", folder), upstream, gateway)
        servers = {}
        if binary := processes.find_nginx():
            servers[NGINX] = stack.enter_context(processes.nginx(binary, upstream.port, cores, folder))
        else:
            print("# no nginx, so no ratios; hint: apt-get install nginx-light (or your system's nginx)")
        seconds, idle_mb = measure_starts(stand, 2 if options.quick else 5)
        servers[GATEWAY] = measured = stack.enter_context(stand.serving())
        tasks = [task for task in choice.tasks(options.seconds) if task.server in servers]
        cells = tuple(measure_all(stand, servers, tasks, options.rounds))
        results = Results(cells, Start(seconds, idle_mb, measured.resident_mb()))
    report.print_tables(results, choice)
    return results


def main() -> int:
    options = arguments()
    if missing := processes.missing_tools():
        print(f"bench: skipped: {missing}")
        return 0
    cores = Cores.of_this_machine()
    shared = " (the same: this machine has only one, so expect noise)" if cores.instruments == cores.measured else ""
    print(f"# upstream and load on core {cores.instruments}, the server under test on core {cores.measured}{shared}")
    try:
        python = interpreter.find()
    except interpreter.NoInterpreterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"# the gateway runs on {python}; BENCH_PYTHON names another")
    if "PEERS_SLEEP" in os.environ:
        print(
            "# PEERS_SLEEP: the upstream and the load sleep when there is nothing to do; to wake them is charged to the server"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no server behind
    os.sched_setaffinity(0, {cores.instruments})  # nor may this process disturb what is measured
    try:
        with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
            results = run(options, cores, Path(folder), python.gateway)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.print_start(results.start)
    foreign = median(cell.foreign for cell in results.cells)
    print(f"others used {foreign:.0%} of the two cores (median){'; repeat when it is quiet' if foreign > 0.1 else ''}")
    verdicts = report.verdicts(results)
    report.print_verdicts(verdicts)
    if options.json:
        machine: dict[str, object] = {
            "kernel": platform.release(),
            "processor": platform.processor() or platform.machine(),
            "python": str(python),
            "cores": os.cpu_count(),
            "rounds": options.rounds,
            "seconds": options.seconds,
        }
        options.json.write_text(json.dumps(report.as_json(results, machine), indent=2) + "\n")
    return int(options.check and any(verdict.word == "missed" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
