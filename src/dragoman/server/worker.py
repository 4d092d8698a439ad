"""The application as the handler of a worker's requests: a JavaScript `Request` in, a `Response` out, streamed as it is written.

https://developers.cloudflare.com/workers/runtime-apis/handlers/fetch/
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dragoman.engine.javascript import JavaScript, byte_text
from dragoman.server.app import App
from dragoman.server.connection import ON_DISCONNECT, Message, OnLost, Scope

_LEFT: Final = 499
"""The status of an answer that nobody waits for any more, as nginx logs it."""
_BODILESS: Final = frozenset({101, 204, 205, 304})
"""https://fetch.spec.whatwg.org/#null-body-status"""


async def answer(app: App, request: Any, javascript: JavaScript, wait_until: Callable[[Any], object]) -> Any:  # noqa: ANN401 - JavaScript's own objects
    """Return the `Response` for `request` as soon as its head is known; `wait_until` is told what goes on after that.

    A client that leaves cancels the exchange, and with it the call to the upstream.
    """
    exchange = WorkerExchange(request, javascript)
    task = asyncio.ensure_future(app(exchange.scope, exchange.receive, exchange.send))
    exchange.follow(task)
    wait_until(task)
    return await exchange.response


class WorkerExchange:
    """One request and its reply, as ASGI's `receive` and `send`."""

    def __init__(self, request: Any, javascript: JavaScript) -> None:  # noqa: ANN401 - a JavaScript Request
        self.response: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.scope: Scope = _scope(request) | {"extensions": {ON_DISCONNECT: self._on_disconnect}}
        self._request = request
        self._javascript = javascript
        self._task: asyncio.Task[None] | None = None
        self._callback: OnLost | None = None
        self._is_read = False
        self._is_lost = False
        self._is_over = False
        self._head: dict[str, Any] = {}
        self._writer: Any = None
        self._pieces: list[bytes] = []
        self._listener = javascript.ffi.create_proxy(self._lose)
        request.signal.addEventListener("abort", self._listener)

    def follow(self, task: "asyncio.Task[None]") -> None:
        """`task` answers: its end is the exchange's."""
        self._task = task
        task.add_done_callback(self._end)

    async def receive(self) -> Message:
        """Return the whole body, then that there is no more."""
        if self._is_read:
            return {"type": "http.disconnect"}
        self._is_read = True
        try:
            body = (await self._request.arrayBuffer()).to_bytes()
        except self._javascript.ffi.JsException:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Send the head or a piece of the body. A reply of known length goes out whole, any other one as it is written."""
        if self._is_lost:
            return
        if message["type"] == "http.response.start":
            self._start(message)
            return
        body, goes_on = message.get("body", b""), message.get("more_body", False)
        if self._writer is None:
            self._pieces.append(body)
            if not goes_on:
                self._is_over = True
                self._respond(self._whole(b"".join(self._pieces)))
            return
        await self._write(body, goes_on=goes_on)

    # --- the reply ----------------------------------------------------------------------------------------------------

    def _start(self, message: Message) -> None:
        scope = self._javascript.scope
        headers = scope.Headers.new()
        for name, value in message["headers"]:
            headers.append(name.decode("latin-1"), value.decode("latin-1"))
        self._head = {"status": message["status"], "headers": headers}
        if headers.has("content-length"):
            return
        stream = scope.TransformStream.new()
        self._writer = stream.writable.getWriter()
        # It rejects when the reader has cancelled: the client is gone.
        self._writer.closed.then(_nothing, self._lose)
        self._respond(stream.readable)

    def _whole(self, body: bytes) -> Any:  # noqa: ANN401 - a Uint8Array
        return None if self._head["status"] in _BODILESS else self._javascript.ffi.to_js(body)

    def _respond(self, body: Any) -> None:  # noqa: ANN401 - what JavaScript takes for a body
        if not self.response.done():
            self.response.set_result(self._javascript.scope.Response.new(body, **self._head))

    async def _write(self, body: bytes, *, goes_on: bool) -> None:
        """Write, and wait until the client's side has room again."""
        try:
            if body:
                await self._writer.write(self._javascript.ffi.to_js(body))
            if not goes_on:
                self._is_over = True
                await self._writer.close()
        except self._javascript.ffi.JsException:
            self._lose()

    # --- the client's leaving -----------------------------------------------------------------------------------------

    def _on_disconnect(self, callback: OnLost) -> None:
        self._callback = callback
        if self._is_lost:
            self._tell()

    def _lose(self, *_reason: object) -> None:
        if self._is_over or self._is_lost:
            return
        self._is_lost = True
        self._tell()

    def _tell(self) -> None:
        if self._callback is not None and self._task is not None:
            self._callback(self._task)

    def _end(self, task: "asyncio.Task[None]") -> None:
        """Let go of what JavaScript holds, and leave nobody waiting."""
        self._request.signal.removeEventListener("abort", self._listener)
        self._listener.destroy()
        if self.response.done():
            return
        if not task.cancelled() and (error := task.exception()) is not None:
            self.response.set_exception(error)
            return
        self._head = {"status": _LEFT}
        self._respond(None)


def _scope(request: Any) -> dict[str, Any]:  # noqa: ANN401 - a JavaScript Request
    """Return the connection scope: https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope."""
    url = urlsplit(request.url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [(name.encode("latin-1"), byte_text(value).encode("latin-1")) for name, value in request.headers],
    }


def _nothing(_value: object) -> None:
    """What a stream that was closed in good order calls."""
