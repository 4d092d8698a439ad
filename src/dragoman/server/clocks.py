"""The real clock and real ids, for the engine's ports."""

import asyncio
import secrets
import time
from typing import Final


class SystemClock:
    """Time as the machine has it."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


_ID_LENGTH: Final = 24
"""Hexadecimal digits: 96 bits."""
_IDS_AT_ONCE: Final = 256


class RandomIds:
    """Ids nobody has had before. The machine is asked for the randomness of many at once."""

    def __init__(self) -> None:
        self._digits = ""
        self._place = 0

    def new(self, prefix: str) -> str:
        """Return `prefix` and 96 random bits in hexadecimal."""
        place = self._place
        if place == len(self._digits):
            self._digits = secrets.token_hex(_IDS_AT_ONCE * _ID_LENGTH // 2)
            place = 0
        self._place = place + _ID_LENGTH
        return prefix + self._digits[place : place + _ID_LENGTH]
