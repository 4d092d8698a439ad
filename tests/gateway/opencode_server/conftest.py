"""A gateway before OpenCode's server, a stand-in and (`make test-opencode`) the real one, with scripted upstreams behind that."""

from collections.abc import Iterator

import pytest

from tests.support.exact_chat import ExactChat
from tests.support.opencode import OpenCodeGateway, real_program, stand_in_program
from tests.support.upstream import RunningUpstream


@pytest.fixture(scope="session", params=["stand-in", pytest.param("real", marks=pytest.mark.slow)])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is started as `opencode`."""
    if request.param == "real":
        return real_program()
    return stand_in_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="session")
def scripted() -> Iterator[RunningUpstream]:
    with RunningUpstream("openai-chat") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def exact_server() -> Iterator[ExactChat]:
    with ExactChat() as upstream:
        yield upstream


@pytest.fixture
def exact(exact_server: ExactChat) -> ExactChat:
    """An upstream whose answers a test prepares."""
    exact_server.forget()
    return exact_server


@pytest.fixture(scope="session")
def running(
    program: str, scripted: RunningUpstream, exact_server: ExactChat, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCodeGateway]:
    upstreams = {
        "openai-chat": scripted.base_url,
        "exact": exact_server.base_url,
        "nobody": "http://127.0.0.1:9/v1",
    }
    with OpenCodeGateway(program, upstreams, tmp_path_factory.mktemp("own")) as gateway:
        gateway.wait_until_ready()
        yield gateway


@pytest.fixture
def upstream(scripted: RunningUpstream) -> RunningUpstream:
    """The upstream behind OpenCode; it has seen nothing yet."""
    scripted.seen.clear()
    return scripted


@pytest.fixture
def gateway(running: OpenCodeGateway, upstream: RunningUpstream) -> OpenCodeGateway:
    """The gateway before it."""
    running.wait_until_ready()
    running.forget_lines()
    return running
