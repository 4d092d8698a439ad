"""A reply ends at a stop sequence, whole or streamed, however its words are cut."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import BlockEnd, BlockStart, Event, ReplyEnd, ReplyStart, TextDelta
from dragoman.ir.grammar import Guard
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Block, Reasoning, Text, ToolCall
from dragoman.transforms.stops import CutAtStop, cut_reply

letters = st.text("abc", max_size=12)
stop_lists = st.lists(st.text("abc", min_size=1, max_size=3), max_size=2)


def cut_stream(events: list[Event], stops: list[str]) -> list[Event]:
    cut = CutAtStop(stops)
    out = [one for event in events for one in cut.feed([event])] + list(cut.flush())
    guard = Guard()
    for event in out:
        guard.check(event)
    return out


def streamed(reply: Reply, stops: list[str]) -> Reply:
    return collect(cut_stream(list(expand(reply)), stops))


def said(*blocks: Block) -> Reply:
    return Reply("r", "m", blocks, Finish.DONE, Usage(1, 2, 3, 4))


def test_the_reply_ends_before_the_stop() -> None:
    reply = said(Reasoning(("STOP",)), Text("one STOP two"), Text("three"), ToolCall("c", "f", "{}"))
    for cut in (cut_reply(reply, ["STOP"]), streamed(reply, ["STOP"])):
        assert cut.blocks == (Reasoning(("STOP",)), Text("one "))
        assert (cut.finish, cut.stop_sequence, cut.usage) == (Finish.STOP_SEQUENCE, "STOP", reply.usage)


def test_without_a_stop_nothing_changes() -> None:
    reply = said(Text("one STO"), ToolCall("c", "f", '{"a":"STOP"}'))
    assert cut_reply(reply, ["STOP"]) is reply
    assert streamed(reply, ["STOP"]) == reply


@given(words=st.lists(letters, max_size=6), stops=stop_lists)
def test_a_stream_is_cut_where_the_whole_is(words: list[str], stops: list[str]) -> None:
    events: list[Event] = [
        ReplyStart("r", "m"),
        BlockStart(0, Text("")),
        *(TextDelta(0, word) for word in words if word),
    ]
    out = cut_stream([*events, BlockEnd(0), ReplyEnd(Finish.DONE)], stops)
    whole = cut_reply(said(Text("".join(words))), stops)
    expected = "".join(block.text for block in whole.blocks if isinstance(block, Text))
    got = collect(out)
    assert "".join(block.text for block in got.blocks if isinstance(block, Text)) == expected
    assert (got.finish, got.stop_sequence) == (whole.finish, whole.stop_sequence)


def test_only_what_may_be_a_stop_is_held_back() -> None:
    cut = CutAtStop(["STOP"])
    cut.feed([ReplyStart("r", "m"), BlockStart(0, Text(""))])
    assert cut.feed([TextDelta(0, "a ST")]) == [TextDelta(0, "a ")]
    assert cut.feed([TextDelta(0, "AND")]) == [TextDelta(0, "STAND")]
    assert cut.feed([TextDelta(0, "S")]) == []
    assert cut.feed([BlockEnd(0)]) == [TextDelta(0, "S"), BlockEnd(0)]


def test_what_is_open_beside_the_words_goes_on() -> None:
    from dragoman.ir.events import ArgumentsDelta

    events: list[Event] = [
        ReplyStart("r", "m"),
        BlockStart(0, ToolCall("c", "f", "")),
        BlockStart(1, Text("")),
        TextDelta(1, "x STOP"),
        ArgumentsDelta(0, "{}"),
        TextDelta(1, "more"),
        BlockEnd(0),
        BlockEnd(1),
        BlockStart(2, Text("")),
        TextDelta(2, "late"),
        BlockEnd(2),
        ReplyEnd(Finish.TOOL_CALLS),
    ]
    assert collect(cut_stream(events, ["STOP"])).blocks == (ToolCall("c", "f", "{}"), Text("x "))
