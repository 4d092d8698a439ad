"""A deadline that moves away most of the time: its timer is not touched then, and looks again when it goes off."""

import asyncio
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")


class Deadline:
    """Calls `on_over` when the time that was set last is over, unless it was called off."""

    __slots__ = ("_at", "_loop", "_next_look", "_now", "_on_over", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_over: Callable[[], object]) -> None:
        self._loop = loop
        self._now = loop.time
        self._on_over = on_over
        self._at = self._next_look = NEVER
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float) -> None:
        """Let it be over in `seconds`, in place of any other time."""
        self._at = at = self._now() + seconds
        if at < self._next_look:
            self._look_at(at)

    def call_off(self) -> None:
        """Let it be over never."""
        self._at = NEVER

    def close(self) -> None:
        """Let go of the timer and of whom it would call."""
        self._at = NEVER
        self._on_over = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_look = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        self._next_look = NEVER
        if self._at <= self._now():
            self._on_over()
        elif self._at != NEVER:
            self._look_at(self._at)


def _nothing() -> None:
    """Do nothing: whoever had the deadline is gone."""
