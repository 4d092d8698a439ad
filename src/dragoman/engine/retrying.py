"""When to ask an upstream again, and after how long. Pure: the engine waits."""

import math
from email.utils import parsedate_to_datetime
from typing import Final

from dragoman.ir.failures import Failure

LONGEST_WAIT: Final = 10.0
"""Seconds. An upstream that asks for more is not waited for: the client is told, and knows better what to do meanwhile."""

_FIRST_WAIT: Final = 0.4


def retry_delay(failure: Failure, retries_done: int, now: float, jitter: float) -> float | None:
    """Return the seconds to wait before asking again; None: do not.

    `now` is seconds since the epoch (Retry-After may be a date), `jitter` a random number from 0 to 1.
    """
    if not failure.kind.retryable or failure.should_retry is False:
        return None
    asked = seconds_of(failure.retry_after, now)
    if asked is not None:
        return asked if asked <= LONGEST_WAIT else None
    return _FIRST_WAIT * float(2**retries_done) * (0.75 + 0.5 * jitter)


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number or an HTTP date. None when it says nothing."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None
