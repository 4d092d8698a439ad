"""The real clock and real ids, for the engine's ports."""

import asyncio
import random
import secrets
import time
from typing import Final


class SystemClock:
    """Time as the machine has it."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


_RANDOM: Final = random.Random(secrets.randbits(256))  # noqa: S311 - names things, guards nothing


class RandomIds:
    """Ids nobody has had before. They are no secrets, so that the machine is asked for randomness only once."""

    @staticmethod
    def new(prefix: str) -> str:
        """Return `prefix` and 96 random bits in hexadecimal."""
        return f"{prefix}{_RANDOM.getrandbits(96):024x}"
