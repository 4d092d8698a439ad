import pytest
from hypothesis import given

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import BlockEnd, BlockStart, Event, ReplyEnd, ReplyFailed, ReplyStart, TextDelta
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.grammar import DELTAS, TRANSITIONS, GrammarError, Guard, State
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Text, ToolCall
from tests.support.ir_strategies import event_lists, replies

START = ReplyStart("reply_1", "model-1")
END = ReplyEnd(Finish.DONE)
ILLEGAL = {
    "a block before the start": [BlockStart(0, Text(""))],
    "a second start": [START, START],
    "an end with a block open": [START, BlockStart(0, Text("")), END],
    "a delta for a block that is not open": [START, TextDelta(0, "x")],
    "a delta of the wrong kind": [START, BlockStart(0, ToolCall("1", "f", "")), TextDelta(0, "x")],
    "a delta for a closed block": [START, BlockStart(0, Text("")), BlockEnd(0), TextDelta(0, "x")],
    "an index left out": [START, BlockStart(1, Text(""))],
    "an index used twice": [START, BlockStart(0, Text("")), BlockStart(0, Text(""))],
    "an end of a block that is not open": [START, BlockEnd(0)],
    "anything after the end": [START, END, END],
    "anything after a failure": [ReplyFailed(Failure(FailureKind.INTERNAL, "x")), START],
}


@pytest.mark.parametrize("events", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_the_guard_refuses(events: list[Event]) -> None:
    guard = Guard()
    for event in events[:-1]:
        guard.check(event)
    with pytest.raises(GrammarError):
        guard.check(events[-1])


@given(events=event_lists())
def test_the_guard_admits_every_reply_interleaved_or_not(events: list[Event]) -> None:
    guard = Guard()
    for event in events:
        guard.check(event)
    assert guard.state is State.DONE


@given(events=event_lists())
def test_a_failure_may_come_at_any_time_and_ends_everything(events: list[Event]) -> None:
    guard = Guard()
    for event in events[: len(events) // 2]:
        guard.check(event)
    guard.check(ReplyFailed(Failure(FailureKind.UPSTREAM_CUT, "cut")))
    assert guard.state is State.DONE


def test_every_state_and_every_block_has_its_row_in_the_tables() -> None:
    assert set(TRANSITIONS) == set(State)
    assert all(kinds <= set(TRANSITIONS[State.OPEN]) for kinds in DELTAS.values())


@given(reply=replies())
def test_collect_undoes_expand(reply: Reply) -> None:
    assert collect(expand(reply)) == reply


def test_collect_never_makes_a_reply_of_a_failure() -> None:
    with pytest.raises(DragomanError, match="cut"):
        collect([START, ReplyFailed(Failure(FailureKind.UPSTREAM_CUT, "cut"))])


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = ToolCall("call_1", "now", "")
    events: list[Event] = [START, BlockStart(0, call), BlockEnd(0), ReplyEnd(Finish.TOOL_CALLS)]
    assert collect(events).blocks == (ToolCall("call_1", "now", "{}"),)
