"""What a protocol is: one frozen record of pure functions between its wire format and the IR.

A protocol is a package below `dragoman.protocols` whose `__init__` ends in `PROTOCOL = Codec(...)`; `dragoman.protocols.discover`
finds it by being there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

import msgspec

from dragoman.dialects import Dialect
from dragoman.ir.events import Event
from dragoman.ir.failures import DragomanError, Failure
from dragoman.ir.losses import Action, Ledger, Loss
from dragoman.ir.reply import Reply, Usage
from dragoman.ir.request import Request
from dragoman.pipe import Transducer
from dragoman.wire.sse import Frame, SseReader


class Operation(Enum):
    """What a client can ask of a protocol's endpoints."""

    GENERATE = "generate"
    COUNT = "count"
    MODELS = "models"
    MODEL = "model"
    UNSERVED = "not served"
    """What the protocol has and the gateway does not: answered with 501, in the protocol's own words."""
    COMPACT = "compact"
    RETRIEVE = "retrieve"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path that the gateway serves for a protocol, without any prefix.

    `{model}` stands for a model's id, slashes included, `{id}` for a path segment. `streams` tells whether the reply streams,
    where the path says so; None: the body does.
    """

    method: str
    path: str
    operation: Operation
    streams: bool | None = None


class Target(msgspec.Struct, frozen=True):
    """Whom a request is encoded for: the model's id there, whose it is, how it is and what it can do (None: not known)."""

    provider: str
    model: str
    dialect: Dialect = Dialect()
    max_output: int | None = None


class Source(msgspec.Struct, frozen=True):
    """Whom a reply comes from; seals are marked with it."""

    provider: str
    model: str


class Audience(msgspec.Struct, frozen=True):
    """Whom a reply is encoded for.

    `model` is the id that the client asked for. `native` tells whether opaque state of this protocol may go to the client in its
    native form, without our wrapping (it came from an upstream of the same protocol and nothing else). `new_id` makes ids.
    """

    model: str
    created: int
    new_id: Callable[[str], str]
    wants_usage: bool = True
    input_tokens: int = 0
    """An estimate of the request's size, for protocols that must name it before the upstream does."""
    request: Request | None = None
    """What the client asked, for protocols whose replies repeat some of it; None where nobody asked (`translate`)."""
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    """Where encoders of replies record what they could not carry."""


class ModelCard(msgspec.Struct, frozen=True):
    """One row of a model list. `created` is seconds since the epoch."""

    id: str
    name: str
    owner: str
    created: int = 0
    context: int | None = None
    max_output: int | None = None


class Peek(msgspec.Struct, frozen=True):
    """The little of a request that the raw lane needs to know. `model` is empty where the path names it and not the body."""

    model: str
    stream: bool = False
    user: str | None = None
    """Anthropic's `metadata.user_id` or OpenAI's `user`: some clients put their session there."""
    cache_key: str | None = None
    """OpenAI's `prompt_cache_key`."""
    wants_usage: bool = True
    """Whether the client asks for the usage of its stream, or cannot help getting it."""
    has_stream_options: bool = False
    """Whether OpenAI's `stream_options` are there."""


NOTHING_MORE: Final[tuple[Sequence[Event], int]] = ((), 0)
"""No event, and no bytes that would have said one."""


class StreamDecoder(Protocol):
    """Reads one reply: frames to events. It may raise on anything the protocol forbids; the Receiver takes care of that."""

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Return the events that `frame` brings."""

    def go_on(self, packet: bytes) -> tuple[Sequence[Event], int]:
        """Return the deltas with which `packet` goes on like the last event, and how many bytes they are: whole events, unframed.

        They are of one kind and one block. It is a short cut: 0 bytes do not mean that there are none.
        """

    def flush(self) -> Sequence[Event]:
        """The stream has ended: return ReplyEnd if what came was a whole reply, nothing otherwise."""


@dataclass(frozen=True, slots=True)
class LossNote:
    """A loss code that a codec may record, for docs/losses; `action` and `changes_meaning` are those of what `once` records.

    `changes_meaning` tells what the policy `strict` refuses; `not_always`: some losses of the kind change nothing.
    """

    code: str
    meaning: str
    action: Action = Action.DROPPED
    changes_meaning: bool = False
    not_always: bool = False

    def once(self, ledger: Ledger, path: str) -> None:
        """Record it, unless `ledger` has one of its kind: what a reply loses once it may lose with every event."""
        if not ledger.has(self.code):
            ledger.record(Loss(self.code, path, self.action, self.meaning, self.changes_meaning))


class References(msgspec.Struct, frozen=True):
    """What a request refers to instead of saying it: an earlier reply, and items of any."""

    previous: str | None
    items: tuple[str, ...] = ()


class KeptReply(msgspec.Struct, frozen=True):
    """What is kept of a reply.

    `items` is the JSON list of what it added to the conversation, `previous` the reply before it, `response` the reply as it was
    told, `named` the items that can be referred to.
    """

    id: str
    previous: str | None
    items: bytes
    response: bytes
    named: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Storage:
    """How a protocol whose upstreams keep replies is served where they do not."""

    references: Callable[[bytes], References | None]
    """What a request refers to; None: nothing."""
    spliced: Callable[[bytes, Sequence[bytes], Mapping[str, bytes]], bytes]
    """(request, JSON lists of items that go before, items by their ids) -> the request that says it all itself."""
    linked: Callable[[bytes, str], bytes]
    """(a whole reply or whole events of its stream, id of the reply before it) -> the same, telling of the reply before."""
    keeps: Callable[[bytes], bool]
    """Whether the client wants the reply to be kept."""
    kept: Callable[[bytes, Mapping[str, bytes], bytes], KeptReply | None]
    """(request, items that it named, the whole answer or the last bytes of its stream) -> what to keep; None: nothing."""
    ends: tuple[bytes, ...]
    """What stands in the last event of a stream that ended well."""
    missing: "MissingReference"
    unknown: Callable[[str], DragomanError]
    """The error for asking after a reply that nobody remembers."""
    encode_deleted: Callable[[str], bytes]
    """The answer to a deletion."""


class MissingReference(Protocol):
    """Makes the error for a request that refers to what nobody remembers."""

    def __call__(self, id: str, *, is_item: bool) -> DragomanError:
        """Return the error for the item, or else the reply, `id`."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a protocol's requests have what the IR calls `messages[i].content[j]`, `n`, ...: errors name it to the client."""

    items: str
    """The field with the conversation."""
    parts: str
    """The field of its items with their parts."""
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The IR's names of settings, and this protocol's, where they are others."""
    answer: str | None = None
    """The field with the parts of what a tool answered, where that is an item of its own."""
    inner: str | None = None
    """The same, where it is a part."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One protocol. All functions are pure; what they raise is a DragomanError."""

    name: str
    """As configuration writes it: `anthropic-messages`."""
    title: str
    """As people write it: `Anthropic Messages`."""
    endpoints: tuple[Endpoint, ...]

    # --- as an upstream ---
    path: Callable[[str, bool], str]
    """(model, stream) -> path below the provider's base URL."""
    count_path: Callable[[str], str | None]
    """Where the upstream counts tokens; None: nowhere."""
    sign_in: Callable[[str], tuple[tuple[str, str], ...]]
    """The headers that present a key."""
    headers: Callable[[Dialect], tuple[tuple[str, str], ...]]
    """Further headers that every call needs."""
    encode_request: Callable[[Request, Target, Ledger], bytes]
    decode_reply: Callable[[bytes, Source], Reply]
    stream_decoder: Callable[[Source], StreamDecoder]
    framing: Callable[[], SseReader]
    decode_failure: Callable[[int, Mapping[str, str], bytes], Failure]
    """(status, headers, body) of an answer that is not a reply."""

    # --- as the client's side ---
    decode_request: Callable[[bytes, Ledger], Request]
    """What the path says and not the body (Gemini: the model, whether to stream) is left at its default."""
    encode_reply: Callable[[Reply, Audience], bytes]
    stream_encoder: Callable[[Audience], Transducer[Sequence[Event], bytes]]
    encode_failure: Callable[[Failure, str], bytes]
    """(failure, request id) -> the body of an error answer."""
    failure_status: Callable[[Failure], int]
    """The HTTP status that this protocol's clients expect for a failure."""
    encode_failure_event: Callable[[Failure, str], bytes]
    """The same as an event of a stream that has begun."""
    encode_models: Callable[[Sequence[ModelCard]], bytes]
    encode_model: Callable[[ModelCard], bytes]
    encode_count: Callable[[int], bytes]
    heartbeat: bytes
    """What keeps a silent stream alive between events; empty when the protocol has nothing harmless."""

    # --- the raw lane: same protocol on both sides ---
    peek: Callable[[bytes], Peek]
    """Read a request's model and whether it streams. Raises RequestError."""
    splice_model: Callable[[bytes, str], bytes]
    """Return the request with another model name and every other byte as it was."""
    unseal: Callable[[bytes, Target, Ledger], bytes]
    """Return the request with our seals opened (theirs) or taken out (others'); bytes without any come back as they are."""
    echo: Callable[[str], Transducer[bytes, bytes]]
    """A transducer over a streamed reply that puts the client's model name in place of the upstream's."""
    echo_whole: Callable[[bytes, str], bytes]
    """The same for a whole reply."""
    read_usage: Callable[[bytes, bytes], Usage]
    """Read the usage from the first and the last bytes of a relayed reply; best effort."""
    is_finished: Callable[[bytes], bool]
    """Whether the last bytes of a relayed stream hold the protocol's end."""

    loses: tuple[LossNote, ...] = ()
    """What `encode_request`, `encode_reply` and the stream encoder may lose."""
    decode_count: Callable[[bytes, Ledger], Request] | None = None
    """Read the body of a token count, which has less in it than a request; None: the protocol counts no tokens."""
    encode_count_request: Callable[[Request, Target, Ledger], bytes] | None = None
    """Write a request to the endpoint at `count_path`; None: only this protocol's own clients can ask there."""
    decode_count_reply: Callable[[bytes], int] | None = None
    """Read what that endpoint answered: tokens. Raises msgspec.DecodeError."""
    own_headers: tuple[str, ...] = ()
    """Request headers that switch features of this protocol: they stay behind on the way to another, and are reported."""
    caches_by_breakpoint: bool = False
    """Whether prompt caching is asked for by marks in the request (Anthropic)."""
    caches_by_key: bool = False
    """Whether prompt caching can be helped by a key that tells conversations apart (OpenAI)."""
    names_input_early: bool = False
    """Whether a stream begins with the size of its input, before an upstream of another protocol reports it."""
    splice_asking: Callable[[bytes, str, Peek], bytes] | None = None
    """As `splice_model`, and the usage of the stream is asked for; None: a stream always tells it."""
    hide_usage: Callable[[], Transducer[bytes, bytes]] | None = None
    """A transducer over whole events of a relayed stream that takes out the usage which only the gateway has asked for."""
    marks: tuple[str, ...] = ()
    """Request headers by which this protocol's clients are known, where a path is shared (`/v1/models`)."""
    lists_claude_shaped: bool = False
    """Whether its clients keep only models with `claude` in their names (Claude Code, Claude Desktop)."""
    tool_names_begin_with_letter: bool = False
    """Whether a tool's name has to begin with a letter or `_`; others are renamed reversibly."""
    array_of: Callable[[], Transducer[bytes, bytes]] | None = None
    """Makes a JSON array of a stream's events, for clients that do not ask for events (`alt=sse`); None: all want events."""
    encode_page: Callable[[Sequence[ModelCard], Mapping[str, str]], bytes] | None = None
    """A page of the list of models, as the request's query asks for it. Raises RequestError. None: the list has no pages."""
    has_namespaces: bool = False
    """Whether tools can stand under a first name."""
    takes_stop: bool = True
    """Whether upstreams can be told where to stop; else the gateway ends the reply there."""
    repeats_request: bool = False
    """Whether a stream begins by repeating the request: its first packet may be long and hold no content."""
    storage: Storage | None = None
    """How replies are kept for clients that refer to them later; None: none of its clients do."""
    compact_path: str | None = None
    """Where upstreams compact a conversation; None: nowhere."""
    places: Places | None = None
    """What its clients call the parts of a request; None: as the IR does."""
    really: Callable[[bytes], str | None] | None = None
    """The name of the protocol whose request a body really is, where clients mix them up; None: it is this one's."""
