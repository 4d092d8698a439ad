"""What is measured in a run: which loads, on which lanes of which server, for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.protocols import CORE, PAIRS, RAW, TRANSLATED, Lane, Protocol
from bench.workloads import WORKLOADS, Workload

NGINX: Final = "nginx"
GATEWAY: Final = "dragoman"
BURST: Final = WORKLOADS["burst"]
AGENT: Final = WORKLOADS["agent"]
PAIR_SHARE: Final = 1 / 4
"""The loads of the table of pairs are that much shorter: there are many, and their limits are not close."""


Load = tuple[str, Lane, Workload]
"""On which server, along which lane, what."""


class ChoiceError(ValueError):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Task:
    """One load in every round."""

    server: str
    lane: Lane
    workload: Workload
    seconds: float


@dataclass(frozen=True)
class Choice:
    """What a run is about: the core's lanes under some workloads, and pairs for the table of pairs."""

    lanes: tuple[Lane, ...]
    workloads: tuple[Workload, ...]
    pairs: tuple[Lane, ...]

    def tasks(self, seconds: float) -> list[Task]:
        """Workload by workload, in each the core's first; what the core measures is not measured again as a pair."""
        loads = dict.fromkeys(self.core_loads(), seconds)
        for load in self.pair_loads():
            loads.setdefault(load, seconds * PAIR_SHARE)
        order = list(WORKLOADS.values())
        return sorted(
            (Task(*load, length) for load, length in loads.items()), key=lambda task: order.index(task.workload)
        )

    def core_loads(self) -> Iterator[Load]:
        for workload in self.workloads:
            yield from ((NGINX, lane, workload) for lane in nginx_lanes(self.lanes))
            yield from ((GATEWAY, lane, workload) for lane in self.lanes)

    def pair_loads(self) -> Iterator[Load]:
        yield from ((NGINX, lane, BURST) for lane in nginx_lanes(self.pairs))
        yield from ((GATEWAY, lane, workload) for workload in (BURST, AGENT) for lane in self.pairs)


def nginx_lanes(lanes: Sequence[Lane]) -> list[Lane]:
    """What nginx has to pass on, so that every lane has something to stand beside."""
    upstreams = {lane.upstream for lane in lanes}
    return [Lane(protocol, protocol) for protocol in Protocol if protocol in upstreams]


def choose(work: str | None, pairs: str | None, *, quick: bool) -> Choice:
    """Read the two options. Neither: everything; one: only what it names."""
    lanes = (RAW, TRANSLATED) if quick else CORE
    if work is None and pairs is None:
        work = pairs = "all"
    return Choice(lanes, chosen_workloads(work or ""), chosen_pairs(pairs or ""))


def chosen_workloads(words: str) -> tuple[Workload, ...]:
    names = split(words)
    if unknown := names - {"all", *WORKLOADS}:
        raise ChoiceError(f"no workload `{unknown.pop()}`; there are: all, {', '.join(WORKLOADS)}")
    return tuple(workload for name, workload in WORKLOADS.items() if {"all", name} & names)


def chosen_pairs(words: str) -> tuple[Lane, ...]:
    """A protocol stands for all of its pairs, `chat-gemini` for one of them."""
    names = split(words)
    if unknown := names - {"all"} - {name for lane in PAIRS for name in names_of(lane)}:
        raise ChoiceError(f"no pair `{unknown.pop()}`; there are: all, {', '.join(Protocol)}, chat-gemini, ...")
    return tuple(lane for lane in PAIRS if {"all", *names_of(lane)} & names)


def names_of(lane: Lane) -> tuple[str, str, str]:
    return lane.client, lane.upstream, f"{lane.client}-{lane.upstream}"


def split(words: str) -> set[str]:
    return set(filter(None, words.split(",")))
