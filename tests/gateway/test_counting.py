"""Token counts: asked of the upstream that counts, whatever it speaks, else estimated and calibrated."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from dragoman.codec import Codec
from dragoman.engine.client import Arrival, ClientHeaders
from dragoman.engine.counting import count_tokens
from dragoman.engine.parts import Parts
from dragoman.ir.failures import DragomanError
from dragoman.protocols import discover
from dragoman.routing.plan import Asked, plan_request
from dragoman.routing.registry import Registry
from dragoman.server.clocks import RandomIds, SystemClock
from dragoman.settings import Settings
from dragoman.stores.memory import MemoryStore
from dragoman.upstreams.http import HttpUpstream
from tests.support.exact_upstream import ExactUpstream, json_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.wires import chat_answer, completion, message

WORDS = "the quick brown fox jumps over the lazy dog and is not ashamed of it " * 40
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": WORDS}]}
CHATTING = discover()["openai-chat"]
COUNTING: Codec = replace(CHATTING, decode_count=CHATTING.decode_request)
"""A client's protocol that counts and is not Anthropic's."""


@pytest.fixture
def upstream() -> Iterator[ExactUpstream]:
    with ExactUpstream() as running:
        yield running


@pytest.fixture
def client(upstream: ExactUpstream) -> Iterator[httpx2.Client]:
    providers = {
        "chat": provider("openai-chat", f"{upstream.url}/v1"),
        "messages": provider("anthropic-messages", upstream.url),
        "google": provider("gemini-generate", upstream.url),
    }
    with RunningGateway(providers) as gateway, httpx2.Client(base_url=gateway.url) as client:
        yield client


def estimated(client: httpx2.Client, model: str = "chat/m") -> int:
    reply = client.post("/v1/messages/count_tokens", json={"model": model, "messages": HI["messages"]})
    assert reply.headers["x-dragoman-count"] == "estimated"
    tokens: int = reply.json()["input_tokens"]
    return tokens


def learned(client: httpx2.Client, before: int) -> int:
    """Wait for what is learned a moment after an answer; return the estimate then."""
    for _ in range(50):
        if estimated(client) > before * 1.5:
            break
        time.sleep(0.02)
    return estimated(client)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"], ids=["translated", "raw"])
def test_estimates_come_near_what_the_upstream_reports(
    client: httpx2.Client, upstream: ExactUpstream, path: str
) -> None:
    before = estimated(client)
    usage = {"prompt_tokens": before * 2, "prompt_tokens_details": {"cached_tokens": before}}
    upstream.answers(*[chat_answer(completion("yes", usage=usage), streams=False)] * 8)
    for _ in range(8):
        assert client.post(path, json={**HI, "model": "chat/m"}).status_code == 200
    assert before * 1.5 < learned(client, before) < before * 2.1
    assert estimated(client, "chat/another") == before


def test_a_stream_begins_with_the_calibrated_size(client: httpx2.Client, upstream: ExactUpstream) -> None:
    def begun() -> int:
        upstream.answers(chat_answer(completion("yes", usage={"prompt_tokens": size * 3}), streams=True))
        events = client.post("/v1/messages", json={**HI, "model": "chat/m", "stream": True}).text
        start = next(line for line in events.splitlines() if line.startswith('data: {"type":"message_start"'))
        tokens: int = json.loads(start[6:])["message"]["usage"]["input_tokens"]
        return tokens

    size = estimated(client)
    assert begun() == size
    for _ in range(7):
        begun()
    assert learned(client, size) > size * 1.5
    assert begun() > size * 1.5


# --- by an upstream of another protocol -------------------------------------------------------------------------------


class Answered:
    """A client's side that remembers its answer."""

    has_started = False

    async def answer(self, status: int, headers: Any, body: bytes) -> None:  # noqa: ANN401 - response headers
        self.status, self.headers, self.body = status, dict(headers), json.loads(body)


def counted(upstream: ExactUpstream, body: dict[str, Any]) -> tuple[str | None, Answered]:
    registry = Registry(Settings(providers={"claude": provider("anthropic-messages", upstream.url)}))
    client = Answered()

    async def run() -> str | None:
        http = HttpUpstream()
        parts = Parts(
            plan=lambda model, arrival: plan_request(registry, model, arrival.codec.name, tuple(discover()), Asked()),
            codecs=discover(),
            upstream=http,
            models={},
            clock=SystemClock(),
            ids=RandomIds(),
            store=MemoryStore(SystemClock.monotonic, idle_seconds=1, max_rows=10, max_bytes=1000),
            replies=MemoryStore(SystemClock.monotonic, idle_seconds=1, max_rows=10, max_bytes=1000),
        )
        arrival = Arrival("req_1", COUNTING, ClientHeaders({}), json.dumps(body).encode())
        try:
            return await count_tokens(parts, arrival, client)  # type: ignore[arg-type] # answers are all it gets
        finally:
            await http.aclose()

    return asyncio.run(run()), client


ASK: dict[str, Any] = {
    "model": "claude/opus",
    "temperature": 0.5,
    "max_completion_tokens": 99,
    "stream": True,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
}


def test_an_upstream_that_counts_is_asked_in_its_own_protocol(upstream: ExactUpstream) -> None:
    upstream.answers(json_answer({"input_tokens": 4321}))
    lane, client = counted(upstream, ASK)
    assert (lane, client.status, client.body["input_tokens"]) == ("translated", 200, 4321)
    assert client.headers[b"x-dragoman-model"] == b"opus"
    assert b"x-dragoman-count" not in client.headers
    assert upstream.asked[0].path == "/v1/messages/count_tokens"
    assert upstream.asked[0].headers["anthropic-version"]
    assert set(upstream.last) == {"model", "messages", "system", "tools"}, "it refuses what governs a reply"


def test_googles_upstream_counts_for_an_anthropic_client(client: httpx2.Client, upstream: ExactUpstream) -> None:
    upstream.answers(json_answer({"totalTokens": 77}))
    body = {"model": "google/gemini-3.8-flash", "system": "Be brief.", "messages": HI["messages"]}
    reply = client.post("/v1/messages/count_tokens", json=body)
    assert (reply.status_code, reply.json()) == (200, {"input_tokens": 77})
    assert upstream.asked[0].path == "/v1beta/models/gemini-3.8-flash:countTokens"
    asked = upstream.last["generateContentRequest"]
    assert asked["model"] == "models/gemini-3.8-flash"
    assert asked["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert len(asked["contents"]) == 1


def test_anthropics_upstream_counts_for_a_client_of_googles(client: httpx2.Client, upstream: ExactUpstream) -> None:
    upstream.answers(json_answer({"input_tokens": 78}))
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    reply = client.post("/v1beta/models/messages/claude:countTokens", json={"contents": contents})
    assert (reply.status_code, reply.json()) == (200, {"totalTokens": 78})
    assert upstream.asked[0].path == "/v1/messages/count_tokens"
    assert upstream.last["model"] == "claude"


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"detail": "Not Found"}, 404),
        json_answer({"error": {"type": "overloaded_error", "message": "later"}, "type": "error"}, 529),
        json_answer(message()),
        json_answer(b"<html>"),
    ],
    ids=["no endpoint", "overloaded", "no count", "a page"],
)
def test_where_it_does_not_count_after_all_the_estimate_is_the_answer(upstream: ExactUpstream, answer: Any) -> None:  # noqa: ANN401
    upstream.answers(answer)
    lane, client = counted(upstream, ASK)
    assert lane == "estimate"
    assert client.headers[b"x-dragoman-count"] == b"estimated"
    assert client.body["input_tokens"] > 5


def test_a_refused_key_is_told(upstream: ExactUpstream) -> None:
    refusal = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    upstream.answers(json_answer(refusal, 401))
    with pytest.raises(DragomanError, match="invalid x-api-key") as caught:
        counted(upstream, ASK)
    assert caught.value.failure.http_status == 401
