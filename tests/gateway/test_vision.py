"""Images and documents for a model that cannot see them: another one looks, or the client is told which block it was."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from dragoman.engine import lanes
from dragoman.settings import Provider, Route, Routes
from tests.support.gateway import RunningGateway, provider
from tests.support.stand_in import OpenCodeStandIn
from tests.support.upstream import RunningUpstream

KEY = "sk-opencode-0123456789abcdef"
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PDF = base64.b64encode(b"%PDF-1.4").decode()

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
TEXT = {"type": "text", "text": "what is this?"}


def shown(path: str, kind: str) -> dict[str, Any]:
    """Return a request whose second message shows something, in its second block."""
    blocks = {MESSAGES: {"image": IMAGE, "pdf": DOCUMENT}, CHAT: {"image": PICTURE, "pdf": FILE}}[path]
    said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes?"}]
    return {"max_tokens": 50, "messages": [*said, {"role": "user", "content": [TEXT, blocks[kind]]}]}


def result_with_image() -> dict[str, Any]:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT, IMAGE]}
    tool = {"name": "look", "input_schema": {"type": "object"}}
    said = [{"role": "user", "content": "look"}, {"role": "assistant", "content": [call]}]
    return {"max_tokens": 50, "tools": [tool], "messages": [*said, {"role": "user", "content": [result]}]}


def providers(chat: RunningUpstream, messages: RunningUpstream) -> dict[str, Any]:
    models = [
        {"id": "mole", "vision": False, "documents": False},
        {"id": "reader", "vision": False, "documents": True},
        {"id": "eagle", "vision": True, "documents": True},
        {"id": "stranger"},
    ]
    return {
        "chat": provider("openai-chat", chat.base_url, models=models),
        "messages": provider("anthropic-messages", messages.base_url, models=models),
    }


@pytest.fixture(scope="module")
def blind(chat_upstream: RunningUpstream, messages_upstream: RunningUpstream) -> Iterator[httpx2.Client]:
    """A client of a gateway whose models are blind, without a route `vision`."""
    with (
        RunningGateway(providers(chat_upstream, messages_upstream)) as gateway,
        httpx2.Client(base_url=gateway.url, timeout=20) as client,
    ):
        yield client


@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_the_block_is_named_where_the_client_wrote_it(blind: httpx2.Client, upstream: str) -> None:
    """The IR has the system apart, and every protocol has words of its own."""
    url = PICTURE["image_url"]["url"]  # type: ignore[index] # it is a table
    input_image = {"type": "input_image", "image_url": url}
    said = [{"role": "system", "content": "s"}, {"role": "user", "content": [TEXT, PICTURE]}]
    items = [{"role": "developer", "content": "d"}, {"role": "user", "content": [input_image]}]
    contents = [{"parts": [{"text": "t"}, {"inlineData": {"mimeType": "image/png", "data": DATA}}]}]
    model = f"{upstream}/mole"
    for path, body, place in (
        (CHAT, {"model": model, "messages": said}, "`messages[1].content[1]`"),
        ("/v1/responses", {"model": model, "input": items}, "`input[1].content[0]`"),
        (f"/v1beta/models/{model}:generateContent", {"contents": contents}, "`contents[0].parts[1]`"),
    ):
        reply = blind.post(path, json=body)
        assert reply.status_code == 400
        assert place in reply.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["image", "pdf"])
@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_what_cannot_be_seen_is_a_400_that_names_the_block(
    blind: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    upstream: str,
    path: str,
    kind: str,
) -> None:
    reply = blind.post(path, json={**shown(path, kind), "model": f"{upstream}/mole"})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "`messages[2].content[1]`" in error["message"]
    assert "`mole`" in error["message"]
    assert "[routes.vision]" in error["message"]
    assert path == MESSAGES or error["param"] == "messages[2].content[1]"
    assert not scripted_chat.seen + scripted_messages.seen


@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_an_image_inside_a_tool_result_is_named_too(blind: httpx2.Client, upstream: str) -> None:
    reply = blind.post(MESSAGES, json={**result_with_image(), "model": f"{upstream}/mole"})
    assert reply.status_code == 400
    assert "`messages[2].content[0].content[1]`" in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("upstream", ["chat", "messages"])
@pytest.mark.parametrize(
    ("model", "kind"), [("reader", "pdf"), ("eagle", "image"), ("stranger", "image"), ("stranger", "pdf")]
)
def test_who_sees_or_may_see_is_shown_it(
    *,
    blind: httpx2.Client,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    model: str,
    kind: str,
    upstream: str,
    path: str,
) -> None:
    assert blind.post(path, json={**shown(path, kind), "model": f"{upstream}/{model}"}).status_code == 200
    (seen,) = scripted_chat.seen + scripted_messages.seen
    assert (DATA if kind == "image" else PDF) in seen.body.decode()


def test_words_about_images_are_no_images(blind: httpx2.Client, scripted_messages: RunningUpstream) -> None:
    tool = {"name": "draw", "input_schema": {"type": "object", "properties": {"file": {"type": "string"}}}}
    body = {"max_tokens": 9, "tools": [tool], "messages": [{"role": "user", "content": '{"type": "image"}'}]}
    for path in (MESSAGES, CHAT):
        sent = body if path == MESSAGES else {**body, "tools": []}
        assert blind.post(path, json={**sent, "model": "messages/mole"}).status_code == 200


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("target", ["chat/eagle", "messages/eagle"])
@pytest.mark.parametrize("asked", ["chat/mole", "messages/mole"])
def test_the_route_vision_takes_it(
    *,
    chat_upstream: RunningUpstream,
    messages_upstream: RunningUpstream,
    scripted_chat: RunningUpstream,
    scripted_messages: RunningUpstream,
    asked: str,
    target: str,
    path: str,
    is_streamed: bool,
) -> None:
    routes = Routes(vision=Route(to=target))
    with RunningGateway(providers(chat_upstream, messages_upstream), routes=routes) as gateway:
        body = {**shown(path, "image"), "model": asked, "stream": is_streamed}
        body["messages"][0]["unheard_of"] = True
        reply = httpx2.post(gateway.url + path, json=body, timeout=20)
        assert reply.status_code == 200
        assert reply.headers["x-dragoman-provider"] == target.partition("/")[0]
        assert reply.headers["x-dragoman-model"] == "eagle"
        assert f'"model":"{asked}"' in reply.text
        (seen,) = scripted_chat.seen + scripted_messages.seen
        assert seen.json["model"] == "eagle"
        assert DATA in seen.body.decode()
        is_raw = (path == MESSAGES) == target.startswith("messages")
        assert reply.headers["x-dragoman-loss"] == ("0" if is_raw else "1; unknown_field")
        without = {"model": asked, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        assert httpx2.post(gateway.url + path, json=without).headers["x-dragoman-model"] == "mole"


@pytest.mark.parametrize("asked", ["chat/mole", "messages/mole"])
def test_nobody_looks_for_a_name_that_is_not_told(
    chat_upstream: RunningUpstream,
    messages_upstream: RunningUpstream,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
) -> None:
    """The search for the block's name costs as much as reading the request again; the route `vision` needs none."""
    named: list[str | None] = []
    monkeypatch.setattr(lanes, "rename", lambda error, *_: named.append(error.failure.param))
    for routes, names in ((Routes(vision=Route(to="chat/eagle")), []), (Routes(), ["messages[2].content[1]"])):
        with RunningGateway(providers(chat_upstream, messages_upstream), routes=routes) as gateway:
            reply = httpx2.post(gateway.url + CHAT, json={**shown(CHAT, "image"), "model": asked}, timeout=20)
            assert (reply.status_code, named) == (400 if names else 200, names)


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
@pytest.mark.parametrize("model", ["glm-5.3", "minimax-m2.7"])
def test_go_has_a_model_that_sees_for_those_that_do_not(
    opencode_stand_in: OpenCodeStandIn, scripted_chat: RunningUpstream, model: str, path: str
) -> None:
    with RunningGateway(upstream=opencode_stand_in) as gateway:
        body = {**shown(path, "image"), "model": model}
        reply = httpx2.post(f"{gateway.url}/go{path}", json=body, headers={"x-api-key": KEY}, timeout=20)
        assert reply.status_code == 200
        assert reply.json()["model"] == model
        assert reply.headers["x-dragoman-model"] == "glm-5.3-flash"
        assert scripted_chat.last_json["model"] == "glm-5.3-flash"
        assert DATA in scripted_chat.last.body.decode()
        count = {"model": model, "messages": shown(MESSAGES, "image")["messages"]}
        counted = httpx2.post(f"{gateway.url}/v1/messages/count_tokens", json=count, headers={"x-api-key": KEY})
        assert counted.status_code == 200


def test_the_route_to_another_provider_does_not_take_the_clients_key_along(
    scripted_chat: RunningUpstream, scripted_messages: RunningUpstream
) -> None:
    """The client sent its key to the provider that it asked, and to nobody else."""
    keyless = {
        "chat": provider("openai-chat", scripted_chat.base_url, None, models=[{"id": "mole", "vision": False}]),
        "messages": provider("anthropic-messages", scripted_messages.base_url, None),
    }
    with (
        RunningGateway(keyless, routes=Routes(vision=Route(to="messages/eagle"))) as gateway,
        httpx2.Client(base_url=gateway.url, timeout=20) as client,
    ):
        body = {"model": "chat/mole", **shown(CHAT, "image")}
        assert client.post(CHAT, json=body, headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    (seen,) = scripted_messages.seen
    assert KEY not in str(seen.headers)


def test_the_block_is_named_once_before_a_back_end_that_is_a_program() -> None:
    """What has the client's name already is not looked up as if it had the IR's."""
    said: list[dict[str, Any]] = [{"role": "system", "content": "s"}]
    said += [{"role": "user", "content": [TEXT, PICTURE]} for _ in range(3)]
    mole = {"id": "up/mole", "vision": False}
    program = msgspec.convert(
        {"kind": "opencode-server", "base_url": "http://127.0.0.1:9", "models": [mole]}, Provider, strict=False
    )
    with RunningGateway({"opencode": program}) as gateway, httpx2.Client(base_url=gateway.url, timeout=20) as client:
        reply = client.post(CHAT, json={"model": "opencode/up/mole", "messages": said})
        assert reply.status_code == 400
        assert "`messages[1].content[1]`" in reply.json()["error"]["message"]
