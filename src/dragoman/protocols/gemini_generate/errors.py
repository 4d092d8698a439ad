"""Failures, both ways. https://ai.google.dev/gemini-api/docs/troubleshooting and https://google.aip.dev/193."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dragoman.ir.failures import Failure, FailureKind
from dragoman.wire.overflow import says_too_long
from dragoman.wire.pages import PROXY_STATUSES, page_failure, refusal_of
from dragoman.wire.sse import write_frame

_Kind = FailureKind

_BY_STATUS: Final = {
    400: _Kind.INVALID_REQUEST,
    401: _Kind.AUTHENTICATION,
    402: _Kind.BILLING,
    403: _Kind.PERMISSION,
    404: _Kind.NOT_FOUND,
    405: _Kind.METHOD_NOT_ALLOWED,
    408: _Kind.TIMEOUT,
    409: _Kind.CONFLICT,
    413: _Kind.TOO_LARGE,
    422: _Kind.UNPROCESSABLE,
    429: _Kind.RATE_LIMITED,
    499: _Kind.UPSTREAM_CUT,
    501: _Kind.NOT_IMPLEMENTED,
    503: _Kind.OVERLOADED,
    504: _Kind.TIMEOUT,
    529: _Kind.OVERLOADED,
}
_BY_WORD: Final = {
    "INVALID_ARGUMENT": _Kind.INVALID_REQUEST,
    "FAILED_PRECONDITION": _Kind.INVALID_REQUEST,
    "OUT_OF_RANGE": _Kind.INVALID_REQUEST,
    "UNAUTHENTICATED": _Kind.AUTHENTICATION,
    "PERMISSION_DENIED": _Kind.PERMISSION,
    "NOT_FOUND": _Kind.NOT_FOUND,
    "ABORTED": _Kind.CONFLICT,
    "ALREADY_EXISTS": _Kind.CONFLICT,
    "RESOURCE_EXHAUSTED": _Kind.RATE_LIMITED,
    "CANCELLED": _Kind.UPSTREAM_CUT,
    "UNIMPLEMENTED": _Kind.NOT_IMPLEMENTED,
    "INTERNAL": _Kind.UPSTREAM_ERROR,
    "UNKNOWN": _Kind.UPSTREAM_ERROR,
    "DATA_LOSS": _Kind.UPSTREAM_ERROR,
    "UNAVAILABLE": _Kind.OVERLOADED,
    "DEADLINE_EXCEEDED": _Kind.TIMEOUT,
}
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto."""
_BY_REASON: Final = {
    "API_KEY_INVALID": _Kind.AUTHENTICATION,  # with status 400
    "ACCESS_TOKEN_EXPIRED": _Kind.AUTHENTICATION,
    "BILLING_DISABLED": _Kind.BILLING,
    "AuthError": _Kind.AUTHENTICATION,  # this and the next ones: OpenCode Zen, with status 401
    "CreditsError": _Kind.BILLING,
    "MonthlyLimitError": _Kind.BILLING,
    "UserLimitError": _Kind.BILLING,
    "ModelError": _Kind.NOT_FOUND,
    "RegionError": _Kind.PERMISSION,
}
_WORDS: Final = {
    _Kind.INVALID_REQUEST: "INVALID_ARGUMENT",
    _Kind.UNSUPPORTED: "INVALID_ARGUMENT",
    _Kind.CONTEXT_TOO_LONG: "INVALID_ARGUMENT",
    _Kind.AUTHENTICATION: "UNAUTHENTICATED",
    _Kind.BILLING: "FAILED_PRECONDITION",
    _Kind.PERMISSION: "PERMISSION_DENIED",
    _Kind.NOT_FOUND: "NOT_FOUND",
    _Kind.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    _Kind.CONFLICT: "ABORTED",
    _Kind.TOO_LARGE: "INVALID_ARGUMENT",
    _Kind.UNPROCESSABLE: "INVALID_ARGUMENT",
    _Kind.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    _Kind.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    _Kind.INTERNAL: "INTERNAL",
    _Kind.UPSTREAM_ERROR: "INTERNAL",
    _Kind.UPSTREAM_INVALID: "INTERNAL",
    _Kind.UPSTREAM_UNREACHABLE: "UNAVAILABLE",
    _Kind.UPSTREAM_CUT: "UNAVAILABLE",
    _Kind.TIMEOUT: "DEADLINE_EXCEEDED",
    _Kind.OVERLOADED: "UNAVAILABLE",
    _Kind.SHUTTING_DOWN: "UNAVAILABLE",
}
_TYPES: Final = "type.googleapis.com/google.rpc."
_DOMAIN: Final = "dragoman"
_TOO_LONG_STATUSES: Final = frozenset({0, 200, 400, 413, 422})
_KEPT_HEADERS: Final = ("x-ratelimit-", "ratelimit-", "retry-after-ms")
_SECONDS: Final = re.compile(r"\d+(?:\.\d+)?s")
_EXCERPT: Final = 200

_json: Final = msgspec.json.Decoder().decode


# From an upstream -----------------------------------------------------------------------------------------------------


def decode_failure(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return what an answer that is no reply says, in the upstream's own words."""
    names = {name.lower(): value for name, value in headers.items()}
    failure = _read_body(status, body)
    kept = tuple((name, value) for name, value in names.items() if name.startswith(_KEPT_HEADERS))
    return msgspec.structs.replace(
        failure,
        retry_after=names.get("retry-after") or failure.retry_after,
        should_retry=_SHOULD_RETRY.get(names.get("x-should-retry", "")),
        headers=kept,
    )


_SHOULD_RETRY: Final = {"true": True, "false": False}


def _read_body(status: int, body: bytes) -> Failure:
    if not body.strip():
        kind = _kind_of(status, None, None) if status >= 400 else _Kind.UPSTREAM_INVALID
        return Failure(kind, f"the upstream answered {status} without a body", _status_of(status, kind))
    try:
        content = _json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if status in PROXY_STATUSES:
            return Failure(_BY_STATUS[status], refusal_of(status, body), status)
        return page_failure(status, body)
    return failure_of(content, status)


def failure_of(content: Any, status: int = 0) -> Failure:  # noqa: ANN401 - any JSON
    """Return what an error's JSON says, whichever server wrote it. `status` 0: it came in a stream."""
    error = _error_in(content)
    message = _text(error, "message") or _text(error, "detail") or _text(error, "error")
    if not message:
        message = f"the upstream failed: {msgspec.json.encode(content).decode()[:_EXCERPT]}"
    code = error.get("code")
    stated = code if isinstance(code, int) and 400 <= code <= 599 else 0
    word = _text(error, "status") or _text(error, "type")
    details = [one for one in error.get("details") or () if isinstance(one, dict)]
    reason = next((text for one in details if (text := _text(one, "reason"))), None)
    kind = _kind_of(status or stated, word, reason)
    if (status or stated) in _TOO_LONG_STATUSES and says_too_long(message):
        kind = _Kind.CONTEXT_TOO_LONG
    return Failure(
        kind,
        message,
        _status_of(status or stated, kind),
        code=reason or (code if isinstance(code, str) else None),
        param=next((field for one in details for field in _fields_named(one)), None),
        retry_after=next((wait for one in details if (wait := _seconds(one.get("retryDelay")))), None),
        upstream_type=word,
    )


def _error_in(content: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the error in any form that servers are known to write."""
    match content:
        case [first, *_]:
            return _error_in(first)
        case {"error": dict(error)}:
            return error
        case dict():
            return content
        case str():
            return {"message": content}
        case _:
            return {}


def _kind_of(status: int, word: str | None, reason: str | None) -> FailureKind:
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if word in _BY_REASON:
        return _BY_REASON[word]
    by_status = _BY_STATUS.get(status)
    if word in _BY_WORD and (by_status is None or status in (400, 500)):
        return _BY_WORD[word]
    if by_status is not None:
        return by_status
    return _Kind.INVALID_REQUEST if 400 <= status < 500 else _Kind.UPSTREAM_ERROR


def _status_of(status: int, kind: FailureKind) -> int:
    """Return the upstream's status where it fits what is wrong; 0 leaves it to the kind."""
    if kind is _Kind.CONTEXT_TOO_LONG or not 400 <= status <= 599:
        return 0
    return 0 if kind is _Kind.AUTHENTICATION and status == 400 else status


def _fields_named(detail: dict[str, Any]) -> Iterator[str]:
    for violation in detail.get("fieldViolations") or ():
        if isinstance(violation, dict) and (field := _text(violation, "field")):
            yield field


def _seconds(delay: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a duration as `retry-after` has it, in whole seconds."""
    if not isinstance(delay, str) or not _SECONDS.fullmatch(delay):
        return None
    return str(math.ceil(float(delay[:-1])))


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


# To a client ----------------------------------------------------------------------------------------------------------


def encode_failure(failure: Failure, request_id: str) -> bytes:  # noqa: ARG001 - the header has it
    """Return the body of an error answer."""
    error: dict[str, Any] = {
        "code": failure_status(failure),
        "message": failure.text,
        "status": _WORDS[failure.kind],
    }
    if details := list(_details(failure)):
        error["details"] = details
    return msgspec.json.encode({"error": error})


def encode_failure_event(failure: Failure, request_id: str) -> bytes:
    """Return the chunk that ends a stream which has failed."""
    return write_frame(encode_failure(failure, request_id))


def failure_status(failure: Failure) -> int:
    """Return the HTTP status for `failure`: Google's clients know 503 for an overload, and 400 for a context that is too long."""
    if failure.kind is _Kind.CONTEXT_TOO_LONG:
        return 400
    return 503 if failure.http_status == 529 else failure.http_status


def _details(failure: Failure) -> Iterator[dict[str, Any]]:
    if failure.param:
        violation = {"field": failure.param, "description": failure.message}
        yield {"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}
    if failure.code:
        yield {"@type": f"{_TYPES}ErrorInfo", "reason": failure.code, "domain": _DOMAIN}
    if failure.retry_after and failure.retry_after.isdigit():
        yield {"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{failure.retry_after}s"}
