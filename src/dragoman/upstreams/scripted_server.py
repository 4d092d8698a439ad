"""The built-in model as a real HTTP upstream in a chosen protocol, for tests and the demo.

    async with ScriptedServer("openai-chat") as server:
        ...  # call server.base_url
    server.seen  # what was asked

It is an ASGI application, served by uvicorn in the loop that enters it.
"""

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote

import msgspec

from dragoman.codec import Audience, Codec, Endpoint, ModelCard, Operation
from dragoman.engine.ports import Turn
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event, ReplyFailed
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Request
from dragoman.protocols import discover
from dragoman.transforms.counting import estimate_tokens
from dragoman.upstreams.scripted import MODELS, ScriptedModel

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NATIVE_SEALS: Final = frozenset({"anthropic-messages", "gemini-generate", "openai-responses"})
"""The protocols whose plain reasoning bears a signature."""

_KEY_HEADERS: Final = ("authorization", "x-api-key", "x-goog-api-key")
_CREATED: Final = 1_767_225_600
_JSON: Final = "application/json"
_EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
_CUT_MESSAGE: Final = "ASGI callable returned without completing response."


@dataclass(slots=True)
class Seen:
    """One request as it arrived. `is_abandoned`: whoever sent it did not wait for the end of the answer."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    is_abandoned: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the answer has ended, one way or the other."""

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body as JSON."""
        return msgspec.json.decode(self.body)


class ScriptedServer:
    """The scripted model behind a port (0: a free one). With `api_key` set, other keys are refused."""

    def __init__(
        self,
        protocol: str = "openai-chat",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        models: Sequence[ModelCard] = MODELS,
    ) -> None:
        self.seen: list[Seen] = []
        """What was asked, oldest first."""
        self._codec = discover()[protocol]
        self._routes = [(endpoint, _pattern(endpoint)) for endpoint in self._codec.endpoints]
        self._model = ScriptedModel(sealed_as=protocol if protocol in _NATIVE_SEALS else None)
        self._address = (host, port)
        self._api_key = api_key
        self._models = models
        self._numbers = count(1)
        self._stop: Callable[[], None] | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._address[1]

    @property
    def base_url(self) -> str:
        """Where it is, as the protocol's own SDK takes it: with `/v1` for OpenAI, without for Anthropic, `/v1beta` for Google."""
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{_prefix(self._codec)}"

    # --- its life ---

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen and serve. Raises OSError when the port is taken."""
        import uvicorn  # noqa: PLC0415 - whoever only needs the application does without it

        class Server(uvicorn.Server):
            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # signals are for whoever runs the loop

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                is_up.set()

        is_up = asyncio.Event()
        listener = _listen(*self._address)
        self._address = (self._address[0], listener.getsockname()[1])
        config = uvicorn.Config(
            self, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1, server_header=False
        )
        server = Server(config)
        logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
        self._serving = asyncio.create_task(server.serve(sockets=[listener]))

        def stop() -> None:
            server.should_exit = server.force_exit = True

        self._stop = stop
        await is_up.wait()

    async def aclose(self) -> None:
        """Stop serving; whoever still waits for an answer is cut off."""
        if self._stop and self._serving:
            self._stop()
            await self._serving
        self._stop = self._serving = None

    # --- what it does ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the server is an ASGI application."""
        seen = await _read(scope, receive)
        self.seen.append(seen)
        answering = asyncio.create_task(self._answer(seen, send))
        leaving = asyncio.create_task(_disconnect(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            seen.is_abandoned = not answering.done()
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            seen.done.set()
        if not answering.cancelled():
            answering.result()

    async def _answer(self, seen: Seen, send: Send) -> None:
        id_ = self._new_id("req_")
        try:
            await self._dispatch(seen, send)
        except DragomanError as error:
            failure = error.failure
            body = self._codec.encode_failure(failure, id_)
            headers = [("request-id", id_), ("x-request-id", id_)]
            if failure.retry_after:
                headers.append(("retry-after", failure.retry_after))
            await _send_whole(send, failure.http_status, body, headers)

    async def _dispatch(self, seen: Seen, send: Send) -> None:
        endpoint, model = self._route(seen)
        self._check_key(seen)
        codec = self._codec
        match endpoint.operation:
            case Operation.MODELS:
                await _send_whole(send, 200, codec.encode_models(self._models))
            case Operation.MODEL:
                await _send_whole(send, 200, codec.encode_model(self._card(model)))
            case Operation.COUNT:
                decode = codec.decode_count or codec.decode_request
                tokens = estimate_tokens(decode(seen.body, Ledger()))
                await _send_whole(send, 200, codec.encode_count(tokens))
            case Operation.COMPACT | Operation.RETRIEVE | Operation.DELETE:
                raise DragomanError(Failure(FailureKind.NOT_FOUND, f"the demo model has no `{seen.path}`"))
            case Operation.GENERATE:
                request = codec.decode_request(seen.body, Ledger())
                if endpoint.streams is not None:
                    request = msgspec.structs.replace(request, stream=endpoint.streams)
                await self._generate(msgspec.structs.replace(request, model=model or request.model), send)
            case Operation.UNSERVED:
                raise DragomanError(Failure(FailureKind.NOT_IMPLEMENTED, f"the demo model has no `{seen.path}`"))

    def _route(self, seen: Seen) -> tuple[Endpoint, str]:
        """Return the endpoint that is asked and the model that its path names, if it does. Raises DragomanError."""
        for endpoint, pattern in self._routes:
            found = pattern.fullmatch(seen.path)
            if found and endpoint.method == seen.method:
                return endpoint, found.groupdict().get("model", "")
        raise DragomanError(Failure(FailureKind.NOT_FOUND, f"there is no `{seen.method} {seen.path}`"))

    def _check_key(self, seen: Seen) -> None:
        if self._api_key is None:
            return
        presented = {seen.headers.get(name, "").removeprefix("Bearer ") for name in _KEY_HEADERS}
        if self._api_key not in presented:
            raise DragomanError(Failure(FailureKind.AUTHENTICATION, "the demo model does not know this key"))

    def _card(self, model: str) -> ModelCard:
        for card in self._models:
            if card.id == model:
                return card
        raise DragomanError(Failure(FailureKind.NOT_FOUND, f"there is no model `{model}`"))

    async def _generate(self, request: Request, send: Send) -> None:
        audience = Audience(
            request.model,
            _CREATED,
            self._new_id,
            request.wants_usage,
            input_tokens=estimate_tokens(request),
            request=request,
        )
        if request.stream:
            await self._stream(request, audience, send)
            return
        events: list[Event] = [event async for batch in self._model.answer(Turn(request)) for event in batch]
        if isinstance(events[-1], ReplyFailed):
            await _send_cut(send)
        else:
            await _send_whole(send, 200, self._codec.encode_reply(collect(events), audience))

    async def _stream(self, request: Request, audience: Audience, send: Send) -> None:
        encoder = self._codec.stream_encoder(audience)
        has_begun = False
        async for batch in self._model.answer(Turn(request)):
            if not has_begun:
                await send({"type": "http.response.start", "status": 200, "headers": _head(_EVENT_STREAM)})
                has_begun = True
            if isinstance(batch[-1], ReplyFailed):
                return  # the server cuts an answer that was not finished
            await send({"type": "http.response.body", "body": encoder.feed(batch), "more_body": True})
        await send({"type": "http.response.body", "body": encoder.flush()})

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}demo{next(self._numbers):020d}"


def _pattern(endpoint: Endpoint) -> re.Pattern[str]:
    before, placeholder, after = endpoint.path.partition("{model}")
    model = "(?P<model>.+?)" if placeholder else ""
    return re.compile(re.escape(before) + model + re.escape(after))


def _prefix(codec: Codec) -> str:
    """Return what stands between the host and the path that the protocol adds to a base URL, at its first endpoint."""
    path = unquote(codec.path("{model}", False)).partition("?")[0]  # noqa: FBT003 - the contract's form
    paths = (one.path for one in codec.endpoints if one.operation is Operation.GENERATE)
    return next((one.removesuffix(path) for one in paths if one.endswith(path)), "")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Keep uvicorn from complaining about the answers that break off on purpose."""
    return record.msg != _CUT_MESSAGE


async def _read(scope: Scope, receive: Receive) -> Seen:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Seen(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, b"".join(parts))


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head(content_type: str, others: Sequence[tuple[str, str]] = ()) -> list[tuple[bytes, bytes]]:
    pairs = [("content-type", content_type), *others]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


async def _send_whole(send: Send, status: int, body: bytes, others: Sequence[tuple[str, str]] = ()) -> None:
    head = _head(_JSON, [("content-length", str(len(body))), *others])
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _send_cut(send: Send) -> None:
    """Promise more than is sent: the server closes the connection."""
    await send({"type": "http.response.start", "status": 200, "headers": _head(_JSON, [("content-length", "1000")])})
    await send({"type": "http.response.body", "body": b'{"', "more_body": True})
