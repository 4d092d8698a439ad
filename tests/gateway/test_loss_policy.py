"""What is lost is said in a header, refused, or only logged: as the server or the provider has it."""

from collections.abc import Iterator
from typing import Any, cast

import httpx2
import pytest

from dragoman.settings import LossPolicy, Server
from tests.support.gateway import RunningGateway, provider
from tests.support.upstream import RunningUpstream

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
MEANT: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: ({"stop": [" "]},),
    MESSAGES: ({"stop_sequences": ["a", "b", "c", "d", "e"]}, {"tools": [SEARCH]}),
}
"""Fields whose loss changes the answer."""
NEEDED: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: ({"n": 2}, {"logprobs": True}, {"web_search_options": {}}, {"modalities": ["audio"]}),
    MESSAGES: ({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]},),
}
"""Fields without which there is no answer."""


@pytest.fixture(scope="module", params=["warn", "strict", "silent"])
def policy(request: pytest.FixtureRequest) -> LossPolicy:
    return cast("LossPolicy", request.param)


@pytest.fixture(scope="module")
def asked(
    policy: LossPolicy, chat_upstream: RunningUpstream, messages_upstream: RunningUpstream
) -> Iterator[httpx2.Client]:
    """A client of a gateway with the policy, whose providers `own-...` have each another one."""
    places = {"chat": chat_upstream, "messages": messages_upstream}
    providers = {name: provider(place.protocol, place.base_url) for name, place in places.items()}
    for name, place in places.items():
        for own in ("warn", "strict", "silent"):
            providers[f"{own}-{name}"] = provider(place.protocol, place.base_url, losses=own)
    server = Server(port=0, losses=policy, retries=0)
    with RunningGateway(providers, server) as gateway, httpx2.Client(base_url=gateway.url, timeout=20) as client:
        yield client


def said(policy: str, code: str) -> str:
    return "silent" if policy == "silent" else f"1; {code}"


@pytest.mark.parametrize("own", ["", "warn", "strict", "silent"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_harmless_loss_is_said_or_not(asked: httpx2.Client, policy: str, own: str, is_streamed: bool) -> None:
    model = f"{own}-chat/x" if own else "chat/x"
    reply = asked.post(MESSAGES, json={**HI, "model": model, "top_k": 5, "stream": is_streamed})
    assert reply.status_code == 200
    assert reply.headers["x-dragoman-loss"] == said(own or policy, "top_k")


@pytest.mark.parametrize("own", ["", "warn", "strict", "silent"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_loss_that_changes_the_answer_is_refused_by_the_strict(
    asked: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    policy: LossPolicy,
    own: str,
    path: str,
) -> None:
    provider_name = "messages" if path == CHAT else "chat"
    for field in MEANT[path]:
        model = f"{own}-{provider_name}/x" if own else f"{provider_name}/x"
        reply = asked.post(path, json={**HI, **field, "model": model})
        upstream = scripted_messages if path == CHAT else scripted_chat
        if (own or policy) == "strict":
            assert reply.status_code == 400
            assert "strict" in reply.json()["error"]["message"]
            assert not upstream.seen
        else:
            assert reply.status_code == 200
            assert reply.headers["x-dragoman-loss"] == "silent" or not reply.headers["x-dragoman-loss"].startswith("0")
        upstream.seen.clear()


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_what_the_answer_depends_on_is_refused_by_all(
    asked: httpx2.Client, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream, path: str
) -> None:
    for field in NEEDED[path]:
        reply = asked.post(path, json={**HI, **field, "model": "messages/x" if path == CHAT else "chat/x"})
        assert reply.status_code == 400
        (name,) = field
        error = reply.json()["error"]
        assert error.get("param") == name or f"`{name}`" in error["message"]
        assert not scripted_chat.seen + scripted_messages.seen
