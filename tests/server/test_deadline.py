"""A deadline is over once, when the time that was set last is; putting it off costs no timer."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from dragoman.server.deadline import Deadline


class Loop:
    """A loop whose time is told to it; it counts the timers that it was asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.asked = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> "Timer":
        self.asked += 1
        self.timers.append(timer := Timer(self, when, callback))
        return timer

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and the timers go off that are due."""
        end = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer.when <= end), key=lambda timer: timer.when):
            first = due[0]
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = end


@dataclass(eq=False)
class Timer:
    loop: Loop
    when: float
    callback: Callable[[], object]

    def cancel(self) -> None:
        self.loop.timers.remove(self)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def made(loop: Loop, on_over: Callable[[], object]) -> Deadline:
    return Deadline(cast("asyncio.AbstractEventLoop", loop), on_over)


def test_it_is_over_once_when_its_time_has_come(loop: Loop) -> None:
    over: list[float] = []
    deadline = made(loop, lambda: over.append(loop.now))
    loop.pass_by(1000)
    deadline.wait(5)
    loop.pass_by(4.9)
    assert over == []
    loop.pass_by(1000)
    assert over == [1105.0]
    deadline.wait(3)
    loop.pass_by(1000)
    assert over == [1105.0, 2107.9]


def test_putting_it_off_costs_no_timer(loop: Loop) -> None:
    over: list[float] = []
    deadline = made(loop, lambda: over.append(loop.now))
    for _ in range(1000):
        deadline.wait(5)
        loop.pass_by(0.001)
    assert loop.asked == 1
    loop.pass_by(1000)
    assert over == [pytest.approx(105.999)]
    assert loop.asked == 2  # it looked at the first time, and then at the last


def test_what_was_called_off_is_not_over_until_there_is_a_new_time(loop: Loop) -> None:
    over: list[float] = []
    deadline = made(loop, lambda: over.append(loop.now))
    for _ in range(1000):
        deadline.wait(5)
        deadline.call_off()
    assert loop.asked == 1
    loop.pass_by(1000)
    assert over == []
    assert loop.timers == []
    deadline.wait(5)
    loop.pass_by(1000)
    assert over == [1105.0]


def test_a_nearer_time_holds_in_place_of_a_farther_one(loop: Loop) -> None:
    over: list[float] = []
    deadline = made(loop, lambda: over.append(loop.now))
    deadline.wait(60)
    deadline.wait(1)
    assert len(loop.timers) == 1
    loop.pass_by(1000)
    assert over == [101.0]


def test_a_closed_one_is_never_over_and_holds_nobody(loop: Loop) -> None:
    class Owner:
        def __init__(self) -> None:
            self.deadline = made(loop, self.give_up)

        def give_up(self) -> None:
            over.append(loop.now)

    over: list[float] = []
    owner = Owner()
    owner.deadline.wait(5)
    owner.deadline.close()
    owner.deadline.close()
    trace = weakref.ref(owner)
    gc.disable()
    try:
        del owner
        assert trace() is None
    finally:
        gc.enable()
    loop.pass_by(1000)
    assert over == []


def test_it_may_be_set_again_while_it_is_over(loop: Loop) -> None:
    over: list[float] = []

    def again() -> None:
        over.append(loop.now)
        if len(over) < 3:
            deadline.wait(2)

    deadline = made(loop, again)
    deadline.wait(1)
    loop.pass_by(1000)
    assert over == [101.0, 103.0, 105.0]
