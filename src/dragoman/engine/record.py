"""What is remembered of an exchange: one line. Never a body, never a key."""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage

LOG: Final = logging.getLogger("dragoman.exchange")
_MESSAGE_LENGTH: Final = 300
_OWN_WORDS: Final = frozenset(
    {
        FailureKind.AUTHENTICATION,
        FailureKind.INTERNAL,
        FailureKind.NOT_FOUND,
        FailureKind.NOT_IMPLEMENTED,
        FailureKind.SHUTTING_DOWN,
        FailureKind.TIMEOUT,
        FailureKind.UPSTREAM_CUT,
        FailureKind.UPSTREAM_UNREACHABLE,
    }
)
"""The kinds that say nothing but our own words, unless they came in an upstream's answer."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """The line of one exchange, as the JSON log writes it; what is empty is left out. Times are milliseconds.

    `key` is the name of the client's key, never the key. `parent_agent` is what called the agent: an agent's id (Claude Code), or
    a session (OpenCode). `cost` is in US dollars, where the upstream names it.
    """

    request_id: str
    status: int
    protocol: str
    total_ms: float
    model: str = ""
    client: str = ""
    key: str | None = None
    session: str | None = None
    agent: str | None = None
    parent_agent: str | None = None
    provider: str = ""
    upstream_protocol: str = ""
    upstream_model: str = ""
    lane: str = ""
    reason: str = ""
    stream: bool = False
    retries: int = 0
    losses: tuple[str, ...] = ()
    input_tokens: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output_tokens: int | None = None
    first_byte_ms: float | None = None
    client_left: bool = False
    failure: str | None = None
    message: str | None = None
    cost: float | None = None


class Record(msgspec.Struct):
    """One exchange, filled in while it runs. Times are seconds on the monotonic clock."""

    request_id: str
    protocol: str
    started: float
    model: str = ""
    client: str = ""
    key: str | None = None
    session: str | None = None
    agent: str | None = None
    parent_agent: str | None = None
    provider: str = ""
    upstream_model: str = ""
    upstream_protocol: str = ""
    lane: str = ""
    reason: str = ""
    stream: bool = False
    status: int = 0
    retries: int = 0
    first_byte: float | None = None
    usage: Usage = Usage()
    losses_are_silent: bool = False
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    failure: Failure | None = None
    left: bool = False
    ended: float = 0.0
    tap: Callable[[], Usage] | None = None
    """Reads the usage of a reply that passed as bytes: nobody waits for it, so it is read when the line is written."""
    estimate: Callable[[], int] | None = None
    """Estimates the request's tokens, where that is worth comparing with what the upstream reports."""

    def read_usage(self) -> Usage:
        """Return the tokens that the upstream reported."""
        return self.usage if self.tap is None else self.tap()

    @property
    def total_ms(self) -> float:
        """How long it took."""
        return _milliseconds(self.ended - self.started)

    @property
    def first_byte_ms(self) -> float | None:
        """How long the client waited for the reply to begin; None when none did."""
        return None if self.first_byte is None else _milliseconds(self.first_byte - self.started)

    @property
    def loss_names(self) -> tuple[str, ...]:
        """What was lost, each as code and path."""
        return tuple(f"{loss.code}:{loss.path}" for loss in self.ledger) if self.ledger else ()

    @property
    def message(self) -> str | None:
        """What the log may say of the failure: our own words, else the field or the code. What a body said may be a secret."""
        return _words(self.failure) if self.failure else None

    def line(self) -> Line:
        """Return what the log says of it."""
        usage, failure = self.read_usage(), self.failure
        return Line(
            self.request_id,
            self.status,
            self.protocol,
            self.total_ms,
            self.model,
            self.client,
            self.key,
            self.session,
            self.agent,
            self.parent_agent,
            self.provider,
            self.upstream_protocol,
            self.upstream_model,
            self.lane,
            self.reason,
            self.stream,
            self.retries,
            self.loss_names,
            usage.input_tokens,
            usage.cache_read,
            usage.cache_write,
            usage.output_tokens,
            self.first_byte_ms,
            self.left,
            failure.kind.word if failure else None,
            self.message,
            usage.cost,
        )


def _words(failure: Failure) -> str | None:
    came_in_a_body = failure.status or failure.code or failure.upstream_type
    if failure.kind in _OWN_WORDS and not came_in_a_body:
        return failure.message[:_MESSAGE_LENGTH]
    if failure.kind is FailureKind.AUTHENTICATION and failure.hint:
        return failure.hint  # says whose key it is, which the client does not read on the raw lane
    word = failure.param or failure.code
    return word[:_MESSAGE_LENGTH] if word else None


RecordSink = Callable[[Record], None]
"""Where the records of exchanges go when they have ended."""


def log_record(record: Record) -> None:
    """Hand a record to the logger `dragoman.exchange`: what happens unless something quicker was set up."""
    level = logging.WARNING if record.failure else logging.INFO
    if LOG.isEnabledFor(level):
        LOG.log(level, "exchange", extra={"fields": msgspec.to_builtins(record.line())})


def _milliseconds(seconds: float) -> float:
    return int(seconds * 10_000 + 0.5) / 10  # three times as quick as `round`
