"""What is remembered of an exchange: the one line in the log. Never a body, never a key."""

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from dragoman.ir.failures import Failure
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Usage

LOG: Final = logging.getLogger("dragoman.exchange")


@dataclass(slots=True)
class Record:
    """One exchange, filled in while it runs. Times are seconds on the monotonic clock."""

    request_id: str
    protocol: str
    started: float
    model: str = ""
    client: str = ""
    session: str | None = None
    agent: str | None = None
    provider: str = ""
    upstream_model: str = ""
    upstream_protocol: str = ""
    lane: str = ""
    reason: str = ""
    stream: bool = False
    status: int = 0
    retries: int = 0
    first_byte: float | None = None
    usage: Usage = field(default_factory=Usage)
    losses_are_silent: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    failure: Failure | None = None
    left: bool = False

    def fields(self, now: float) -> dict[str, Any]:
        """Return what the log line holds, in its order; empty values are left out."""
        usage = self.usage
        rows = {
            "request_id": self.request_id,
            "status": self.status,
            "client": self.client,
            "session": self.session,
            "agent": self.agent,
            "protocol": self.protocol,
            "model": self.model,
            "provider": self.provider,
            "upstream_protocol": self.upstream_protocol,
            "upstream_model": self.upstream_model,
            "lane": self.lane,
            "reason": self.reason,
            "stream": self.stream,
            "retries": self.retries,
            "losses": [f"{loss.code}:{loss.path}" for loss in self.ledger],
            "input_tokens": usage.input_tokens,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "output_tokens": usage.output_tokens,
            "first_byte_ms": None if self.first_byte is None else round((self.first_byte - self.started) * 1000, 1),
            "total_ms": round((now - self.started) * 1000, 1),
            "client_left": self.left,
            "failure": self.failure.kind.word if self.failure else None,
            "message": self.failure.message[:300] if self.failure else None,
        }
        return {name: value for name, value in rows.items() if value or (value == 0 and name.endswith("tokens"))}

    def log(self, now: float) -> None:
        """Write the line."""
        level = logging.WARNING if self.failure else logging.INFO
        if LOG.isEnabledFor(level):
            LOG.log(level, "exchange", extra={"fields": self.fields(now)})
