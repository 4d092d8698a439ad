"""What the engine needs from the outside: an upstream that answers, a clock, ids, a store.

The engine is given these at the composition root; nothing in it opens a socket or reads a clock by itself.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from dragoman.ir.events import Event
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Request

Batch = TypeVar("Batch", covariant=True)


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """The upstream watchdogs, in seconds."""

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 300.0


class CallHeaders(tuple[tuple[str, str], ...]):  # noqa: SLOT001 - a tuple with slots has no place for more
    """Headers of calls that have them in common. What a transport makes of them may hang on them, and goes with them."""

    encoded: tuple[Any, ...] = ()
    """The transport's own: what it wrote last, and what for."""


class Call(msgspec.Struct, frozen=True):
    """One HTTP exchange to make with an upstream.

    `headers` are lower-case name and value; `host`, `content-length` and `connection` are the transport's to set.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Incoming(Protocol[Batch]):
    """A reply that is arriving, in batches. Whoever holds it must either read it to its end or `close` it."""

    async def read(self) -> Batch | None:
        """Return what has arrived, waiting for something if there is nothing.

        None at the end; an empty batch after a `nudge`. Raises `UpstreamCutError` when the connection broke or the framing was
        wrong before the end, and `UpstreamTimeoutError` when nothing came for `Timeouts.idle` seconds.
        """

    @property
    def is_over(self) -> bool:
        """Whether it is known already that the next `read` returns None.

        False: it may all the same.
        """

    def nudge(self) -> None:
        """Make a pending `read` return an empty batch, so that the reader can look at the time. No effect when none is pending."""

    def close(self) -> None:
        """Drop the reply. A connection with unread bytes is closed at once, so that the upstream stops working."""


class UpstreamReply(Incoming[bytes], Protocol):
    """An HTTP reply whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; of a repeated header the values joined by `, `."""


class Upstream(Protocol):
    """Somebody who answers calls."""

    async def send(self, call: Call, timeouts: Timeouts) -> UpstreamReply:
        """Send `call` and return when the reply's head is there.

        Raises `UpstreamUnreachableError` (nothing was sent or answered), `UpstreamTimeoutError` or `UpstreamCutError`, and
        `RequestError` for a call that cannot be written down (a header with a line break). Cancelling the awaiting task closes
        the connection.
        """

    async def aclose(self) -> None:
        """Close idle connections and abort running ones."""


class Clock(Protocol):
    """Time, as the engine sees it."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Ids(Protocol):
    """Where fresh identifiers come from."""

    def new(self, prefix: str) -> str:
        """Return a fresh id, `prefix` and at least 96 random bits in `[0-9A-Za-z]`."""


class Store(Protocol):
    """Remembers across exchanges, as well as it can: whoever asks must be able to do without."""

    def get(self, key: bytes) -> bytes | None:
        """Return what was put there; None when it was nothing, or is forgotten."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value` in place of what was there."""

    def delete(self, key: bytes) -> None:
        """Forget what was put there, if anything was."""


class Calibration(Protocol):
    """Knows by how much our estimates of each model's input are off."""

    def factor(self, provider: str, model: str) -> float:
        """Return what to multiply an estimate with."""

    def wants(self, provider: str, model: str) -> bool:
        """Tell whether the request that is about to be sent is one to learn from; to be asked once for each."""

    def learn(self, provider: str, model: str, estimated: int, reported: int) -> None:
        """Note what a request was thought to have and had, in tokens."""


class Uncalibrated:
    """Takes every estimate for right."""

    def factor(self, provider: str, model: str) -> float:  # noqa: ARG002 - whichever it is
        """Return 1."""
        return 1.0

    def wants(self, provider: str, model: str) -> bool:  # noqa: ARG002 - as above
        """Nothing is ever learned."""
        return False

    def learn(self, provider: str, model: str, estimated: int, reported: int) -> None:
        """Forget it."""


class Turn(msgspec.Struct, frozen=True):
    """What an upstream that speaks the IR is asked: the request, whose conversation it is, and the key to use.

    Into `ledger` it writes what it cannot carry, into `headers` (lower-case names) what it wants to be in the head of the reply,
    both before the first events. `is_strict`: a loss that changes the meaning is to be refused. `beta` is the name of what has to
    be asked for by it: the long context of a model.
    """

    request: Request
    session: str | None = None
    api_key: str | None = None
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    headers: dict[str, str] = {}
    is_strict: bool = False
    beta: str | None = None


class ModelUpstream(Protocol):
    """Somebody who speaks the IR itself: the built-in scripted model, and back ends that are no HTTP provider."""

    def answer(self, turn: Turn) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the reply's events in batches, as they arise. Raises DragomanError when no reply begins.

        Closing the generator cancels the work.
        """

    async def aclose(self) -> None:
        """Let go of what it holds beyond single answers."""
