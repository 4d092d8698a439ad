"""One exchange, from the request's arrival to its record."""

import asyncio
import logging
import random
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec

from dragoman.codec import Peek
from dragoman.engine.answers import (
    JSON_HEAD,
    NO_ENDPOINT,
    STREAM_HEAD,
    AnsweredError,
    MissingEndpointError,
    answered_by,
    failure_headers,
    is_stream,
    of_our_key,
    redirected,
    retry_advice,
)
from dragoman.engine.calibrating import note_sample
from dragoman.engine.client import Arrival, ClientConnection, Headers
from dragoman.engine.headers import downward, header_value
from dragoman.engine.inflating import inflated
from dragoman.engine.lanes import Errand, RawLane, TranslatedLane
from dragoman.engine.models import ModelReply
from dragoman.engine.opening import first_bytes, open_bytes, open_events
from dragoman.engine.parts import Parts
from dragoman.engine.ports import (
    Call,
    Incoming,
    ModelUpstream,
    Turn,
    UpstreamReply,
)
from dragoman.engine.record import Record
from dragoman.engine.refusing import REFUSED, UnseenError
from dragoman.engine.relay import EarlyBeats, Heartbeat, Stage, drain, read_whole, relay
from dragoman.engine.retrying import retry_delay
from dragoman.engine.watch import ClientWatch
from dragoman.ir.collecting import collect
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.receiver import EventReceiver
from dragoman.routing.identity import Identity, identify
from dragoman.routing.plan import Attempt

LOG: Final = logging.getLogger("dragoman.engine")
_WHOLE_LIMIT: Final = 256 * 1024 * 1024
_ERROR_LIMIT: Final = 1024 * 1024
_SHUTTING_DOWN: Final = Failure(FailureKind.SHUTTING_DOWN, "the gateway is shutting down", retry_after="1")
_INTERNAL: Final = Failure(FailureKind.INTERNAL, "the gateway made a mistake; its log has the details")


class Exchange:
    """One request for a reply: find whom to ask, ask, carry the answer, remember how it went."""

    def __init__(self, parts: Parts, arrival: Arrival, client: ClientConnection, path: str | None = None) -> None:
        """`path`: where to send the request at an upstream of the same protocol, when it asks for no reply."""
        self._parts = parts
        self._path = path
        self._arrival = arrival
        self._client = client
        self._watch = ClientWatch(client)
        self._beats: EarlyBeats | None = None
        self._stage: Stage[Any] | None = None
        self._extra_head: dict[str, str] = {}
        self._record = Record(arrival.request_id, arrival.codec.name, parts.clock.monotonic())

    async def run(self) -> None:
        """Answer. Whatever goes wrong is the client's answer and the record's failure.

        Raised are only cancellation and, when nothing has been answered, MissingEndpointError.
        """
        try:
            with self._watch:
                await self._answer()
        except MissingEndpointError:
            self._record.status, self._record.lane = 200, "estimate"
            raise
        except DragomanError as error:
            await self._refuse(error)
        except asyncio.CancelledError:
            # The server is going down: a client that had left has ended the watch without a word.
            with suppress(Exception):
                await self._refuse(DragomanError(_SHUTTING_DOWN))
            raise
        except Exception:
            LOG.exception("exchange %s: a mistake of the gateway's own", self._arrival.request_id)
            await self._refuse(DragomanError(_INTERNAL))
        finally:
            self._record.left = self._watch.left and not (self._stage and self._stage.is_told)
            self._record.ended = self._parts.clock.monotonic()
            self._parts.sink(self._record)

    async def _answer(self) -> None:
        arrival, record = self._arrival, self._record
        peek = arrival.peek()
        record.model, record.stream, record.key = peek.model, peek.stream, arrival.key_name
        plan = self._parts.plan(peek.model, arrival)
        identity = identify(arrival.headers, user_id=peek.user, cache_key=peek.cache_key)
        record.client, record.session = identity.client, identity.session
        record.agent, record.parent_agent = identity.agent, identity.parent_agent
        try:
            await self._attempt(plan.attempts[0], peek, identity, plan.vision)
        except UnseenError:
            if plan.vision is None:
                raise
            record.ledger = Ledger()
            await self._attempt(plan.vision, peek, identity)

    # --- attempts -----------------------------------------------------------------------------------------------------

    async def _attempt(self, attempt: Attempt, peek: Peek, identity: Identity, vision: Attempt | None = None) -> None:
        record = self._record
        attempt = attempt.with_losses(self._arrival.losses)
        record.provider, record.upstream_model = attempt.provider, attempt.model
        record.upstream_protocol, record.reason = attempt.protocol, attempt.reason
        record.losses_are_silent = attempt.losses == "silent"
        errand = self._errand(attempt, peek, identity, vision)
        model = self._parts.models.get(attempt.protocol)
        if model is not None:
            lane_to_model = TranslatedLane(errand)
            try:
                await self._ask_model(model, lane_to_model, errand)
            except REFUSED as error:
                errand.rename(error, lane_to_model.request)  # the lane has done so for its own
                raise
            return
        is_raw = attempt.protocol == self._arrival.codec.name and self._arrival.reader is None
        lane = RawLane(errand) if is_raw else TranslatedLane(errand)
        record.lane = lane.name
        note_sample(record, self._parts.calibration, attempt, lane, self._arrival.body)
        call = lane.call(self._path) if isinstance(lane, RawLane) else lane.call()
        while True:
            try:
                await self._ask(lane, call, errand)
                return
            except DragomanError as error:
                await self._wait_to_retry(error)

    def _errand(self, attempt: Attempt, peek: Peek, identity: Identity, vision: Attempt | None) -> Errand:
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
            store=parts.store,
            calibration=parts.calibration,
            vision=vision,
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

    async def _ask(self, lane: RawLane | TranslatedLane, call: Call, errand: Errand) -> None:
        self._beats = self._early_beats(errand.peek)
        try:
            reply = await self._parts.upstream.send(call, self._parts.limits.timeouts)
            try:
                await self._carry(lane, inflated(reply), errand)
            finally:
                reply.close()
        finally:
            if self._beats is not None:
                await self._stop_beats()

    def _early_beats(self, peek: Peek) -> EarlyBeats | None:
        beat = self._arrival.codec.heartbeat
        if not peek.stream or not beat:
            return None
        return EarlyBeats(self._client, partial(self._head, STREAM_HEAD), beat, self._parts.limits.heartbeat)

    async def _stop_beats(self) -> None:
        """Beat no more, and let go of what knows this exchange: a cycle would wait for the collector."""
        beats, self._beats = self._beats, None
        if beats is not None and not beats.cancel():
            await beats.stop()

    async def _carry(self, lane: RawLane | TranslatedLane, reply: UpstreamReply, errand: Errand) -> None:
        if reply.status >= 300:
            await self._raise_answer(lane, reply, errand.attempt)
        wants_stream = errand.peek.stream
        streams = not self._path and is_stream(reply.headers.get("content-type", ""), wants_stream=wants_stream)
        if isinstance(lane, RawLane):
            if streams == wants_stream:
                await (self._relay_raw(lane, reply) if streams else self._pass_whole(lane, reply))
                return
            # A stream for a client that wants it whole, or the other way round: no bytes to pass on as they are.
            lane = TranslatedLane(msgspec.structs.replace(errand, ledger=Ledger()))
        if not streams:
            await self._translate_whole(lane, reply)
            return
        first = await first_bytes(reply, lane.upstream)
        carry = self._relay_translated if wants_stream else self._collect
        await carry(lane, reply, lane.receiver(), first)

    async def _raise_answer(self, lane: RawLane | TranslatedLane, reply: UpstreamReply, attempt: Attempt) -> None:
        if reply.status < 400:
            raise DragomanError(redirected(reply))
        if self._path is not None and reply.status in NO_ENDPOINT:
            raise MissingEndpointError(Failure(FailureKind.NOT_FOUND, f"the upstream has nothing at `{self._path}`"))
        body = await read_whole(reply, _ERROR_LIMIT)
        failure = lane.upstream.decode_failure(reply.status, reply.headers, body)
        if failure.kind is not FailureKind.UPSTREAM_INVALID:
            told = of_our_key(failure, attempt)
            passes = lane.name == "raw" and bool(body.strip())  # an empty one is no error in any dialect
            raise AnsweredError(told, reply.headers, body) if passes else DragomanError(told)
        if reply.status < 500:
            # Some other server's page, at a wrong address most likely: nobody should try that again.
            failure = msgspec.structs.replace(failure, should_retry=False)
        raise DragomanError(failure)

    # --- the raw lane -------------------------------------------------------------------------------------------------

    async def _relay_raw(self, lane: RawLane, reply: UpstreamReply) -> None:
        head = self._head(downward(reply.headers))
        if self._beats is not None:
            self._beats.head = lambda: head
        first = await open_bytes(reply, lane.receiver, await first_bytes(reply, lane.upstream), lane.upstream)
        stage = lane.stage()
        await self._start(head)
        await self._relay(reply, stage, stage.feed(first))

    async def _pass_whole(self, lane: RawLane, reply: UpstreamReply) -> None:
        body = lane.whole(await read_whole(reply, _WHOLE_LIMIT), reply.status)
        self._record.tap = lane.tap(body)
        await self._answer_whole(reply.status, downward(reply.headers), body)

    # --- the translated lane ------------------------------------------------------------------------------------------

    async def _ask_model(self, model: ModelUpstream, lane: TranslatedLane, errand: Errand) -> None:
        self._record.lane = "model"
        self._beats = self._early_beats(errand.peek)
        turn = Turn(
            lane.request,
            errand.identity.session,
            errand.key,
            ledger=errand.ledger,
            headers=self._extra_head,
            is_strict=errand.attempt.losses == "strict",
            beta=errand.attempt.beta,
        )
        reply = ModelReply(model.answer(turn))
        try:
            if errand.peek.stream:
                await self._relay_translated(lane, reply, EventReceiver())
            else:
                await self._collect(lane, reply, EventReceiver())
        finally:
            if self._beats is not None:
                await self._stop_beats()
            await reply.aclose()

    async def _relay_translated(
        self, lane: TranslatedLane, reply: Incoming[Any], receiver: EventReceiver, first: bytes = b""
    ) -> None:
        opening = await open_events(reply, receiver, first)
        stage = lane.stage(receiver)
        await self._start(self._head(STREAM_HEAD))
        await self._relay(reply, stage, stage.encode(opening))
        if stage.failure is None and not reply.is_over:
            await drain(reply)

    async def _collect(
        self, lane: TranslatedLane, reply: Incoming[Any], receiver: EventReceiver, first: bytes = b""
    ) -> None:
        events: list[Event] = receiver.feed(first) if first else []
        while not receiver.is_done:
            batch = await reply.read()
            events += receiver.flush() if batch is None else receiver.feed(batch)
        whole = lane.restored(collect(events))
        self._record.usage = whole.usage
        await self._answer_whole(200, JSON_HEAD, lane.encode(whole))
        await drain(reply)

    async def _translate_whole(self, lane: TranslatedLane, reply: UpstreamReply) -> None:
        whole = lane.decode(await read_whole(reply, _WHOLE_LIMIT), reply.status)
        self._record.usage = whole.usage
        if lane.request.stream:
            await self._start(self._head(STREAM_HEAD))
            await self._client.finish(lane.encode_stream(whole))
            return
        await self._answer_whole(200, JSON_HEAD, lane.encode(whole))

    # --- to the client ------------------------------------------------------------------------------------------------

    async def _start(self, head: Headers) -> None:
        await self._stop_beats()
        self._record.first_byte = self._parts.clock.monotonic()
        self._record.status = 200
        if not self._client.has_started:
            await self._client.start(200, head)

    async def _relay(self, reply: Incoming[Any], stage: Stage[Any], first: bytes) -> None:
        self._stage = stage
        heartbeat = Heartbeat(reply, self._parts.limits.heartbeat)
        try:
            await relay(reply, stage, self._client, heartbeat, self._arrival.codec.heartbeat, first)
        finally:
            heartbeat.stop()
            self._record.tap, self._record.failure = stage.tap(), stage.failure

    def _answer_whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
        self._record.first_byte = self._parts.clock.monotonic()
        self._record.status = status
        return self._client.answer(status, self._head(headers), body)

    def _head(self, headers: Headers) -> Headers:
        record = self._record
        losses = b"silent" if record.losses_are_silent else record.ledger.summary().encode()
        head = (*headers, *answered_by(record.upstream_model, record.provider), (b"x-dragoman-loss", losses))
        if not self._extra_head:
            return head
        return (*head, *((name.encode(), header_value(value)) for name, value in self._extra_head.items()))

    async def _refuse(self, error: DragomanError) -> None:
        """Tell the client what went wrong, in its own dialect; with the upstream's own words where both speak the same."""
        failure, arrival = error.failure, self._arrival
        if self._client.is_finished:
            return
        self._record.failure = failure
        if self._client.has_started:
            self._record.status = 200
            await self._client.finish(arrival.codec.encode_failure_event(failure, arrival.request_id))
            return
        status = arrival.codec.failure_status(failure)
        headers = failure_headers(failure)
        body = arrival.codec.encode_failure(failure, arrival.request_id)
        if isinstance(error, AnsweredError):
            status, body = failure.http_status, error.body
            headers = [*downward(error.headers), *retry_advice(failure, error.headers)]
        self._record.status = status
        await self._client.answer(status, self._head(headers), body)
