"""The real clock and real ids, for the engine's ports."""

import asyncio
import secrets
import time


class SystemClock:
    """Time as the machine has it."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


class RandomIds:
    """Ids from the machine's randomness."""

    @staticmethod
    def new(prefix: str) -> str:
        """Return `prefix` and 96 random bits in hexadecimal."""
        return prefix + secrets.token_hex(12)
