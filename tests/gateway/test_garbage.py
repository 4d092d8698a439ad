"""What an exchange used is freed when it ends: a cycle would wait for the collector, whose time is everybody's."""

import gc
from collections.abc import Iterator

import pytest

from tests.support.exact_upstream import ExactUpstream
from tests.support.gateway import RunningGateway
from tests.support.lanes import LANES, Lane, ask, upstreams

EXCHANGES = 3


@pytest.fixture(scope="module")
def server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(server: ExactUpstream) -> Iterator[RunningGateway]:
    with RunningGateway(upstreams(server)) as running:
        yield running


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("lane", LANES, ids=str)
def test_an_exchange_leaves_nothing_to_the_collector(
    gateway: RunningGateway, server: ExactUpstream, lane: Lane, *, streams: bool
) -> None:
    def exchange() -> None:
        server.answers(lane.good(streams=streams))
        response, _ = ask(gateway.port, lane, streams=streams)
        assert response.status == 200

    exchange()  # what is made once is kept
    gateway.forget_lines()
    gc.collect()
    gc.freeze()  # nor need the rest of the process be looked at again
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(EXCHANGES):
            exchange()
        gateway.wait_for_lines(EXCHANGES)
        gateway.forget_lines()
        gc.collect()
        left = sorted(type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("dragoman"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
    assert left == []
