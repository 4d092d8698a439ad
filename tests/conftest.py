"""A gateway before scripted upstreams of every protocol, for all tests of a worker; nothing is remembered from test to test."""

from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import HealthCheck, settings

from tests.support.gateway import RunningGateway, provider
from tests.support.stand_in import OpenCodeStandIn
from tests.support.upstream import RunningUpstream

# The same examples each time, however slow the machine is: a run that fails fails again.
settings.register_profile(
    "same", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")
# `make fuzz`: new examples each time, and many more of them.
settings.register_profile(
    "fuzz",
    derandomize=False,
    deadline=None,
    max_examples=1000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(scope="session")
def chat_upstream() -> Iterator[RunningUpstream]:
    with RunningUpstream("openai-chat") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def messages_upstream() -> Iterator[RunningUpstream]:
    with RunningUpstream("anthropic-messages") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gemini_upstream() -> Iterator[RunningUpstream]:
    with RunningUpstream("gemini-generate") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def responses_upstream() -> Iterator[RunningUpstream]:
    with RunningUpstream("openai-responses") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway_of_all(
    chat_upstream: RunningUpstream,
    messages_upstream: RunningUpstream,
    gemini_upstream: RunningUpstream,
    responses_upstream: RunningUpstream,
) -> Iterator[RunningGateway]:
    providers = {
        "chat": provider("openai-chat", chat_upstream.base_url),
        "messages": provider("anthropic-messages", messages_upstream.base_url),
        "gemini": provider("gemini-generate", gemini_upstream.base_url),
        "responses": provider("openai-responses", responses_upstream.base_url),
    }
    with RunningGateway(providers) as running:
        yield running


@pytest.fixture(scope="session")
def client_of_all(gateway_of_all: RunningGateway) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway_of_all.url, timeout=20) as open_client:
        yield open_client


@pytest.fixture
def scripted_chat(chat_upstream: RunningUpstream) -> RunningUpstream:
    """The Chat upstream behind the models `chat/...`."""
    chat_upstream.seen.clear()
    return chat_upstream


@pytest.fixture
def scripted_messages(messages_upstream: RunningUpstream) -> RunningUpstream:
    """The Messages upstream behind the models `messages/...`."""
    messages_upstream.seen.clear()
    return messages_upstream


@pytest.fixture
def scripted_gemini(gemini_upstream: RunningUpstream) -> RunningUpstream:
    """The Gemini upstream behind the models `gemini/...`."""
    gemini_upstream.seen.clear()
    return gemini_upstream


@pytest.fixture
def scripted_responses(responses_upstream: RunningUpstream) -> RunningUpstream:
    """The Responses upstream behind the models `responses/...`."""
    responses_upstream.seen.clear()
    return responses_upstream


@pytest.fixture
def scripted_gateway(gateway_of_all: RunningGateway) -> RunningGateway:
    """The gateway before all of them, without keys."""
    gateway_of_all.lines.clear()
    return gateway_of_all


@pytest.fixture
def client(scripted_gateway: RunningGateway, client_of_all: httpx2.Client) -> httpx2.Client:
    """An HTTP client of that gateway."""
    return client_of_all


@pytest.fixture
def opencode_stand_in(
    chat_upstream: RunningUpstream,
    messages_upstream: RunningUpstream,
    gemini_upstream: RunningUpstream,
    responses_upstream: RunningUpstream,
) -> OpenCodeStandIn:
    """An upstream edge in whose place of OpenCode Go and Zen the scripted upstreams answer."""
    return OpenCodeStandIn(chat_upstream, messages_upstream, gemini_upstream, responses_upstream)
