"""Ids of tool calls that a server refuses for their form."""

import json
import re

from dragoman.codec import Target
from dragoman.dialects import Dialect
from dragoman.ir.losses import Ledger
from dragoman.ir.request import Message, Request, Role, Text, ToolCall, ToolResult
from dragoman.protocols.openai_chat import PROTOCOL
from dragoman.transforms.call_ids import fit_call_ids

LONG = "toolu_01A09q90qw90lq917835lq9"
HISTORY = (
    Message(Role.USER, (Text("hi"),)),
    Message(Role.ASSISTANT, (ToolCall(LONG, "f", "{}"), ToolCall("abcDEF123", "g", "{}"))),
    Message(Role.USER, (ToolResult(LONG, (Text("1"),)), ToolResult("abcDEF123", (Text("2"),)))),
)


def ids(request: Request) -> list[str]:
    body = json.loads(PROTOCOL.encode_request(request, Target("p", "m", Dialect()), Ledger()))
    return [
        id
        for message in body["messages"]
        for id in [call["id"] for call in message.get("tool_calls", ())] + [message.get("tool_call_id")]
        if id
    ]


def test_calls_and_their_results_keep_together_under_short_ids() -> None:
    first, second, *results = ids(fit_call_ids(Request("m", HISTORY), 9))
    assert re.fullmatch("[a-zA-Z0-9]{9}", first)
    assert second == "abcDEF123", "it was right already"
    assert results == [first, second]


def test_the_same_id_always_becomes_the_same() -> None:
    longer = Request("m", (*HISTORY, Message(Role.USER, (Text("more"),))))
    assert ids(fit_call_ids(Request("m", HISTORY), 9)) == ids(fit_call_ids(longer, 9))


def test_many_ids_stay_apart() -> None:
    calls = tuple(ToolCall(f"call_{number}", "f", "{}") for number in range(2000))
    request = fit_call_ids(Request("m", (Message(Role.ASSISTANT, calls),)), 9)
    assert len(set(ids(request))) == 2000


def test_where_any_id_will_do_nothing_is_touched() -> None:
    request = Request("m", HISTORY)
    assert fit_call_ids(request, None) is request
