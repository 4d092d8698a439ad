"""The upstream edge where there are no sockets: JavaScript's `fetch`, as workers have it.

https://fetch.spec.whatwg.org/
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from dragoman.engine.errors import UpstreamCutError, UpstreamTimeoutError, UpstreamUnreachableError
from dragoman.engine.javascript import JavaScript, byte_text
from dragoman.engine.ports import Call, Timeouts
from dragoman.ir.failures import DragomanError, RequestError
from dragoman.upstreams.http_request import METHODS_WITH_BODY, TRANSPORT_HEADERS, encode_head, split_url

_UNPACKED: Final = frozenset({"content-encoding", "content-length"})
"""What the head says of the bytes on the wire; `fetch` gives them unpacked."""


class FetchUpstream:
    """Answers calls with `fetch`. Connections are the runtime's: nothing of ours is kept between calls.

    `fetch` has no time limit for connecting alone: `Timeouts.first_byte` holds for everything up to the reply's head.
    """

    def __init__(self, javascript: JavaScript) -> None:
        self._javascript = javascript

    async def send(self, call: Call, timeouts: Timeouts) -> "FetchReply":
        """Send `call` and return when the reply's head is there; see `Upstream.send`."""
        try:
            target = split_url(call.url)
            encode_head(call, target)  # not to be sent: it refuses what must not be on the wire, in the usual words
        except ValueError as error:
            raise RequestError(str(error)) from None
        javascript = self._javascript
        controller = javascript.scope.AbortController.new()
        try:
            async with asyncio.timeout(timeouts.first_byte):
                response = await javascript.scope.fetch(call.url, signal=controller.signal, **self._options(call))
        except TimeoutError:
            controller.abort()
            problem = f"`{target.origin}` sent no byte of an answer for {timeouts.first_byte:g} seconds"
            raise UpstreamTimeoutError(problem) from None
        except javascript.ffi.JsException as error:
            raise UpstreamUnreachableError(f"no answer from `{target.origin}`: {_reason(error)}") from None
        except asyncio.CancelledError:
            controller.abort()
            raise
        return FetchReply(response, controller, javascript, target.origin, timeouts.idle)

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _options(self, call: Call) -> dict[str, Any]:
        to_js = self._javascript.ffi.to_js
        headers = self._javascript.scope.Headers.new()
        for name, value in call.headers:
            if name not in TRANSPORT_HEADERS:
                headers.append(name, value)
        headers.set("accept-encoding", "identity")
        # Redirects are not followed: they may lead where no request is meant to go.
        options = {"method": call.method, "headers": headers, "redirect": "manual"}
        return options | {"body": to_js(call.body)} if call.body or call.method in METHODS_WITH_BODY else options


class FetchReply:
    """A reply that `fetch` has begun; one `read` at a time, and one that waits can be nudged."""

    def __init__(self, response: Any, abort: Any, javascript: JavaScript, origin: str, idle: float) -> None:  # noqa: ANN401 - JavaScript's own objects
        """`abort` is the controller of the call, `idle` the seconds of silence that are allowed."""
        self.status: int = response.status
        headers = ((name, byte_text(value)) for name, value in response.headers if name not in _UNPACKED)
        self.headers: Mapping[str, str] = dict(headers)
        self._reader = response.body.getReader() if response.body else None
        self._abort = abort
        self._javascript = javascript
        self._origin = origin
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._pending: asyncio.Future[Any] | None = None
        self._nudged: asyncio.Future[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the body has been read to its end."""
        return self._reader is None

    async def read(self) -> bytes | None:
        """Return the body bytes that have arrived; see `UpstreamReply.read`."""
        if self._reader is None:
            return None
        pending = self._pending = self._pending or asyncio.ensure_future(self._reader.read())
        nudged = self._nudged = self._loop.create_future()
        left = self._heard + self._idle - self._loop.time()
        done, _ = await asyncio.wait((pending, nudged), timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
        self._nudged = None
        if pending in done:
            self._pending = None
            return self._taken(pending)
        if nudged in done:
            return b""
        raise self._given_up(
            UpstreamTimeoutError(f"`{self._origin}` fell silent in its body for {self._idle:g} seconds")
        )

    def nudge(self) -> None:
        """Make a pending `read` return `b""`."""
        if self._nudged is not None and not self._nudged.done():
            self._nudged.set_result(None)

    def close(self) -> None:
        """Drop the reply; one that has not ended is aborted, so that the upstream stops working."""
        if self._reader is None:
            return
        self._reader = None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        self._abort.abort()

    def _taken(self, pending: "asyncio.Future[Any]") -> bytes | None:
        try:
            result = pending.result()
        except self._javascript.ffi.JsException as error:
            message = f"`{self._origin}` closed the connection before the end of the body: {_reason(error)}"
            raise self._given_up(UpstreamCutError(message)) from None
        if result.done:
            self._reader = None
            return None
        self._heard = self._loop.time()
        chunk: bytes = result.value.to_bytes()
        return chunk

    def _given_up(self, error: DragomanError) -> DragomanError:
        self.close()
        return error


def _reason(error: Any) -> str:  # noqa: ANN401 - a JavaScript exception
    """Return why `fetch` failed: Node tells it in the cause, workers in the message."""
    cause = getattr(getattr(error, "cause", None), "message", None)
    return str(cause or error.message)
