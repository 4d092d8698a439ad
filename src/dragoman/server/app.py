"""The ASGI application: which endpoint, who asks, and over to the engine. Bare ASGI: the path of a request is short."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from weakref import WeakSet

from dragoman.codec import Codec, Operation
from dragoman.engine.answers import JSON_HEAD, NO_LOSS, answered_by, failure_headers
from dragoman.engine.client import Arrival, Headers
from dragoman.engine.compacting import compact
from dragoman.engine.counting import count_tokens
from dragoman.engine.exchange import Exchange
from dragoman.engine.parts import Parts
from dragoman.engine.record import Record
from dragoman.engine.remembering import Replies, exchange, resolved
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.server.arrays import ArrayConnection
from dragoman.server.asking import Entry, Head, marked
from dragoman.server.connection import AsgiConnection, ClientLeftError, Receive, Scope, Send, too_large
from dragoman.server.gateway import Gateway
from dragoman.server.heads import KnownHead
from dragoman.server.logs import Early
from dragoman.server.pages import Page
from dragoman.settings import Settings, did_you_mean

_LOG: Final = logging.getLogger("dragoman.server")
_MISTAKE: Final = Failure(FailureKind.INTERNAL, "the gateway made a mistake; its log has the details")
_CORS_METHODS: Final = b"GET, HEAD, POST, DELETE, OPTIONS"
_UPGRADE_REQUIRED: Final = 426
_CORS_AGE: Final = b"86400"


class App:
    """ASGI 3. One instance answers everything."""

    def __init__(self, gateway: Gateway, change: Callable[["App", Settings], None]) -> None:
        """`change` is what the composition root does to an application for other settings; it may raise SettingsError."""
        self._change = change
        self.gateway = gateway
        """Taken by each request as it begins; `serve` puts another one here."""
        self.pages: dict[str, Page] = {}
        """What is served by GET and HEAD beside the protocols: `/health`, ..."""
        self._known_heads: WeakSet[KnownHead] = WeakSet()
        """Those of open connections with what was read in them for the gateway that there is."""
        self.on_start: list[Callable[[], None]] = []
        """What the server calls, in its loop, when it begins to serve."""
        self.running = 0
        self.answered = 0
        self.is_draining = False
        self.started = time.time()

    @property
    def needs_key(self) -> bool:
        """Whether clients have to present one of the gateway's keys."""
        return bool(self.gateway.keys)

    @property
    def protocols(self) -> Sequence[str]:
        """The names of the protocols that are spoken."""
        return tuple(self.gateway.parts.codecs)

    def change(self, settings: Settings) -> None:
        """Serve with other settings from now on. Raises SettingsError, and changes nothing, when they cannot be."""
        self._change(self, settings)

    def serve(self, gateway: Gateway) -> None:
        """Have `gateway` answer from now on, and let go of the one before: what idle connections know of it has keys in it."""
        self.gateway = gateway
        known_heads, self._known_heads = self._known_heads, WeakSet()
        for known in known_heads:
            known.meaning = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        gateway = self.gateway
        head = Head.of(scope, gateway, self._known_heads)
        request_id = gateway.ids.new("req_")
        extra = ((b"x-request-id", request_id.encode()), *head.reply_headers)
        connection = AsgiConnection(scope, receive, send, extra)
        started = gateway.parts.clock.monotonic()
        self.running += 1
        try:
            entry = head.entry()
            if entry is None:
                await self._serve_page(gateway, connection, head)
            else:
                await self._serve_protocol(gateway, connection, head, entry, request_id)
        except DragomanError as error:
            codec = _dialect(gateway, head)
            record = Early(request_id, codec.name, started, path=head.path, failure=error.failure)
            await answer_failure(connection, codec, error.failure, request_id)
            _note(gateway, record, connection)
        except ClientLeftError:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, the client is told in its own dialect
            _LOG.exception("request %s: a mistake of the gateway's own", request_id)
            if not connection.has_started:
                await answer_failure(connection, _dialect(gateway, head), _MISTAKE, request_id)
        finally:
            self.running -= 1
            self.answered += 1

    async def aclose(self) -> None:
        """Let go of the connections to upstreams, and of the processes."""
        await self.gateway.parts.upstream.aclose()
        for model in self.gateway.parts.models.values():
            await model.aclose()

    # --- the protocols ------------------------------------------------------------------------------------------------

    async def _serve_protocol(
        self, gateway: Gateway, connection: AsgiConnection, head: Head, entry: Entry, request_id: str
    ) -> None:
        match, codec = entry.match, entry.codec
        operation = match.operation
        if operation is not Operation.GENERATE and await _answered(gateway, connection, head, entry):
            return
        if self.is_draining:
            raise DragomanError(Failure(FailureKind.SHUTTING_DOWN, "the gateway is shutting down", retry_after="1"))
        losses = head.policy(entry)
        if head.length() > gateway.body_limit:
            raise too_large(gateway.body_limit)
        body = await connection.read_body(gateway.body_limit)
        reader = gateway.parts.codecs.get(codec.really(body) or "") if codec.really else None
        arrival = Arrival(
            request_id,
            codec,
            head.headers,
            body,
            match.prefix,
            entry.key,
            not gateway.keys,
            entry.own_key.name if entry.own_key else None,
            losses,
            match.model,
            match.streams,
            reader,
        )
        parts = gateway.parts
        try:
            if operation is Operation.COUNT:
                await _count(gateway, resolved(parts, arrival), connection)
            elif operation is Operation.COMPACT:
                await compact(parts, resolved(parts, arrival), connection)
            elif match.streams and codec.array_of is not None and head.query.get("alt") != "sse":
                await exchange(parts, arrival, ArrayConnection(connection, codec.array_of()))
            elif codec.storage is None:
                await Exchange(parts, arrival, connection).run()
            else:
                await exchange(parts, arrival, connection)
        except DragomanError:
            connection.add(_chosen(parts, arrival))
            raise

    # --- everything else ----------------------------------------------------------------------------------------------

    async def _serve_page(self, gateway: Gateway, connection: AsgiConnection, head: Head) -> None:
        method, path, headers = head.method, head.path, head.headers
        if method == "OPTIONS":
            await connection.answer(204, _preflight(headers), b"")
            return
        methods = gateway.router.methods(path)
        # What is an endpoint is not the start page of a provider that bears its name (`/responses`).
        page = self.pages.get(path) or (None if methods else self.pages.get(gateway.router.without_prefix(path)))
        if page is not None and method in ("GET", "HEAD"):
            content_type, body = page(headers)
            await connection.answer(200, [(b"content-type", content_type)], body)
            return
        allowed = ["GET", "HEAD"] if page is not None else methods
        if "POST" in allowed and "websocket" in headers.get("upgrade", "").lower():
            # Codex asks for one first. After this very status it posts at once; after others it tries again and again.
            raise DragomanError(
                Failure(
                    FailureKind.METHOD_NOT_ALLOWED,
                    f"`{path}` is not served over a WebSocket",
                    status=_UPGRADE_REQUIRED,
                    hint="send a POST",
                )
            )
        if method == "POST" and allowed and ":" in path and (verbs := gateway.router.verbs(path)):
            raise DragomanError(_no_verb(path, verbs))
        if allowed:
            raise DragomanError(
                Failure(
                    FailureKind.METHOD_NOT_ALLOWED,
                    f"`{path}` takes {' or '.join(allowed)}, not {method}",
                    headers=(("allow", ", ".join(allowed)),),
                )
            )
        raise DragomanError(self._nothing_at(gateway, path))

    def _nothing_at(self, gateway: Gateway, path: str) -> Failure:
        bare = gateway.router.without_prefix(path)
        prefix = path.removesuffix(bare)
        served = sorted(f"{prefix}{place}" for place in {*gateway.router.paths, *self.pages})
        hint = did_you_mean(path, served)
        return Failure(FailureKind.NOT_FOUND, f"there is nothing at `{path}`", hint=hint)


async def _answered(gateway: Gateway, connection: AsgiConnection, head: Head, entry: Entry) -> bool:
    """Answer what needs no model. Return whether it was that."""
    match, codec = entry.match, entry.codec
    if match.operation is Operation.UNSERVED:
        raise DragomanError(_unserved(codec))
    if match.operation in (Operation.MODELS, Operation.MODEL):
        body = gateway.models(codec, match.prefix, match.model, head.query)
    elif match.operation in (Operation.RETRIEVE, Operation.DELETE) and codec.storage is not None:
        replies = Replies(gateway.parts.replies, codec.storage, entry.key)
        act = replies.get if match.operation is Operation.RETRIEVE else replies.delete
        body = act(match.model or "")
    else:
        return False
    await connection.answer(200, JSON_HEAD, body)
    return True


async def _count(gateway: Gateway, arrival: Arrival, connection: AsgiConnection) -> None:
    """Count; what is no exchange has its line too."""
    parts = gateway.parts
    started = parts.clock.monotonic()
    lane = await count_tokens(parts, arrival, connection)
    if lane is None:
        return
    model = arrival.peek().model
    attempt = parts.plan(model, arrival).attempts[0]
    record = Record(arrival.request_id, arrival.codec.name, started, model, key=arrival.key_name, lane=lane)
    record.provider, record.upstream_model = attempt.provider, attempt.model
    record.upstream_protocol, record.reason = attempt.protocol, attempt.reason
    _note(gateway, record, connection)


def _chosen(parts: Parts, arrival: Arrival) -> Headers:
    """Return the headers that say who was to answer what was refused before an exchange, as far as that is known."""
    try:
        attempt = parts.plan(arrival.peek().model, arrival).attempts[0]
    except DragomanError:
        return ()
    return answered_by(attempt.model, attempt.provider)


def _note(gateway: Gateway, record: Record, connection: AsgiConnection) -> None:
    record.status = connection.status
    record.ended = gateway.parts.clock.monotonic()
    gateway.parts.sink(record)


def _preflight(headers: Mapping[str, str]) -> Headers:
    wanted = headers.get("access-control-request-headers", "*")
    return [
        (b"access-control-allow-methods", _CORS_METHODS),
        (b"access-control-allow-headers", wanted.encode("latin-1")),
        (b"access-control-allow-private-network", b"true"),
        (b"access-control-max-age", _CORS_AGE),
    ]


def _unserved(codec: Codec) -> Failure:
    served = (endpoint.path for endpoint in codec.endpoints if endpoint.operation is Operation.GENERATE)
    return Failure(
        FailureKind.NOT_IMPLEMENTED,
        f"this gateway serves only a part of {codec.title}, and not this",
        hint="it generates at " + " and ".join(f"`{path}`" for path in served),
    )


def _no_verb(path: str, verbs: Iterable[str]) -> Failure:
    resource, _, verb = path.rpartition(":")
    return Failure(
        FailureKind.NOT_FOUND,
        f"there is no method `{verb}` of `{resource}`",
        hint=did_you_mean(verb, verbs),
    )


def _dialect(gateway: Gateway, head: Head) -> Codec:
    """Return the protocol in which to tell a client about an error: its endpoint's, or what it looks like."""
    by_path = gateway.router.speakers(head.path)
    if len(by_path) == 1:
        return by_path[0]
    shown = marked(by_path or tuple(gateway.parts.codecs.values()), head.headers)
    return shown or gateway.default_codec


async def answer_failure(connection: AsgiConnection, codec: Codec, failure: Failure, request_id: str) -> None:
    """Answer with an error in the dialect of `codec`."""
    body = codec.encode_failure(failure, request_id)
    await connection.answer(codec.failure_status(failure), [*failure_headers(failure), *NO_LOSS], body)
