"""The web search that the vendor runs: `web_search_options`, and what stands in for other vendors' searches."""

from typing import Any

import pytest
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import FunctionTool, HostedTool, Text, ToolChoice, UserLocation, WebSearch
from tests.protocols.openai_chat.support import asking, codes, decoded, encoded, user

PARIS = UserLocation("Paris", country="FR")
PLACE = {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
OPTIONS: dict[str, Any] = {"search_context_size": "low", "user_location": PLACE}
HI = user(Text("hi"))
FUNCTION = FunctionTool("f")


def anthropic(search: WebSearch) -> HostedTool:
    return HostedTool("anthropic-messages", "web_search_20250305", "web_search", Raw(b"{}"), search)


@pytest.mark.parametrize(
    ("fields", "search"),
    [
        ({"web_search_options": {}}, WebSearch()),
        ({"web_search_options": OPTIONS}, WebSearch(location=PARIS, context_size="low")),
        ({"tools": [{"type": "web_search"}]}, WebSearch()),
        (
            {
                "tools": [
                    {
                        "type": "web_search_preview",
                        "filters": {"allowed_domains": ["a.example"]},
                        "user_location": {"type": "approximate", "city": "Paris", "country": "FR"},
                    }
                ]
            },
            WebSearch(("a.example",), location=PARIS),
        ),
    ],
)
def test_a_search_is_asked_for_beside_the_tools_or_among_them(fields: dict[str, Any], search: WebSearch) -> None:
    (tool,) = decoded(**fields).tools
    assert isinstance(tool, HostedTool)
    assert tool.search == search


def test_options_of_a_wrong_type_are_refused_by_name() -> None:
    with pytest.raises(RequestError) as refused:
        decoded(web_search_options={"user_location": "Paris"})
    assert refused.value.failure.param == "web_search_options.user_location"


def test_options_go_back_to_this_protocol_as_they_came() -> None:
    """Whatever the dialect says: the client speaks to a server that it knows."""
    ledger = Ledger()
    body = encoded(decoded(web_search_options={**OPTIONS, "novel": 1}), ledger)
    assert body["web_search_options"] == {**OPTIONS, "novel": 1}
    assert "tools" not in body
    assert codes(ledger) == []


def test_another_vendors_search_becomes_this_ones() -> None:
    ledger = Ledger()
    search = WebSearch(("a.example",), ("b.example",), PARIS, 3, "low")
    body = encoded(asking(HI, tools=(anthropic(search), FUNCTION)), ledger, web_search=True)
    assert body["web_search_options"] == OPTIONS
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert codes(ledger) == ["web_search", "web_search_domains", "web_search_uses"]
    assert [loss.code for loss in ledger if loss.changes_meaning] == ["web_search_domains"]
    plain = encoded(asking(HI, tools=(anthropic(WebSearch()),), tool_choice=ToolChoice("auto")), web_search=True)
    assert plain["web_search_options"] == {}
    assert not {"tools", "tool_choice"} & plain.keys()


def test_a_search_that_cannot_be_chosen_by_name_is_reported() -> None:
    ledger = Ledger()
    choice = ToolChoice("tool", "web_search")
    body = encoded(asking(HI, tools=(anthropic(WebSearch()), FUNCTION), tool_choice=choice), ledger, web_search=True)
    assert "tool_choice" not in body
    assert codes(ledger) == ["web_search", "tool_choice"]


def test_without_a_search_of_its_own_another_vendors_is_left_out() -> None:
    ledger = Ledger()
    assert "web_search_options" not in encoded(asking(HI, tools=(anthropic(WebSearch()),)), ledger)
    assert codes(ledger) == ["hosted_tool"]
    assert [loss.changes_meaning for loss in ledger] == [True]
