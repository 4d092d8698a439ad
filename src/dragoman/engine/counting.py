"""How many tokens a request has: asked of the upstream where it can tell, estimated where it cannot."""

from contextlib import suppress
from typing import Final

from dragoman.engine.client import Arrival, ClientConnection
from dragoman.engine.exchange import JSON_HEAD, Exchange, MissingEndpointError, Parts
from dragoman.engine.headers import header_value
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.transforms.counting import estimate_tokens
from dragoman.transforms.vision import may_hold_media

_ESTIMATED: Final = (b"x-dragoman-count", b"estimated")


async def count_tokens(parts: Parts, arrival: Arrival, client: ClientConnection) -> None:
    """Answer a request for a token count: natively when the model's upstream speaks the same protocol and counts, else by estimate.

    Raises DragomanError for a bad request or an unknown model.
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
            return
    if codec.decode_count is None:
        raise DragomanError(Failure(FailureKind.NOT_IMPLEMENTED, f"{codec.title} counts no tokens"))
    ledger = Ledger()
    estimate = estimate_tokens(codec.decode_count(arrival.body, ledger))
    head = (
        *JSON_HEAD,
        _ESTIMATED,
        (b"x-dragoman-model", header_value(attempt.model)),
        (b"x-dragoman-provider", header_value(attempt.provider)),
        (b"x-dragoman-loss", header_value("silent" if attempt.losses == "silent" else ledger.summary())),
    )
    await client.answer(200, head, codec.encode_count(estimate))
