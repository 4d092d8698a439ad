"""One exchange without I/O: what a client sends, through a lane, to an upstream that answers, and back.

Clients and upstreams speak through the codecs themselves, so that every protocol in the registry can be either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from dragoman.catalog import UNKNOWN
from dragoman.codec import Audience, Codec, Peek, Source, Target
from dragoman.dialects import Dialect
from dragoman.engine.client import Arrival, ClientHeaders
from dragoman.engine.lanes import Errand, RawLane, TranslatedLane
from dragoman.engine.ports import Store
from dragoman.ir.collecting import collect, expand
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Reply
from dragoman.ir.request import FunctionTool, Message, Request
from dragoman.receiver import Receiver
from dragoman.routing.identity import Identity
from dragoman.routing.plan import Attempt

MODEL = "model-1"
_TALKATIVE = Dialect(reasoning_details=True)
_numbers = count()


def new_id(prefix: str) -> str:
    return f"{prefix}{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider and the protocol that it speaks."""

    codec: Codec
    provider: str

    def __repr__(self) -> str:
        return self.provider

    def read(self, body: bytes) -> Request:
        """Return what it is asked."""
        return self.codec.decode_request(body, Ledger())

    def write(self, reply: Reply, *, streams: bool) -> bytes:
        """Return its answer."""
        audience = Audience(MODEL, created=1, new_id=new_id)
        if not streams:
            return self.codec.encode_reply(reply, audience)
        encoder = self.codec.stream_encoder(audience)
        return encoder.feed(list(expand(reply))) + encoder.flush()


@dataclass(frozen=True, slots=True)
class Client:
    """A client of a protocol; it says what it is given to say, native artefacts included."""

    codec: Codec
    session: str | None = None

    def write(self, messages: Sequence[Message], tools: Sequence[FunctionTool], *, streams: bool) -> bytes:
        """Return its request."""
        request = Request(MODEL, tuple(messages), tools=tuple(tools), max_tokens=1000, stream=streams)
        return self.codec.encode_request(request, Target("gateway", MODEL, _TALKATIVE), Ledger())

    def read(self, body: bytes, *, streams: bool) -> Reply:
        """Return what it is answered."""
        source = Source("gateway", MODEL)
        if not streams:
            return self.codec.decode_reply(body, source)
        receiver = Receiver(self.codec, source)
        return collect(receiver.feed(body) + receiver.flush())


def exchange(
    client: Client, upstream: Upstream, body: bytes, store: Store, answer: Callable[[bytes], bytes], *, streams: bool
) -> bytes:
    """Carry a request up and its answer down, as the engine does; return what the client gets."""
    errand = _errand(client, upstream, body, store, streams=streams)
    if client.codec is upstream.codec:
        raw = RawLane(errand)
        said = answer(raw.call().body)
        if not streams:
            return raw.whole(said, 200)
        through = raw.stage()
        return through.feed(said) + through.flush()
    lane = TranslatedLane(errand)
    said = answer(lane.call().body)
    if not streams:
        return lane.encode(lane.decode(said, 200))
    stage = lane.stage(lane.receiver())
    return stage.feed(said) + stage.flush()


def _errand(client: Client, upstream: Upstream, body: bytes, store: Store, *, streams: bool) -> Errand:
    attempt = Attempt(
        provider=upstream.provider,
        model=MODEL,
        protocol=upstream.codec.name,
        base_url="http://upstream",
        dialect=_TALKATIVE,
        capabilities=UNKNOWN,
        reason="",
        raw=client.codec is upstream.codec,
        losses="warn",
    )
    return Errand(
        arrival=Arrival("req_1", client.codec, ClientHeaders({}), body, key="sk-client"),
        peek=Peek(MODEL, streams),
        attempt=attempt,
        upstream=upstream.codec,
        identity=Identity(session=client.session),
        key=None,
        now=1.0,
        new_id=new_id,
        ledger=Ledger(),
        store=store,
    )


def wire_messages(body: bytes) -> list[bytes]:
    """Return the conversation in a request's body, item by item, whatever its protocol calls it."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    name = next(name for name in ("messages", "input", "contents") if name in fields)
    return [bytes(item) for item in msgspec.json.decode(fields[name], type=list[msgspec.Raw])]
