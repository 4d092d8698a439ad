"""The benchmark measures what it says: real work, checked answers."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench import processes
from bench.__main__ import Row, Stand
from bench.answers import read_answer
from bench.processes import Cores
from bench.report import GATEWAY, NGINX, TARGETS, Cell, Results, Start, verdicts
from bench.workloads import LANES, RAW, WORKLOADS, Lane, Protocol, Workload, request_body, request_bytes

needs_instruments = pytest.mark.skipif(bool(processes.missing_tools()), reason="needs Linux, cc and taskset")


@pytest.mark.parametrize("name", ["agent", "arrows"])
@pytest.mark.parametrize("lane", LANES, ids=str)
def test_an_agent_body_is_always_the_same_300_kilobytes(lane: Lane, name: str) -> None:
    body = request_bytes(WORKLOADS[name], lane, 80)
    assert body == request_bytes(WORKLOADS[name], lane, 80)
    assert 295_000 < len(body) < 315_000
    assert body.isascii() == (name == "agent")


@pytest.mark.parametrize("protocol", Protocol)
def test_the_upstream_finds_the_model_wherever_a_gateway_puts_it(protocol: Protocol) -> None:
    """upstream.c takes the first `"model"` and the first `"stream"` of a body, without parsing it."""
    body = json.dumps(request_body(WORKLOADS["agent"], protocol, "chat/fake"))
    assert body.count('"model"') == 1
    assert body.count('"stream"') == 1


def test_a_stream_without_its_end_is_no_answer() -> None:
    with pytest.raises(ValueError, match="DONE"):
        read_answer('data: {"choices":[]}\n\n', Protocol.CHAT, streamed=True)
    with pytest.raises(ValueError, match="message_stop"):
        read_answer('data: {"type":"ping"}\n\n', Protocol.MESSAGES, streamed=True)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    if missing := processes.missing_tools():
        pytest.skip(missing)
    cores, folder = Cores.of_this_machine(), tmp_path_factory.mktemp("bench")
    with processes.scripted_upstream(cores, folder) as upstream:
        yield Stand(cores, folder, processes.build("load", folder), upstream)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
@pytest.mark.parametrize("protocol", Protocol)
def test_the_instruments_understand_each_other(stand: Stand, workload: Workload, protocol: Protocol) -> None:
    """The load straight on the upstream: every answer is complete, and every one is counted."""
    quick = replace(workload, connections=2, deltas=min(workload.deltas, 5))
    row = Row(stand.upstream, Lane(protocol, protocol))
    stand.check(row, quick)
    cell = stand.measure(row, quick, 0, 0.1)
    assert cell.requests > 0
    assert (cell.events >= cell.requests * quick.deltas) if quick.deltas else (cell.events == 0)
    assert cell.cpu_seconds > 0
    assert stand.upstream.resident_mb() > 0


def test_a_load_that_is_not_answered_ends_the_run(stand: Stand) -> None:
    nobody = Row(replace(stand.upstream, port=processes.free_port()), RAW)
    with pytest.raises(processes.BenchError, match="0 good"):
        stand.run_load(nobody, WORKLOADS["json"], 0.1)


def test_a_target_is_met_missed_or_not_measured() -> None:
    workload = WORKLOADS["json"]
    nginx = Cell(NGINX, RAW, workload, 0, 1000, 0, 0.02, 1.0, 500, 900, 0.0)
    ours = replace(nginx, server=GATEWAY, cpu_seconds=0.1)
    found = {each.target.title: each.word for each in verdicts(Results((nginx, ours), Start(0.4, 40, 60)))}
    assert found["small JSON, raw"] == "missed"
    assert found["burst stream, raw"] == "not measured"
    assert found["start to first /health"] == "met"
    assert len(found) == len(TARGETS)
