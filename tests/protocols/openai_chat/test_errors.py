"""Failures, read from every shape of error body and written in Chat's."""

import json

import pytest

from dragoman.ir.failures import Failure, FailureKind
from dragoman.protocols.openai_chat import PROTOCOL
from tests.protocols.openai_chat.support import chunks_in

K = FailureKind


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, {"error": {"message": "bad", "type": "invalid_request_error", "param": "x", "code": None}}, K.INVALID_REQUEST, "bad"),
        (401, {"error": {"message": "who", "code": "invalid_api_key"}}, K.AUTHENTICATION, "who"),
        (402, {"error": {"message": "pay"}}, K.BILLING, "pay"),
        (403, {"error": {"message": "no"}}, K.PERMISSION, "no"),
        (404, {"error": {"message": "no model", "code": "model_not_found"}}, K.NOT_FOUND, "no model"),
        (408, {"error": {"message": "late"}}, K.TIMEOUT, "late"),
        (413, {"error": {"message": "big"}}, K.TOO_LARGE, "big"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, K.UNPROCESSABLE, "body.model: field required"),
        (429, {"error": {"message": "slow", "type": "tokens", "code": "rate_limit_exceeded"}}, K.RATE_LIMITED, "slow"),
        (429, {"error": {"message": "empty", "code": "insufficient_quota"}}, K.BILLING, "empty"),
        (500, {"error": "text"}, K.UPSTREAM_ERROR, "text"),
        (503, {"message": "down"}, K.OVERLOADED, "down"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, K.OVERLOADED, "busy"),
        (401, {"type": "error", "error": {"type": "CreditsError", "message": "no credits"}}, K.BILLING, "no credits"),
        (401, {"type": "error", "error": {"type": "MonthlyLimitError", "message": "limit"}}, K.BILLING, "limit"),
        (401, {"type": "error", "error": {"type": "ModelError", "message": "no such"}}, K.NOT_FOUND, "no such"),
        (429, {"type": "error", "error": {"type": "GoUsageLimitError", "message": "wait"}}, K.RATE_LIMITED, "wait"),
        (400, [{"error": {"code": 400, "message": "google", "status": "INVALID_ARGUMENT"}}], K.INVALID_REQUEST, "google"),
        (418, {"detail": "teapot"}, K.INVALID_REQUEST, "teapot"),
        (599, {"error": {"message": {"nested": 1}}}, K.UPSTREAM_ERROR, '{"nested":1}'),
        (500, {}, K.UPSTREAM_ERROR, "{}"),
        (500, {"error": None, "message": None}, K.UPSTREAM_ERROR, '{"error":null,"message":null}'),
    ],
)  # fmt: skip
def test_every_shape_of_error_body_is_read(status: int, body: object, kind: FailureKind, message: str) -> None:
    failure = PROTOCOL.decode_failure(status, {}, json.dumps(body).encode())
    assert (failure.kind, failure.message, failure.http_status) == (kind, message, status)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 8192 tokens. However", "code": None},
        {"message": "too big", "code": "context_length_exceeded"},
        {"message": "prompt is too long: 9 tokens > 8 maximum", "type": "invalid_request_error"},
        {"message": "Input is too long for requested model."},
        {"message": "the request exceeds the model's context window"},
        {"message": "Invalid request: Your request exceeded model token limit: 262144"},
        {"message": "Prompt exceeds max length", "code": "1261"},
        {"message": "Range of input length should be [1, 98304]"},
        {"message": "invalid params, context window exceeds limit (2013)"},
    ],
)
def test_a_context_that_overflows_is_known_and_keeps_its_words(error: dict[str, str]) -> None:
    failure = PROTOCOL.decode_failure(400, {}, json.dumps({"error": error}).encode())
    assert failure.kind is K.CONTEXT_TOO_LONG
    written = json.loads(PROTOCOL.encode_failure(failure, "r"))["error"]
    assert written["code"] == "context_length_exceeded"
    first, *more = written["message"].splitlines()
    assert first == error["message"]
    if "maximum context length is" not in first:
        assert more == ["This model's maximum context length is exceeded."], "the words that LiteLLM looks for"
    else:
        assert more == []


@pytest.mark.parametrize("status", [200, 404, 500, 502, 503])
@pytest.mark.parametrize("body", [b"<html><style>x{}</style><body>Bad  <b>gateway</b></body></html>", b"Bad gateway"])
def test_what_is_no_json_is_a_502_with_an_excerpt(status: int, body: bytes) -> None:
    failure = PROTOCOL.decode_failure(status, {}, body)
    assert (failure.kind, failure.http_status) == (K.UPSTREAM_INVALID, 502)
    assert "Bad gateway" in failure.message
    assert ("try again later" in failure.text) == (status >= 500)


@pytest.mark.parametrize("status", [401, 403, 413, 429])
def test_what_a_proxy_refuses_in_its_own_words_keeps_its_status(status: int) -> None:
    failure = PROTOCOL.decode_failure(status, {"Retry-After": "7"}, b"<html>Too much</html>")
    assert (failure.http_status, failure.message, failure.retry_after) == (status, "Too much", "7")


@pytest.mark.parametrize("word", ["CreditsError", "ModelError", "AuthError"])
def test_a_401_is_not_to_be_tried_again_whatever_word_is_beside_it(word: str) -> None:
    body = json.dumps({"type": "error", "error": {"type": word, "message": "no"}}).encode()
    failure = PROTOCOL.decode_failure(401, {}, body)
    assert (failure.http_status, failure.should_retry) == (401, False)
    assert PROTOCOL.decode_failure(401, {"X-Should-Retry": "true"}, body).should_retry is True


def test_an_empty_body_keeps_its_status() -> None:
    failure = PROTOCOL.decode_failure(503, {}, b"")
    assert (failure.kind, failure.http_status) == (K.OVERLOADED, 503)


def test_headers_that_clients_act_on_are_kept() -> None:
    headers = {
        "Retry-After": "3",
        "retry-after-ms": "2500",
        "X-RateLimit-Remaining": "0",
        "x-should-retry": "false",
        "server": "x",
    }
    failure = PROTOCOL.decode_failure(429, headers, b'{"error":{"message":"slow"}}')
    assert failure.retry_after == "3"
    assert failure.should_retry is False
    assert dict(failure.headers) == {"retry-after-ms": "2500", "x-ratelimit-remaining": "0"}


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_chats_form(kind: FailureKind) -> None:
    failure = Failure(kind, "words", param="model", hint="try this")
    error = json.loads(PROTOCOL.encode_failure(failure, "r"))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].startswith("words\nhint: try this")
    assert error["param"] == "model"
    assert isinstance(error["type"], str)
    (event,) = chunks_in(PROTOCOL.encode_failure_event(failure, "r"))
    assert event == {"error": error}


def test_an_unknown_model_has_openais_code() -> None:
    error = json.loads(PROTOCOL.encode_failure(Failure(K.NOT_FOUND, "x", param="model"), "r"))["error"]
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure(K.OVERLOADED, "x"), 503),
        (Failure(K.OVERLOADED, "x", status=529), 503),
        (Failure(K.BILLING, "x", status=401), 401),
        (Failure(K.BILLING, "x"), 402),
        (Failure(K.RATE_LIMITED, "x"), 429),
        (Failure(K.CONTEXT_TOO_LONG, "x"), 400),
    ],
)
def test_statuses_are_kept_but_for_anthropics_own(failure: Failure, status: int) -> None:
    assert PROTOCOL.failure_status(failure) == status
