"""One gateway and its upstreams for all tests that a worker runs here; the upstreams forget everything between tests."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from google import genai

from dragoman.settings import Server
from tests.support.exact_upstream import ExactUpstream
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import anthropic_client, google_client, openai_client


@pytest.fixture(scope="session")
def chat_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def messages_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gemini_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def responses_server() -> Iterator[ExactUpstream]:
    with ExactUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway(
    chat_server: ExactUpstream,
    messages_server: ExactUpstream,
    gemini_server: ExactUpstream,
    responses_server: ExactUpstream,
) -> Iterator[RunningGateway]:
    """A gateway with several providers at each upstream; it tries nothing again, so that each request is one question."""
    chat, messages, gemini = f"{chat_server.url}/v1", messages_server.url, gemini_server.url
    responses = f"{responses_server.url}/v1"
    seals = {"reasoning_details": True}
    blind = [{"id": "mole", "vision": False, "documents": False}]
    providers = {
        "chat": provider("openai-chat", chat),
        "listed": provider("openai-chat", chat, models=["gpt-large", "gpt-small"]),
        "deep": provider("openai-chat", chat, dialect={"reasoning_required_with_tools": True}),
        "router": provider("openai-chat", chat, dialect=seals),
        "blind": provider("openai-chat", chat, models=blind),
        "strict": provider("openai-chat", chat, losses="strict"),
        "messages": provider("anthropic-messages", messages),
        "unrelated": provider("anthropic-messages", messages),
        "older": provider("anthropic-messages", messages, dialect={"adaptive_thinking": False}),
        "gemini": provider("gemini-generate", gemini),
        "gemini3": provider(
            "gemini-generate",
            gemini,
            dialect={"thinking_levels": ["low", "medium", "high"], "media_in_tool_results": True},
        ),
        "responses": provider("openai-responses", responses),
        "forgetful": provider("openai-responses", responses, dialect={"stores_replies": False}),
        "open": provider(
            "openai-responses", responses, dialect={"plain_reasoning": True, "encrypted_reasoning": False}
        ),
        "vertex": provider("gemini-generate", gemini, dialect={"json_schema": False, "call_ids": False}),
    }
    with RunningGateway(providers, Server(port=0, retries=0)) as running:
        yield running


@pytest.fixture
def chat(chat_server: ExactUpstream) -> ExactUpstream:
    """The Chat upstream behind the models `chat/...`, `listed/gpt-...`, `deep/...`, `router/...`, `blind/mole` and `strict/...`."""
    chat_server.answers()
    return chat_server


@pytest.fixture
def messages(messages_server: ExactUpstream) -> ExactUpstream:
    """The Messages upstream behind the models `messages/...`, `unrelated/...` and `older/...`."""
    messages_server.answers()
    return messages_server


@pytest.fixture
def gemini(gemini_server: ExactUpstream) -> ExactUpstream:
    """The Gemini upstream behind the models `gemini/...`, `gemini3/...` and `vertex/...`."""
    gemini_server.answers()
    return gemini_server


@pytest.fixture
def responses(responses_server: ExactUpstream) -> ExactUpstream:
    """The Responses upstream behind the models `responses/...`, `forgetful/...` and `open/...`."""
    responses_server.answers()
    return responses_server


@pytest.fixture
def claude(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """The Anthropic SDK, pointed at the gateway."""
    with anthropic_client(gateway.url) as client:
        yield client


@pytest.fixture
def gpt(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The OpenAI SDK, pointed at the gateway."""
    with openai_client(gateway.url) as client:
        yield client


@pytest.fixture
def google(gateway: RunningGateway) -> Iterator[genai.Client]:
    """The Google SDK, pointed at the gateway."""
    with google_client(gateway.url) as client:
        yield client


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def streams(request: pytest.FixtureRequest) -> bool:
    """Whether the client wants a stream; such a test runs both ways."""
    return bool(request.param)
