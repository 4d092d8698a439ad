"""`[1m]` behind a model's name asks for the long context, where the model has one that has to be asked for."""

from collections.abc import Iterator

import httpx2
import pytest

from dragoman.settings import Route, Routes
from tests.support.exact_upstream import ExactUpstream, json_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.wires import message, text

BETA = "context-1m-2025-08-07"
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
HI = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def upstream() -> Iterator[ExactUpstream]:
    with ExactUpstream() as running:
        running.answers(json_answer(message(text("Hi"))))
        yield running


@pytest.fixture
def client(upstream: ExactUpstream) -> Iterator[httpx2.Client]:
    own = provider(
        "anthropic-messages", upstream.url, models=[{"id": "old", "dialect": {"long_context_beta": BETA}}, "new"]
    )
    with RunningGateway({"claude": own}) as gateway, httpx2.Client(base_url=gateway.url) as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"], ids=["raw", "translated"])
@pytest.mark.parametrize(("model", "beta"), [("old[1m]", BETA), ("old", None), ("new[1m]", None)])
def test_the_suffix_becomes_the_header_that_the_model_wants(
    client: httpx2.Client, upstream: ExactUpstream, path: str, model: str, beta: str | None
) -> None:
    reply = client.post(path, json={**HI, "model": model})
    assert reply.json()["model"] == model
    assert upstream.last["model"] == model.removesuffix("[1m]")
    assert upstream.asked[0].headers.get("anthropic-beta") == beta


def test_it_stands_behind_the_clients_own(client: httpx2.Client, upstream: ExactUpstream) -> None:
    client.post("/v1/messages", json={**HI, "model": "old[1m]"}, headers={"anthropic-beta": "effort-2025-11-24"})
    assert upstream.asked[0].headers["anthropic-beta"] == f"effort-2025-11-24,{BETA}"


@pytest.mark.parametrize(("target", "beta"), [("claude/old[1m]", BETA), ("claude/old", None)])
def test_a_route_may_ask_for_it(upstream: ExactUpstream, target: str, beta: str | None) -> None:
    models = [{"id": "old", "dialect": {"long_context_beta": BETA}}, {"id": "mole", "vision": False}]
    routes = Routes(vision=Route(to=target))
    with RunningGateway(
        {"claude": provider("anthropic-messages", upstream.url, models=models)}, routes=routes
    ) as gateway:
        shown = {"model": "mole", "max_tokens": 9, "messages": [{"role": "user", "content": [PICTURE]}]}
        httpx2.post(f"{gateway.url}/v1/messages", json=shown, timeout=20)
    assert upstream.last["model"] == "old"
    assert upstream.asked[0].headers.get("anthropic-beta") == beta
