"""Failures in this protocol's words, and every shape in which its servers write them.

https://platform.openai.com/docs/guides/error-codes and https://openrouter.ai/docs/api-reference/errors
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import Failure, FailureKind
from dragoman.wire.overflow import says_too_long
from dragoman.wire.pages import PROXY_STATUSES, excerpt_of, page_failure, refusal_of
from dragoman.wire.reading import UNREADABLE
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
    501: _Kind.NOT_IMPLEMENTED,
    503: _Kind.OVERLOADED,
    504: _Kind.TIMEOUT,
    529: _Kind.OVERLOADED,
}

_BY_WORD: Final = {
    "context_length_exceeded": _Kind.CONTEXT_TOO_LONG,
    "string_above_max_length": _Kind.CONTEXT_TOO_LONG,
    "insufficient_quota": _Kind.BILLING,
    "insufficient_balance": _Kind.BILLING,
    "billing_error": _Kind.BILLING,
    "creditserror": _Kind.BILLING,  # this and the next ones: OpenCode Zen, with status 401
    "monthlylimiterror": _Kind.BILLING,
    "userlimiterror": _Kind.BILLING,
    "modelerror": _Kind.NOT_FOUND,
    "autherror": _Kind.AUTHENTICATION,
    "regionerror": _Kind.PERMISSION,
    "ratelimiterror": _Kind.RATE_LIMITED,
    "freeusagelimiterror": _Kind.RATE_LIMITED,
    "gousagelimiterror": _Kind.RATE_LIMITED,
    "invalid_api_key": _Kind.AUTHENTICATION,
    "authentication_error": _Kind.AUTHENTICATION,
    "permission_error": _Kind.PERMISSION,
    "model_not_found": _Kind.NOT_FOUND,
    "not_found_error": _Kind.NOT_FOUND,
    "rate_limit_exceeded": _Kind.RATE_LIMITED,
    "rate_limit_error": _Kind.RATE_LIMITED,
    "overloaded_error": _Kind.OVERLOADED,
    "server_is_overloaded": _Kind.OVERLOADED,
    "slow_down": _Kind.OVERLOADED,
    "timeout": _Kind.TIMEOUT,
}
"""By an error's code or type, in lower case."""

_VAGUE: Final = {
    "invalid_request_error": _Kind.INVALID_REQUEST,
    "server_error": _Kind.UPSTREAM_ERROR,
    "api_error": _Kind.UPSTREAM_ERROR,
}
"""Types that are only listened to when there is no status."""

_STATUS: Final = re.compile("[45][0-9][0-9]")
_UNAUTHORIZED: Final = 401
_RETRY_AFTER_MS: Final = "retry-after-ms"


class _Error(msgspec.Struct, frozen=True):
    """An error object. `code` is a number at some servers."""

    message: Any = None
    type: Any = None
    code: Any = None
    param: Any = None


class _Body(msgspec.Struct, frozen=True):
    """The fields under which servers put errors."""

    error: Any = None
    message: Any = None
    detail: Any = None
    type: Any = None
    code: Any = None
    param: Any = None
    msg: Any = None


_any_of: Final = msgspec.json.Decoder().decode


# An upstream's failure ----------------------------------------------------------------------------------------------------


def decode_failure(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return what an answer that is not a reply says. What is not JSON is a 502 with an excerpt, save a proxy's own refusals."""
    lowered = {name.lower(): value for name, value in headers.items()}
    error = _read(body)
    if error is None and body.strip() and status not in PROXY_STATUSES:
        return _with_headers(page_failure(status, body), lowered)
    error = error or _Error(refusal_of(status, body))
    return _with_headers(failure_from(error, status), lowered)


def decode_error(raw: Raw | bytes) -> Failure:
    """Return the failure in an `error` that came within a reply, where no status speaks."""
    try:
        error = _error_in(_any_of(raw))
    except UNREADABLE:
        error = _Error(excerpt_of(bytes(raw)))
    code = _as_word(error.code) or ""
    return failure_from(error, int(code) if _STATUS.fullmatch(code) else 0)


def failure_from(error: _Error, status: int) -> Failure:
    """Return the failure that an error object with the HTTP status `status` (0: none) means."""
    message = error.message if isinstance(error.message, str) else _as_text(error.message)
    code, kind_word, param = (_as_word(value) for value in (error.code, error.type, error.param))
    kind = _kind(status, code, kind_word, message)
    return Failure(
        kind,
        message or "the upstream gave no reason",
        status=status if 400 <= status < 600 else 0,
        code=code,
        param=param,
        upstream_type=kind_word,
    )


def _kind(status: int, code: str | None, kind_word: str | None, message: str) -> FailureKind:
    for word in (code, kind_word):
        if word and (kind := _BY_WORD.get(word.lower())):
            return kind
    if status in (0, 400, 413, 422, 500) and says_too_long(message):
        return FailureKind.CONTEXT_TOO_LONG
    if status == 0:
        return _VAGUE.get((kind_word or "").lower(), FailureKind.UPSTREAM_ERROR)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return FailureKind.INVALID_REQUEST if 400 <= status < 500 else FailureKind.UPSTREAM_ERROR


def _read(body: bytes) -> _Error | None:
    """Return the error that a body holds; None when it is not JSON."""
    try:
        return _error_in(_any_of(body))
    except UNREADABLE:
        return None


def _error_in(value: Any) -> _Error:  # noqa: ANN401 - any JSON
    """Return the error in any of the shapes in which servers write one."""
    if isinstance(value, list) and value:
        return _error_in(value[0])
    if not isinstance(value, dict):
        return _Error(value)
    body = msgspec.convert(value, _Body)
    inner = body.error
    if isinstance(inner, dict) and inner:
        error = msgspec.convert(inner, _Error)
        return error if error.message else msgspec.structs.replace(error, message=inner)
    if isinstance(inner, list) and inner:
        return _error_in(inner)
    message = inner if isinstance(inner, str) and inner else body.message or body.detail or body.msg or value
    return _Error(_detail_text(message), body.type, body.code, body.param)


def _detail_text(message: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return FastAPI's list of validation errors as words."""
    if isinstance(message, list) and message and all(isinstance(item, dict) and "msg" in item for item in message):
        return "; ".join(f"{'.'.join(map(str, item.get('loc') or ()))}: {item['msg']}".lstrip(": ") for item in message)
    return message


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return str(value["message"])
    return "" if value is None else msgspec.json.encode(value).decode(errors="replace")


def _as_word(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _with_headers(failure: Failure, headers: Mapping[str, str]) -> Failure:
    kept = tuple(
        (name, value) for name, value in headers.items() if name == _RETRY_AFTER_MS or name.startswith("x-ratelimit-")
    )
    # A 401 stays one, whatever word is beside it (Zen: no credit); untold, Claude Code asks again for over a minute.
    otherwise = False if failure.status == _UNAUTHORIZED else None
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower(), otherwise)
    return msgspec.structs.replace(
        failure, retry_after=headers.get("retry-after"), should_retry=should_retry, headers=kept
    )


# A client's ---------------------------------------------------------------------------------------------------------------

_TYPES: Final = {
    _Kind.INVALID_REQUEST: ("invalid_request_error", None),
    _Kind.UNSUPPORTED: ("invalid_request_error", "unsupported"),
    _Kind.CONTEXT_TOO_LONG: ("invalid_request_error", "context_length_exceeded"),
    _Kind.AUTHENTICATION: ("invalid_request_error", "invalid_api_key"),
    _Kind.BILLING: ("insufficient_quota", "insufficient_quota"),
    _Kind.PERMISSION: ("permission_error", None),
    _Kind.NOT_FOUND: ("invalid_request_error", None),
    _Kind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed"),
    _Kind.CONFLICT: ("conflict_error", None),
    _Kind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    _Kind.UNPROCESSABLE: ("invalid_request_error", None),
    _Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    _Kind.NOT_IMPLEMENTED: ("not_implemented_error", "not_implemented"),
    _Kind.INTERNAL: ("server_error", "internal_error"),
    _Kind.UPSTREAM_ERROR: ("server_error", None),
    _Kind.UPSTREAM_INVALID: ("server_error", "upstream_invalid"),
    _Kind.UPSTREAM_UNREACHABLE: ("server_error", "upstream_unreachable"),
    _Kind.UPSTREAM_CUT: ("server_error", "upstream_cut"),
    _Kind.TIMEOUT: ("timeout_error", "timeout"),
    _Kind.OVERLOADED: ("server_error", "overloaded"),
    _Kind.SHUTTING_DOWN: ("server_error", "shutting_down"),
}
"""The type and the code of each kind of failure; the upstream's own code goes before."""

_OVERFLOW: Final = "this model's maximum context length is"


def encode_failure(failure: Failure, _request_id: str = "") -> bytes:
    """Return the body of an error answer. The request's id is in a header, as at OpenAI."""
    return msgspec.json.encode({"error": error_fields(failure)})


def error_fields(failure: Failure) -> dict[str, str | None]:
    """Return the error object of a failure: `message`, `type`, `param` and `code`."""
    kind, code = _TYPES[failure.kind]
    if failure.kind is FailureKind.NOT_FOUND and failure.param == "model":
        code = "model_not_found"
    # Clients compact on this very code, whatever the upstream called it.
    keeps_code = failure.code and failure.kind is not FailureKind.CONTEXT_TOO_LONG
    return {
        "message": _message(failure),
        "type": kind,
        "param": failure.param,
        "code": failure.code if keeps_code else code,
    }


def _message(failure: Failure) -> str:
    """Return the words of a failure; behind others for a context that is too long stand OpenAI's own.

    LiteLLM, and with it Aider, looks for these and not for the code.
    """
    if failure.kind is not FailureKind.CONTEXT_TOO_LONG or _OVERFLOW in failure.text.lower():
        return failure.text
    return f"{failure.text}\nThis model's maximum context length is exceeded."


def encode_failure_event(failure: Failure, request_id: str = "") -> bytes:
    """Return the failure as a stream's last event: no `[DONE]` follows, so that nobody takes it for an end."""
    return write_frame(encode_failure(failure, request_id))


def failure_status(failure: Failure) -> int:
    """Return the HTTP status for `failure`; Anthropic's own 529 becomes the 503 that everybody knows."""
    return 503 if failure.http_status == 529 else failure.http_status
