"""What a turn of the CLI's that failed means for the client: a real HTTP status, never words in place of an answer."""

import math
from collections.abc import Mapping
from typing import Final

from dragoman.ir.failures import Failure, FailureKind
from dragoman.upstreams.claude_agent.lines import Exited, RateLimit, Result

_LOGIN_HINT: Final = (
    "sign in on the gateway's machine: run `claude` and `/login`, or set `claude.oauth_token` (from `claude setup-token`) "
    "or the provider's `api_key`"
)
_STATUSES: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.INVALID_REQUEST,
    401: FailureKind.AUTHENTICATION,
    402: FailureKind.BILLING,
    403: FailureKind.PERMISSION,
    404: FailureKind.NOT_FOUND,
    413: FailureKind.TOO_LARGE,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_REASONS: Final[Mapping[str, FailureKind]] = {
    "prompt_too_long": FailureKind.CONTEXT_TOO_LONG,
    "blocking_limit": FailureKind.CONTEXT_TOO_LONG,
}
"""By `terminal_reason`."""
_ERRORS: Final[Mapping[str, FailureKind]] = {
    "authentication_failed": FailureKind.AUTHENTICATION,
    "billing_error": FailureKind.BILLING,
    "rate_limit": FailureKind.RATE_LIMITED,
    "invalid_request": FailureKind.INVALID_REQUEST,
}
"""By the `error` of the message that the CLI puts in the answer's place."""
_WORDS: Final[tuple[tuple[str, FailureKind], ...]] = (
    ("/login", FailureKind.AUTHENTICATION),
    ("ECONNREFUSED", FailureKind.UPSTREAM_UNREACHABLE),
    ("ENOTFOUND", FailureKind.UPSTREAM_UNREACHABLE),
    ("ECONNRESET", FailureKind.UPSTREAM_CUT),
    ("Connection error", FailureKind.UPSTREAM_UNREACHABLE),
    ("timed out", FailureKind.TIMEOUT),
)
"""By a word of its text, where nothing else tells: the CLI has no field for what became of a connection."""
_HINTS: Final[Mapping[FailureKind, str]] = {FailureKind.AUTHENTICATION: _LOGIN_HINT}


def failure_of(result: Result, error: str | None, limit: RateLimit | None, now: float) -> Failure:
    """Return what a result that is no success means. `now` is seconds since the epoch."""
    text = result.result or "; ".join(result.errors or ()) or f"the Claude CLI ended its turn with `{result.subtype}`"
    kind = _kind(result, error, text)
    retry_after = None
    if kind is FailureKind.RATE_LIMITED and limit is not None and limit.resets_at is not None:
        retry_after = str(max(math.ceil(limit.resets_at - now), 1))
    status = result.api_error_status or 0
    is_told = status >= 400 and _STATUSES.get(status, FailureKind.UPSTREAM_ERROR) is kind
    return Failure(
        kind,
        text,
        status=status if is_told else 0,
        hint=_HINTS.get(kind),
        retry_after=retry_after,
        should_retry=False if kind is FailureKind.AUTHENTICATION else None,
    )


def _kind(result: Result, error: str | None, text: str) -> FailureKind:
    by_reason = _REASONS.get(result.terminal_reason or "")
    if by_reason is not None:
        return by_reason
    status = result.api_error_status
    if status is not None and status >= 400:
        others = FailureKind.UPSTREAM_ERROR if status >= 500 else FailureKind.INVALID_REQUEST
        return _STATUSES.get(status, others)
    if error is not None and error in _ERRORS:
        return _ERRORS[error]
    return next((kind for word, kind in _WORDS if word in text), FailureKind.UPSTREAM_ERROR)


def failure_of_exit(exited: Exited) -> Failure:
    """Return what it means that the process ended within a turn."""
    words = exited.words.splitlines()
    return Failure(
        FailureKind.UPSTREAM_CUT,
        f"the Claude CLI ended within the turn (exit status {exited.status})" + (f": {words[-1]}" if words else ""),
        hint="ask again: a new process takes over",
    )
