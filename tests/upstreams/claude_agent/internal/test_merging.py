"""Several messages are one legal reply, in which calls do not show."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import BlockStart, Event, ReplyEnd
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Block, Reasoning, Text, ToolCall
from dragoman.ir.seals import Seal
from dragoman.receiver import EventReceiver
from dragoman.upstreams.claude_agent.internal.merging import Merger, usage_of
from dragoman.upstreams.claude_agent.lines import ModelUsage

CALL = ToolCall("t", "read", '{"file_path": "a"}')


def merged(*messages: Reply, only_last: bool = False) -> Reply:
    merger, receiver = Merger(only_last=only_last), EventReceiver()
    events: list[Event] = []
    for message in messages:
        events += receiver.feed(merger.feed(expand(message)))
    events += receiver.feed([merger.end()])
    return collect(events)


def message(number: int, *blocks: Block, finish: Finish = Finish.TOOL_CALLS) -> Reply:
    return Reply(f"m{number}", "claude-x", blocks, finish, Usage(input_tokens=10, output_tokens=number), "word")


def test_what_was_said_stays_and_what_was_called_does_not() -> None:
    thought = Reasoning(("Hm.",), seal=Seal("anthropic-messages", "c2ln"))
    reply = merged(
        message(1, thought, Text("I look."), CALL, CALL),
        message(2, CALL),
        message(3, Text("Found"), Text(" it."), finish=Finish.STOP_SEQUENCE),
    )
    assert reply.blocks == (thought, Text("I look."), Text("\n\nFound"), Text(" it."))
    assert (reply.id, reply.finish, reply.finish_word) == ("m1", Finish.STOP_SEQUENCE, "word")
    assert reply.usage == Usage(input_tokens=30, output_tokens=6)


def test_a_reply_ends_when_no_calls_are_to_be_answered() -> None:
    merger = Merger()
    merger.feed(expand(message(1, CALL)))
    ended = [merger.has_ended]
    *said, _ = expand(message(2, Text("Done."), finish=Finish.DONE))
    parts: tuple[list[Event], ...] = (said, [ReplyEnd(Finish.DONE)])
    for events in parts:
        merger.feed(events)
        ended.append(merger.has_ended)
    assert ended == [False, False, True]
    assert merger.messages == 2


def test_where_only_the_last_words_count_the_others_are_left_out() -> None:
    thought = Reasoning(("Hm.",))
    last = message(2, thought, Text("{"), Text("}"), finish=Finish.DONE)
    reply = merged(message(1, Text("I look."), CALL), last, only_last=True)
    assert reply.blocks == (thought, Text("{"), Text("}"))
    assert merged(message(1, Text("x"), thought, Text("y"), finish=Finish.LENGTH), only_last=True).blocks == (
        thought,
        Text("x"),
        Text("y"),
    )


def test_the_end_can_be_told_from_without() -> None:
    merger = Merger()
    merger.feed(expand(message(1, CALL)))
    assert merger.end(Usage(input_tokens=7), Finish.LENGTH) == ReplyEnd(Finish.LENGTH, Usage(input_tokens=7))


def test_the_models_of_a_turn_are_added_up() -> None:
    one = ModelUsage(3, 4, cache_read_input_tokens=5)
    other = ModelUsage(10, 20, cache_creation_input_tokens=7, thinking_tokens=2)
    assert usage_of([one, other]) == Usage(13, 5, 7, 24, 2)
    assert usage_of([]) is None


BLOCKS = st.sampled_from([Text("x"), Text("y"), Reasoning(("z",)), CALL])


@given(st.lists(st.lists(BLOCKS, max_size=4), min_size=1, max_size=5))
def test_any_messages_make_one_legal_reply(told: list[list[Block]]) -> None:
    last: list[Block] = [Text("end")]
    reply = merged(
        *(message(number, *blocks) for number, blocks in enumerate(told)), message(9, *last, finish=Finish.DONE)
    )
    shown = [block for blocks in [*told, last] for block in blocks if not isinstance(block, ToolCall)]
    assert [type(block) for block in reply.blocks] == [type(block) for block in shown]
    words = "".join(block.text for block in shown if isinstance(block, Text))
    assert "".join(block.text for block in reply.blocks if isinstance(block, Text)).replace("\n\n", "") == words


def test_no_event_waits() -> None:
    merger = Merger()
    for event in expand(message(1, Text("a"), CALL, Reasoning(("b",)))):
        is_shown = not isinstance(event, ReplyEnd) and getattr(event, "index", 0) != 1
        assert bool(merger.feed([event])) is is_shown
    assert [event for event in merger.feed(expand(message(2, Text("b")))) if isinstance(event, BlockStart)] == [
        BlockStart(2, Text(""))
    ]
