"""Without any configuration: OpenCode Go, and Zen below `/zen`, with the client's own key."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from dragoman.settings import Key, Secret, Server
from tests.support.gateway import RunningGateway
from tests.support.stand_in import OpenCodeStandIn
from tests.support.upstream import RunningUpstream

KEY = "sk-opencode-0123456789abcdef"
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
KEY_HEADERS = [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}, {"x-goog-api-key": KEY}]


@pytest.fixture(scope="module")
def stand_in(
    chat_upstream: RunningUpstream,
    messages_upstream: RunningUpstream,
    gemini_upstream: RunningUpstream,
    responses_upstream: RunningUpstream,
) -> OpenCodeStandIn:
    return OpenCodeStandIn(chat_upstream, messages_upstream, gemini_upstream, responses_upstream)


@pytest.fixture(scope="module")
def bare_client(stand_in: OpenCodeStandIn) -> Iterator[httpx2.Client]:
    with RunningGateway(upstream=stand_in) as gateway, httpx2.Client(base_url=gateway.url, timeout=20) as client:
        yield client


@pytest.fixture
def opencode(
    stand_in: OpenCodeStandIn, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream
) -> OpenCodeStandIn:
    stand_in.urls.clear()
    return stand_in


@pytest.fixture
def bare(bare_client: httpx2.Client, opencode: OpenCodeStandIn) -> httpx2.Client:
    """A client of a gateway without a configuration."""
    return bare_client


def test_the_list_names_all_that_can_be_asked_for(bare: httpx2.Client) -> None:
    ids = {row["id"] for row in bare.get("/v1/models").json()["data"]}
    assert {"glm-5.3", "opencode-zen/claude-opus-4-8"} <= ids
    demo = {name for name in ids if name.startswith("demo/")}
    assert demo == {"demo/assistant", "demo/echo", "demo/thinker", "demo/tool-user"}
    for name in demo:
        assert bare.post(CHAT, json={**HI, "model": name}).status_code == 200
    assert bare.post(CHAT, json={**HI, "model": "demo/asistant"}).status_code == 404


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize(
    ("prefix", "model", "url"),
    [
        ("", "glm-5.3", "https://opencode.ai/zen/go/v1/chat/completions"),
        ("/go", "glm-5.3", "https://opencode.ai/zen/go/v1/chat/completions"),
        ("/opencode-go", "glm-5.3", "https://opencode.ai/zen/go/v1/chat/completions"),
        ("/go", "minimax-m3", "https://opencode.ai/zen/go/v1/messages"),
        ("", "minimax-m3", "https://opencode.ai/zen/go/v1/messages"),
        ("/zen", "claude-opus-4-8", "https://opencode.ai/zen/v1/messages"),
        ("", "zen/claude-opus-4-8", "https://opencode.ai/zen/v1/messages"),
        ("", "go/glm-5.3", "https://opencode.ai/zen/go/v1/chat/completions"),
        ("", "gpt-5.6-luna", "https://opencode.ai/zen/go/v1/responses"),
        ("/zen", "gpt-5.5", "https://opencode.ai/zen/v1/responses"),
    ],
)
def test_a_model_is_asked_at_its_native_endpoint(
    bare: httpx2.Client, opencode: OpenCodeStandIn, prefix: str, model: str, url: str, path: str
) -> None:
    reply = bare.post(prefix + path, json={**HI, "model": model}, headers={"authorization": f"Bearer {KEY}"})
    assert reply.status_code == 200
    assert reply.json()["model"] == model
    assert opencode.urls == [url]


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("headers", KEY_HEADERS, ids=lambda headers: next(iter(headers)))
def test_the_clients_key_goes_up_in_the_header_that_the_endpoint_takes(
    bare: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    headers: dict[str, str],
    path: str,
) -> None:
    bare.post(path, json={**HI, "model": "glm-5.3"}, headers=headers)
    assert scripted_chat.last.headers["authorization"] == f"Bearer {KEY}"
    bare.post(path, json={**HI, "model": "minimax-m3"}, headers=headers)
    assert scripted_messages.last.headers["x-api-key"] == KEY
    for seen in (scripted_chat.last, scripted_messages.last):
        assert sum(KEY in value for value in seen.headers.values()) == 1


def test_the_anonymous_key_is_let_through(bare: httpx2.Client, scripted_chat: RunningUpstream) -> None:
    bare.post(CHAT, json={**HI, "model": "glm-5.3"}, headers={"authorization": "Bearer public"})
    assert scripted_chat.last.headers["authorization"] == "Bearer public"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "dummy"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer short"},
        {"authorization": "Basic c2stc29tZXRoaW5nLWxvbmctZW5vdWdo"},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", ["glm-5.3", "minimax-m3"])
@pytest.mark.parametrize("prefix", ["", "/go"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT, f"{MESSAGES}/count_tokens"])
def test_without_a_key_nobody_is_called(
    bare: httpx2.Client, opencode: OpenCodeStandIn, path: str, prefix: str, model: str, headers: dict[str, str]
) -> None:
    reply = bare.post(prefix + path, json={**HI, "model": model}, headers=headers)
    if path.endswith("count_tokens") and model == "glm-5.3":
        assert reply.headers["x-dragoman-count"] == "estimated"
    else:
        assert reply.status_code == 401
        assert reply.headers["x-should-retry"] == "false"
        error = reply.json()["error"]
        assert error["type"] == ("invalid_request_error" if path == CHAT else "authentication_error")
        assert "x-api-key" in error["message"]
    assert opencode.urls == []


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_zens_gemini_models_are_asked_in_their_own_words(
    bare: httpx2.Client, opencode: OpenCodeStandIn, scripted_gemini: RunningUpstream, path: str
) -> None:
    for streams, method in ((False, "generateContent"), (True, "streamGenerateContent?alt=sse")):
        body = {**HI, "model": "gemini-3.1-pro", "stream": streams}
        reply = bare.post(f"/zen{path}", json=body, headers={"x-api-key": KEY})
        assert reply.status_code == 200, reply.text
        assert opencode.urls[-1] == f"https://opencode.ai/zen/v1/models/gemini-3.1-pro:{method}"
        assert scripted_gemini.last.headers["x-goog-api-key"] == KEY
        assert KEY not in opencode.urls[-1]


# --- sessions -----------------------------------------------------------------------------------------------------------


def turns(system: str, first: str) -> list[dict[str, Any]]:
    """Return the bodies of three turns of a conversation, as a client without sessions sends them."""
    said: list[dict[str, Any]] = [{"role": "user", "content": first}]
    bodies = []
    for word in ("one", "two", "three"):
        bodies.append({"max_tokens": 50, "messages": [{"role": "system", "content": system}, *said]})
        said = [*said, {"role": "assistant", "content": word}, {"role": "user", "content": f"and after {word}?"}]
    return bodies


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("model", ["glm-5.3", "minimax-m3"])
def test_a_conversation_keeps_its_session_and_others_have_their_own(
    bare: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    model: str,
    path: str,
) -> None:
    def sessions(system: str, first: str) -> set[str]:
        for body in turns(system, first):
            if path == MESSAGES:
                body |= {"system": body["messages"][0]["content"], "messages": body["messages"][1:]}
            reply = bare.post(path, json={**body, "model": model}, headers={"x-api-key": KEY})
            assert reply.status_code == 200
        seen = scripted_chat.seen + scripted_messages.seen
        found = {one.headers["x-opencode-session"] for one in seen}
        scripted_chat.seen.clear()
        scripted_messages.seen.clear()
        return found

    first = sessions("Be brief.", "What is up?")
    assert len(first) == 1
    assert sessions("Be brief.", "What is up?") == first
    assert sessions("Be brief.", "What is down?") != first
    assert sessions("Be long.", "What is up?") != first


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("model", ["glm-5.3", "minimax-m3"])
@pytest.mark.parametrize("header", ["x-opencode-session", "x-session-id", "x-claude-code-session-id", "session-id"])
def test_a_clients_own_session_goes_up(
    bare: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    header: str,
    model: str,
    path: str,
) -> None:
    bare.post(path, json={**HI, "model": model}, headers={"x-api-key": KEY, header: "ses_42"})
    (seen,) = scripted_chat.seen + scripted_messages.seen
    assert seen.headers["x-opencode-session"] == "ses_42"


def test_opencodes_own_headers_go_up_and_are_never_made_up(bare: httpx2.Client, scripted_chat: RunningUpstream) -> None:
    for path in (MESSAGES, CHAT):
        bare.post(path, json={**HI, "model": "glm-5.3"}, headers={"x-api-key": KEY, "x-opencode-client": "cli"})
        assert scripted_chat.last.headers["x-opencode-client"] == "cli"
        bare.post(path, json={**HI, "model": "glm-5.3"}, headers={"x-api-key": KEY})
        assert [name for name in scripted_chat.last.headers if name.startswith("x-opencode-")] == ["x-opencode-session"]


@pytest.mark.parametrize("model", ["minimax-m3", "minimax-m2.7"])
def test_tokens_are_counted_for_a_client_without_a_session(
    bare: httpx2.Client, scripted_messages: RunningUpstream, model: str
) -> None:
    """Claude Code counts without `max_tokens`; the session is found all the same."""
    body = {"model": model, "messages": [{"role": "user", "content": "foo"}]}
    reply = bare.post(f"{MESSAGES}/count_tokens", json=body, headers={"x-api-key": KEY})
    assert reply.status_code == 200
    assert reply.json()["input_tokens"] > 0
    assert scripted_messages.last.headers["x-opencode-session"].startswith("h-")


# --- the gateway's own keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("model", ["glm-5.3", "minimax-m3"])
def test_the_gateways_key_never_leaves_it(opencode: OpenCodeStandIn, path: str, model: str) -> None:
    upstream = OpenCodeStandIn(opencode._chat, opencode._messages, opencode._gemini, opencode._responses)
    server = Server(port=0, keys=(Key(key=Secret(KEY)),))
    with RunningGateway(server=server, upstream=upstream) as gateway:
        reply = httpx2.post(gateway.url + path, json={**HI, "model": model}, headers={"x-api-key": KEY})
        assert reply.status_code == 401
        assert reply.headers["x-should-retry"] == "false"
        assert "api_key" in reply.json()["error"]["message"]
        assert "a client's key is never passed on" in reply.json()["error"]["message"]
        health = httpx2.get(f"{gateway.url}/health").json()
        assert health["providers"]["opencode-go"]["key"] == "no key configured"
        missing = httpx2.get(f"{gateway.url}/v1/models").json()["error"]["message"]
        assert "the key that was printed at the start, or one of `server.keys`" in missing
        assert upstream.urls == []
