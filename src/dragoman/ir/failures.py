"""The closed list of what can go wrong: who must act, which HTTP status, whether to try again."""

from enum import Enum

import msgspec


class Actor(Enum):
    """Who can do something about a failure."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class FailureKind(Enum):
    """What went wrong. The value is (who must act, default HTTP status, may be retried before the first content)."""

    INVALID_REQUEST = ("invalid_request", Actor.CLIENT, 400, False)
    UNSUPPORTED = ("unsupported", Actor.CLIENT, 400, False)
    CONTEXT_TOO_LONG = ("context_too_long", Actor.CLIENT, 400, False)
    AUTHENTICATION = ("authentication", Actor.CLIENT, 401, False)
    BILLING = ("billing", Actor.CLIENT, 402, False)
    PERMISSION = ("permission", Actor.CLIENT, 403, False)
    NOT_FOUND = ("not_found", Actor.CLIENT, 404, False)
    METHOD_NOT_ALLOWED = ("method_not_allowed", Actor.CLIENT, 405, False)
    CONFLICT = ("conflict", Actor.CLIENT, 409, False)
    TOO_LARGE = ("too_large", Actor.CLIENT, 413, False)
    UNPROCESSABLE = ("unprocessable", Actor.CLIENT, 422, False)
    RATE_LIMITED = ("rate_limited", Actor.UPSTREAM, 429, True)
    NOT_IMPLEMENTED = ("not_implemented", Actor.GATEWAY, 501, False)
    INTERNAL = ("internal", Actor.GATEWAY, 500, False)
    UPSTREAM_ERROR = ("upstream_error", Actor.UPSTREAM, 500, True)
    UPSTREAM_INVALID = ("upstream_invalid", Actor.UPSTREAM, 502, True)
    UPSTREAM_UNREACHABLE = ("upstream_unreachable", Actor.UPSTREAM, 502, True)
    UPSTREAM_CUT = ("upstream_cut", Actor.UPSTREAM, 502, True)
    TIMEOUT = ("timeout", Actor.UPSTREAM, 504, False)
    OVERLOADED = ("overloaded", Actor.UPSTREAM, 529, True)
    SHUTTING_DOWN = ("shutting_down", Actor.GATEWAY, 503, False)

    def __init__(self, word: str, actor: Actor, status: int, retryable: bool) -> None:  # noqa: FBT001 - an enum's value
        self.word = word
        self.actor = actor
        self.status = status
        self.retryable = retryable


class Failure(msgspec.Struct, frozen=True):
    """One failure on its way to the client.

    `message` is the upstream's own words where there are any; `hint` is ours and is shown after them. `status` is
    the HTTP status to answer with (the upstream's, when it gave one). `code` and `param` are the machine-readable
    code and the field's name. `retry_after` is the header's text, seconds or an HTTP date, as it came.
    `should_retry` is what `x-should-retry` tells the SDKs; None leaves it to their own rule.
    """

    kind: FailureKind
    message: str
    status: int = 0
    code: str | None = None
    param: str | None = None
    hint: str | None = None
    retry_after: str | None = None
    should_retry: bool | None = None
    upstream_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.status or self.kind.status

    @property
    def text(self) -> str:
        """What happened, then the hint."""
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class DragomanError(Exception):
    """A failure raised where no reply has begun; the server answers with it in the client's dialect."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RequestError(DragomanError):
    """The client sent something that its protocol, or the target, forbids."""

    def __init__(self, message: str, *, param: str | None = None, hint: str | None = None) -> None:
        super().__init__(Failure(FailureKind.INVALID_REQUEST, message, param=param, hint=hint))


class UnsupportedError(DragomanError):
    """The client asked for something that the target cannot do and that must not be left out silently."""

    def __init__(self, message: str, *, param: str | None = None, hint: str | None = None) -> None:
        super().__init__(Failure(FailureKind.UNSUPPORTED, message, param=param, hint=hint))


class UpstreamProtocolError(DragomanError):
    """The upstream sent something that its protocol forbids."""

    def __init__(self, message: str) -> None:
        super().__init__(Failure(FailureKind.UPSTREAM_INVALID, message))
