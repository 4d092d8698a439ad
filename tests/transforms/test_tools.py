"""Tool names that a target refuses are changed on the way there and are the client's own on the way back."""

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import BlockStart, Event, TextDelta
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Message,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
)
from dragoman.transforms import tools
from dragoman.transforms.tools import NO_RENAMES, RestoreNames, restore_reply, shorten

LONG = "mcp__a_server_with_a_very_long_name__a_tool_whose_name_is_even_longer_than_that"
LIMIT = 64
names = st.one_of(
    st.text(max_size=100), st.text("ab_", min_size=1, max_size=80), st.sampled_from(["a.b", "a/b", "a_b"])
)


def offering(*names: str) -> Request:
    return Request("m", (), tools=tuple(FunctionTool(name) for name in names))


def tool_names(request: Request) -> list[str]:
    return [tool.name for tool in request.tools]


@given(st.lists(names, unique=True, max_size=8), st.integers(16, 128))
def test_every_name_fits_none_collide_and_all_come_back(offered: list[str], limit: int) -> None:
    request, renames = shorten(offering(*offered), limit, Ledger())
    short = tool_names(request)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", name) and len(name) <= limit for name in short)
    assert len(set(short)) == len(offered)
    assert [renames.back.get(name, name) for name in short] == offered


@given(names, st.lists(names, unique=True, max_size=8))
def test_a_name_has_the_same_short_form_whatever_else_is_offered(name: str, others: list[str]) -> None:
    alone, _ = shorten(offering(name), LIMIT, Ledger())
    among, _ = shorten(offering(*(other for other in others if other != name), name), LIMIT, Ledger())
    assert tool_names(among)[-1] == tool_names(alone)[0]


def test_plain_names_cost_nothing() -> None:
    request = offering("Bash", "get_weather", "a-b")
    ledger = Ledger()
    assert shorten(request, LIMIT, ledger) == (request, NO_RENAMES)
    assert shorten(request, LIMIT, ledger)[0] is request
    assert not NO_RENAMES
    assert not len(ledger)


def test_tools_choice_and_history_change_together() -> None:
    others: tuple[Tool, ...] = (
        CustomTool("a.patch"),
        HostedTool("anthropic-messages", "web_search_20250305", "web.search", msgspec.Raw(b"{}")),
    )
    request = Request(
        "m",
        (
            Message(
                Role.ASSISTANT,
                (Text("I will"), ToolCall("1", LONG, "{}"), ToolCall("2", "web.search", "{}", ToolKind.HOSTED)),
            ),
        ),
        tools=(FunctionTool(LONG), *others),
        tool_choice=ToolChoice("any", LONG, allowed=("a.patch", "Bash")),
    )
    ledger = Ledger()
    renamed, renames = shorten(request, LIMIT, ledger)
    short, patch = renames.there[LONG], renames.there["a.patch"]
    assert tool_names(renamed) == [short, patch, "web.search"]
    assert renamed.tool_choice == ToolChoice("any", short, allowed=(patch, "Bash"))
    assert [block.name for block in renamed.messages[0].blocks if isinstance(block, ToolCall)] == [short, "web.search"]
    assert [(loss.code, loss.path) for loss in ledger] == [
        ("tool_name", "tools[0].name"),
        ("tool_name", "tools[1].name"),
    ]


def test_a_call_of_a_tool_that_is_no_longer_offered_is_renamed_too() -> None:
    request = Request("m", (Message(Role.ASSISTANT, (ToolCall("1", LONG, "{}"),)),))
    ledger = Ledger()
    _, renames = shorten(request, LIMIT, ledger)
    assert LONG in renames.there
    assert [loss.path for loss in ledger] == ["messages"]


def test_short_names_that_meet_are_salted() -> None:
    taken = tools._short(LONG, LIMIT, set())
    request, renames = shorten(offering(taken, LONG), LIMIT, Ledger())
    assert tool_names(request)[0] == taken
    assert renames.there[LONG] != taken


def test_a_reply_gets_the_clients_names_back_whole_and_streamed() -> None:
    _, renames = shorten(offering(LONG), LIMIT, Ledger())
    reply = Reply(
        "r",
        "m",
        (Text("now"), ToolCall("1", renames.there[LONG], "{}"), ToolCall("2", "Bash", "{}")),
        Finish.TOOL_CALLS,
    )
    restored = restore_reply(reply, renames)
    assert [block.name for block in restored.blocks if isinstance(block, ToolCall)] == [LONG, "Bash"]
    restore = RestoreNames(renames)
    events: list[Event] = []
    for event in expand(reply):
        events += restore.feed([event])
    assert collect([*events, *restore.flush()]) == restored


def test_batches_without_a_renamed_call_pass_as_they_are() -> None:
    batch: list[Event] = [BlockStart(0, Text("")), TextDelta(0, "hello")]
    assert RestoreNames(NO_RENAMES).feed(batch) is batch
    reply = Reply("r", "m", (Text("hello"),), Finish.DONE)
    assert restore_reply(reply, NO_RENAMES) is reply


def test_the_events_beside_a_renamed_call_stay_as_they_are() -> None:
    _, renames = shorten(offering(LONG), LIMIT, Ledger())
    batch: list[Event] = [TextDelta(0, "now"), BlockStart(1, ToolCall("1", renames.there[LONG], ""))]
    assert RestoreNames(renames).feed(batch) == [TextDelta(0, "now"), BlockStart(1, ToolCall("1", LONG, ""))]


def test_a_name_that_only_the_choice_has_is_reported_there() -> None:
    ledger = Ledger()
    request, renames = shorten(Request("m", (), tool_choice=ToolChoice("tool", LONG)), LIMIT, ledger)
    assert request.tool_choice == ToolChoice("tool", renames.there[LONG])
    assert [loss.path for loss in ledger] == ["tool_choice"]
