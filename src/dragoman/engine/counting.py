"""How many tokens a request has: asked of the upstream where it can tell, estimated where it cannot."""

from typing import Final

from dragoman.engine.client import Arrival, ClientConnection
from dragoman.engine.exchange import JSON_HEAD, Exchange, Parts
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.transforms.counting import estimate_tokens

_ESTIMATED: Final = (b"x-dragoman-count", b"estimated")


async def count_tokens(parts: Parts, arrival: Arrival, client: ClientConnection) -> None:
    """Answer a request for a token count: natively when the model's upstream speaks the same protocol, else by estimate.

    Raises DragomanError for a bad request or an unknown model.
    """
    codec = arrival.codec
    peek = codec.peek(arrival.body)
    attempt = parts.plan(peek.model, arrival).attempts[0]
    path = codec.count_path(attempt.model)
    if attempt.protocol == codec.name and path is not None:
        await Exchange(parts, arrival, client, path).run()
        return
    if codec.decode_count is None:
        raise DragomanError(Failure(FailureKind.NOT_IMPLEMENTED, f"{codec.title} counts no tokens"))
    estimate = estimate_tokens(codec.decode_count(arrival.body, Ledger()))
    await client.answer(200, (*JSON_HEAD, _ESTIMATED), codec.encode_count(estimate))
