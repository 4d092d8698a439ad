"""One exchange, from the request's arrival to its record."""

import asyncio
import logging
import random
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import msgspec

from dragoman.codec import Codec, Peek
from dragoman.engine.client import Arrival, ClientConnection, Headers
from dragoman.engine.headers import downward, header_value
from dragoman.engine.inflating import inflated
from dragoman.engine.lanes import Errand, RawLane, TranslatedLane, UnseenError
from dragoman.engine.models import ModelReply
from dragoman.engine.ports import Call, Clock, Ids, Incoming, ModelUpstream, Timeouts, Turn, Upstream, UpstreamReply
from dragoman.engine.record import Record, RecordSink, log_line
from dragoman.engine.relay import EarlyBeats, Heartbeat, drain, read_whole, relay
from dragoman.engine.retrying import retry_delay
from dragoman.engine.stages import RawStage
from dragoman.engine.watch import ClientWatch
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event, ReplyFailed
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.receiver import EventReceiver
from dragoman.routing.identity import Identity, identify
from dragoman.routing.plan import Attempt, Plan

LOG: Final = logging.getLogger("dragoman.engine")
_WHOLE_LIMIT: Final = 256 * 1024 * 1024
_ERROR_LIMIT: Final = 1024 * 1024
_STREAM_HEAD: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
JSON_HEAD: Final = ((b"content-type", b"application/json"),)
_SHUTTING_DOWN: Final = Failure(FailureKind.SHUTTING_DOWN, "the gateway is shutting down", retry_after="1")
_INTERNAL: Final = Failure(FailureKind.INTERNAL, "the gateway made a mistake; its log has the details")


class Limits(msgspec.Struct, frozen=True):
    """What the engine holds every exchange to."""

    timeouts: Timeouts = Timeouts()
    heartbeat: float = 15.0
    retries: int = 2


class AnsweredError(DragomanError):
    """An upstream answered with an error; `headers` and `body` are its own words, for a client of the same protocol."""

    def __init__(self, failure: Failure, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(failure)
        self.headers = headers
        self.body = body


class Parts(msgspec.Struct, frozen=True):
    """What all exchanges of a process share."""

    plan: Callable[[str, Arrival], Plan]
    """(model that was asked for, arrival) -> whom to ask. Raises DragomanError."""
    codecs: Mapping[str, Codec]
    upstream: Upstream
    models: Mapping[str, ModelUpstream]
    """Upstreams that speak the IR, by the name of their kind (`scripted`)."""
    clock: Clock
    ids: Ids
    limits: Limits = Limits()
    sink: RecordSink = log_line


class Exchange:
    """One request for a reply: find whom to ask, ask, carry the answer, remember how it went."""

    def __init__(self, parts: Parts, arrival: Arrival, client: ClientConnection, path: str | None = None) -> None:
        """`path`: where to send the request at an upstream of the same protocol, when it asks for no reply."""
        self._parts = parts
        self._path = path
        self._arrival = arrival
        self._client = client
        self._record = Record(arrival.request_id, arrival.codec.name, parts.clock.monotonic())

    async def run(self) -> None:
        """Answer. Whatever goes wrong is the client's answer and the record's failure; only cancellation is raised."""
        watch = ClientWatch(self._client)
        try:
            with watch:
                await self._answer_or_refuse()
        finally:
            self._record.left = watch.left
            self._parts.sink(self._record.line(self._parts.clock.monotonic()))

    async def _answer_or_refuse(self) -> None:
        try:
            await self._answer()
        except DragomanError as error:
            await self._refuse(error)
        except asyncio.CancelledError:
            # The client left (then nothing reaches it), or the gateway is being shut down (then it is told).
            with suppress(Exception):
                await self._refuse(DragomanError(_SHUTTING_DOWN))
            raise
        except Exception:
            LOG.exception("exchange %s: a mistake of the gateway's own", self._arrival.request_id)
            await self._refuse(DragomanError(_INTERNAL))

    async def _answer(self) -> None:
        arrival, record = self._arrival, self._record
        peek = arrival.codec.peek(arrival.body)
        record.model, record.stream = peek.model, peek.stream
        plan = self._parts.plan(peek.model, arrival)
        identity = identify(arrival.headers, user_id=peek.user, cache_key=peek.cache_key)
        record.client, record.session, record.agent = identity.client, identity.session, identity.agent
        try:
            await self._attempt(plan.attempts[0], peek, identity)
        except UnseenError:
            if plan.vision is None:
                raise
            record.ledger = Ledger()
            await self._attempt(plan.vision, peek, identity)

    # --- attempts -----------------------------------------------------------------------------------------------------

    async def _attempt(self, attempt: Attempt, peek: Peek, identity: Identity) -> None:
        record = self._record
        record.provider, record.upstream_model = attempt.provider, attempt.model
        record.upstream_protocol, record.reason = attempt.protocol, attempt.reason
        record.losses_are_silent = attempt.losses == "silent"
        errand = self._errand(attempt, peek, identity)
        model = self._parts.models.get(attempt.protocol)
        if model is not None:
            await self._ask_model(model, TranslatedLane(errand), errand)
            return
        lane = RawLane(errand) if attempt.protocol == self._arrival.codec.name else TranslatedLane(errand)
        record.lane = lane.name
        call = lane.call(self._path) if isinstance(lane, RawLane) else lane.call()
        while True:
            try:
                await self._ask(lane, call, peek)
                return
            except DragomanError as error:
                await self._wait_to_retry(error)

    def _errand(self, attempt: Attempt, peek: Peek, identity: Identity) -> Errand:
        arrival, parts = self._arrival, self._parts
        return Errand(
            arrival=arrival,
            peek=peek,
            attempt=attempt,
            upstream=parts.codecs.get(attempt.protocol, arrival.codec),
            identity=identity,
            key=attempt.key_for(arrival.key if arrival.may_forward_key else None),
            now=parts.clock.now(),
            new_id=parts.ids.new,
            ledger=self._record.ledger,
        )

    async def _wait_to_retry(self, error: DragomanError) -> None:
        """Wait for the time to ask again; raise `error` when that makes no sense, or the client has part of an answer."""
        record, clock = self._record, self._parts.clock
        if self._client.has_started or record.retries >= self._parts.limits.retries:
            raise error
        jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
        delay = retry_delay(error.failure, record.retries, clock.now(), jitter)
        if delay is None:
            raise error
        record.retries += 1
        await clock.sleep(delay)

    async def _ask(self, lane: RawLane | TranslatedLane, call: Call, peek: Peek) -> None:
        parts, codec = self._parts, self._arrival.codec
        beats = None
        if peek.stream and codec.heartbeat:
            beats = EarlyBeats(self._client, self._head(_STREAM_HEAD), codec.heartbeat, parts.limits.heartbeat)
        try:
            reply = await parts.upstream.send(call, parts.limits.timeouts)
        finally:
            if beats is not None:
                await beats.stop()
        try:
            await self._carry(lane, inflated(reply), peek)
        finally:
            reply.close()

    async def _carry(self, lane: RawLane | TranslatedLane, reply: UpstreamReply, peek: Peek) -> None:
        if reply.status >= 300:
            await self._raise_answer(lane, reply)
        content_type = reply.headers.get("content-type", "")
        streams = "event-stream" in content_type or (
            peek.stream and "json" not in content_type and "html" not in content_type
        )
        match lane:
            case RawLane():
                await (self._relay_raw(lane, reply) if streams else self._pass_whole(lane, reply))
            case TranslatedLane():
                receiver = lane.receiver()
                if streams:
                    await self._relay_translated(lane, reply, receiver)
                else:
                    await self._translate_whole(lane, reply)

    async def _raise_answer(self, lane: RawLane | TranslatedLane, reply: UpstreamReply) -> None:
        if reply.status < 400:
            raise DragomanError(_redirected(reply))
        body = await read_whole(reply, _ERROR_LIMIT)
        failure = lane.upstream.decode_failure(reply.status, reply.headers, body)
        if lane.name == "raw" and failure.kind is not FailureKind.UPSTREAM_INVALID:
            raise AnsweredError(failure, reply.headers, body)
        raise DragomanError(failure)

    # --- the raw lane -------------------------------------------------------------------------------------------------

    async def _relay_raw(self, lane: RawLane, reply: UpstreamReply) -> None:
        stage = lane.stage()
        await self._start(self._head(downward(reply.headers)))
        await self._run_relay(reply, stage)
        self._record.usage, self._record.failure = stage.usage, stage.failure

    async def _pass_whole(self, lane: RawLane, reply: UpstreamReply) -> None:
        body, self._record.usage = lane.whole(await read_whole(reply, _WHOLE_LIMIT))
        await self._answer_whole(reply.status, downward(reply.headers), body)

    # --- the translated lane ------------------------------------------------------------------------------------------

    async def _ask_model(self, model: ModelUpstream, lane: TranslatedLane, errand: Errand) -> None:
        self._record.lane = "model"
        batches = model.answer(Turn(lane.request, errand.identity.session, errand.key))
        reply = ModelReply(batches)
        try:
            await self._relay_translated(lane, reply, EventReceiver())
        finally:
            reply.close()

    async def _relay_translated(self, lane: TranslatedLane, reply: Incoming[Any], receiver: EventReceiver) -> None:
        """Carry a reply that arrives as a stream, to a client that wants one or that wants it whole."""
        if not lane.request.stream:
            await self._collect(lane, reply, receiver)
            return
        heartbeat = Heartbeat(reply, self._parts.limits.heartbeat)
        try:
            opening = await self._open(reply, receiver)
            stage = lane.stage(receiver)
            await self._start(self._head(_STREAM_HEAD))
            await relay(reply, stage, self._client, heartbeat, self._arrival.codec.heartbeat, stage.encode(opening))
        finally:
            heartbeat.stop()
        self._record.usage, self._record.failure = stage.usage, stage.failure
        await drain(reply)

    async def _open(self, reply: Incoming[Any], receiver: EventReceiver) -> Sequence[Event]:
        """Return the events up to the first content, or up to when the client must hear something.

        Until then a failure can still be an HTTP error, and another attempt can still take this one's place.
        """
        events: list[Event] = []
        while not receiver.has_content and not receiver.is_done:
            chunk = await reply.read()
            if chunk is None:
                events += receiver.flush()
            elif not chunk:
                break
            else:
                events += receiver.feed(chunk)
        if events and isinstance(events[-1], ReplyFailed) and not receiver.has_content:
            raise DragomanError(events[-1].failure)
        return events

    async def _collect(self, lane: TranslatedLane, reply: Incoming[Any], receiver: EventReceiver) -> None:
        events: list[Event] = []
        while not receiver.is_done:
            chunk = await reply.read()
            events += receiver.flush() if chunk is None else receiver.feed(chunk)
        whole = lane.restored(collect(events))
        self._record.usage = whole.usage
        await self._answer_whole(200, JSON_HEAD, lane.encode(whole))
        await drain(reply)

    async def _translate_whole(self, lane: TranslatedLane, reply: UpstreamReply) -> None:
        whole = lane.decode(await read_whole(reply, _WHOLE_LIMIT))
        self._record.usage = whole.usage
        if lane.request.stream:
            await self._start(self._head(_STREAM_HEAD))
            await self._client.finish(lane.encode_stream(whole))
            return
        await self._answer_whole(200, JSON_HEAD, lane.encode(whole))

    # --- to the client ------------------------------------------------------------------------------------------------

    async def _run_relay(self, reply: UpstreamReply, stage: RawStage) -> None:
        heartbeat = Heartbeat(reply, self._parts.limits.heartbeat)
        try:
            await relay(reply, stage, self._client, heartbeat, self._arrival.codec.heartbeat)
        finally:
            heartbeat.stop()

    async def _start(self, head: Headers) -> None:
        self._record.first_byte = self._parts.clock.monotonic()
        self._record.status = 200
        if not self._client.has_started:
            await self._client.start(200, head)

    async def _answer_whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._record.first_byte = self._parts.clock.monotonic()
        self._record.status = status
        await self._client.answer(status, self._head(headers), body)

    def _head(self, headers: Headers) -> Headers:
        record = self._record
        losses = b"silent" if record.losses_are_silent else record.ledger.summary().encode()
        return (*headers, *_answered_by(record.upstream_model, record.provider), (b"x-dragoman-loss", losses))

    async def _refuse(self, error: DragomanError) -> None:
        """Tell the client what went wrong, in its own dialect; with the upstream's own words where both speak the same."""
        failure, arrival = error.failure, self._arrival
        self._record.failure = failure
        if self._client.has_started:
            await self._client.finish(arrival.codec.encode_failure_event(failure, arrival.request_id))
            return
        status = arrival.codec.failure_status(failure)
        headers = failure_headers(failure)
        body = arrival.codec.encode_failure(failure, arrival.request_id)
        if isinstance(error, AnsweredError):
            status, body = failure.http_status, error.body
            headers = [*downward(error.headers), *_retry_advice(failure, error.headers)]
        self._record.status = status
        await self._client.answer(status, self._head(headers), body)


@lru_cache(1024)
def _answered_by(model: str, provider: str) -> Headers:
    """Return the headers that say who really answered."""
    return ((b"x-dragoman-model", header_value(model)), (b"x-dragoman-provider", header_value(provider)))


def _redirected(reply: UpstreamReply) -> Failure:
    """Return the failure for a redirect. It is not followed: it may lead where no request is meant to go."""
    place = reply.headers.get("location")
    return Failure(
        FailureKind.UPSTREAM_INVALID,
        f"the upstream answered with status {reply.status}" + (f" and sent us to `{place[:200]}`" if place else ""),
        hint="redirects are not followed: give the upstream's final address as `base_url`",
        should_retry=False,
    )


def failure_headers(failure: Failure) -> list[tuple[bytes, bytes]]:
    """Return the headers of an error answer: what the upstream said of when and whether to come back."""
    rows = [*JSON_HEAD, *((header_value(name), header_value(value)) for name, value in failure.headers)]
    names = {name for name, _ in rows}
    if failure.retry_after and b"retry-after" not in names:
        rows.append((b"retry-after", header_value(failure.retry_after)))
    return [*rows, *_retry_advice(failure, {name.decode("latin-1") for name in names})]


def _retry_advice(failure: Failure, given: Container[str]) -> Headers:
    """Return the header that tells SDKs whether to try again, unless it is `given` already.

    A key that was refused stays refused; without being told, Claude Code tries for over a minute.
    """
    advice = False if failure.kind is FailureKind.AUTHENTICATION else failure.should_retry
    if advice is None or "x-should-retry" in given:
        return ()
    return ((b"x-should-retry", b"true" if advice else b"false"),)
