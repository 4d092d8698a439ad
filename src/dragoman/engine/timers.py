"""Coarse timers, many on one of the loop's: what every stream sets and hardly any ever needs.

A timer of the event loop costs several microseconds; one of these costs a look-up. It goes off up to `GRAIN` seconds late.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

GRAIN: Final = 0.02


def _nothing() -> None:
    """What a timer calls that has gone off or was cancelled."""


class Cancellable(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Do not call. Cancelled again, or after the call, this does nothing."""


class AnyTimers(Protocol):
    """The timers of one event loop."""

    loop: asyncio.AbstractEventLoop

    def later(self, seconds: float, callback: Callable[[], object]) -> Cancellable:
        """Have `callback` called in `seconds`."""


class Timer:
    """Something to call later, unless it is cancelled."""

    __slots__ = ("_bucket", "_callback")

    def __init__(self, bucket: "set[Timer]", callback: Callable[[], object]) -> None:
        self._bucket = bucket
        self._callback = callback
        bucket.add(self)

    def cancel(self) -> None:
        """Do not call. Cancelled again, or after the call, this does nothing.

        Whoever keeps the timer is most often whom it would call: without the callback no cycle is left for the collector.
        """
        self._bucket.discard(self)
        self._callback = _nothing

    def go_off(self) -> None:
        """Call."""
        callback, self._callback = self._callback, _nothing
        callback()


class Timers:
    """The coarse timers of one event loop, in buckets of `GRAIN` seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._buckets: dict[int, set[Timer]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._next = 0

    def later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called in `seconds`."""
        place = int((self.loop.time() + seconds) / GRAIN) + 1
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = set()
            if self._handle is None or place < self._next:
                self._wait_for(place)
        return Timer(bucket, callback)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _wait_for(self, place: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next = place
        self._handle = self.loop.call_at(place * GRAIN, self._go_off)

    def _go_off(self) -> None:
        self._handle = None
        now = self.loop.time() / GRAIN
        due = [self._buckets.pop(place) for place in sorted(self._buckets) if place <= now + 0.05]  # 1 ms: loops round
        if self._buckets:
            self._wait_for(min(self._buckets))
        for bucket in due:
            while bucket:
                self._call(bucket.pop())

    def _call(self, timer: Timer) -> None:
        try:
            timer.go_off()
        except Exception as error:  # noqa: BLE001 - as with a timer of the loop's own: the others are not its business
            self.loop.call_exception_handler({"message": "a timer's callback failed", "exception": error})


class LoopTimers:
    """Each timer is one of the loop's: for runtimes in which a timer belongs to the request that set it, and ends with it.

    https://developers.cloudflare.com/workers/runtime-apis/context/
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Have `callback` called in `seconds`."""
        return self.loop.call_later(seconds, callback)


_last: AnyTimers | None = None


def use(timers: AnyTimers) -> None:
    """Take `timers` for their loop from now on."""
    global _last  # noqa: PLW0603 - as below
    _last = timers


def later(seconds: float, callback: Callable[[], object]) -> Cancellable:
    """Have `callback` called in `seconds`, or up to `GRAIN` later, in the running loop."""
    return running().later(seconds, callback)


def running() -> AnyTimers:
    """Return the timers of the running loop. A process has one; two that take turns get new ones at each turn."""
    global _last  # noqa: PLW0603 - a look-up by loop costs more than the timer
    loop, timers = asyncio.get_running_loop(), _last
    if timers is None or timers.loop is not loop:
        timers = _last = Timers(loop)
    return timers
