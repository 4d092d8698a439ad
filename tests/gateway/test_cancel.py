"""A client that leaves takes the upstream with it within a tenth of a second, whatever the gateway is doing just then."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from dragoman.settings import Server
from tests.support.endless import EndlessUpstream
from tests.support.exact_upstream import Answer, ExactUpstream, json_answer, silence, stream_answer
from tests.support.faulty_upstream import head, stream_head
from tests.support.gateway import RunningGateway
from tests.support.lanes import LANES, PATHS, Lane, asking, read_until, still_works, upstreams

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
AT_ONCE = 0.1
TRIES = 3
"""A machine with other things to do may be late once or twice."""


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(server: ExactUpstream) -> Iterator[RunningGateway]:
    with RunningGateway(upstreams(server), Server(port=0, heartbeat_s=0.15)) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: RunningGateway) -> RunningGateway:
    running.forget_lines()
    return running


def leave(connection: HTTPConnection) -> float:
    """Hang up, and return when."""
    left_at = time.monotonic()
    connection.close()
    return left_at


def at_least_once_in_time(attempt: Callable[[], float]) -> None:
    times: list[float] = []
    while len(times) < TRIES and not (times and times[-1] < AT_ONCE):
        times.append(attempt())
    assert times[-1] < AT_ONCE, times


@dataclass(frozen=True, slots=True)
class State:
    """What the upstream does before the client leaves, and what the client has read by then (None: not even the head)."""

    answer: Answer
    streams: bool
    read: bytes | None = None


def states(lane: Lane) -> dict[str, State]:
    opening = head("200 OK", "content-type: application/json", "content-length: 999")
    return {
        "waiting for the head": State(silence(), streams=True),
        "waiting for the head of a whole reply": State(silence(), streams=False),
        "in the body of a whole reply": State(Answer((opening, b'{"id": '), stays=True), streams=False),
        "collecting a stream": State(stream_answer(lane.start, lane.content, stays=True), streams=False),
        "before the start": State(Answer((stream_head(),), stays=True), streams=True),
        "before the first content": State(stream_answer(lane.start, stays=True), streams=True),
        "while the heart beats": State(silence(), streams=True, read=lane.beat),
        "in mid-stream": State(stream_answer(lane.start, lane.content, stays=True), streams=True, read=b"Hello"),
        "while the heart beats in mid-stream": State(
            stream_answer(lane.start, lane.content, stays=True), streams=True, read=lane.beat
        ),
        "in the body of an error": State(
            Answer((head("500 Oh", "content-type: application/json", "content-length: 999") + b"{",), stays=True),
            streams=True,
        ),
    }


@BY_LANE
@pytest.mark.parametrize("name", states(LANES[0]))
def test_the_upstream_is_left_at_once(gateway: RunningGateway, server: ExactUpstream, lane: Lane, name: str) -> None:
    state = states(lane)[name]
    if state.read == b"":
        pytest.skip("the client's protocol has no heartbeat")

    def attempt() -> float:
        server.answers(state.answer)
        with asking(gateway, lane, streams=state.streams) as connection:
            asked = server.wait()
            if state.read is None:
                time.sleep(0.02)
            else:
                read_until(connection.getresponse(), state.read)
            left_at = leave(connection)
            assert asked.left.wait(10), "the upstream never noticed"
        return asked.left_at - left_at

    at_least_once_in_time(attempt)
    line = gateway.wait_for_lines(1)[-1]
    assert line.client_left
    assert line.failure is None
    assert gateway.app.running == 0
    still_works(gateway, server, lane)


@BY_LANE
def test_what_was_used_is_in_the_log_all_the_same(gateway: RunningGateway, server: ExactUpstream, lane: Lane) -> None:
    start = lane.start
    if lane.upstream == "chat":
        start = start[:-3] + b',"usage":{"prompt_tokens":11,"completion_tokens":0,"total_tokens":11}}\n\n'
    server.answers(stream_answer(start, lane.content, stays=True))
    with asking(gateway, lane, streams=True) as connection:
        read_until(connection.getresponse(), b"Hello")
    (line,) = gateway.wait_for_lines(1)
    assert line.client_left
    if lane.upstream == "messages" or (lane.is_raw and lane.upstream != "responses"):  # which tells only at the end
        assert line.input_tokens == 11


@BY_LANE
def test_whoever_hangs_up_after_the_end_has_not_left(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    server.answers(stream_answer(lane.start, lane.content, lane.ending, stays=True))
    with asking(gateway, lane, streams=True) as connection:
        read_until(connection.getresponse(), lane.end)
    (line,) = gateway.wait_for_lines(1)
    assert (line.client_left, line.failure) == (False, None)
    assert line.output_tokens


@BY_LANE
@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_a_wait_for_a_retry_is_over_at_once(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, streams: bool
) -> None:
    def attempt() -> float:
        gateway.forget_lines()
        server.answers(*[json_answer({"error": {"message": "later"}}, 429, {"retry-after": "9"})] * 2)
        with asking(gateway, lane, streams=streams) as connection:
            server.wait()
            time.sleep(0.05)
            left_at = leave(connection)
            gateway.wait_for_lines(1)
        assert len(server.asked) == 1
        return time.monotonic() - left_at

    at_least_once_in_time(attempt)
    assert gateway.lines[0].client_left


@BY_LANE
def test_a_blocked_write_is_over_at_once(lane: Lane) -> None:
    """The client has stopped reading, the upstream goes on as fast as it can; then the client hangs up."""
    with EndlessUpstream(lane) as server, RunningGateway(upstreams(server)) as gateway:

        def attempt() -> float:
            with asking(gateway, lane, streams=True) as connection:
                connection.getresponse()
                server.wait_until_blocked()
                left_at = leave(connection)
                assert server.left.wait(10), "the upstream never noticed"
            return server.left_at - left_at

        at_least_once_in_time(attempt)
        assert gateway.wait_for_lines(1)[0].client_left


@pytest.mark.parametrize("path", PATHS.values())
def test_a_client_that_leaves_while_it_still_sends_is_no_error(gateway: RunningGateway, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=5)
    connection.putrequest("POST", path)
    connection.putheader("content-length", "1000")
    connection.endheaders(b'{"model"')
    connection.close()
    deadline = time.monotonic() + 5
    while gateway.app.running:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@BY_LANE
def test_many_clients_that_leave_leave_nothing_behind(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane
) -> None:
    count = 30
    server.answers(*[stream_answer(lane.start, lane.content, stays=True)] * count)

    def once() -> None:
        with asking(gateway, lane, streams=True) as connection:
            read_until(connection.getresponse(), b"Hello")

    clients = [threading.Thread(target=once) for _ in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(20)
    assert all(line.client_left for line in gateway.wait_for_lines(count))
    assert all(asked.left.wait(5) for asked in server.asked)
    assert gateway.app.running == 0
    still_works(gateway, server, lane)
