"""A conversation made short by the model's upstream, where it can."""

from contextlib import suppress

import msgspec

from dragoman.engine.answers import MissingEndpointError
from dragoman.engine.client import Arrival, ClientConnection
from dragoman.engine.exchange import Exchange
from dragoman.engine.parts import Parts
from dragoman.engine.record import Record
from dragoman.ir.failures import DragomanError, Failure, FailureKind


async def compact(parts: Parts, arrival: Arrival, client: ClientConnection) -> None:
    """Answer a request to compact. Raises DragomanError for a bad request, an unknown model, and one that cannot (501)."""
    codec = arrival.codec
    attempt = parts.plan(codec.peek(arrival.body).model, arrival).attempts[0]
    path = codec.compact_path
    if attempt.protocol == codec.name and path is not None:
        records: list[Record] = []
        with suppress(MissingEndpointError):
            await Exchange(msgspec.structs.replace(parts, sink=records.append), arrival, client, path).run()
            parts.sink(*records)
            return
    raise DragomanError(
        Failure(
            FailureKind.NOT_IMPLEMENTED,
            f"`{attempt.model}` of `{attempt.provider}` cannot compact a conversation",
            hint="send a shorter conversation, or have a model summarise it",
        )
    )
