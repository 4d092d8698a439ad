"""Many streams, endless streams and readers that do not read: the gateway's memory stays as it is."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.endless import EndlessUpstream
from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.lanes import LANES, PATHS, Lane, ask, asking, still_works_at, upstream_answers
from tests.support.process import Served, serving

BY_LANE = pytest.mark.parametrize("lane", LANES, ids=str)
MB = 1024 * 1024
IN_SOCKETS = 16 * MB
"""What the buffers of the kernel may hold between an upstream and a client that does not read."""


@BY_LANE
def test_a_client_that_does_not_read_stops_the_upstream_and_costs_no_memory(tmp_path: Path, lane: Lane) -> None:
    with EndlessUpstream(lane) as server, serving(tmp_path, server) as served:
        with asking(served.port, lane, streams=True) as connection:
            response = connection.getresponse()
            response.read(MB)
            before = served.memory
            blocked_at = server.wait_until_blocked(0.4)
            assert blocked_at < IN_SOCKETS
            assert served.memory - before < 4 * MB
            # It goes on where it stood as soon as somebody reads.
            response.read(IN_SOCKETS)
            assert server.wait_until_blocked() > blocked_at


@BY_LANE
def test_a_client_that_reads_slowly_slows_the_upstream_down(tmp_path: Path, lane: Lane) -> None:
    with EndlessUpstream(lane) as server, serving(tmp_path, server) as served:
        with asking(served.port, lane, streams=True) as connection:
            response = connection.getresponse()
            read = len(response.read(MB))
            before = served.memory
            for _ in range(50):
                read += len(response.read(64 * 1024))
                time.sleep(0.005)
                # A translation may be shorter than what it translates.
                assert server.sent < 3 * read + IN_SOCKETS
            assert served.memory - before < 4 * MB


def test_a_client_that_sends_slowly_is_waited_for_and_one_that_sends_much_is_not_kept_in_memory(tmp_path: Path) -> None:
    """The body is one piece of JSON: it has to be held, once, until it has gone up; then it is let go."""
    lane = LANES[0]
    with ExactUpstream() as server, serving(tmp_path, server) as served:
        ask_for(served, server, lane, "x" * (30 * MB))
        before = served.memory
        for _ in range(4):
            ask_for(served, server, lane, "x" * (30 * MB))
        assert served.memory - before < 40 * MB


def ask_for(served: Served, server: ExactUpstream, lane: Lane, prompt: str) -> None:
    server.answers(lane.good(streams=True))
    response, body = ask(served.port, lane, streams=True, prompt=prompt, timeout=60)
    assert response.status == 200
    assert lane.says_hello(body)
