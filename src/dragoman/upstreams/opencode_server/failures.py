"""What a failed turn means for the client: the status, words and retry advice of whoever refused, not OpenCode's."""

import base64
import binascii
from typing import Final

import msgspec

from dragoman.codec import Codec
from dragoman.ir.failures import Failure, FailureKind
from dragoman.protocols import discover
from dragoman.upstreams.opencode_server.wire import ErrorInfo, Status

_SEEN: Final = "x-dragoman-failure"
"""The header in which our plugin hands on what it has seen of a failed call."""
_ADVICE: Final = " For more information, pass"
_CHAT: Final = "openai-chat"
_SPOKEN: Final = {
    "@ai-sdk/anthropic": "anthropic-messages",
    "@ai-sdk/google-vertex/anthropic": "anthropic-messages",
    "@ai-sdk/google": "gemini-generate",
    "@ai-sdk/google-vertex": "gemini-generate",
    "@ai-sdk/openai": "openai-responses",
    "@ai-sdk/azure": "openai-responses",
}
"""In whose words a model's server refuses, by the package that speaks to it; others are like OpenAI's Chat."""
_NAMES: Final = {
    "ProviderAuthError": FailureKind.AUTHENTICATION,
    "ContextOverflowError": FailureKind.CONTEXT_TOO_LONG,
    "MessageAbortedError": FailureKind.UPSTREAM_CUT,
    "StructuredOutputError": FailureKind.UPSTREAM_INVALID,
}
_STATUSES: Final = {kind.status: kind for kind in reversed(FailureKind)} | {500: FailureKind.UPSTREAM_ERROR}


class _Seen(msgspec.Struct):
    """A failed call of a model: what its server answered, or why nobody did."""

    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""
    problem: str = ""
    message: str = ""


_seen: Final = msgspec.json.Decoder(_Seen).decode


def failure_of(error: ErrorInfo, npm: str) -> Failure:
    """Return what `error` of a turn comes to; `npm` is the package that has asked the model."""
    seen = _read_seen(error.data.response_headers.get(_SEEN))
    if seen is not None and seen.status:
        codec: Codec = discover()[_SPOKEN.get(npm, _CHAT)]
        return codec.decode_failure(seen.status, seen.headers, seen.body.encode())
    if seen is not None and seen.problem == "unreachable":
        words = seen.message.partition(_ADVICE)[0]
        return Failure(FailureKind.UPSTREAM_UNREACHABLE, f"OpenCode does not reach the model: {words}")
    text = error.data.message or error.name or "the model's reply failed"
    return Failure(_kind(error), text, status=_status(error))


def failure_of_retry(status: Status) -> Failure:
    """Return what it means that OpenCode wants to ask again: the answer broke off, for a reason that it tells in words."""
    return Failure(FailureKind.UPSTREAM_CUT, f"the model's reply broke off: {status.message}")


def _kind(error: ErrorInfo) -> FailureKind:
    kind = _NAMES.get(error.name)
    if kind is not None:
        return kind
    status = error.data.status_code or 0
    others = FailureKind.UPSTREAM_ERROR if status >= 500 or status < 400 else FailureKind.INVALID_REQUEST
    return _STATUSES.get(status, others)


def _status(error: ErrorInfo) -> int:
    status = error.data.status_code or 0
    return status if status >= 400 and error.name not in _NAMES else 0


def _read_seen(text: str | None) -> _Seen | None:
    if text is None:
        return None
    try:
        return _seen(base64.b64decode(text, validate=True))
    except (binascii.Error, msgspec.DecodeError):
        return None
