"""How a request goes up: as it is (the raw lane) or translated. No I/O: a lane makes the call, and the way its reply takes."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from dragoman.codec import Audience, Codec, Peek, Source, Target
from dragoman.engine.client import Arrival
from dragoman.engine.headers import chosen, upward, with_item
from dragoman.engine.naming import rename
from dragoman.engine.ports import Calibration, Call, CallHeaders, Store, Uncalibrated
from dragoman.engine.refusing import REFUSED, UnseenError, refuse_losses, refuse_several, refuse_unseen
from dragoman.engine.stages import RawStage, TranslatedStage
from dragoman.ir.collecting import expand
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError, RequestError, UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply, Usage
from dragoman.ir.request import Request
from dragoman.ir.seals import MARK_BYTES
from dragoman.pipe import Transducer
from dragoman.receiver import EventReceiver, Receiver, require_content
from dragoman.routing.identity import Identity, fallback_session
from dragoman.routing.plan import Attempt
from dragoman.transforms.caching import system_text, with_breakpoints, with_cache_key
from dragoman.transforms.call_ids import fit_call_ids
from dragoman.transforms.counting import estimate_tokens
from dragoman.transforms.history import repair
from dragoman.transforms.reasoning import Memory, Remember, first_words, scope_of
from dragoman.transforms.stops import CutAtStop, cut_reply
from dragoman.transforms.tools import Renames, RestoreNames, fit_names, restore_reply
from dragoman.transforms.vision import may_hold_media
from dragoman.wire.pages import page_failure

if TYPE_CHECKING:
    from dragoman.transforms.conformity import Conformity

_ERROR_PLACE: Final = 200
"""Where an error with status 200 would begin, in bytes."""
_ERROR: Final = re.compile(rb'"error"\s*:\s*[^\sn]')
USER_AGENT: Final = "dragoman"


class Errand(msgspec.Struct, frozen=True):
    """What a lane is given: the request as it came, whom to ask, with which key, on whose behalf."""

    arrival: Arrival
    peek: Peek
    attempt: Attempt
    upstream: Codec
    identity: Identity
    key: str | None
    now: float
    new_id: Callable[[str], str]
    ledger: Ledger
    store: Store
    calibration: Calibration = Uncalibrated()
    vision: Attempt | None = None
    """Who is asked next when the model cannot see what the request shows."""

    @property
    def client(self) -> Codec:
        """The client's protocol."""
        return self.arrival.codec

    def rename(self, error: RequestError | UnsupportedError, request: Request) -> None:
        """Have `error`, which knows the names of `request` alone, name its parts as the client does, if the client is told."""
        if self.vision is None or not isinstance(error, UnseenError):
            rename(error, self.arrival.reader or self.client, self.arrival.body, request)

    def signed(self, form: str, headers: Callable[[], Sequence[tuple[str, str]]], session: str | None) -> CallHeaders:
        """Return the headers of the call: `headers`, signed in, with the session it should stick to.

        They are the last call's when the client's own are the same and one of the same `form` goes to the same place.
        """
        known = self.arrival.headers.sent
        if known[:-1] != (self.attempt, self.key, session, form):
            known = (self.attempt, self.key, session, form, CallHeaders(self._signed(headers(), session)))
            self.arrival.headers.sent = known
        rows: CallHeaders = known[-1]
        return rows

    def _signed(self, headers: Sequence[tuple[str, str]], session: str | None) -> list[tuple[str, str]]:
        attempt = self.attempt
        rows = [*headers, *attempt.headers]
        if self.key:
            rows += self.upstream.sign_in(self.key)
        if attempt.session_header and session:
            rows = [row for row in rows if row[0] != attempt.session_header]
            rows.append((attempt.session_header, session))
        return with_item(rows, "anthropic-beta", attempt.beta) if attempt.beta else rows


class RawLane:
    """Same protocol on both sides: the body goes up with another model name in it and nothing else changed."""

    name: Final = "raw"

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self.upstream = errand.upstream
        # What a stream has cost is always asked for, where the server knows the question.
        self._hides_usage = not errand.peek.wants_usage and errand.attempt.dialect.stream_options

    def call(self, path: str | None = None) -> Call:
        """Return the call to make, to `path` when it is not the one for replies."""
        errand = self._errand
        codec, attempt, body = errand.upstream, errand.attempt, errand.arrival.body
        # What has a path of its own asks for less than a reply does: its body is that of a count.
        decode = (codec.decode_count if path else None) or codec.decode_request
        if attempt.may_be_blind and may_hold_media(body):
            self._refuse_unseen(decode(body, Ledger()))
        if MARK_BYTES in body:
            body = codec.unseal(body, target_of(attempt), errand.ledger)
        if self._hides_usage and codec.splice_asking:
            body = codec.splice_asking(body, attempt.model, errand.peek)
        else:
            body = codec.splice_model(body, attempt.model)
        path = path or codec.path(attempt.model, errand.peek.stream)
        session = errand.identity.session
        if attempt.session_header and session is None:
            session = conversation(decode(body, Ledger()))
        rows = errand.signed(self.name, partial(upward, errand.arrival.headers), session)
        return Call("POST", attempt.base_url + path, rows, body)

    def _refuse_unseen(self, request: Request) -> None:
        try:
            refuse_unseen(request, self._errand.attempt)
        except UnsupportedError as error:
            self._errand.rename(error, request)
            raise

    def estimate(self) -> int:
        """Return about how many tokens the request has. Raises RequestError for a body that only the upstream understands."""
        return estimate_tokens(self.upstream.decode_request(self._errand.arrival.body, Ledger()))

    def receiver(self) -> Receiver:
        """Return what reads the beginning of the upstream's stream, to know when there is content."""
        attempt = self._errand.attempt
        return Receiver(self.upstream, Source(attempt.provider, attempt.model))

    def stage(self) -> RawStage:
        """Return the stage for a streamed reply."""
        errand = self._errand
        return RawStage(errand.client, errand.peek.model, errand.arrival.request_id, hides_usage=self._hides_usage)

    def whole(self, body: bytes, status: int) -> bytes:
        """Return a whole reply, which came with `status`, as the client gets it.

        Raises DragomanError for none, and for an error with status 200.
        """
        codec = self._errand.client
        _require_json(body, status)
        if body.find(b'"error"', 0, _ERROR_PLACE) >= 0 and _ERROR.search(body, 0, _ERROR_PLACE):
            codec.decode_reply(body, Source(self._errand.attempt.provider, self._errand.attempt.model))
        return codec.echo_whole(body, self._errand.peek.model)

    def tap(self, body: bytes) -> Callable[[], Usage]:
        """Return what reads the usage of a whole reply."""
        return partial(self._errand.client.read_usage, body, body)


class TranslatedLane:
    """Another protocol on each side: the request is decoded, made fit for the target and encoded anew."""

    name: Final = "translated"

    def __init__(self, errand: Errand, *, counts: bool = False) -> None:
        """`counts`: the request is one for its tokens to be counted."""
        self._errand = errand
        self._counts = counts
        self.upstream = errand.upstream
        self._request = _decoded(errand, counts=counts)
        self._lost_in_reading = len(errand.ledger)
        self._memory = _memory(self._request, errand)
        try:
            self._conformity = None if counts else _conformity(self._request, errand.attempt)
            self._fit, self._renames = _fit(self._request, self._memory, errand)
        except REFUSED as error:
            errand.rename(error, self._request)
            raise

    @property
    def request(self) -> Request:
        """The request as it goes up, in the IR."""
        return self._fit

    def call(self) -> Call:
        """Return the call to make."""
        errand = self._errand
        upstream, attempt = errand.upstream, errand.attempt
        encode, path = upstream.encode_request, upstream.path(attempt.model, self._fit.stream)
        if self._counts and upstream.encode_count_request:
            encode, path = upstream.encode_count_request, upstream.count_path(attempt.model) or path
        try:
            body = encode(self._fit, target_of(attempt), errand.ledger)
        except REFUSED as error:
            errand.rename(error, self._fit)
            raise
        if attempt.losses == "strict":
            self._refuse_losses()
        session = errand.identity.session
        if attempt.session_header and session is None:
            session = conversation(self._request)
        rows = errand.signed("stream" if self._fit.stream else "whole", self._headers, session)
        return Call("POST", attempt.base_url + path, rows, body)

    def _headers(self) -> list[tuple[str, str]]:
        attempt = self._errand.attempt
        return [
            ("content-type", "application/json"),
            ("accept", "text/event-stream" if self._fit.stream else "application/json"),
            ("user-agent", USER_AGENT),
            *self.upstream.headers(attempt.dialect),
            *chosen(self._errand.arrival.headers, attempt.forward_headers),
        ]

    def estimate(self) -> int:
        """Return about how many tokens the request has."""
        return estimate_tokens(self._request)

    def receiver(self) -> Receiver:
        """Return what reads the upstream's stream."""
        return Receiver(self._errand.upstream, self._source)

    def stage(self, receiver: EventReceiver) -> TranslatedStage:
        """Return the stage for a streamed reply."""
        transforms: list[Transducer[Sequence[Event], Sequence[Event]]] = []
        if self._renames:
            transforms.append(RestoreNames(self._renames))
        if self._stops:
            transforms.append(CutAtStop(self._stops))
        if self._memory:
            transforms.append(Remember(self._memory, self._request.messages))
        check = self._conformity.check() if self._conformity else None
        return TranslatedStage(receiver, transforms, self._errand.client.stream_encoder(self.audience()), check)

    def decode(self, body: bytes, status: int) -> Reply:
        """Return a whole reply of the upstream, which came with `status`. Raises DragomanError for none."""
        _require_json(body, status)
        return self.restored(require_content(self._errand.upstream.decode_reply(body, self._source)))

    def restored(self, reply: Reply) -> Reply:
        """Return `reply` with the client's own tool names, and no longer than it wants. What it may leave out is remembered.

        Raises DragomanError under the policy `strict` when it is not in the form that was asked for.
        """
        if self._conformity:
            self._conformity.require(reply)
        if self._renames:
            reply = restore_reply(reply, self._renames)
        if self._stops:
            reply = cut_reply(reply, self._stops)
        if self._memory:
            self._memory.keep(reply.blocks, self._request.messages)
        return reply

    @property
    def _stops(self) -> tuple[str, ...]:
        """Where the gateway has to end the reply itself."""
        return () if self.upstream.takes_stop else self._request.sampling.stop

    def encode(self, reply: Reply) -> bytes:
        """Return a whole reply for the client."""
        return self._errand.client.encode_reply(reply, self.audience())

    def encode_stream(self, reply: Reply) -> bytes:
        """Return a whole reply as the stream that the client asked for."""
        encoder = self._errand.client.stream_encoder(self.audience())
        return encoder.feed(list(expand(reply))) + encoder.flush()

    def audience(self) -> Audience:
        """Return whom the reply is for."""
        errand = self._errand
        return Audience(
            model=errand.peek.model,
            created=int(errand.now),
            new_id=errand.new_id,
            wants_usage=self._request.wants_usage,
            input_tokens=round(
                self.estimate() * errand.calibration.factor(errand.attempt.provider, errand.attempt.model)
            )
            if self._request.stream and errand.client.names_input_early
            else 0,
            request=self._request,
            ledger=errand.ledger,
        )

    def _refuse_losses(self) -> None:
        """Raise UnsupportedError for the first loss that changes the meaning. What was lost in reading has the client's name."""
        losses = tuple(self._errand.ledger)
        refuse_losses(losses[: self._lost_in_reading])
        try:
            refuse_losses(losses[self._lost_in_reading :])
        except UnsupportedError as error:
            self._errand.rename(error, self._fit)
            raise

    @property
    def _source(self) -> Source:
        return Source(self._errand.attempt.provider, self._errand.attempt.model)


def target_of(attempt: Attempt) -> Target:
    """Return whom a request of `attempt` is encoded for."""
    return Target(attempt.provider, attempt.model, attempt.dialect, attempt.capabilities.max_output)


def conversation(request: Request) -> str:
    """Return a stable name for the conversation that `request` belongs to: a hash of its beginning."""
    return fallback_session(system_text(request), first_words(request))


def _decoded(errand: Errand, *, counts: bool) -> Request:
    arrival, ledger = errand.arrival, errand.ledger
    codec = arrival.reader or arrival.codec
    decode = (codec.decode_count if counts else None) or codec.decode_request
    request = decode(arrival.body, ledger)
    for header in arrival.codec.own_headers:
        if header in arrival.headers:
            ledger.dropped(
                "own_header", f"headers.{header}", "the header switches on features of the client's protocol"
            )
    return msgspec.structs.replace(request, model=errand.attempt.model, stream=errand.peek.stream)


def _conformity(request: Request, attempt: Attempt) -> "Conformity | None":
    """Return what the answer is held to under the policy `strict`; None: nothing, or its client lets the model stray."""
    if attempt.losses != "strict" or request.output is None or request.output.strict is False:
        return None
    try:
        from dragoman.transforms.conformity import Conformity  # noqa: PLC0415 - not before it is needed
    except ModuleNotFoundError as missing:
        problem = f"this gateway cannot hold an answer to a schema: it runs without `{missing.name}`"
        raise UnsupportedError(problem, param="schema", hint="ask without the loss policy `strict`") from None

    return Conformity(request.output)


def _memory(request: Request, errand: Errand) -> Memory | None:
    """Return what is remembered of the conversation. Nothing is of one without tools, or whose client speaks to its own kind."""
    if not request.tools or errand.attempt.protocol == errand.client.name:
        return None
    scope = scope_of(errand.arrival.key, errand.identity.session, request)
    return Memory(scope, errand.store.get, errand.store.put)


def _fit(request: Request, memory: Memory | None, errand: Errand) -> tuple[Request, Renames]:
    """Return the request as the target takes it, and how to undo the renaming of its tools."""
    attempt, ledger = errand.attempt, errand.ledger
    refuse_several(request)
    refuse_unseen(request, attempt)
    if memory:
        request = memory.restored(request, attempt.seal_protocol, attempt.provider)
    request = fit_call_ids(repair(request, ledger), attempt.dialect.tool_call_id_length)
    upstream = errand.upstream
    request, renames = fit_names(
        request,
        attempt.dialect.tool_name_limit,
        ledger,
        has_namespaces=upstream.has_namespaces and upstream.name == attempt.protocol,
        begin_with_letter=upstream.tool_names_begin_with_letter,
    )
    if attempt.protocol != upstream.name:
        return request, renames  # it is asked in the IR: marks of a protocol would say nothing to it
    if upstream.caches_by_breakpoint:
        return with_breakpoints(request, ledger), renames
    # A key that the server would not take need not be made, and is no loss when it is not sent.
    takes_key = upstream.caches_by_key and attempt.dialect.prompt_cache_key
    return with_cache_key(request, errand.identity.session) if takes_key else request, renames


def _require_json(body: bytes, status: int) -> None:
    """Raise DragomanError for a page in a reply's place: a codec does not know the status that it came with."""
    if not body.startswith((b"{", b"[")) and not body.lstrip().startswith((b"{", b"[")):
        raise DragomanError(page_failure(status, body))
