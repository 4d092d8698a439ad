"""Cache keys and breakpoints stay where they are while a conversation grows, and a client's own are left alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Block,
    CacheBreakpoint,
    CustomTool,
    FunctionTool,
    Message,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.transforms.caching import cache_key, with_breakpoints, with_cache_key

MAX_BREAKPOINTS = 4
"""More are a 400. https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""
Place = tuple[int, int]
blocks = st.sampled_from(
    [Text("hi"), Text(""), Reasoning(("hm",)), Audio("AAAA", "wav"), ToolCall("1", "look", "{}"), ToolResult("1")]
)
histories = st.lists(
    st.builds(Message, st.sampled_from(Role), st.lists(blocks, max_size=3).map(tuple)),
    max_size=8,
).map(tuple)


def user(*blocks: Block) -> Message:
    return Message(Role.USER, blocks)


def places(messages: tuple[Message, ...]) -> list[Place]:
    return [
        (index, number)
        for index, message in enumerate(messages)
        for number, block in enumerate(message.blocks)
        if getattr(block, "cache", None)
    ]


def marked(*messages: Message) -> list[Place]:
    return places(with_breakpoints(Request("m", messages), Ledger()).messages)


# Keys


def test_a_key_is_the_same_each_time_and_fits_everywhere() -> None:
    key = cache_key("session", "be kind", ("Bash", "Read"))
    assert key == cache_key("session", "be kind", ("Bash", "Read"))
    assert len(key) <= 64
    assert key.isalnum()


@pytest.mark.parametrize("other", [("s2", "x", ("a",)), ("s", "y", ("a",)), ("s", "x", ("b",)), (None, "x", ("a",))])
def test_another_session_prompt_or_tool_list_has_another_key(other: tuple[str | None, str, tuple[str, ...]]) -> None:
    assert cache_key("s", "x", ("a",)) != cache_key(*other)


def test_claude_codes_attribution_does_not_change_the_key() -> None:
    prompt = Text("You are a coding agent.")

    def key(*system: Text) -> str | None:
        return with_cache_key(Request("m", (), system=system), "session").cache_key

    first = key(Text("x-anthropic-billing-header: cc_version=2.1; cch=1"), prompt)
    assert first == key(Text("x-anthropic-billing-header: cc_version=2.1; cch=2"), prompt) == key(prompt)


def test_the_growing_history_does_not_change_the_key() -> None:
    short = Request("m", (user(Text("hi")),), system=(Text("be kind"),))
    longer = msgspec.structs.replace(short, messages=(*short.messages, user(Text("more"))))
    assert with_cache_key(short, None).cache_key == with_cache_key(longer, None).cache_key is not None


def test_a_clients_own_key_stays_and_nothing_makes_no_key() -> None:
    own = Request("m", (), cache_key="mine")
    assert with_cache_key(own, "session") is own
    nothing = Request("m", (user(Text("hi")),))
    assert with_cache_key(nothing, None) is nothing


# Breakpoints


@given(histories)
def test_there_are_never_more_breakpoints_than_anthropic_takes(messages: tuple[Message, ...]) -> None:
    request = Request("m", messages, system=(Text("a"), Text("b")), tools=(FunctionTool("x"), FunctionTool("y")))
    done = with_breakpoints(request, Ledger())
    count = len(places(done.messages)) + sum(
        tool.cache is not None for tool in done.tools if isinstance(tool, FunctionTool)
    )
    assert count + sum(block.cache is not None for block in done.system) <= MAX_BREAKPOINTS
    assert all(done.messages[index].role is Role.USER for index, _ in places(done.messages))


@given(histories, histories)
def test_breakpoints_never_move_backwards(messages: tuple[Message, ...], more: tuple[Message, ...]) -> None:
    before = marked(*messages)
    after = marked(*messages, *more)
    assert len(after) >= len(before)
    assert all(old[0] <= new[0] for old, new in zip(before[::-1], after[::-1], strict=False))


def test_breakpoints_stand_on_the_last_tool_the_last_system_block_and_the_last_two_user_turns() -> None:
    request = Request(
        "m",
        (
            user(Text("one")),
            Message(Role.ASSISTANT, (ToolCall("1", "look", "{}"), ToolCall("2", "look", "{}"))),
            user(ToolResult("1")),
            user(ToolResult("2")),
            Message(Role.ASSISTANT, (Text("done"),)),
            user(Text("two"), Text("three")),
        ),
        system=(Text("a"), Text("b")),
        tools=(FunctionTool("x"), FunctionTool("y"), CustomTool("z")),
    )
    done = with_breakpoints(request, Ledger())
    assert [tool.cache is not None for tool in done.tools if isinstance(tool, FunctionTool)] == [False, True]
    assert [block.cache is not None for block in done.system] == [False, True]
    assert places(done.messages) == [(3, 0), (5, 1)]


def test_words_after_results_are_the_end_of_a_turn_wherever_they_stand() -> None:
    assert marked(user(Text("look"), ToolResult("1"))) == [(0, 0)]


@pytest.mark.parametrize(
    "request_",
    [
        Request("m", (user(Text("hi")),), cache=CacheBreakpoint()),
        Request("m", (user(Text("hi", cache=CacheBreakpoint("1h"))),)),
        Request("m", (user(ToolResult("1", (Text("hi", cache=CacheBreakpoint()),))),)),
        Request("m", (user(Text("hi")),), system=(Text("be kind", cache=CacheBreakpoint()),)),
        Request("m", (user(Text("hi")),), tools=(FunctionTool("x", cache=CacheBreakpoint()),)),
    ],
)
def test_a_client_that_sets_its_own_breakpoints_is_left_alone(request_: Request) -> None:
    assert with_breakpoints(request_, Ledger()) is request_


def test_a_prompt_cache_key_is_carried_by_breakpoints_and_that_is_said() -> None:
    ledger = Ledger()
    done = with_breakpoints(Request("m", (user(Text("hi")),), cache_key="mine"), ledger)
    assert done.cache_key is None
    assert [loss.code for loss in ledger] == ["cache_key"]
