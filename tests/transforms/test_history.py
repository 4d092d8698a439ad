"""Whatever a client's history looks like, each call has one result right behind its turn, and no words are lost."""

import timeit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.losses import Action, Ledger
from dragoman.ir.request import Message, Request, Role, Text, ToolCall, ToolKind, ToolResult
from dragoman.transforms.history import repair

ids = st.sampled_from(["a", "b", "c", "a_2", ""])
words = st.sampled_from(["one", "two", "three"]).map(Text)
calls = ids.map(lambda id_: ToolCall(id_, "look", "{}"))
results = st.builds(lambda id_, text: ToolResult(id_, (text,)), ids, words)


def spoken(role: Role, *kinds: st.SearchStrategy[object]) -> st.SearchStrategy[Message]:
    return st.builds(Message, st.just(role), st.lists(st.one_of(*kinds), max_size=3).map(tuple))


histories = st.lists(
    st.one_of(
        spoken(Role.ASSISTANT, words, calls),
        spoken(Role.ASSISTANT, words, calls, results),
        spoken(Role.USER, words, results),
        spoken(Role.SYSTEM, words),
    ),
    max_size=8,
).map(lambda messages: Request("m", tuple(messages)))


def user(*blocks: Text | ToolResult) -> Message:
    return Message(Role.USER, blocks)


def assistant(*blocks: Text | ToolCall) -> Message:
    return Message(Role.ASSISTANT, blocks)


def call(id_: str, name: str = "look") -> ToolCall:
    return ToolCall(id_, name, "{}")


def result(id_: str, text: str = "seen") -> ToolResult:
    return ToolResult(id_, (Text(text),))


def repaired(*messages: Message) -> tuple[tuple[Message, ...], list[str]]:
    ledger = Ledger()
    request = repair(Request("m", messages), ledger)
    assert all(loss.action is Action.REPAIRED for loss in ledger)
    return request.messages, [loss.code for loss in ledger]


@given(histories)
def test_a_mended_history_needs_no_mending(request: Request) -> None:
    mended = repair(request, Ledger())
    ledger = Ledger()
    assert repair(mended, ledger) is mended
    assert not len(ledger)


@given(histories)
def test_nothing_changes_without_a_word_about_it(request: Request) -> None:
    ledger = Ledger()
    assert (repair(request, ledger) is request) == (len(ledger) == 0)


@given(histories)
def test_every_call_but_the_awaited_ones_has_exactly_one_result_in_the_turn_behind_it(request: Request) -> None:
    messages = repair(request, Ledger()).messages
    open_calls: list[str] = []
    seen: set[str] = set()
    for before, message in zip((None, *messages), messages, strict=False):
        if message.role is Role.ASSISTANT:
            assert not open_calls or (before and before.role is Role.ASSISTANT)
        for block in message.blocks:
            if isinstance(block, ToolCall):
                assert block.id not in seen
                seen.add(block.id)
                open_calls.append(block.id)
            if isinstance(block, ToolResult):
                open_calls.remove(block.call_id)
    assert not open_calls or messages[-1].role is Role.ASSISTANT


@given(histories)
def test_no_words_outside_of_superseded_results_are_lost(request: Request) -> None:
    def said(request: Request) -> list[str]:
        return sorted(b.text for m in request.messages for b in m.blocks if isinstance(b, Text))

    mended = said(repair(request, Ledger()))
    for text in said(request):
        mended.remove(text)


@given(histories, histories)
def test_what_follows_does_not_change_the_ids_of_what_came_before(request: Request, more: Request) -> None:
    def call_ids(request: Request) -> list[str]:
        messages = repair(request, Ledger()).messages
        return [block.id for message in messages for block in message.blocks if isinstance(block, ToolCall)]

    longer = msgspec.structs.replace(request, messages=request.messages + more.messages)
    before = call_ids(request)
    assert call_ids(longer)[: len(before)] == before


def test_a_sound_history_comes_back_as_the_same_object() -> None:
    request = Request(
        "m",
        (
            user(Text("look twice")),
            assistant(Text("I will"), call("a"), call("b")),
            user(result("b")),
            user(result("a"), Text("and now?")),
            Message(Role.SYSTEM, (Text("be brief"),)),
            assistant(call("c")),
        ),
    )
    assert repair(request, Ledger()) is request


def test_a_result_without_its_call_becomes_words_of_the_user() -> None:
    messages, codes = repaired(user(result("gone", "42 files"), Text("go on")), assistant(Text("yes")))
    assert codes == ["orphan_result"]
    first, *others = (block.text for block in messages[0].blocks if isinstance(block, Text))
    assert "`gone`" in first
    assert others == ["42 files", "go on"]


def test_an_interrupted_call_gets_a_result_that_says_so() -> None:
    messages, codes = repaired(assistant(call("a"), call("b")), user(result("b"), Text("stop")), assistant(Text("ok")))
    assert codes == ["unanswered_call"]
    assert messages[1] == user(result("b"), ToolResult("a", (Text("interrupted"),), is_error=True), Text("stop"))


def test_an_interrupted_call_at_the_end_is_told_from_one_that_waits() -> None:
    waiting = Request("m", (user(Text("look")), assistant(call("a"))))
    assert repair(waiting, Ledger()) is waiting
    messages, codes = repaired(*waiting.messages, user(Text("never mind")))
    assert codes == ["unanswered_call"]
    assert [type(message.blocks[0]) for message in messages] == [Text, ToolCall, ToolResult, Text]


def test_of_several_results_the_last_one_stands_at_the_place_of_the_first() -> None:
    messages, codes = repaired(
        assistant(call("a"), call("b")), user(result("a", "old")), user(result("b")), user(result("a", "new"))
    )
    assert codes == ["duplicate_result"]
    assert messages[1:] == (user(result("a", "new"), result("b")),)


def test_a_late_result_moves_to_its_turn_and_leaves_no_empty_message() -> None:
    messages, codes = repaired(assistant(call("a")), user(Text("wait")), user(result("a")), assistant(Text("ok")))
    assert codes == ["misplaced_result"]
    assert messages == (assistant(call("a")), user(result("a")), user(Text("wait")), assistant(Text("ok")))


def test_ids_that_a_client_uses_again_are_told_apart_with_their_results() -> None:
    messages, codes = repaired(
        assistant(call("call_0")),
        user(result("call_0", "one")),
        assistant(call("call_0")),
        user(result("call_0", "two")),
    )
    assert codes == ["duplicate_call_id"]
    assert messages[2:] == (assistant(call("call_0_2")), user(result("call_0_2", "two")))


def test_parallel_calls_of_one_id_take_their_results_in_order() -> None:
    messages, _ = repaired(assistant(call("x", "first"), call("x", "second")), user(result("x", "1"), result("x", "2")))
    assert messages == (
        assistant(call("x", "first"), call("x_2", "second")),
        user(result("x", "1"), result("x_2", "2")),
    )


def test_a_vendors_own_calls_are_left_alone() -> None:
    hosted = ToolCall("srv", "web_search", "{}", ToolKind.HOSTED)
    request = Request("m", (Message(Role.ASSISTANT, (hosted,)), user(Text("thanks"))))
    assert repair(request, Ledger()) is request


def test_a_custom_call_gets_a_result_of_its_kind() -> None:
    custom = ToolCall("p", "apply_patch", "*** Begin", ToolKind.CUSTOM)
    messages, _ = repaired(Message(Role.ASSISTANT, (custom,)), user(Text("stop")))
    assert messages[1].blocks[0] == ToolResult("p", (Text("interrupted"),), is_error=True, kind=ToolKind.CUSTOM)


@pytest.mark.parametrize("turns", [400])
def test_hundreds_of_sound_messages_cost_little(turns: int) -> None:
    messages: list[Message] = []
    for turn in range(turns):
        messages += (assistant(Text("next"), call(f"call_{turn}")), user(result(f"call_{turn}")))
    request = Request("m", tuple(messages))
    best = min(timeit.repeat(lambda: repair(request, Ledger()), number=1, repeat=5))
    assert best < 0.01, "800 messages took more than 10 ms; a third of a millisecond is usual"


def test_calls_without_ids_get_some_and_their_results_follow_in_order() -> None:
    messages, codes = repaired(
        user(Text("hi")),
        assistant(call(""), call("", "touch")),
        user(result("", "one"), result("", "two")),
        assistant(call("")),
        user(result("", "three")),
    )
    assert codes == ["empty_call_id"] * 3
    assert messages[1].blocks == (call("call"), call("call_2", "touch"))
    assert messages[2].blocks == (result("call", "one"), result("call_2", "two"))
    assert messages[3:] == (assistant(call("call_3")), user(result("call_3", "three")))
