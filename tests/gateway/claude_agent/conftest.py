"""One gateway before the real CLI, and a scripted upstream behind it, for all tests that a worker runs here."""

from collections.abc import Iterator

import pytest

from tests.support.claude import ClaudeGateway, claude_gateway
from tests.support.exact_upstream import ExactUpstream
from tests.support.upstream import RunningUpstream


@pytest.fixture(scope="session")
def scripted() -> Iterator[RunningUpstream]:
    with RunningUpstream("anthropic-messages") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def running(scripted: RunningUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClaudeGateway]:
    with claude_gateway(scripted.base_url, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def upstream(scripted: RunningUpstream) -> RunningUpstream:
    """The scripted upstream that the CLI asks; it has seen nothing yet."""
    scripted.seen.clear()
    return scripted


@pytest.fixture
def gateway(running: ClaudeGateway, upstream: RunningUpstream) -> ClaudeGateway:
    """The gateway before it."""
    running.lines.clear()
    return running


@pytest.fixture(scope="session")
def exact_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def exact_running(exact_server: ExactUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClaudeGateway]:
    with claude_gateway(exact_server.url, tmp_path_factory.mktemp("home")) as gateway:
        yield gateway


@pytest.fixture
def exact(exact_server: ExactUpstream) -> ExactUpstream:
    """An upstream whose answers a test prepares."""
    exact_server.answers()
    return exact_server


@pytest.fixture
def exact_gateway(exact_running: ClaudeGateway, exact: ExactUpstream) -> ClaudeGateway:
    """The gateway before it."""
    exact_running.lines.clear()
    return exact_running
