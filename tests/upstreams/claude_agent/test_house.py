"""Who gets which process, who gives way, who waits: with processes that are none."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import msgspec
import pytest
from msgspec import Raw

from dragoman.codec import Source
from dragoman.engine.ports import Timeouts
from dragoman.ir.failures import DragomanError, FailureKind, UnsupportedError
from dragoman.settings import Claude
from dragoman.upstreams.claude_agent.house import House
from dragoman.upstreams.claude_agent.lines import Exited, Result, System, Word
from dragoman.upstreams.claude_agent.process import CliError, Process
from dragoman.upstreams.claude_agent.prompt import Prompt
from dragoman.upstreams.claude_agent.session import LostError, Session, State


class FakeProcess:
    """Agrees to everything, and ends a turn when it is told to."""

    def __init__(self) -> None:
        self.tools = Raw(b"[]")
        self.words: asyncio.Queue[Word | Exited] = asyncio.Queue()
        self.is_ending = False
        self.asked: list[str] = []
        self.is_over = False
        self.is_broken = False

    async def initialise(self, system: str) -> Raw:
        if self.is_broken:
            self.kill()
            raise CliError("it has ended")
        return Raw(b"{}")

    async def ask(self, subtype: str, **fields: object) -> Raw:
        self.asked.append(subtype)
        return Raw(b"{}")

    def kill(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.words.put_nowait(Exited(-9, ""))

    async def gone(self) -> None:
        assert self.is_over

    def write(self, line: bytes) -> None:
        assert not self.is_over


class Street:
    """A house, and what was built in it."""

    def __init__(self, **limits: Any) -> None:  # noqa: ANN401 - settings
        self.made: list[FakeProcess] = []
        self.transcripts: list[bytes | None] = []
        self.refuses = False
        self.starting = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.house = House(self.spawn, Claude(**{"spares": 0, **limits}))

    async def spawn(self, transcript: bytes | None) -> Session:
        self.starting += 1
        await asyncio.sleep(0)
        await self.gate.wait()
        self.starting -= 1
        if self.refuses:
            raise CliError("no")
        process = FakeProcess()
        self.made.append(process)
        self.transcripts.append(transcript)
        return Session(str(len(self.made)), cast("Process", process))

    async def take(self, prompt: Prompt, header: str | None) -> Session:
        return await self.house.resume(prompt, header) or await self.house.begin(prompt, header)


def prompt(key: bytes) -> Prompt:
    return Prompt("m", "s", (), Raw(b'"hi"'), key, key, Raw(b"[]"), frozenset(), Raw(b"{}"))


async def turn(street: Street, key: bytes, then: bytes, header: str | None = None) -> Session:
    """Have one turn, that leaves the conversation at `then`."""
    session = await street.take(prompt(key), header)
    session.state = State.BUSY
    street.house.keep(session, then)
    return session


def finish(session: Session, reason: str = "completed") -> None:
    session.process.words.put_nowait(Result("success", terminal_reason=reason))


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 20))


def test_a_follow_up_waits_until_the_turn_has_settled() -> None:
    async def body() -> None:
        street = Street()
        first = await turn(street, b"", b"1")
        assert first.state is State.SETTLING
        following = asyncio.ensure_future(street.take(prompt(b"1"), None))
        await asyncio.sleep(0.01)
        assert not following.done()
        finish(first, "tool_deferred")
        assert await following is first
        assert len(street.made) == 1
        street.house.drop(first)
        await street.house.aclose()

    run(body())


def test_a_turn_that_did_not_settle_well_is_told_to_another() -> None:
    async def body() -> None:
        street = Street()
        first = await turn(street, b"", b"1")
        finish(first, "api_error")
        assert (await street.take(prompt(b"1"), None)) is not first
        assert street.made[0].is_over
        await street.house.aclose()

    run(body())


def test_two_that_say_the_same_never_share_a_process() -> None:
    async def body() -> None:
        street = Street()
        one, two = await turn(street, b"", b"1", "a"), await turn(street, b"", b"1", "b")
        finish(one)
        finish(two)
        assert await street.take(prompt(b"1"), "b") is two
        assert await street.take(prompt(b"1"), "b") is one
        assert (await street.take(prompt(b"1"), "b")) not in (one, two)
        await street.house.aclose()

    run(body())


def test_the_one_that_is_idle_longest_gives_way() -> None:
    async def body() -> None:
        street = Street(max_live=2)
        one, two = await turn(street, b"", b"1"), await turn(street, b"", b"2")
        finish(one)
        finish(two)
        await asyncio.sleep(0.01)
        one.used, two.used = 2, 1
        three = await turn(street, b"", b"3")
        assert [process.is_over for process in street.made] == [False, True, False]
        finish(three)
        assert await street.take(prompt(b"1"), None) is one
        await street.house.aclose()
        assert all(process.is_over for process in street.made)

    run(body())


def test_a_full_house_waits_in_line_and_says_when_to_come_back() -> None:
    async def body() -> None:
        street = Street(max_live=1, max_waiting=1, wait_s=0.2)
        busy = await street.take(prompt(b""), None)
        waiting = asyncio.ensure_future(street.take(prompt(b""), None))
        await asyncio.sleep(0)
        with pytest.raises(DragomanError) as caught:
            await street.take(prompt(b""), None)
        assert caught.value.failure.kind is FailureKind.RATE_LIMITED
        assert caught.value.failure.retry_after == "5"
        assert street.house.counts.waiting == 1
        street.house.drop(busy)
        second = await waiting
        with pytest.raises(DragomanError, match=r"busy for 0\.2 s"):
            await street.take(prompt(b""), None)
        leaving = asyncio.ensure_future(street.take(prompt(b""), None))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait((leaving,))
        street.house.drop(second)
        assert street.house.counts.waiting == 0
        street.house.drop(await street.take(prompt(b""), None))
        await street.house.aclose()

    run(body())


def test_a_settled_turn_makes_room() -> None:
    async def body() -> None:
        street = Street(max_live=1)
        first = await turn(street, b"", b"1")
        waiting = asyncio.ensure_future(street.take(prompt(b""), None))
        await asyncio.sleep(0.01)
        finish(first)
        second = await waiting
        assert second is not first
        await street.house.aclose()

    run(body())


def test_spares_are_ready_and_replaced() -> None:
    async def body() -> None:
        street = Street(spares=2)
        street.house.prepare()
        street.house.prepare()
        await asyncio.sleep(0.01)
        assert street.house.counts.spare == 2
        session = await street.take(prompt(b""), None)
        assert session.process is cast("Any", street.made[0])
        await asyncio.sleep(0.01)
        assert street.house.counts.spare == 2
        await street.house.aclose()
        assert all(process.is_over for process in street.made)

    run(body())


def test_a_cli_that_does_not_start_is_an_error_and_keeps_no_place() -> None:
    async def body() -> None:
        street = Street(max_live=1)
        street.refuses = True
        for _ in range(2):
            with pytest.raises(CliError):
                await street.take(prompt(b""), None)
        street.refuses = False
        street.house.drop(await street.take(prompt(b""), None))
        await street.house.aclose()

    run(body())


def test_no_more_start_at_the_same_time_than_may() -> None:
    async def body() -> None:
        street = Street(max_spawning=2, max_live=5)
        street.gate.clear()
        asking = [asyncio.ensure_future(street.take(prompt(b"%d" % number), None)) for number in range(5)]
        await asyncio.sleep(0.01)
        assert (street.starting, street.house.counts.starting) == (2, 5)
        street.gate.set()
        for session in await asyncio.gather(*asking):
            street.house.drop(session)
        assert len(street.made) == 5
        await street.house.aclose()

    run(body())


def test_a_spare_process_that_ended_unnoticed_is_passed_over() -> None:
    async def body() -> None:
        street = Street(spares=2, max_live=1)
        street.house.prepare()
        await asyncio.sleep(0.01)
        street.made[0].is_broken = True
        street.made[1].kill()
        session = await street.take(prompt(b""), None)
        assert session.id == "3"
        assert street.made[0].is_over
        street.house.drop(session)
        street.house.drop(await street.take(prompt(b""), None))
        await street.house.aclose()

    run(body())


def test_a_process_that_ends_before_it_was_asked_is_not_one_that_ends_within_its_turn() -> None:
    async def ask(*words: Word) -> None:
        process = FakeProcess()
        for word in (*words, Exited(-9, "")):
            process.words.put_nowait(word)
        async for _ in Session("1", cast("Process", process)).reply(prompt(b""), Source("claude", "m"), Timeouts()):
            pass

    with pytest.raises(LostError, match="exit status -9"):
        run(ask())
    with pytest.raises(DragomanError, match="exit status -9") as within:
        run(ask(System("init", [])))
    assert not isinstance(within.value, LostError)


def test_a_tool_that_is_not_offered_is_an_error_that_names_it() -> None:
    async def ask(*names: str) -> None:
        process = FakeProcess()
        told = msgspec.structs.replace(prompt(b""), names=frozenset(names))
        process.words.put_nowait(System("init", ["Read", "Task"]))
        process.words.put_nowait(Exited(1, "that was all"))
        async for _ in Session("1", cast("Process", process)).reply(told, Source("claude", "m"), Timeouts()):
            pass

    with pytest.raises(UnsupportedError, match="does not offer the tool `Write`") as refused:
        run(ask("Read", "Write"))
    assert refused.value.failure.param == "tools"
    with pytest.raises(DragomanError, match="that was all"):
        run(ask("Read", "Agent"))  # listed under its old name


def test_an_idle_process_ends() -> None:
    async def body() -> None:
        street = Street(idle_s=0.05)
        finish(await turn(street, b"", b"1"))
        await asyncio.sleep(0.2)
        assert street.made[0].is_over
        assert street.house.counts.idle == 0
        await street.house.aclose()

    run(body())


def test_who_leaves_while_the_last_turn_settles_takes_the_process_along() -> None:
    async def body() -> None:
        street = Street(max_live=1)
        session = await turn(street, b"", b"1")
        waiting = asyncio.ensure_future(street.take(prompt(b"1"), None))
        await asyncio.sleep(0.01)
        assert session.state is State.SETTLING
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert street.made[0].is_over
        assert street.house.counts.busy == 0
        street.house.drop(await street.take(prompt(b"1"), None))
        await street.house.aclose()

    run(body())


def test_a_transcript_takes_no_spare_process() -> None:
    async def body() -> None:
        street = Street(spares=1)
        street.house.prepare()
        await asyncio.sleep(0.01)
        told = msgspec.structs.replace(prompt(b""), transcript=b"{}\n")
        assert (await street.take(told, None)).id == "2"
        assert street.transcripts == [None, b"{}\n"]
        await street.house.aclose()

    run(body())


def test_tools_and_settings_are_told_when_they_change() -> None:
    async def body() -> None:
        street = Street()
        session = await turn(street, b"", b"1")
        finish(session)
        told = Prompt("m", "s", (), Raw(b'"hi"'), b"1", b"1", Raw(b'[{"name":"x"}]'), frozenset("x"), Raw(b"{}"))
        assert await street.take(told, None) is session
        assert street.made[0].asked == ["apply_flag_settings", "mcp_set_servers"]
        assert street.made[0].tools == told.tools
        street.house.drop(session)
        await street.house.aclose()

    run(body())
