"""The public face of the package: one body, or one stream, out of one protocol into another, without a gateway around it."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from dragoman.codec import Audience, Codec, Source, Target
from dragoman.ir.events import ReplyFailed
from dragoman.ir.failures import FailureKind, RequestError
from dragoman.ir.losses import Ledger, Loss
from dragoman.pipe import Pipe
from dragoman.protocols import discover
from dragoman.receiver import Receiver, require_content
from dragoman.settings import did_you_mean
from dragoman.transforms.history import repair
from dragoman.transforms.tools import shorten

Kind = Literal["request", "reply", "stream"]

_PROVIDER = "file"
"""Whom seals are marked with: nobody is asked here, so that what one translation sealed another one opens."""
_NO_STREAM = (FailureKind.UPSTREAM_CUT, FailureKind.UPSTREAM_INVALID)
"""How bytes fail that say nothing in their protocol: no word of theirs came before."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What a translation came to: the bytes for the other side, and what they could not carry."""

    data: bytes
    losses: tuple[Loss, ...]

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return `data` read as JSON; a stream is none."""
        return msgspec.json.decode(self.data)


def new_audience(model: str) -> Audience:
    """Return whom replies are written for by default: the time is now, and ids are ones that nobody has had before."""
    return Audience(model, created=int(time.time()), new_id=lambda prefix: f"{prefix}{secrets.token_hex(12)}")


def codecs() -> Mapping[str, Codec]:
    """Return every protocol by its name: `anthropic-messages`, `gemini-generate`, `openai-chat`, `openai-responses`."""
    return discover()


def codec(name: str) -> Codec:
    """Return the protocol of that name. Raises RequestError with the nearest name."""
    known = discover()
    if name not in known:
        raise RequestError(f"there is no protocol `{name}`", hint=did_you_mean(name, known))
    return known[name]


def translate(
    body: bytes | str | Mapping[str, Any],
    source: str,
    target: str,
    *,
    kind: Kind = "request",
    model: str | None = None,
    audience: Callable[[str], Audience] = new_audience,
) -> Translation:
    """Return `body`, which is in the protocol `source`, in the protocol `target`.

    `body` is a request, a whole reply or a whole recorded stream of server-sent events, as `kind` says: its bytes, its text,
    or the object that it is as JSON. `model` takes the place of the model's name. `audience` makes the ids and the time
    that a reply needs and the other protocol does not tell.

    Raises DragomanError: RequestError for a request that is not what it should be, for what is no stream at all, and for an
    unknown protocol; a failed stream is no exception but ends in the error event of `target`.
    """
    data = _written(body)
    origin, destination = codec(source), codec(target)
    match kind:
        case "request":
            return _request(origin, destination, data, model)
        case "reply":
            reply = require_content(origin.decode_reply(data, Source(_PROVIDER, model or "")))
            hearer = audience(model or reply.model)
            return Translation(destination.encode_reply(reply, hearer), tuple(hearer.ledger))
        case "stream":
            return _stream(origin, destination, data, model, audience)
        case _:
            raise RequestError(f"there is no kind `{kind}`", param="kind", hint="one of request, reply, stream")


def stream_translator(
    source: str, target: str, model: str, *, audience: Callable[[str], Audience] = new_audience
) -> tuple[Pipe, Ledger]:
    """Return a pipe that takes a reply's bytes as they come from `source` and gives those for `target`, and its losses.

    `feed(chunk)` gives at once whatever the chunk allows, `flush()` what is left when the stream has ended; a stream that was cut
    short ends in an error event. `model` is the name that the client hears.
    """
    hearer = audience(model)
    receiver = Receiver(codec(source), Source(_PROVIDER, model))
    return Pipe(receiver, codec(target).stream_encoder(hearer)), hearer.ledger


def _written(body: bytes | str | Mapping[str, Any]) -> bytes:
    """Return the bytes of a body. Raises RequestError for what no JSON can say: a lone surrogate, a value of no JSON type."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode(errors="surrogatepass")  # what is wrong with it is told by whoever decodes it
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(
            body, default=str
        ).encode()  # a lone surrogate: written as an escape it is refused by its place
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}") from None


def _request(origin: Codec, destination: Codec, data: bytes, model: str | None) -> Translation:
    ledger = Ledger()
    request = repair(origin.decode_request(data, ledger), ledger)
    target = Target(_PROVIDER, model or request.model)
    request, _ = shorten(request, target.dialect.tool_name_limit, ledger)
    return Translation(destination.encode_request(request, target, ledger), tuple(ledger))


def _stream(
    origin: Codec, destination: Codec, data: bytes, model: str | None, audience: Callable[[str], Audience]
) -> Translation:
    receiver = Receiver(origin, Source(_PROVIDER, model or ""))
    events = receiver.feed(data) + receiver.flush()
    if isinstance(events[0], ReplyFailed) and events[0].failure.kind in _NO_STREAM:
        raise RequestError(f"`body` is no stream of `{origin.name}`: {events[0].failure.message}")
    hearer = audience(model or next((getattr(event, "model", "") for event in events), ""))
    encoder = destination.stream_encoder(hearer)
    return Translation(encoder.feed(events) + encoder.flush(), tuple(hearer.ledger))
