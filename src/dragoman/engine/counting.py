"""How many tokens a request has: asked of the upstream where it can tell, estimated where it cannot."""

from contextlib import suppress
from typing import Final

import msgspec

from dragoman.codec import Codec
from dragoman.engine.answers import JSON_HEAD, NO_ENDPOINT, MissingEndpointError, of_our_key
from dragoman.engine.client import Arrival, ClientConnection
from dragoman.engine.exchange import Exchange
from dragoman.engine.headers import header_value
from dragoman.engine.inflating import inflated
from dragoman.engine.lanes import Errand, TranslatedLane
from dragoman.engine.parts import Parts
from dragoman.engine.ports import UpstreamReply
from dragoman.engine.relay import read_whole
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.routing.identity import identify
from dragoman.routing.plan import Attempt
from dragoman.transforms.counting import estimate_tokens
from dragoman.transforms.vision import may_hold_media

_ESTIMATED: Final = (b"x-dragoman-count", b"estimated")
_ANSWER_LIMIT: Final = 1024 * 1024


async def count_tokens(parts: Parts, arrival: Arrival, client: ClientConnection) -> str | None:
    """Answer a request for a token count: by the model's upstream where that counts, in whichever protocol, else by estimate.

    Return the lane for the log's line (`translated` or `estimate`); None when there is a line already. Raises
    DragomanError for a bad request or an unknown model.
    """
    codec = arrival.codec
    peek = arrival.peek()
    attempt = parts.plan(peek.model, arrival).attempts[0].with_losses(arrival.losses)
    path = codec.count_path(attempt.model)
    # A model that cannot see would refuse to count what another one is to look at.
    is_seen = not (attempt.may_be_blind and may_hold_media(arrival.body))
    if attempt.protocol == codec.name and path is not None and is_seen:
        with suppress(MissingEndpointError):
            await Exchange(parts, arrival, client, path).run()
        if client.has_started:
            return None
        await _answer_estimate(parts, arrival, client, attempt)
        return None
    upstream = parts.codecs.get(attempt.protocol)
    if upstream is not None and upstream is not codec and upstream.encode_count_request is not None and is_seen:
        ledger = Ledger()
        count = await _asked(parts, arrival, attempt, upstream, ledger)
        if count is not None:
            await client.answer(200, (*JSON_HEAD, *_told(attempt, ledger)), codec.encode_count(count))
            return "translated"
    await _answer_estimate(parts, arrival, client, attempt)
    return "estimate"


async def _asked(parts: Parts, arrival: Arrival, attempt: Attempt, upstream: Codec, ledger: Ledger) -> int | None:
    """Return what an upstream of another protocol counts; None when it does not, or cannot be reached just now."""
    peek = arrival.peek()
    errand = Errand(
        arrival=arrival,
        peek=peek,
        attempt=attempt,
        upstream=upstream,
        identity=identify(arrival.headers, user_id=peek.user, cache_key=peek.cache_key),
        key=attempt.key_for(arrival.key if arrival.may_forward_key else None),
        now=parts.clock.now(),
        new_id=parts.ids.new,
        ledger=ledger,
        store=parts.store,
    )
    call = TranslatedLane(errand, counts=True).call()
    try:
        reply = await parts.upstream.send(call, parts.limits.timeouts)
        try:
            return _counted(errand, reply, await read_whole(inflated(reply), _ANSWER_LIMIT))
        finally:
            reply.close()
    except DragomanError as error:
        if error.failure.kind.retryable:
            return None
        raise


def _counted(errand: Errand, reply: UpstreamReply, body: bytes) -> int | None:
    """Return the count in an answer; None when the upstream has none to give. Raises DragomanError."""
    upstream = errand.upstream
    if reply.status in NO_ENDPOINT or upstream.decode_count_reply is None:
        return None
    if reply.status >= 300:
        raise DragomanError(of_our_key(upstream.decode_failure(reply.status, reply.headers, body), errand.attempt))
    try:
        return upstream.decode_count_reply(body)
    except msgspec.DecodeError:
        return None


async def _answer_estimate(parts: Parts, arrival: Arrival, client: ClientConnection, attempt: Attempt) -> None:
    codec = arrival.codec
    if codec.decode_count is None:
        raise DragomanError(Failure(FailureKind.NOT_IMPLEMENTED, f"{codec.title} counts no tokens"))
    ledger = Ledger()
    factor = parts.calibration.factor(attempt.provider, attempt.model)
    estimate = round(estimate_tokens(codec.decode_count(arrival.body, ledger)) * factor)
    head = (*JSON_HEAD, _ESTIMATED, *_told(attempt, ledger))
    await client.answer(200, head, codec.encode_count(estimate))


def _told(attempt: Attempt, ledger: Ledger) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-dragoman-model", header_value(attempt.model)),
        (b"x-dragoman-provider", header_value(attempt.provider)),
        (b"x-dragoman-loss", header_value("silent" if attempt.losses == "silent" else ledger.summary())),
    )
