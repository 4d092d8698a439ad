"""Every endpoint, over HTTP: under its paths and prefixes, in the caller's dialect."""

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from dragoman.server.logs import EarlyLine
from tests.support.gateway import RunningGateway
from tests.support.upstream import RunningUpstream

MESSAGES_PATHS = ("/v1/messages", "/messages", "/anthropic/v1/messages")
CHAT_PATHS = ("/v1/chat/completions", "/chat/completions")
RESPONSES_PATHS = ("/v1/responses", "/responses")
CLAUDE = {"anthropic-version": "2023-06-01"}
HI: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}


def error_of(reply: httpx2.Response, dialect: str) -> dict[str, Any]:
    """Return an error's inner object, having checked that the whole is one of that dialect."""
    body = reply.json()
    assert isinstance(body["error"]["message"], str)
    assert body["error"]["message"]
    if dialect == "anthropic":
        assert body["type"] == "error"
        assert body["request_id"].startswith("req_")
        assert set(body["error"]) == {"type", "message"}
    else:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


# --- asking for a reply -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/demo"])
@pytest.mark.parametrize("query", ["", "?beta=true"])
@pytest.mark.parametrize("path", MESSAGES_PATHS)
def test_messages_are_answered_under_each_path(client: httpx2.Client, path: str, prefix: str, query: str) -> None:
    model = "assistant" if prefix else "demo/assistant"
    reply = client.post(f"{prefix}{path}{query}", json={**HI, "model": model})
    assert reply.status_code == 200
    assert reply.json()["type"] == "message"
    assert reply.json()["model"] == model
    assert reply.json()["content"] == [{"type": "text", "text": "hello there"}]


@pytest.mark.parametrize("prefix", ["", "/demo"])
@pytest.mark.parametrize("path", CHAT_PATHS)
def test_chat_is_answered_under_each_path(client: httpx2.Client, path: str, prefix: str) -> None:
    model = "assistant" if prefix else "demo/assistant"
    reply = client.post(f"{prefix}{path}", json={**HI, "model": model})
    assert reply.status_code == 200
    assert reply.json()["object"] == "chat.completion"
    assert reply.json()["model"] == model
    assert reply.json()["choices"][0]["message"]["content"] == "hello there"


@pytest.mark.parametrize("prefix", ["", "/demo"])
@pytest.mark.parametrize("path", RESPONSES_PATHS)
def test_responses_are_answered_under_each_path(client: httpx2.Client, path: str, prefix: str) -> None:
    model = "assistant" if prefix else "demo/assistant"
    reply = client.post(f"{prefix}{path}", json={"model": model, "input": "hello there"})
    assert reply.status_code == 200
    assert reply.json()["object"] == "response"
    assert reply.json()["model"] == model
    assert reply.json()["output"][0]["content"][0]["text"] == "hello there"


@pytest.mark.parametrize("prefix", ["", "/go"])
@pytest.mark.parametrize("path", RESPONSES_PATHS)
def test_a_wish_for_a_websocket_is_told_to_post(client: httpx2.Client, path: str, prefix: str) -> None:
    wish = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "eA=="}
    reply = client.get(f"{prefix}{path}", headers=wish)
    assert reply.status_code == 426
    assert "send a POST" in error_of(reply, "openai")["message"]
    assert client.get(f"{prefix}{path}").status_code == 405


@pytest.mark.parametrize(("path", "end"), [("/v1/messages", "message_stop"), ("/v1/chat/completions", "[DONE]")])
def test_the_demo_streams_in_every_protocol(client: httpx2.Client, path: str, end: str) -> None:
    reply = client.post(path, json={**HI, "model": "demo/echo", "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert end in reply.text.splitlines()[-2]
    assert '"demo/echo"' in reply.text


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("provider", ["chat", "messages", "demo"])
def test_a_reply_says_who_answered_and_echoes_the_model(client: httpx2.Client, provider: str, path: str) -> None:
    reply = client.post(path, json={**HI, "model": f"{provider}/assistant[1m]"})
    assert reply.status_code == 200
    assert reply.json()["model"] == f"{provider}/assistant[1m]"
    assert reply.headers["x-dragoman-model"] == "assistant"
    assert reply.headers["x-dragoman-provider"] == provider
    assert reply.headers["x-dragoman-loss"] == "0"
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("path", "body", "status", "chosen"),
    [
        ("/nothing", "{}", 404, None),
        ("/v1/messages", "{", 400, None),
        ("/v1/messages", '{"model": "demo/nosuch", "messages": []}', 404, None),
        ("/v1/messages/count_tokens", '{"model": "demo/nosuch", "messages": []}', 404, None),
        ("/v1/messages/count_tokens", '{"model": "demo/echo", "messages": 3}', 400, ("echo", "demo")),
        ("/v1/chat/completions", '{"model": "demo/echo", "messages": 3}', 400, ("echo", "demo")),
        ("/v1/responses", '{"model": "demo/echo", "previous_response_id": "x"}', 400, ("echo", "demo")),
        ("/v1/responses/compact", '{"model": "demo/echo", "input": "x"}', 501, ("echo", "demo")),
    ],
)
def test_a_refusal_says_who_was_to_answer_as_far_as_it_is_known(
    client: httpx2.Client, path: str, body: str, status: int, chosen: tuple[str, str] | None
) -> None:
    headers = client.post(path, content=body).headers
    assert client.post(path, content=body).status_code == status
    assert headers["x-dragoman-loss"] == "0"
    assert headers["x-request-id"].startswith("req_")
    told = [headers[name] for name in ("x-dragoman-model", "x-dragoman-provider") if name in headers]
    assert told == list(chosen or ())


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_prefix_restricts_the_models_to_its_provider(
    client: httpx2.Client, scripted_chat: RunningUpstream, scripted_messages: RunningUpstream, path: str
) -> None:
    assert client.post(f"/chat{path}", json={**HI, "model": "anything"}).status_code == 200
    assert [one.json["model"] for one in scripted_chat.seen] == ["anything"]
    assert client.post(f"/messages{path}", json={**HI, "model": "anything"}).status_code == 200
    assert [one.json["model"] for one in scripted_messages.seen] == ["anything"]


# --- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MESSAGES_PATHS)
@pytest.mark.parametrize("prefix", ["", "/messages"])
def test_tokens_are_counted_by_an_upstream_that_can(
    client: httpx2.Client, scripted_messages: RunningUpstream, scripted_gateway: RunningGateway, path: str, prefix: str
) -> None:
    body = {"model": "messages/assistant", "messages": [{"role": "user", "content": "foo"}]}
    reply = client.post(f"{prefix}{path}/count_tokens?beta=true", json=body)
    assert reply.json() == {"input_tokens": reply.json()["input_tokens"]}
    assert reply.json()["input_tokens"] > 0
    assert scripted_messages.last.path == "/v1/messages/count_tokens"
    assert scripted_messages.last_json == {**body, "model": "assistant"}


@pytest.mark.parametrize("provider", ["chat", "demo"])
def test_tokens_are_estimated_where_nobody_can_count(
    client: httpx2.Client, scripted_chat: RunningUpstream, provider: str
) -> None:
    def count(text: str, **more: object) -> httpx2.Response:
        body = {"model": f"{provider}/assistant", "messages": [{"role": "user", "content": text}], **more}
        return client.post("/v1/messages/count_tokens", json=body)

    short = count("foo")
    assert short.status_code == 200
    assert short.headers["x-dragoman-count"] == "estimated"
    assert short.headers["x-dragoman-provider"] == provider
    assert short.headers["x-dragoman-model"] == "assistant"
    tool = {"name": "read", "description": "Reads a file. " * 50, "input_schema": {"type": "object"}}
    sizes = [
        short.json()["input_tokens"],
        count("foo " * 100).json()["input_tokens"],
        count("foo " * 100, tools=[tool]).json()["input_tokens"],
    ]
    assert sizes == sorted(set(sizes))
    assert not scripted_chat.seen


@pytest.mark.parametrize("upstream", ["messages", "responses", "gemini", "chat", "demo"])
def test_a_count_is_no_stream_whatever_its_body_says(client: httpx2.Client, upstream: str) -> None:
    said = {"model": f"{upstream}/echo", "stream": True}
    for path, talk in (
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses/input_tokens", {"input": "hi"}),
    ):
        reply = client.post(path, json={**said, **talk})
        assert reply.status_code == 200, reply.text
        assert reply.json()["input_tokens"] > 0


def test_a_count_of_what_is_no_request_is_a_400(client: httpx2.Client) -> None:
    for model in ("messages/assistant", "chat/assistant", "demo/echo"):
        reply = client.post("/v1/messages/count_tokens", json={"model": model, "messages": 7})
        assert reply.status_code == 400
        assert "messages" in error_of(reply, "anthropic")["message"]


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/go/v1/models", "/zen/v1/models", "/demo/v1/models"])
def test_models_are_listed_in_the_dialect_of_chat(client: httpx2.Client, path: str) -> None:
    reply = client.get(path, headers={"authorization": "Bearer x"})
    body = reply.json()
    assert body["object"] == "list"
    for row in body["data"]:
        assert row["object"] == "model"
        assert isinstance(row["created"], int)
        assert row["owned_by"]
    ids = [row["id"] for row in body["data"]]
    assert len(ids) == len(set(ids))
    assert path not in ("/go/v1/models", "/demo/v1/models") or ids


@pytest.mark.parametrize("header", [CLAUDE, {"x-api-key": "sk-something-long-enough"}])
@pytest.mark.parametrize("prefix", ["/go", "/zen", "/demo"])
def test_models_for_claude_clients_have_claude_in_their_names(
    client: httpx2.Client, prefix: str, header: dict[str, str]
) -> None:
    body = client.get(f"{prefix}/v1/models?limit=1000", headers=header).json()
    assert body["has_more"] is False
    assert body["data"]
    assert (body["first_id"], body["last_id"]) == (body["data"][0]["id"], body["data"][-1]["id"])
    for row in body["data"]:
        assert row["type"] == "model"
        assert "claude" in row["id"] or "anthropic" in row["id"]
        assert row["display_name"]
        assert row["created_at"].endswith("Z")


@pytest.mark.parametrize("headers", [{}, CLAUDE], ids=["chat", "claude"])
@pytest.mark.parametrize("prefix", ["/go", "/zen", "/demo"])
def test_every_listed_model_can_be_looked_up_under_its_id(
    client: httpx2.Client, prefix: str, headers: dict[str, str]
) -> None:
    rows = client.get(f"{prefix}/v1/models", headers=headers).json()["data"]
    for row in (*rows[:4], *rows[-2:]):
        for path in (row["id"], quote(row["id"], safe="")):
            assert client.get(f"{prefix}/v1/models/{path}", headers=headers).json() == row
        if "claude" not in headers:
            assert client.get(f"/v1/models/{row['id']}", headers=headers).status_code == (
                200 if "/" in row["id"] else client.get(f"/v1/models/{quote(row['id'])}").status_code
            )


def test_a_claude_shaped_id_can_be_asked_for(client: httpx2.Client) -> None:
    row, *_ = client.get("/demo/v1/models", headers=CLAUDE).json()["data"]
    assert row["id"] == "claude-dragoman/demo/assistant"
    for prefix in ("", "/demo"):
        reply = client.post(f"{prefix}/v1/messages", json={**HI, "model": row["id"]}, headers=CLAUDE)
        assert reply.json()["model"] == row["id"]
        assert reply.headers["x-dragoman-model"] == "assistant"


@pytest.mark.parametrize("id", ["chat/some/where", "chat%2Fsome%2Fwhere", "chat/some%2Fwhere"])
def test_a_model_id_may_hold_slashes(client: httpx2.Client, scripted_chat: RunningUpstream, id: str) -> None:
    assert client.get(f"/v1/models/{id}").json()["id"] == "chat/some/where"
    assert client.get(f"/v1/models/{id}", headers=CLAUDE).json()["type"] == "model"


@pytest.mark.parametrize(
    "place", ["/v1beta/models/demo/echo", "/v1beta/demo/echo", "/demo/v1beta/models/echo", "/v1/demo%2Fecho"]
)
def test_a_model_id_with_slashes_may_stand_in_gemini_paths_without_its_collection(
    client: httpx2.Client, place: str
) -> None:
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    reply = client.post(f"{place}:generateContent", json={"contents": contents})
    assert reply.headers["x-dragoman-model"] == "echo"
    assert client.post(f"{place}:countTokens", json={"contents": contents}).json()["totalTokens"] > 0


def test_an_unknown_model_is_a_404_that_names_the_nearest(client: httpx2.Client) -> None:
    assert client.get("/go/v1/models/glm-5.3").status_code == 200
    reply = client.get("/go/v1/models/glm-5.33")
    assert reply.status_code == 404
    error = error_of(reply, "openai")
    assert error["code"] == "model_not_found"
    assert "`glm-5.3`" in error["message"]
    claude = client.get("/go/v1/models/glm-5.33", headers=CLAUDE)
    assert claude.status_code == 404
    assert error_of(claude, "anthropic")["type"] == "not_found_error"
    for path, dialect in (("/go/v1/messages", "anthropic"), ("/go/v1/chat/completions", "openai")):
        asked = client.post(path, json={**HI, "model": "glm-5.33"})
        assert asked.status_code == 404
        assert "`glm-5.3`" in error_of(asked, dialect)["message"]


# --- the gateway's own pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["messages/x", "responses/x", "gemini/x", "demo/echo"])
def test_several_answers_are_refused_where_there_can_be_one(client: httpx2.Client, model: str) -> None:
    said = {"model": model, "n": 2, "messages": [{"role": "user", "content": "hi"}]}
    reply = client.post("/v1/chat/completions", json=said)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "n"


@pytest.mark.parametrize("model", ["messages/x", "responses/x", "chat/x", "demo/echo"])
def test_several_candidates_are_refused_by_geminis_name_for_them(client: httpx2.Client, model: str) -> None:
    said = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"candidateCount": 2}}
    reply = client.post(f"/v1beta/models/{model}:generateContent", json=said)
    assert reply.status_code == 400
    violation = reply.json()["error"]["details"][0]["fieldViolations"][0]
    assert violation["field"] == "generationConfig.candidateCount"


@pytest.mark.parametrize("prefix", ["", "/go", "/zen", "/chat", "/opencode-go"])
def test_the_pages_are_served_under_every_prefix(client: httpx2.Client, prefix: str) -> None:
    assert client.get(f"{prefix}/").json()["name"] == "dragoman"
    assert client.get(f"{prefix}/ping").text == "pong"
    assert client.get(f"{prefix}/health").json()["status"] == "ok"
    assert client.get(f"{prefix}/openapi.json").json()["openapi"].startswith("3.1")
    for path in ("/", "/api/hello", "/health", "/ping", "/v1/models", *([""] if prefix else [])):
        probe = client.head(f"{prefix}{path}")
        assert (path, probe.status_code, probe.content) == (path, 200, b"")


def test_health_tells_how_the_gateway_is(client: httpx2.Client) -> None:
    body = client.get("/health").json()
    assert body["protocols"] == ["anthropic-messages", "gemini-generate", "openai-chat", "openai-responses"]
    assert body["needs_key"] is False
    assert body["requests"]["running"] == 0
    assert set(body["providers"]) == {"chat", "messages", "gemini", "responses", "opencode-go", "opencode-zen", "demo"}
    assert body["providers"]["chat"]["key"] == "configured"
    assert body["providers"]["opencode-go"]["key"] == "the client's own"
    assert body["providers"]["demo"]["key"] == "needs no key"
    assert body["providers"]["opencode-zen"]["models_not_spoken"] == 0 < body["providers"]["opencode-zen"]["models"]
    assert body["providers"]["opencode-go"]["models_not_spoken"] == 0
    listed = client.get("/go/v1/models").json()["data"]
    assert body["providers"]["opencode-go"]["models"] == len(listed)
    assert body["providers"]["opencode-go"]["models_no_longer_offered"] > 0
    assert "sk-" not in json.dumps(body)


def test_the_openapi_document_is_valid_and_names_every_path(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    served = {*MESSAGES_PATHS, *CHAT_PATHS, *(f"{path}/count_tokens" for path in MESSAGES_PATHS)}
    for version in ("/v1beta", "/v1"):
        methods = ("generateContent", "streamGenerateContent", "countTokens")
        served |= {f"{version}{place}/{{model}}:{method}" for place in ("/models", "") for method in methods}
    served |= {"/v1beta/models", "/v1beta/models/{model}"}
    for path in RESPONSES_PATHS:
        served |= {path, f"{path}/input_tokens", f"{path}/compact", f"{path}/{{id}}"}
    served |= {"/models", "/v1/models", "/v1/models/{model}", "/", "/health", "/ping", "/api/hello", "/openapi.json"}
    assert set(document["paths"]) == served
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            reply = client.request(method.upper(), path.replace("{model}", "demo/assistant"), json={})
            if path.endswith("{id}"):
                assert "not found" in reply.json()["error"]["message"]
            else:
                assert reply.status_code not in (404, 405), path


# --- what is not there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/nothing", {}, "openai"),
        ("/nothing", CLAUDE, "anthropic"),
        ("/nobody/v1/messages", {}, "anthropic"),
        ("/nobody/v1/chat/completions", CLAUDE, "openai"),
        ("/v1/nothing", {"authorization": "Bearer x"}, "openai"),
        ("/go/v1/nothing", {"x-api-key": "x"}, "anthropic"),
        ("/v1/messages/", {}, "anthropic"),
        ("/v1/chat/completions/", CLAUDE, "openai"),
    ],
)
def test_an_unknown_path_is_a_404_in_the_callers_dialect(
    client: httpx2.Client, method: str, path: str, headers: dict[str, str], dialect: str
) -> None:
    reply = client.request(method, path, headers=headers)
    assert reply.status_code == 404
    if method != "HEAD":
        message = error_of(reply, dialect)["message"]
        assert f"`{path}`" in message
        assert "hint: " in message


@pytest.mark.parametrize(
    ("method", "path", "allow", "dialect"),
    [
        ("GET", "/v1/messages", "POST", "anthropic"),
        ("DELETE", "/go/messages", "POST", "anthropic"),
        ("GET", "/v1/messages/count_tokens", "POST", "anthropic"),
        ("PUT", "/chat/completions", "POST", "openai"),
        ("POST", "/v1/models", "GET, HEAD", "openai"),
        ("PATCH", "/v1/models/x/y", "GET, HEAD", "openai"),
        ("POST", "/health", "GET, HEAD", "openai"),
        ("DELETE", "/zen/ping", "GET, HEAD", "openai"),
    ],
)
def test_a_wrong_method_is_a_405_in_the_callers_dialect(
    client: httpx2.Client, method: str, path: str, allow: str, dialect: str
) -> None:
    reply = client.request(method, path)
    assert reply.status_code == 405
    assert reply.headers["allow"] == allow
    assert path in error_of(reply, dialect)["message"]


@pytest.mark.parametrize("prefix", ["", "/demo"])
@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("POST", "/v1beta/models/:generateContent", 404, "there is nothing at `{}`"),
        (
            "POST",
            "/v1beta/models/echo:zzz",
            404,
            "there is no method `zzz` of `{prefix}/v1beta/models/echo`\nhint: one of ",
        ),
        ("POST", "/v1beta/models/echo:generatecontent", 404, "did you mean `generateContent`?"),
        ("GET", "/v1beta/models/echo:generateContent", 405, "`{}` takes POST, not GET"),
    ],
)
def test_what_no_gemini_path_is_is_told_in_its_dialect(
    client: httpx2.Client, prefix: str, method: str, path: str, status: int, told: str
) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    reply = client.request(method, prefix + path, json=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert error["code"] == status
    assert told.format(prefix + path, prefix=prefix) in error["message"]
    assert "embedContent" not in error["message"]


@pytest.mark.parametrize("prefix", ["", "/go"])
def test_a_mistyped_path_is_answered_with_the_nearest(client: httpx2.Client, prefix: str) -> None:
    message = error_of(client.post(f"{prefix}/v1/mesages"), "anthropic")["message"]
    assert message.endswith(f"did you mean `{prefix}/v1/messages`?")


def test_what_is_refused_or_counted_without_an_exchange_has_its_line(scripted_gateway: RunningGateway) -> None:
    gateway = scripted_gateway
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}
    with httpx2.Client(base_url=gateway.url) as client:
        for method, path, headers, status in (
            ("GET", "/nothing", {}, 404),
            ("PUT", "/v1/messages", {}, 405),
            ("GET", "/v1/models", {"origin": "https://evil.test"}, 403),
            ("POST", "/v1/messages/count_tokens", {}, 200),
        ):
            gateway.forget_lines()
            reply = client.request(method, path, headers=headers, json=body)
            (line,) = gateway.wait_for_lines(1)
            assert (reply.status_code, line.status) == (status, status)
            assert line.request_id == reply.headers["x-request-id"]
            assert (line.lane, line.model) == (("estimate", "demo/echo") if status == 200 else ("", ""))
            assert isinstance(line, EarlyLine) == (status != 200)
            if isinstance(line, EarlyLine):
                assert line.path == path


def test_shared_paths_speak_to_each_caller_in_its_dialect(client: httpx2.Client) -> None:
    assert error_of(client.post("/v1/models", headers=CLAUDE), "anthropic")
    assert error_of(client.post("/v1/models"), "openai")
