"""What a client leaves out of its history comes back, exactly, to whom it came from, and nothing is ever doubled."""

from collections.abc import Sequence

import msgspec
import pytest

from dragoman.ir.collecting import expand
from dragoman.ir.events import Event, ReplyEnd, ReplyFailed
from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Block, CacheBreakpoint, Message, Reasoning, Request, Role, Text, ToolCall, ToolResult
from dragoman.ir.seals import Seal
from dragoman.transforms.reasoning import Memory, Remember, scope_of

CLAUDE = ("anthropic-messages", "claude")
SIGNED = Seal("anthropic-messages", "Eqo+/signature==", "claude", "claude-large")
THOUGHT = Reasoning((" I look\n",), seal=SIGNED)
HIDDEN = Reasoning(
    is_redacted=True, seal=Seal("anthropic-messages", "Emw/hidden", "claude", "claude-large", "redacted")
)
SEALED_CALL = Seal("gemini-generate", "c2lnbmVk", "google", "gemini-pro")
QUESTION = Message(Role.USER, (Text("Weather?"),))


class Rows(dict[bytes, bytes]):
    """A store without limits."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


def call(id_: str = "toolu_1", arguments: str = '{"city":"Paris"}', seal: Seal | None = None) -> ToolCall:
    return ToolCall(id_, "get_weather", arguments, seal=seal)


def said(*blocks: Block) -> Message:
    return Message(Role.ASSISTANT, blocks)


def answered(id_: str = "toolu_1") -> Message:
    return Message(Role.USER, (ToolResult(id_, (Text("rain"),)),))


def request(*messages: Message) -> Request:
    return Request("m", (QUESTION, *messages))


def memory_of(*blocks: Block, scope: bytes = b"scope") -> Memory:
    rows = Rows()
    memory = Memory(scope, rows.get, rows.put)
    memory.keep(blocks, [QUESTION])
    return memory


def back(memory: Memory, *turns: Message, upstream: tuple[str, str] = CLAUDE) -> Sequence[Message]:
    """Return what the upstream gets behind the question."""
    return memory.restored(request(*turns), *upstream).messages[1:]


def test_thought_that_was_left_out_stands_before_its_call_again() -> None:
    memory = memory_of(THOUGHT, Text("A moment."), call())
    assert back(memory, said(Text("A moment."), call()), answered()) == (
        said(THOUGHT, Text("A moment."), call()),
        answered(),
    )


def test_a_client_that_returns_everything_gets_the_same_object_back() -> None:
    memory = memory_of(THOUGHT, Text("A moment."), call())
    whole = request(said(THOUGHT, Text("A moment."), call()), answered())
    assert memory.restored(whole, *CLAUDE) is whole


def test_a_conversation_without_thought_leaves_no_rows() -> None:
    rows = Rows()
    memory = Memory(b"scope", rows.get, rows.put)
    memory.keep([Text("A moment."), call()], [QUESTION])
    memory.keep([THOUGHT, Text("Done.")], [QUESTION])
    assert not rows


def test_thought_between_words_finds_its_place_although_the_client_has_joined_them() -> None:
    second = Reasoning(("more",), seal=Seal("anthropic-messages", "second", "claude"))
    blocks = (THOUGHT, Text("One. "), second, HIDDEN, Text("Two."), call())
    assert back(memory_of(*blocks), said(Text("One. Two."), call())) == (said(*blocks),)


def test_where_the_client_has_changed_its_words_what_was_thought_comes_first() -> None:
    memory = memory_of(Text("One. "), THOUGHT, Text("Two."), call())
    assert back(memory, said(Text("One, two."), call())) == (said(THOUGHT, Text("One, two."), call()),)


def test_a_cache_breakpoint_of_the_clients_stays_at_the_end_of_its_words() -> None:
    mark = CacheBreakpoint()
    memory = memory_of(Text("One. "), THOUGHT, Text("Two."), call())
    assert back(memory, said(Text("One. Two.", cache=mark), call())) == (
        said(Text("One. "), THOUGHT, Text("Two.", cache=mark), call()),
    )


def test_each_of_several_calls_gets_its_own() -> None:
    second = Reasoning(("and London",), seal=Seal("anthropic-messages", "second", "claude"))
    blocks = (call("0"), THOUGHT, call("a"), second, call("b"), call("c"))
    assert back(memory_of(*blocks), said(*map(call, "0abc"))) == (said(*blocks),)


def test_what_was_thought_behind_the_last_call_goes_with_it() -> None:
    assert back(memory_of(call(), THOUGHT), said(call())) == (said(THOUGHT, call()),)


def test_messages_of_one_turn_may_hold_one_block_each() -> None:
    memory = memory_of(THOUGHT, Text("A moment."), call())
    assert back(memory, said(Text("A moment.")), said(call())) == (said(THOUGHT, Text("A moment.")), said(call()))


def test_readable_thought_without_its_signature_gives_way_to_the_signed_one() -> None:
    """OpenCode and its like return `reasoning_content` and drop `reasoning_details`."""
    plain = Reasoning((" I look\n",), seal=Seal("openai-chat", "", form="reasoning_content"))
    assert back(memory_of(THOUGHT, call()), said(plain, call())) == (said(THOUGHT, call()),)


def test_readable_thought_of_several_blocks_that_a_client_has_joined_is_not_doubled() -> None:
    second = Reasoning(("and London",), seal=Seal("anthropic-messages", "second", "claude"))
    joined = Reasoning((" I look\n\n\nand London",))
    blocks = (THOUGHT, call("a"), second, call("b"))
    assert back(memory_of(*blocks), said(joined, call("a"), call("b"))) == (said(*blocks),)


def test_a_client_that_returns_half_of_it_gets_the_other_half_without_doubling_the_first() -> None:
    blocks = (THOUGHT, HIDDEN, call())
    assert back(memory_of(*blocks), said(THOUGHT, call())) == (said(*blocks),)
    assert back(memory_of(*blocks), said(HIDDEN, call())) == (said(*blocks),)


def test_what_a_client_has_gathered_in_front_of_the_turn_goes_back_to_its_places() -> None:
    """A Chat message has its reasoning in one field, its words in another."""
    second = Reasoning(("and London",), seal=Seal("anthropic-messages", "second", "claude"))
    blocks = (Text("One. "), THOUGHT, Text("Two."), call("a"), second, call("b"))
    gathered = said(THOUGHT, second, Text("One. Two."), call("a"), call("b"))
    assert back(memory_of(*blocks), gathered) == (said(*blocks),)


def test_a_calls_own_seal_comes_back_on_the_call() -> None:
    blocks = (call("a", seal=SEALED_CALL), call("b"))
    google = ("gemini-generate", "google")
    assert back(memory_of(*blocks), said(call("a"), call("b")), upstream=google) == (said(*blocks),)
    carrier = said(Reasoning(seal=SEALED_CALL), call("a"), call("b"))
    assert back(memory_of(*blocks), carrier, upstream=google) == (said(*blocks),)


def test_the_seal_of_words_comes_back_on_them() -> None:
    text = Text("A moment.", seal=SEALED_CALL)
    memory = memory_of(text, call())
    assert back(memory, said(Text("A moment."), call()), upstream=("gemini-generate", "google")) == (
        said(text, call()),
    )


@pytest.mark.parametrize(
    "upstream", [("anthropic-messages", "unrelated"), ("openai-chat", "claude"), ("openai-chat", "chat")]
)
def test_no_other_upstream_gets_anything(upstream: tuple[str, str]) -> None:
    memory = memory_of(THOUGHT, Text("A moment.", seal=SIGNED), call(seal=SIGNED))
    asked = request(said(Text("A moment."), call()), answered())
    assert memory.restored(asked, *upstream) is asked


def test_it_comes_back_after_turns_at_another_upstream() -> None:
    memory = memory_of(THOUGHT, call("a"))
    elsewhere = Reasoning(("hm",), seal=Seal("openai-chat", "", "deep", "thinker", "reasoning_content"))
    memory.keep([elsewhere, call("b")], [QUESTION, said(call("a")), answered("a")])
    turns = (said(call("a")), answered("a"), said(call("b")), answered("b"))
    assert back(memory, *turns) == (said(THOUGHT, call("a")), *turns[1:])
    assert back(memory, *turns, upstream=("openai-chat", "deep")) == (*turns[:2], said(elsewhere, call("b")), turns[3])


def test_another_conversations_equal_call_gets_nothing() -> None:
    rows = Rows()
    Memory(b"one", rows.get, rows.put).keep([THOUGHT, call()], [QUESTION])
    asked = request(said(call()))
    assert Memory(b"two", rows.get, rows.put).restored(asked, *CLAUDE) is asked


@pytest.mark.parametrize(
    "changed", [call(arguments='{"city":"London"}'), msgspec.structs.replace(call(), name="get_time"), call("toolu_2")]
)
def test_another_call_gets_nothing(changed: ToolCall) -> None:
    memory = memory_of(THOUGHT, call())
    asked = request(said(changed))
    assert memory.restored(asked, *CLAUDE) is asked


def test_ids_that_a_server_uses_in_every_reply_are_told_apart_by_their_place() -> None:
    memory = memory_of(THOUGHT, call("call_0"))
    later = Reasoning(("again",), seal=Seal("anthropic-messages", "later", "claude"))
    turns = (said(call("call_0")), answered("call_0"))
    memory.keep([later, call("call_0")], [QUESTION, *turns])
    assert back(memory, *turns, said(call("call_0"))) == (
        said(THOUGHT, call("call_0")),
        turns[1],
        said(later, call("call_0")),
    )


def test_a_turn_that_is_asked_for_again_forgets_the_first_answer() -> None:
    memory = memory_of(THOUGHT, call())
    for blocks in [(call(),), (HIDDEN, call()), (call(),)]:
        tap = Remember(memory, [QUESTION])
        tap.feed(streamed(*blocks))
        assert back(memory, said(call())) == (said(*blocks),)


def test_a_call_is_known_by_the_id_that_a_client_of_another_protocol_was_given() -> None:
    memory = memory_of(THOUGHT, call("functions.get_weather:0"))
    assert back(memory, said(call("functions_get_weather_0"))) == (said(THOUGHT, call("functions_get_weather_0")),)


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ('{"a":1,"b":[]}', '{ "b": [], "a": 1 }'),
        ('{"a":1.0,"b":1e3}', '{"a":1,"b":1000}'),
        ('{"a":12345678901234567890}', '{"a":12345678901234567000}'),
        ('{"a":"\\u00e4\\/"}', '{"a":"ä/"}'),
        ("", "{}"),
        ("no JSON ", "no JSON"),
    ],
)
def test_a_client_may_write_the_arguments_anew(given: str, returned: str) -> None:
    memory = memory_of(THOUGHT, call(arguments=given))
    assert back(memory, said(call(arguments=returned))) == (said(THOUGHT, call(arguments=returned)),)


def test_a_longer_history_has_the_shorter_one_as_its_beginning() -> None:
    memory = memory_of(THOUGHT, Text("A moment."), call())
    short = (said(Text("A moment."), call()), answered())
    longer = (*short, said(Text("Rain.")), QUESTION)
    assert back(memory, *longer)[: len(short)] == back(memory, *short)


# Streams --------------------------------------------------------------------------------------------------------------


def streamed(*blocks: Block) -> list[Event]:
    return list(expand(Reply("r", "m", blocks, Finish.TOOL_CALLS)))


def test_a_stream_is_remembered_as_the_whole_reply_is_and_passes_unchanged() -> None:
    rows = Rows()
    memory = Memory(b"scope", rows.get, rows.put)
    tap = Remember(memory, [QUESTION])
    for event in streamed(THOUGHT, Text("A moment."), call()):
        batch = [event]
        assert tap.feed(batch) is batch
    assert tap.feed([]) == tap.flush() == []
    assert back(memory, said(Text("A moment."), call())) == (said(THOUGHT, Text("A moment."), call()),)


@pytest.mark.parametrize("blocks", [(Text("Hello"), call()), (Text("Hello"),)])
def test_a_stream_without_thought_is_let_by(blocks: tuple[Block, ...]) -> None:
    rows = Rows()
    tap = Remember(Memory(b"scope", rows.get, rows.put), [QUESTION])
    tap.feed(streamed(*blocks))
    assert not rows


def test_a_reply_that_broke_off_is_not_remembered() -> None:
    rows = Rows()
    tap = Remember(Memory(b"scope", rows.get, rows.put), [QUESTION])
    events = [event for event in streamed(THOUGHT, call()) if not isinstance(event, ReplyEnd)]
    tap.feed([*events, ReplyFailed(Failure(FailureKind.UPSTREAM_CUT, "gone"))])
    tap.flush()
    assert not rows


# Whose conversation ---------------------------------------------------------------------------------------------------


def test_a_conversation_is_known_by_its_key_and_session() -> None:
    grown = request(said(Text("Rain.")), QUESTION)
    other = Request("m", (Message(Role.USER, (Text("Time?"),)),))
    same = scope_of("key", "session", request())
    assert scope_of("key", "session", grown) == same == scope_of("key", "session", other)
    others = [scope_of("other", "session", grown), scope_of("key", "other", grown), scope_of(None, None, grown)]
    assert len({same, *others}) == 4


def test_without_a_session_it_is_known_by_the_first_words_of_the_user_alone() -> None:
    timed = msgspec.structs.replace(request(said(Text("Rain."))), system=(Text("It is 12:34."),))
    assert scope_of("key", None, request()) == scope_of("key", None, timed)
    assert scope_of("key", None, request()) != scope_of("key", None, Request("m", ()))
    assert scope_of("key", "Weather?", request()) != scope_of("key", None, request())
