"""Failures from every kind of server, and as Anthropic's clients expect them."""

import msgspec
import pytest
from anthropic import APIStatusError
from anthropic.types import ErrorResponse

from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.protocols.anthropic_messages import PROTOCOL
from tests.protocols.anthropic_messages.sdk import SOURCE, client


def decoded(status: int, body: bytes, **headers: str) -> Failure:
    return PROTOCOL.decode_failure(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","error":{"type":"invalid_request_error","message":"words"},"request_id":"req_1"}',
        b'{"error":{"message":"words","type":"invalid_request_error"}}',
        b'{"error":"words"}',
        b'{"message":"words"}',
        b'{"detail":"words"}',
        b'{"detail":[{"loc":["body","x"],"msg":"words","type":"missing"}]}',
        b'{"errors":[{"message":"words"}]}',
        b'[{"error":{"code":400,"message":"words","status":"INVALID_ARGUMENT"}}]',
        b'"words"',
    ],
)
def test_any_form_of_error_is_read_in_the_upstreams_words(body: bytes) -> None:
    got = decoded(400, body)
    assert (got.kind, got.message, got.http_status) == (FailureKind.INVALID_REQUEST, "words", 400)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, FailureKind.AUTHENTICATION),
        (402, FailureKind.BILLING),
        (403, FailureKind.PERMISSION),
        (404, FailureKind.NOT_FOUND),
        (408, FailureKind.TIMEOUT),
        (409, FailureKind.CONFLICT),
        (413, FailureKind.TOO_LARGE),
        (418, FailureKind.INVALID_REQUEST),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.UPSTREAM_ERROR),
        (503, FailureKind.OVERLOADED),
        (529, FailureKind.OVERLOADED),
    ],
)
def test_the_status_is_kept(status: int, kind: FailureKind) -> None:
    got = decoded(status, b'{"type":"error","error":{"type":"AuthError","message":"words"}}')
    assert (got.kind, got.http_status) == (kind, status)


def test_html_is_the_upstreams_fault_and_is_quoted() -> None:
    for status in (200, 404, 500, 502):
        got = decoded(status, b"<html><body><h1>Bad   gateway</h1></body></html>")
        assert (got.kind, got.http_status) == (FailureKind.UPSTREAM_INVALID, 502)
        assert "Bad gateway" in got.message
        assert got.hint is not None
    assert decoded(500, b"").http_status == 500


@pytest.mark.parametrize("status", [401, 403, 413, 429, 529])
def test_what_a_proxy_refuses_in_its_own_words_keeps_its_status(status: int) -> None:
    got = decoded(status, b"<html><style>h1 {}</style><h1>No  way</h1></html>")
    assert (got.http_status, got.message) == (status, "No way")
    assert decoded(status, b"<html></html>").message.endswith("and no words")


def test_headers_that_say_when_to_come_back_are_kept() -> None:
    got = decoded(
        429, b"{}", Retry_After="7", x_should_retry="true", anthropic_ratelimit_tokens_remaining="0", server="x"
    )
    assert (got.retry_after, got.should_retry) == ("7", True)
    assert got.headers == (("anthropic-ratelimit-tokens-remaining", "0"),)
    assert decoded(500, b"{}", request_id="req_1").headers == (("x-upstream-request-id", "req_1"),)


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 208310 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199211 + 20000 > 200000",
        "This model's maximum context length is 128000 tokens.",
        "Your input exceeds the context window of this model.",
        "invalid params, context window exceeds limit (2013)",
        "Range of input length should be [1, 98304]",
    ],
)
def test_a_context_that_is_too_long_is_known_by_its_words(message: str) -> None:
    body = msgspec.json.encode({"error": {"message": message, "type": "invalid_request_error"}})
    got = decoded(400, body)
    assert (got.kind, got.message) == (FailureKind.CONTEXT_TOO_LONG, message)
    assert PROTOCOL.failure_status(got) == 400


def test_a_context_that_is_too_long_is_known_by_its_code() -> None:
    assert (
        decoded(413, b'{"error":{"message":"no","code":"context_length_exceeded"}}').kind
        is FailureKind.CONTEXT_TOO_LONG
    )


def encoded(failure: Failure) -> dict[str, dict[str, str]]:
    body: dict[str, dict[str, str]] = msgspec.json.decode(PROTOCOL.encode_failure(failure, "req_1"))
    return body


def test_clients_compact_on_the_words_they_know() -> None:
    own = Failure(FailureKind.CONTEXT_TOO_LONG, "prompt is too long: 2 tokens > 1 maximum")
    assert encoded(own)["error"]["message"] == own.message
    other = encoded(Failure(FailureKind.CONTEXT_TOO_LONG, "maximum context length is 1"))["error"]["message"]
    assert other.startswith("maximum context length is 1")
    assert "capability_rejected: prompt_too_long" in other


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_is_an_error_that_the_sdk_raises(kind: FailureKind) -> None:
    failure = Failure(kind, "words", hint="try this")
    body = PROTOCOL.encode_failure(failure, "req_1")
    assert msgspec.json.decode(body)["request_id"] == "req_1"
    with pytest.raises(APIStatusError) as caught:
        client(PROTOCOL.failure_status(failure), body, {"content-type": "application/json"}).messages.create(
            model="m", max_tokens=1, messages=[]
        )
    assert caught.value.status_code == failure.http_status
    assert "words" in caught.value.message
    assert "hint: try this" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.INVALID_REQUEST, "invalid_request_error"),
        (FailureKind.AUTHENTICATION, "authentication_error"),
        (FailureKind.BILLING, "billing_error"),
        (FailureKind.PERMISSION, "permission_error"),
        (FailureKind.NOT_FOUND, "not_found_error"),
        (FailureKind.TOO_LARGE, "request_too_large"),
        (FailureKind.RATE_LIMITED, "rate_limit_error"),
        (FailureKind.NOT_IMPLEMENTED, "not_supported"),
        (FailureKind.TIMEOUT, "timeout_error"),
        (FailureKind.OVERLOADED, "overloaded_error"),
        (FailureKind.UPSTREAM_CUT, "api_error"),
    ],
)
def test_error_types(kind: FailureKind, expected: str) -> None:
    assert encoded(Failure(kind, "words"))["error"]["type"] == expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(FailureKind.UPSTREAM_CUT, "words"), "words\nhint: try again later"),
        (Failure(FailureKind.UPSTREAM_ERROR, "words", hint="look there"), "words\nhint: look there; try again later"),
        (Failure(FailureKind.OVERLOADED, "words"), "words"),
        (Failure(FailureKind.INVALID_REQUEST, "words"), "words"),
    ],
)
def test_an_event_tells_in_words_that_a_fault_may_pass_where_its_type_does_not(failure: Failure, expected: str) -> None:
    (_, data) = PROTOCOL.encode_failure_event(failure, "").strip().split(b"\n")
    assert msgspec.json.decode(data.removeprefix(b"data: "))["error"]["message"] == expected


def test_errors_of_the_documented_types_fit_the_sdks_model() -> None:
    failure = Failure(FailureKind.OVERLOADED, "words")
    assert ErrorResponse.model_validate_json(PROTOCOL.encode_failure(failure, "req_1")).error.message == "words"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"words"}}', 529),
        (b'{"error":{"message":"words"}}', 500),
        (b"<html>", 502),
        (b"[1]", 502),
        (b'{"foo":1}', 502),
        (b'{"content":5}', 502),
        (b'{"content":[{"type":"tool_use","id":"x"}]}', 502),
        (b"", 502),
    ],
)
def test_an_answer_that_is_no_reply_is_a_failure(body: bytes, status: int) -> None:
    with pytest.raises(DragomanError) as caught:
        PROTOCOL.decode_reply(body, SOURCE)
    assert caught.value.failure.http_status == status
