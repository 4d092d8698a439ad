"""The ASGI application: which endpoint, who asks, and over to the engine. Bare ASGI: the path of a request is short."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from dragoman.codec import Codec, Operation
from dragoman.engine.answers import failure_headers
from dragoman.engine.client import Arrival, Headers
from dragoman.engine.compacting import compact
from dragoman.engine.counting import count_tokens
from dragoman.engine.exchange import Exchange
from dragoman.engine.parts import Parts
from dragoman.engine.ports import Ids
from dragoman.engine.record import Record
from dragoman.engine.remembering import Replies, exchange, resolved
from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.server.arrays import ArrayConnection
from dragoman.server.auth import OriginCheck, check_key, client_key, losses_for
from dragoman.server.connection import AsgiConnection, ClientLeftError, Receive, Scope, Send, too_large
from dragoman.server.logs import Early
from dragoman.server.pages import Page
from dragoman.server.router import Match, Router
from dragoman.settings import Key, Settings, did_you_mean

_LOG: Final = logging.getLogger("dragoman.server")
_MISTAKE: Final = Failure(FailureKind.INTERNAL, "the gateway made a mistake; its log has the details")
_NO_QUERY: Final[Mapping[str, str]] = {}
_QUERY_KEY: Final = "x-goog-api-key"
"""The header that is meant by `?key=`."""
_CORS_METHODS: Final = b"GET, HEAD, POST, DELETE, OPTIONS"
_UPGRADE_REQUIRED: Final = 426
_CORS_AGE: Final = b"86400"


class Gateway(msgspec.Struct, frozen=True):
    """What the application is made of."""

    parts: Parts
    router: Router
    origins: OriginCheck
    keys: tuple[Key, ...]
    body_limit: int
    models: Callable[[Codec, str | None, str | None, Mapping[str, str]], bytes]
    """(dialect, prefix, one model's id, query) -> the list, or that model's entry. Raises DragomanError."""
    default_codec: Codec
    """Whose dialect is spoken to a client that cannot be recognised."""
    ids: Ids


class App:
    """ASGI 3. One instance answers everything."""

    def __init__(self, gateway: Gateway, change: Callable[["App", Settings], None]) -> None:
        """`change` is what the composition root does to an application for other settings; it may raise SettingsError."""
        self._change = change
        self.gateway = gateway
        """Taken by each request as it begins: a change of the configuration puts another one here."""
        self.pages: dict[str, Page] = {}
        """What is served by GET and HEAD beside the protocols: `/health`, ..."""
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else _NO_QUERY
        if "key" in query and client_key(headers) is None:
            headers[_QUERY_KEY] = query["key"]  # from here on it is a key like any other: no URL of ours holds it
        request_id = self.gateway.ids.new("req_")
        connection = AsgiConnection(scope, receive, send, self._reply_headers(request_id, headers))
        method, path = scope["method"], scope["path"]
        started = self.gateway.parts.clock.monotonic()
        self.running += 1
        try:
            self.gateway.origins.check(headers)
            match = self.gateway.router.find(method, path)
            if match is None:
                await self._serve_page(connection, method, path, headers)
            else:
                await self._serve_protocol(connection, match, headers, query, request_id)
        except DragomanError as error:
            codec = self._dialect(path, headers)
            record = Early(request_id, codec.name, started, path=path, failure=error.failure)
            await answer_failure(connection, codec, error.failure, request_id)
            self._note(record, connection)
        except ClientLeftError:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, the client is told in its own dialect
            _LOG.exception("request %s: a mistake of the gateway's own", request_id)
            if not connection.has_started:
                await answer_failure(connection, self._dialect(path, headers), _MISTAKE, request_id)
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
        self,
        connection: AsgiConnection,
        match: Match,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        request_id: str,
    ) -> None:
        gateway = self.gateway
        codec = match.codecs[0] if len(match.codecs) == 1 else choose(match.codecs, headers)
        key = client_key(headers)
        own_key = check_key(key, gateway.keys)
        if match.operation is Operation.UNSERVED:
            raise DragomanError(_unserved(codec))
        if match.operation in (Operation.MODELS, Operation.MODEL):
            body = gateway.models(codec, match.prefix, match.model, query)
            await connection.answer(200, [(b"content-type", b"application/json")], body)
            return
        if match.operation in (Operation.RETRIEVE, Operation.DELETE) and codec.storage is not None:
            replies = Replies(gateway.parts.replies, codec.storage, key)
            act = replies.get if match.operation is Operation.RETRIEVE else replies.delete
            await connection.answer(200, [(b"content-type", b"application/json")], act(match.model or ""))
            return
        if self.is_draining:
            raise DragomanError(Failure(FailureKind.SHUTTING_DOWN, "the gateway is shutting down", retry_after="1"))
        encoding = headers.get("content-encoding", "").lower()
        if encoding not in ("", "identity"):
            raise RequestError(f"the `body` is compressed with `{encoding}`", hint="send it uncompressed")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > gateway.body_limit:
            raise too_large(gateway.body_limit)
        losses = losses_for(headers, own_key)
        body = await connection.read_body(gateway.body_limit)
        reader = gateway.parts.codecs.get(codec.really(body) or "") if codec.really else None
        arrival = Arrival(
            request_id,
            codec,
            headers,
            body,
            match.prefix,
            key,
            may_forward_key=not gateway.keys,
            key_name=own_key.name if own_key else None,
            losses=losses,
            model=match.model,
            streams=match.streams,
            reader=reader,
        )
        if match.operation is Operation.COUNT:
            await self._count(resolved(gateway.parts, arrival), connection)
        elif match.operation is Operation.COMPACT:
            await compact(gateway.parts, resolved(gateway.parts, arrival), connection)
        elif match.streams and codec.array_of is not None and query.get("alt") != "sse":
            await exchange(gateway.parts, arrival, ArrayConnection(connection, codec.array_of()))
        elif codec.storage is None:
            await Exchange(gateway.parts, arrival, connection).run()
        else:
            await exchange(gateway.parts, arrival, connection)

    async def _count(self, arrival: Arrival, connection: AsgiConnection) -> None:
        """Count; what is no exchange has its line too."""
        parts = self.gateway.parts
        started = parts.clock.monotonic()
        lane = await count_tokens(parts, arrival, connection)
        if lane is None:
            return
        model = arrival.peek().model
        attempt = parts.plan(model, arrival).attempts[0]
        record = Record(arrival.request_id, arrival.codec.name, started, model, key=arrival.key_name, lane=lane)
        record.provider, record.upstream_model = attempt.provider, attempt.model
        record.upstream_protocol, record.reason = attempt.protocol, attempt.reason
        self._note(record, connection)

    def _note(self, record: Record, connection: AsgiConnection) -> None:
        record.status = connection.status
        record.ended = self.gateway.parts.clock.monotonic()
        self.gateway.parts.sink(record)

    # --- everything else ----------------------------------------------------------------------------------------------

    async def _serve_page(self, connection: AsgiConnection, method: str, path: str, headers: Mapping[str, str]) -> None:
        if method == "OPTIONS":
            await connection.answer(204, self._preflight(headers), b"")
            return
        methods = self.gateway.router.methods(path)
        # What is an endpoint is not the start page of a provider that bears its name (`/responses`).
        page = self.pages.get(path) or (None if methods else self.pages.get(self.gateway.router.without_prefix(path)))
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
        if allowed:
            raise DragomanError(
                Failure(
                    FailureKind.METHOD_NOT_ALLOWED,
                    f"`{path}` takes {' or '.join(allowed)}, not {method}",
                    headers=(("allow", ", ".join(allowed)),),
                )
            )
        raise DragomanError(self._nothing_at(path))

    def _nothing_at(self, path: str) -> Failure:
        bare = self.gateway.router.without_prefix(path)
        prefix = path.removesuffix(bare)
        served = sorted(f"{prefix}{place}" for place in {*self.gateway.router.paths, *self.pages})
        hint = did_you_mean(path, served)
        return Failure(FailureKind.NOT_FOUND, f"there is nothing at `{path}`", hint=hint)

    def _dialect(self, path: str, headers: Mapping[str, str]) -> Codec:
        """Return the protocol in which to tell a client about an error: its endpoint's, or what it looks like."""
        by_path = self.gateway.router.speakers(path)
        if len(by_path) == 1:
            return by_path[0]
        marked = _marked(by_path or tuple(self.gateway.parts.codecs.values()), headers)
        return marked or self.gateway.default_codec

    # --- CORS ---------------------------------------------------------------------------------------------------------

    def _reply_headers(self, request_id: str, headers: Mapping[str, str]) -> Headers:
        rows = [(b"x-request-id", request_id.encode())]
        origin = headers.get("origin")
        if origin is not None and self.gateway.origins.allows(origin):
            rows += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", b"*"),
                (b"vary", b"origin"),
            ]
        return rows

    def _preflight(self, headers: Mapping[str, str]) -> Headers:
        wanted = headers.get("access-control-request-headers", "*")
        return [
            (b"access-control-allow-methods", _CORS_METHODS),
            (b"access-control-allow-headers", wanted.encode("latin-1")),
            (b"access-control-allow-private-network", b"true"),
            (b"access-control-max-age", _CORS_AGE),
        ]


def choose(codecs: Sequence[Codec], headers: Mapping[str, str]) -> Codec:
    """Return the protocol among those that share a path whose client this is: the one it shows a mark of, else the one without."""
    plain = (codec for codec in codecs if not codec.marks)
    return _marked(codecs, headers) or next(plain, codecs[0])


def _marked(codecs: Sequence[Codec], headers: Mapping[str, str]) -> Codec | None:
    """Return the protocol whose mark a client shows; None when it shows none."""
    return next((codec for codec in codecs if any(mark in headers for mark in codec.marks)), None)


def _unserved(codec: Codec) -> Failure:
    served = (endpoint.path for endpoint in codec.endpoints if endpoint.operation is Operation.GENERATE)
    return Failure(
        FailureKind.NOT_IMPLEMENTED,
        f"this gateway serves only a part of {codec.title}, and not this",
        hint="it generates at " + " and ".join(f"`{path}`" for path in served),
    )


async def answer_failure(connection: AsgiConnection, codec: Codec, failure: Failure, request_id: str) -> None:
    """Answer with an error in the dialect of `codec`."""
    body = codec.encode_failure(failure, request_id)
    await connection.answer(codec.failure_status(failure), failure_headers(failure), body)
