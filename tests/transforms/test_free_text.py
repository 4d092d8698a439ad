"""Custom tools get their free text back from upstreams that only know functions."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import CustomTool, FunctionTool, Message, Request, Role, Text, ToolCall, ToolKind
from dragoman.transforms.free_text import InputReader
from dragoman.transforms.tools import RestoreNames, restore_reply, shorten

LONG = "mcp__" + "x" * 80
REQUEST = Request(
    "m",
    (Message(Role.USER, (Text("patch it"),)),),
    tools=(CustomTool("apply_patch"), CustomTool(LONG), FunctionTool("read")),
)
PATCH = '*** Begin\n+say "hi" \\ \U0001f600\n'


@given(st.text(), st.booleans(), st.lists(st.integers(0, 200)))
def test_the_text_comes_out_whole_however_it_is_cut(text: str, plain: bool, cuts: list[int]) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=plain)
    places = [0, *sorted(min(cut, len(arguments)) for cut in cuts), len(arguments)]
    reader = InputReader()
    said = "".join(reader.feed(arguments[start:end]) for start, end in pairwise(places))
    assert said + reader.rest() == text


@pytest.mark.parametrize("arguments", ['{"patch":"x"}', "{}", "plain words"])
def test_arguments_of_another_form_are_not_lost(arguments: str) -> None:
    reader = InputReader()
    assert reader.feed(arguments) + reader.rest() == arguments


def test_text_leaves_in_the_step_it_came_in() -> None:
    reader = InputReader()
    assert [reader.feed(part) for part in ('{"inp', 'ut": "one ', "two\\", "n", '"}')] == ["", "one ", "two", "\n", ""]


@pytest.mark.parametrize("name", ["apply_patch", LONG])
def test_a_streamed_call_of_a_custom_tool_is_one_again(name: str) -> None:
    _, renames = shorten(REQUEST, 64, Ledger())
    sent = renames.there.get(name, name)
    arguments = json.dumps({"input": PATCH})
    batches: list[list[Event]] = [
        [BlockStart(0, ToolCall("c", sent, "")), ArgumentsDelta(0, arguments[:15])],
        [BlockStart(1, ToolCall("d", "read", "")), ArgumentsDelta(0, arguments[15:]), ArgumentsDelta(1, "{}")],
        [BlockEnd(0), BlockEnd(1)],
    ]
    transform = RestoreNames(renames)
    events = [event for batch in batches for event in transform.feed(batch)]
    assert events[0] == BlockStart(0, ToolCall("c", name, "", ToolKind.CUSTOM))
    said = [event.text for event in events if isinstance(event, ArgumentsDelta) and event.index == 0]
    assert "".join(said) == PATCH
    assert BlockStart(1, ToolCall("d", "read", "")) in events
    assert ArgumentsDelta(1, "{}") in events


def test_a_whole_call_of_a_custom_tool_is_one_again() -> None:
    _, renames = shorten(REQUEST, 64, Ledger())
    calls = (ToolCall("c", "apply_patch", json.dumps({"input": PATCH})), ToolCall("d", "read", "{}"))
    restored = restore_reply(Reply("r", "m", calls, Finish.TOOL_CALLS), renames)
    assert restored.blocks == (ToolCall("c", "apply_patch", PATCH, ToolKind.CUSTOM), calls[1])


def test_a_call_that_is_a_custom_one_already_stays_as_it_is() -> None:
    _, renames = shorten(REQUEST, 64, Ledger())
    reply = Reply("r", "m", (ToolCall("c", "apply_patch", PATCH, ToolKind.CUSTOM),), Finish.TOOL_CALLS)
    assert restore_reply(reply, renames) is reply
