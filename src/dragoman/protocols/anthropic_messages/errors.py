"""Failures, both ways. https://platform.claude.com/docs/en/api/errors."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.ir.failures import Failure, FailureKind
from dragoman.wire.overflow import says_too_long
from dragoman.wire.pages import PROXY_STATUSES, page_failure, refusal_of
from dragoman.wire.reading import UNREADABLE
from dragoman.wire.sse import write_frame

_KINDS_BY_TYPE: Final = {
    "invalid_request_error": FailureKind.INVALID_REQUEST,
    "authentication_error": FailureKind.AUTHENTICATION,
    "billing_error": FailureKind.BILLING,
    "permission_error": FailureKind.PERMISSION,
    "not_found_error": FailureKind.NOT_FOUND,
    "conflict_error": FailureKind.CONFLICT,
    "request_too_large": FailureKind.TOO_LARGE,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "timeout_error": FailureKind.TIMEOUT,
    "api_error": FailureKind.UPSTREAM_ERROR,
    "overloaded_error": FailureKind.OVERLOADED,
}
_KINDS_BY_STATUS: Final = {
    400: FailureKind.INVALID_REQUEST,
    401: FailureKind.AUTHENTICATION,
    402: FailureKind.BILLING,
    403: FailureKind.PERMISSION,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.METHOD_NOT_ALLOWED,
    408: FailureKind.TIMEOUT,
    409: FailureKind.CONFLICT,
    413: FailureKind.TOO_LARGE,
    422: FailureKind.UNPROCESSABLE,
    429: FailureKind.RATE_LIMITED,
    501: FailureKind.NOT_IMPLEMENTED,
    502: FailureKind.UPSTREAM_UNREACHABLE,
    503: FailureKind.OVERLOADED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_TYPES: Final = {
    FailureKind.INVALID_REQUEST: "invalid_request_error",
    FailureKind.UNSUPPORTED: "invalid_request_error",
    FailureKind.CONTEXT_TOO_LONG: "invalid_request_error",
    FailureKind.AUTHENTICATION: "authentication_error",
    FailureKind.BILLING: "billing_error",
    FailureKind.PERMISSION: "permission_error",
    FailureKind.NOT_FOUND: "not_found_error",
    FailureKind.METHOD_NOT_ALLOWED: "invalid_request_error",
    FailureKind.CONFLICT: "conflict_error",
    FailureKind.TOO_LARGE: "request_too_large",
    FailureKind.UNPROCESSABLE: "invalid_request_error",
    FailureKind.RATE_LIMITED: "rate_limit_error",
    FailureKind.NOT_IMPLEMENTED: "not_supported",
    FailureKind.INTERNAL: "api_error",
    FailureKind.UPSTREAM_ERROR: "api_error",
    FailureKind.UPSTREAM_INVALID: "api_error",
    FailureKind.UPSTREAM_UNREACHABLE: "api_error",
    FailureKind.UPSTREAM_CUT: "api_error",
    FailureKind.TIMEOUT: "timeout_error",
    FailureKind.OVERLOADED: "overloaded_error",
    FailureKind.SHUTTING_DOWN: "overloaded_error",
}
_ANTHROPIC_WORDS: Final = ("prompt is too long", "exceed context limit")
_TOO_LONG_STATUSES: Final = frozenset({0, 200, 400, 413, 422})
_KEPT_HEADERS: Final = ("anthropic-ratelimit-", "x-ratelimit-", "ratelimit-", "retry-after-ms")
_EXCERPT: Final = 200
_PASSING: Final = "try again later"

_json: Final = msgspec.json.Decoder().decode


class _Error(msgspec.Struct):
    type: str
    message: str


class _ErrorBody(msgspec.Struct, tag_field="type", tag="error"):
    error: _Error
    request_id: str | None = None


class _ErrorEvent(msgspec.Struct, tag_field="type", tag="error"):
    error: _Error


# From an upstream -----------------------------------------------------------------------------------------------------


def decode_failure(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return what an answer that is no reply says, in the upstream's own words."""
    names = {name.lower(): value for name, value in headers.items()}
    failure = _read_body(status, body)
    return msgspec.structs.replace(
        failure,
        retry_after=names.get("retry-after"),
        should_retry=_SHOULD_RETRY.get(names.get("x-should-retry", "")),
        headers=tuple(_kept(names)),
    )


_SHOULD_RETRY: Final = {"true": True, "false": False}


def _kept(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    rows = [(name, value) for name, value in headers.items() if name.startswith(_KEPT_HEADERS)]
    if "request-id" in headers:
        rows.append(("x-upstream-request-id", headers["request-id"]))
    return rows


def _read_body(status: int, body: bytes) -> Failure:
    if not body.strip():
        kind = _kind_of(status, None) if status >= 400 else FailureKind.UPSTREAM_INVALID
        return Failure(kind, f"the upstream answered {status} without a body", _status_of(status, kind))
    try:
        content = _json(body)
    except UNREADABLE:
        if status in PROXY_STATUSES:
            return Failure(_KINDS_BY_STATUS[status], refusal_of(status, body), status)
        return page_failure(status, body)
    return failure_of(content, status)


def failure_of(content: Any, status: int = 0) -> Failure:  # noqa: ANN401 - any JSON
    """Return what an error's JSON says, whichever server wrote it. `status` 0: it came as an event."""
    message, kind_word, code, param = _parts(content)
    if not message:
        message = f"the upstream failed: {msgspec.json.encode(content).decode()[:_EXCERPT]}"
    kind = _kind_of(status, kind_word)
    if status in _TOO_LONG_STATUSES and (code == "context_length_exceeded" or says_too_long(message)):
        kind = FailureKind.CONTEXT_TOO_LONG
    return Failure(kind, message, _status_of(status, kind), code=code, param=param, upstream_type=kind_word)


def _kind_of(status: int, word: str | None) -> FailureKind:
    by_status = _KINDS_BY_STATUS.get(status)
    if word in _KINDS_BY_TYPE and (by_status is None or status in (400, 500)):
        return _KINDS_BY_TYPE[word]
    if by_status is not None:
        return by_status
    return FailureKind.INVALID_REQUEST if 400 <= status < 500 else FailureKind.UPSTREAM_ERROR


def _status_of(status: int, kind: FailureKind) -> int:
    """Return the upstream's status where it is an error's; 0 leaves it to the kind."""
    return 0 if kind is FailureKind.CONTEXT_TOO_LONG or not 400 <= status <= 599 else status


_Parts = tuple[str, str | None, str | None, str | None]


def _parts(content: Any) -> _Parts:  # noqa: ANN401 - any JSON
    """Return (message, type, code, param) from any form of error that servers are known to write."""
    match content:
        case [first, *_]:
            return _parts(first)
        case {"error": dict(error)}:
            return _fields_of(error)
        case {"error": str(text)}:
            return text, None, _word(content, "code"), None
        case {"errors": [first, *_]}:
            return _parts(first)
        case {"detail": str(text)}:
            return text, None, None, None
        case {"detail": [{"msg": str(text), "loc": list(steps)}, *_]}:
            return text, None, None, ".".join(str(step) for step in steps) or None
        case dict():
            return _fields_of(content)
        case str():
            return content, None, None, None
        case _:
            return "", None, None, None


def _fields_of(error: dict[str, Any]) -> _Parts:
    return _word(error, "message") or "", _word(error, "type"), _word(error, "code"), _word(error, "param")


def _word(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


# To a client ----------------------------------------------------------------------------------------------------------


def encode_failure(failure: Failure, request_id: str) -> bytes:
    """Return the body of an error answer."""
    return msgspec.json.encode(_ErrorBody(_error(failure), request_id or None))


def encode_failure_event(failure: Failure, request_id: str) -> bytes:  # noqa: ARG001 - an event has no request id
    """Return the event that ends a stream which has failed; `message_stop` does not follow."""
    if failure.kind.retryable and _TYPES[failure.kind] == "api_error":
        # An event has no status that says so, and OpenCode gives up unless the words tell that the fault may pass.
        hint = f"{failure.hint}; {_PASSING}" if failure.hint else _PASSING
        failure = msgspec.structs.replace(failure, hint=hint)
    return write_frame(msgspec.json.encode(_ErrorEvent(_error(failure))), "error")


def failure_status(failure: Failure) -> int:
    """Return the HTTP status for `failure`: a context that is too long is a 400, on which clients compact."""
    return 400 if failure.kind is FailureKind.CONTEXT_TOO_LONG else failure.http_status


def _error(failure: Failure) -> _Error:
    message = failure.text
    if failure.kind is FailureKind.CONTEXT_TOO_LONG and not any(words in message for words in _ANTHROPIC_WORDS):
        # What Claude Code looks for before it compacts: https://code.claude.com/docs/en/llm-gateway-protocol
        message = f"{message}\ncapability_rejected: prompt_too_long"
    return _Error(_TYPES[failure.kind], message)
