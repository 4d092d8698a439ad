"""Whom a request goes to, and with what."""

from collections.abc import Callable

import pytest

from dragoman.ir.failures import DragomanError, FailureKind
from dragoman.routing.names import resolve
from dragoman.routing.plan import Asked, Attempt, Plan, plan, plan_for_url, plan_request, vision_target
from dragoman.routing.registry import Registry

Make = Callable[[str], Registry]
SPOKEN = ("anthropic-messages", "openai-chat")
CHAT = """
[providers.chat]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9101/v1"
api_key = "upstream-key"
losses = "strict"
headers = {"X-Team" = "blue"}
session_header = "X-Session"
models = [{id = "m1", vision = false}, {id = "m2", vision = true}]
"""


def planned(registry: Registry, name: str, protocol: str = "openai-chat", prefix: str | None = None) -> Plan:
    return plan(registry, resolve(registry, name, prefix), protocol, SPOKEN)


def only(registry: Registry, name: str, protocol: str = "openai-chat", prefix: str | None = None) -> Attempt:
    (attempt,) = planned(registry, name, protocol, prefix).attempts
    return attempt


def test_an_attempt_has_all_that_a_call_needs(registry: Make) -> None:
    attempt = only(registry(CHAT), "m1")
    assert (attempt.provider, attempt.model, attempt.base_url) == ("chat", "m1", "http://127.0.0.1:9101/v1")
    assert (attempt.losses, attempt.session_header) == ("strict", "x-session")
    assert attempt.headers == (("x-team", "blue"),)
    assert attempt.key_for("client-key") == "upstream-key"
    assert attempt.reason == "listed by `chat`"
    assert "upstream-key" not in repr(attempt)
    assert "blue" not in repr(attempt)


def test_the_raw_lane_is_for_the_same_protocol(registry: Make) -> None:
    made = registry(CHAT)
    assert only(made, "m1", "openai-chat").raw
    assert not only(made, "m1", "anthropic-messages").raw


def test_a_plan_is_made_once(registry: Make) -> None:
    made = registry(CHAT)
    assert planned(made, "m1") is planned(made, "m1")
    assert planned(made, "m1") is not planned(made, "chat/m1"), "the reason is another"


@pytest.mark.parametrize(
    ("model", "protocol"), [("gpt-5.5", "openai-responses"), ("gemini-3.8-flash", "gemini-generate")]
)
def test_a_protocol_that_is_not_spoken_is_named(registry: Make, model: str, protocol: str) -> None:
    with pytest.raises(
        DragomanError, match=f"`{model}` of OpenCode Zen speaks `{protocol}`, which this version"
    ) as caught:
        planned(registry(""), model, prefix="zen")
    assert caught.value.failure.kind is FailureKind.NOT_IMPLEMENTED


def test_the_demo_speaks_with_everybody(registry: Make) -> None:
    attempt = only(registry(""), "demo/echo")
    assert (attempt.protocol, attempt.raw, attempt.key_for(None)) == ("scripted", False, None)


@pytest.mark.parametrize("key", [None, "", "x", "short"])
def test_go_needs_a_key_that_could_be_one(registry: Make, key: str | None) -> None:
    with pytest.raises(DragomanError, match="needs a key") as caught:
        only(registry(""), "glm-5.3").key_for(key)
    assert caught.value.failure.http_status == 401
    assert caught.value.failure.should_retry is False


def test_go_takes_the_clients_key_and_the_anonymous_one(registry: Make) -> None:
    attempt = only(registry(""), "glm-5.3")
    assert attempt.key_for("sk-0123456789abcdef") == "sk-0123456789abcdef"
    assert attempt.key_for("public") == "public"


def test_a_gateway_with_keys_of_its_own_says_that_it_passes_none_on(registry: Make) -> None:
    with pytest.raises(DragomanError) as caught:
        only(registry('[server]\nkeys = ["mine"]\n'), "go/glm-5.3").key_for(None)
    assert caught.value.failure.http_status == 401
    assert caught.value.failure.text == (
        "`opencode-go` needs a key: this gateway has keys of its own, so a client's key is never passed on\n"
        "hint: configure `api_key` of provider `opencode-go`"
    )


def test_an_own_upstream_may_need_no_key(registry: Make) -> None:
    assert only(registry(CHAT.replace('api_key = "upstream-key"', "")), "m1").key_for(None) is None


def test_a_clients_key_does_not_go_to_a_local_server(registry: Make) -> None:
    local = '[providers.local]\npreset = "ollama"\n'
    attempt = only(registry(local), "local/qwen3:8b")
    assert (attempt.base_url, attempt.model) == ("http://127.0.0.1:11434/v1", "qwen3:8b")
    assert attempt.key_for("sk-0123456789abcdef") is None
    assert only(registry(local + 'api_key = "own"\n'), "qwen3:8b").key_for("sk-0123456789abcdef") == "own"


def test_an_unlisted_model_has_its_familys_quirks_and_the_catalogues_figures(registry: Make) -> None:
    made = registry('[providers.x]\npreset = "mistral"\nmodels = ["mistral-large-latest"]\napi_key = "k"\n')
    attempt = only(made, "x/mistral-embed")
    assert (attempt.dialect.tool_call_id_length, attempt.capabilities.context) == (9, 8000)
    assert attempt.capabilities.tools is False
    assert only(made, "x/unheard-of").capabilities.context is None


# --- vision -----------------------------------------------------------------------------------------------------------


def test_gos_blind_models_have_one_that_sees(registry: Make) -> None:
    made = registry("")
    blind = planned(made, "glm-5.2", "anthropic-messages")
    assert blind.attempts[0].may_be_blind
    assert blind.vision is not None
    assert (blind.vision.provider, blind.vision.model) == ("opencode-go", "glm-5.3-flash")
    assert blind.vision.capabilities.vision
    assert blind.vision.capabilities.documents
    assert planned(made, "glm-5.3-flash").vision is None


def test_the_configured_route_wins(registry: Make) -> None:
    made = registry(CHAT + '[routes.vision]\nto = "chat/m2"\n')
    vision = planned(made, "m1").vision
    assert vision is not None
    assert (vision.model, vision.reason) == ("m2", "route `vision`")
    assert planned(made, "m2").vision is None
    other = planned(made, "go/glm-5.2").vision
    assert other is not None
    assert other.provider == "chat"


def test_without_a_route_there_is_nobody_else_to_look(registry: Make) -> None:
    made = registry(CHAT)
    assert vision_target(made, resolve(made, "m1")) is None
    assert planned(made, "m1").vision is None


# --- upstreams that requests name -------------------------------------------------------------------------------------

ALLOW = '[server]\nallow_upstream_urls = ["http://127.0.0.1:9101", "https://api.example.com"]\n'


def test_a_listed_origin_is_called_as_the_request_says(registry: Make) -> None:
    made = registry(ALLOW)
    headers = {"x-upstream-url": "https://API.example.com/v1/", "x-upstream-format": "anthropic"}
    (attempt,) = plan_request(made, "any[1m]", "anthropic-messages", SPOKEN, Asked(headers=headers)).attempts
    assert (attempt.base_url, attempt.model, attempt.protocol) == (
        "https://api.example.com",
        "any",
        "anthropic-messages",
    )
    assert attempt.raw
    assert attempt.provider == "api.example.com"
    assert attempt.key_for("k") == "k"
    (attempt,) = plan_for_url(made, "http://127.0.0.1:9101/v1", "openai", "m", "anthropic-messages").attempts
    assert (attempt.base_url, attempt.protocol, attempt.raw) == ("http://127.0.0.1:9101/v1", "openai-chat", False)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9102",
        "https://127.0.0.1:9101",
        "http://127.0.0.1",
        "http://2130706433:9101",
        "http://0x7f000001:9101",
        "http://0177.0.0.1:9101",
        "http://127.1:9101",
        "http://[::ffff:127.0.0.1]:9101",
        "http://localhost:9101",
        "https://api.example.com.evil.test",
        "https://evil.test/https://api.example.com",
        "http://169.254.169.254/latest",
        "https://api.example.com.",
    ],
)
def test_an_origin_that_is_not_listed_is_refused_however_it_is_written(registry: Make, url: str) -> None:
    with pytest.raises(DragomanError) as caught:
        plan_for_url(registry(ALLOW), url, "openai", "m", "openai-chat")
    assert caught.value.failure.http_status in (400, 403)


@pytest.mark.parametrize(
    ("url", "form", "status", "told"),
    [
        ("file:///etc/passwd", "openai", 400, "no plain http"),
        ("https://api.example.com@127.0.0.1:1", "openai", 400, "no plain http"),
        ("https://user:pass@api.example.com", "openai", 400, "no plain http"),
        ("https://api.example.com\\@evil.test", "openai", 400, "no plain http"),
        ("https://evil.test", "openai", 403, "list its origin in `server.allow_upstream_urls`"),
        ("https://api.example.com", None, 400, "without `x-upstream-format`\nhint: `openai` or `anthropic`"),
        ("https://api.example.com", "gemini", 400, "`x-upstream-format` is `gemini`"),
        ("https://api.example.com/?q", "openai", 400, "has a query"),
    ],
)
def test_a_bad_upstream_is_told_what_is_wrong(
    registry: Make, url: str, form: str | None, status: int, told: str
) -> None:
    with pytest.raises(DragomanError) as caught:
        plan_for_url(registry(ALLOW), url, form, "m", "openai-chat")
    assert caught.value.failure.http_status == status
    assert told in caught.value.failure.text


def test_requests_name_no_upstream_unless_that_is_switched_on(registry: Make) -> None:
    headers = {"x-upstream-url": "https://api.example.com", "x-upstream-format": "openai"}
    with pytest.raises(DragomanError, match="switched off"):
        plan_request(registry(""), "m", "openai-chat", SPOKEN, Asked(headers=headers))
    with pytest.raises(DragomanError, match="comes without"):
        plan_request(registry(""), "m", "openai-chat", SPOKEN, Asked(headers={"x-upstream-format": "openai"}))


def test_a_request_without_such_headers_goes_by_its_model(registry: Make) -> None:
    found = plan_request(registry(""), "glm-5.3", "openai-chat", SPOKEN, Asked("go"))
    assert found.attempts[0].provider == "opencode-go"
