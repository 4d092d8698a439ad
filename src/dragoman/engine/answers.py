"""The heads of answers, and what an upstream's status and type of content mean for them."""

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from dragoman.engine.client import Headers
from dragoman.engine.headers import header_value
from dragoman.engine.ports import UpstreamReply
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.routing.plan import Attempt

NO_LOSS: Final = ((b"x-dragoman-loss", b"0"),)
"""What is said of losses where nothing was translated."""
NO_ENDPOINT: Final = frozenset({404, 405, 501})
"""How an upstream says that it has nothing at a path."""
STREAM_HEAD: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
JSON_HEAD: Final = ((b"content-type", b"application/json"),)


class AnsweredError(DragomanError):
    """An upstream answered with an error; `headers` and `body` are its own words, for a client of the same protocol."""

    def __init__(self, failure: Failure, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(failure)
        self.headers = headers
        self.body = body


class MissingEndpointError(DragomanError):
    """The upstream has nothing at the path that was asked for beside replies (a token count)."""


@lru_cache(1024)
def answered_by(model: str, provider: str) -> Headers:
    """Return the headers that say who really answered; none when nobody was chosen."""
    if not provider:
        return ()
    return ((b"x-dragoman-model", header_value(model)), (b"x-dragoman-provider", header_value(provider)))


def of_our_key(failure: Failure, attempt: Attempt) -> Failure:
    """Return `failure` with who can help when the key that was refused is the configured one: the client's own is another."""
    if failure.kind is not FailureKind.AUTHENTICATION or attempt.api_key is None:
        return failure
    hint = f"the key that was refused is the one configured for `{attempt.provider}`, not the client's: correct its `api_key`"
    return msgspec.structs.replace(failure, hint=hint)


def redirected(reply: UpstreamReply) -> Failure:
    """Return the failure for a redirect. It is not followed: it may lead where no request is meant to go."""
    place = reply.headers.get("location")
    return Failure(
        FailureKind.UPSTREAM_INVALID,
        f"the upstream answered with status {reply.status}" + (f" and sent us to `{place[:200]}`" if place else ""),
        hint="redirects are not followed: give the upstream's final address as `base_url`",
        should_retry=False,
    )


def is_stream(content_type: str, *, wants_stream: bool) -> bool:
    """Tell whether a reply of this type is a stream. Where the type says nothing, it is taken for what was asked for."""
    content_type = content_type.lower()
    if "event-stream" in content_type:
        return True
    return wants_stream and "json" not in content_type and "html" not in content_type


def failure_headers(failure: Failure) -> list[tuple[bytes, bytes]]:
    """Return the headers of an error answer: what the upstream said of when and whether to come back."""
    rows = [*JSON_HEAD, *((header_value(name), header_value(value)) for name, value in failure.headers)]
    names = {name for name, _ in rows}
    if failure.retry_after and b"retry-after" not in names:
        rows.append((b"retry-after", header_value(failure.retry_after)))
    return [*rows, *retry_advice(failure, {name.decode("latin-1") for name in names})]


def retry_advice(failure: Failure, given: Container[str]) -> Headers:
    """Return the header that tells SDKs whether to try again, unless it is `given` already.

    A key that was refused stays refused; without being told, Claude Code tries for over a minute.
    """
    advice = False if failure.kind is FailureKind.AUTHENTICATION else failure.should_retry
    if advice is None or "x-should-retry" in given:
        return ()
    return ((b"x-should-retry", b"true" if advice else b"false"),)
