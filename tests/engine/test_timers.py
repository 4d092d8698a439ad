import asyncio
import gc
import weakref
from functools import partial

from dragoman.engine.timers import GRAIN, Timers, later


def test_timers_go_off_in_their_order_and_not_early() -> None:
    async def check() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        called: list[tuple[str, float]] = []
        done = asyncio.Event()

        def call(name: str) -> None:
            called.append((name, loop.time() - start))
            if name == "late":
                done.set()

        later(0.1, lambda: call("late"))
        later(0.02, lambda: call("early"))
        await asyncio.wait_for(done.wait(), 5)
        assert [name for name, _ in called] == ["early", "late"]
        assert called[0][1] >= 0.018  # loops round to a millisecond
        assert called[1][1] >= 0.098

    asyncio.run(check())


def test_a_cancelled_timer_does_not_go_off_and_leaves_nothing_behind() -> None:
    async def check() -> None:
        timers = Timers(asyncio.get_running_loop())
        called: list[str] = []
        done = asyncio.Event()
        cancelled = timers.later(0.01, lambda: called.append("cancelled"))
        timers.later(3 * GRAIN, done.set)
        cancelled.cancel()
        cancelled.cancel()
        await asyncio.wait_for(done.wait(), 5)
        assert called == []
        assert len(timers) == 0
        assert timers._handle is None

    asyncio.run(check())


def test_whoever_keeps_a_timer_that_is_over_leaves_nothing_to_the_collector() -> None:
    class Keeper:
        def __init__(self) -> None:
            self.timer = later(0.0, self.call)

        def call(self) -> None:
            called.append("called")

    called: list[str] = []

    async def check() -> None:
        gone_off, cancelled = Keeper(), Keeper()
        cancelled.timer.cancel()
        await asyncio.sleep(3 * GRAIN)
        traces = [weakref.ref(gone_off), weakref.ref(cancelled)]
        gc.disable()
        try:
            del gone_off, cancelled
            assert [trace() for trace in traces] == [None, None]
        finally:
            gc.enable()

    asyncio.run(check())
    assert called == ["called"]


def test_a_timer_may_cancel_another_and_set_a_new_one() -> None:
    async def check() -> None:
        called: list[str] = []
        done = asyncio.Event()
        other = later(0.03, lambda: called.append("other"))

        def first() -> None:
            other.cancel()
            later(0.0, done.set)

        later(0.01, first)
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0.06)
        assert called == []

    asyncio.run(check())


def test_a_timer_that_fails_takes_no_other_with_it() -> None:
    async def check() -> None:
        loop = asyncio.get_running_loop()
        timers = Timers(loop)
        told: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        called: list[int] = []

        def call(number: int) -> None:
            called.append(number)
            if number % 2:
                raise ValueError(number)

        for number in range(8):
            timers.later(0.01, partial(call, number))
        await asyncio.sleep(5 * GRAIN)
        assert sorted(called) == list(range(8))
        assert sorted(error.args[0] for error in told) == [1, 3, 5, 7]
        assert len(timers) == 0

    asyncio.run(check())


def test_a_nearer_timer_is_not_late_behind_a_far_one() -> None:
    async def check() -> None:
        far = later(60, lambda: None)
        done = asyncio.Event()
        later(0.02, done.set)
        await asyncio.wait_for(done.wait(), 2)
        far.cancel()

    asyncio.run(check())
