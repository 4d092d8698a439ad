"""The benchmark measures what it says: real work, checked answers."""

import json
import tomllib
from dataclasses import replace

import pytest

from bench import processes
from bench.__main__ import Row, Stand
from bench.agent import BODIES, CALLS, TOOLS, Counts, conversation, counts
from bench.answers import WrongAnswerError, check_arrival, read_answer
from bench.plan import AGENT, BURST, GATEWAY, NGINX, ChoiceError, choose
from bench.protocols import CORE, PAIRS, PROVIDERS, RAW, Lane, Protocol
from bench.report import TARGETS, Cell, Results, Start, print_pairs, verdicts
from bench.workloads import WORKLOADS, Workload, request_body, request_bytes
from dragoman.protocols import discover
from dragoman.settings.records import PROTOCOLS


@pytest.mark.parametrize("name", ["agent", "arrows"])
@pytest.mark.parametrize("lane", PAIRS, ids=str)
def test_an_agent_body_is_always_the_same_300_kilobytes(lane: Lane, name: str) -> None:
    body = request_bytes(WORKLOADS[name], lane, 80)
    assert body == request_bytes(WORKLOADS[name], lane, 80)
    assert 295_000 < len(body) < 315_000
    assert body.isascii() == (name == "agent")


@pytest.mark.parametrize("protocol", [Protocol.CHAT, Protocol.MESSAGES, Protocol.RESPONSES])
def test_the_upstream_finds_the_model_wherever_a_gateway_puts_it(protocol: Protocol) -> None:
    """upstream.c takes the first `"model"` and the first `"stream"` of a body, without parsing it; Gemini's are in the path."""
    body = json.dumps(request_body(AGENT, protocol, "chat/fake"))
    assert body.count('"model"') == 1
    assert body.count('"stream"') == 1


@pytest.mark.parametrize("protocol", Protocol)
def test_an_agents_work_is_counted_and_missed(protocol: Protocol) -> None:
    assert counts(request_body(AGENT, protocol, "chat/fake"), protocol) == Counts(TOOLS, CALLS, CALLS)
    talk = conversation("->")
    with pytest.raises(WrongAnswerError, match="calls=59, results=59"):
        check_arrival(BODIES[protocol](replace(talk, calls=talk.calls[1:])), protocol)


STREAMS_WITHOUT_END = {
    Protocol.CHAT: ('data: {"choices":[]}\n\n', "DONE"),
    Protocol.MESSAGES: ('data: {"type":"ping"}\n\n', "message_stop"),
    Protocol.RESPONSES: ('data: {"type":"response.created","sequence_number":0}\n\n', "response.completed"),
    Protocol.GEMINI: ('data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\n\n', "finishReason"),
}


@pytest.mark.parametrize("protocol", Protocol)
def test_a_stream_without_its_end_is_no_answer(protocol: Protocol) -> None:
    stream, end = STREAMS_WITHOUT_END[protocol]
    with pytest.raises(ValueError, match=end):
        read_answer(stream, protocol, streamed=True)


def test_numbers_that_skip_and_an_end_that_says_something_else_are_no_answer() -> None:
    first, last = '{"type":"response.created","sequence_number":0}', '{"type":"response.completed","sequence_number":2}'
    with pytest.raises(ValueError, match="count from 0"):
        read_answer(f"data: {first}\n\ndata: {last}\n\n", Protocol.RESPONSES, streamed=True)
    delta = '{"type":"response.output_text.delta","sequence_number":1,"delta":"yes"}'
    said = '{"status":"completed","output":[{"content":[{"text":"no"}]}],"usage":{"input_tokens":1,"output_tokens":1}}'
    last = f'{{"type":"response.completed","sequence_number":2,"response":{said}}}'
    with pytest.raises(ValueError, match=r"'yes'.*'no'"):
        read_answer(f"data: {first}\n\ndata: {delta}\n\ndata: {last}\n\n", Protocol.RESPONSES, streamed=True)


@pytest.mark.parametrize("line", ["event: message", ": heartbeat", "data: [DONE]"])
def test_what_googles_sdk_raises_on_is_no_answer(line: str) -> None:
    end = 'data: {"candidates":[{"finishReason":"STOP"}]}'
    assert read_answer(f"{end}\r\n\r\n", Protocol.GEMINI, streamed=True).finish == "STOP"
    with pytest.raises(ValueError, match="no line for"):
        read_answer(f"{line}\n{end}\n\n", Protocol.GEMINI, streamed=True)


def test_every_protocol_is_measured_as_client_and_as_upstream() -> None:
    assert {provider.protocol for provider in PROVIDERS.values()} == set(PROTOCOLS)
    assert len(set(PAIRS)) == len(Protocol) ** 2


# ---- the instruments among themselves


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


# ---- what a run is made of


def test_by_default_the_core_lanes_and_all_pairs_are_measured_and_nothing_twice() -> None:
    tasks = choose(None, None, quick=False).tasks(2)
    loads = [(task.server, task.lane, task.workload) for task in tasks]
    assert len(loads) == len(set(loads))
    core = [task for task in tasks if task.seconds == 2]
    assert {task.lane for task in core if task.server == GATEWAY} == set(CORE)
    assert {task.workload.name for task in core} == set(WORKLOADS)
    for workload in (BURST, AGENT):
        assert {task.lane for task in tasks if (task.server, task.workload) == (GATEWAY, workload)} == set(PAIRS)
    behind_nginx = {task.lane.upstream for task in tasks if (task.server, task.workload) == (NGINX, BURST)}
    assert behind_nginx == set(Protocol)


def test_one_option_leaves_out_what_the_other_one_would_choose() -> None:
    assert choose("json,burst", None, quick=False).pairs == ()
    assert choose(None, "chat-gemini", quick=False).workloads == ()


def test_pairs_are_chosen_by_a_protocol_or_one_by_one() -> None:
    assert choose(None, "chat-gemini", quick=False).pairs == (Lane(Protocol.CHAT, Protocol.GEMINI),)
    assert len(choose(None, "gemini", quick=False).pairs) == 7
    assert len(choose(None, "gemini,responses", quick=False).pairs) == 12
    with pytest.raises(ChoiceError, match="no pair `latin`"):
        choose(None, "latin", quick=False)
    with pytest.raises(ChoiceError, match="no workload `sleep`"):
        choose("json,sleep", None, quick=False)


def test_the_gateway_has_a_provider_for_each_protocol_that_it_speaks() -> None:
    providers = tomllib.loads(processes.gateway_config(4000))["providers"]
    assert {each["protocol"] for each in providers.values()} == set(discover())


def test_the_dearest_pair_decides_and_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = Lane(Protocol.CHAT, Protocol.GEMINI), Lane(Protocol.RESPONSES, Protocol.GEMINI)
    nginx = Cell(NGINX, Lane(Protocol.GEMINI, Protocol.GEMINI), BURST, 0, 1000, 0, 0.1, 1.0, 500, 900, 0.0)
    cells = [nginx]
    for lane, times in ((cheap, 4.0), (dear, 9.0)):
        cells.append(replace(nginx, server=GATEWAY, lane=lane, cpu_seconds=0.1 * times))
        cells.append(replace(cells[-1], workload=AGENT, cpu_seconds=times))
    results = Results(tuple(cells), Start(0.4, 40, 60))
    found = {each.target.title: each for each in verdicts(results)}
    assert found["burst stream, dearest translated pair"].measured == pytest.approx(9)
    assert found["agent body, dearest pair"].measured == pytest.approx(9)
    print_pairs(results, [cheap, dear])
    *_, first, second = capsys.readouterr().out.splitlines()
    assert "missed" not in first
    assert second.endswith("missed: A > 8 x nginx, B > 5 ms")
