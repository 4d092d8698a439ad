"""How an upstream edge fails: unreachable, too slow, cut off."""

from dragoman.ir.failures import DragomanError, Failure, FailureKind


class UpstreamUnreachableError(DragomanError):
    """No connection could be made, or it broke before any byte of the reply: nothing was answered."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(Failure(FailureKind.UPSTREAM_UNREACHABLE, message, hint=hint))


class UpstreamTimeoutError(DragomanError):
    """The upstream said nothing for longer than the watchdog allows."""

    def __init__(self, message: str) -> None:
        super().__init__(Failure(FailureKind.TIMEOUT, message))


class UpstreamCutError(DragomanError):
    """The reply broke off, or its framing was wrong, before its end."""

    def __init__(self, message: str) -> None:
        super().__init__(Failure(FailureKind.UPSTREAM_CUT, message))
