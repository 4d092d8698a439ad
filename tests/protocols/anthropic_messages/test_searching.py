"""Another vendor's web search becomes Anthropic's own; the SDK's types approve it."""

import msgspec
import pytest

from dragoman.ir.request import (
    FunctionTool,
    HostedTool,
    Message,
    Request,
    Role,
    Text,
    Tool,
    ToolChoice,
    UserLocation,
    WebSearch,
)
from tests.protocols.anthropic_messages.sdk import encoded, target

SEARCHING = target(web_search=True)
NATIVE = {"type": "web_search_20250305", "name": "web_search"}
OPENAI = HostedTool("openai-responses", "web_search_preview", "web_search_preview", msgspec.Raw(b"{}"), WebSearch())


def asking(*tools: Tool, choice: ToolChoice | None = None) -> Request:
    return Request("m", (Message(Role.USER, (Text("hi"),)),), tools=tools, tool_choice=choice, max_tokens=9)


def searching(search: WebSearch) -> Request:
    return asking(msgspec.structs.replace(OPENAI, search=search))


def test_what_a_search_asks_for_is_said_in_anthropics_words() -> None:
    place = UserLocation("Paris", "Ile-de-France", "FR", "Europe/Paris")
    body, codes = encoded(searching(WebSearch(("a.example",), location=place, max_uses=3)), SEARCHING)
    location = {"type": "approximate", **msgspec.structs.asdict(place)}
    assert body["tools"] == [{**NATIVE, "allowed_domains": ["a.example"], "max_uses": 3, "user_location": location}]
    assert codes == ["web_search"]


@pytest.mark.parametrize(
    ("search", "fields"),
    [
        (WebSearch(), {}),
        (WebSearch(blocked_domains=("b.example",)), {"blocked_domains": ["b.example"]}),
        (WebSearch(("a.example", "b.example"), ("b.example",)), {"allowed_domains": ["a.example"]}),
    ],
)
def test_domains_are_one_list_or_the_other(search: WebSearch, fields: dict[str, list[str]]) -> None:
    assert encoded(searching(search), SEARCHING)[0]["tools"] == [{**NATIVE, **fields}]


def test_how_much_is_read_of_what_is_found_cannot_be_set() -> None:
    assert encoded(searching(WebSearch(context_size="high")), SEARCHING)[1] == ["web_search", "web_search_size"]


def test_a_choice_of_the_search_follows_its_new_name() -> None:
    choice = ToolChoice("tool", "web_search_preview")
    body, _ = encoded(asking(OPENAI, FunctionTool("f"), choice=choice), SEARCHING)
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}
    body, codes = encoded(asking(OPENAI, FunctionTool("f"), choice=choice))
    assert body["tool_choice"] == {"type": "auto"}
    assert codes == ["hosted_tool", "tool_choice"]


def test_a_clients_own_tool_of_that_name_goes_before() -> None:
    body, codes = encoded(asking(FunctionTool("web_search"), OPENAI), SEARCHING)
    assert [tool["name"] for tool in body["tools"]] == ["web_search"]
    assert codes == ["duplicate_tool"]


def test_a_server_without_a_search_gets_none() -> None:
    body, codes = encoded(asking(OPENAI))
    assert "tools" not in body
    assert codes == ["hosted_tool"]
