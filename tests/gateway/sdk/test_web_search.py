"""A web search that one vendor runs is asked of another in its own words, and the pages that it cites reach the client."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, openai_client
from tests.support.wires import (
    block_events,
    chat_answer,
    completion,
    event,
    message,
    message_events,
    messages_answer,
    text,
)

SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
URL = "https://www.example.com/fox"
CITED = {
    "type": "web_search_result_location",
    "url": URL,
    "title": "Foxes",
    "cited_text": "A fox",
    "encrypted_index": "Eq=",
}
RAN = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "fox"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {"type": "web_search_result", "url": URL, "title": "Foxes", "encrypted_content": "Eq=", "page_age": None}
    ],
}
ANSWER = message(text("I looked. "), RAN, FOUND, {**text("Foxes are red."), "citations": [CITED]})
PAGE = {"url": URL, "title": "Foxes", "start_index": 10, "end_index": 24}


@pytest.fixture(scope="module")
def searching(chat_server: ExactUpstream, messages_server: ExactUpstream) -> Iterator[RunningGateway]:
    chat = f"{chat_server.url}/v1"
    providers = {
        "chat": provider("openai-chat", chat, dialect={"web_search": True}),
        "plain": provider("openai-chat", chat),
        "exact": provider("openai-chat", chat, losses="strict"),
        "messages": provider("anthropic-messages", messages_server.url),
    }
    with RunningGateway(providers, Server(port=0, retries=0)) as running:
        yield running


@pytest.fixture
def claude(searching: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic_client(searching.url) as client:
        yield client


@pytest.fixture
def gpt(searching: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai_client(searching.url) as client:
        yield client


def test_a_chat_client_searches_with_anthropic(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    messages.answers(messages_answer(ANSWER, streams=streams))
    place: Any = {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
    options: Any = {"user_location": place, "search_context_size": "low"}
    told = ask_chat(gpt, streams=streams, model="messages/m", web_search_options=options)
    location = {"type": "approximate", "city": "Paris", "country": "FR"}
    assert messages.last["tools"] == [{"type": "web_search_20250305", "name": "web_search", "user_location": location}]
    spoken = told.reply.choices[0].message
    assert spoken.content == "I looked. Foxes are red."
    assert not spoken.tool_calls
    if not streams:
        annotations: list[Any] = spoken.annotations or []
        (annotation,) = annotations
        assert annotation.url_citation.to_dict() == PAGE
        content = spoken.content or ""
        assert content[annotation.url_citation.start_index : annotation.url_citation.end_index] == "Foxes are red."


def test_a_streamed_page_reaches_a_chat_client(gpt: openai.OpenAI, messages: ExactUpstream) -> None:
    """The SDK's types have no annotations in deltas: it hands them on as they are."""
    start, *said, stop = block_events(0, text("Foxes are red."))
    cited = event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": CITED})
    first, ping, *ending = message_events(message())
    messages.answers(stream_answer(first, ping, start, *said, cited, stop, *ending))
    chunks = gpt.chat.completions.create(
        model="messages/m", messages=[{"role": "user", "content": "Foxes?"}], stream=True
    )
    deltas: list[Any] = [chunk.choices[0].delta.to_dict() for chunk in chunks if chunk.choices]
    (annotation,) = (one for delta in deltas for one in delta.get("annotations", ()))
    assert annotation["url_citation"]["url"] == URL


def test_an_anthropic_client_searches_with_chat(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    annotation = {"type": "url_citation", "url_citation": {**PAGE, "start_index": 0, "end_index": 14}}
    chat.answers(chat_answer(completion("Foxes are red.", annotations=[annotation]), streams=streams))
    told = ask_messages(claude, streams=streams, model="chat/m", tools=[SEARCH])
    assert chat.last["web_search_options"] == {}
    assert "tools" not in chat.last
    assert told.headers["x-dragoman-loss"] == "2; web_search,web_search_uses"
    (block,) = told.reply.content
    assert block.type == "text"
    assert block.text == "Foxes are red."
    citations: list[Any] = block.citations or []
    (citation,) = citations
    assert (citation.type, citation.url, citation.title) == ("web_search_result_location", URL, "Foxes")


def test_without_a_search_it_is_left_out_aloud_or_refused(claude: anthropic.Anthropic, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(completion("I know."), streams=False))
    told = ask_messages(claude, streams=False, model="plain/m", tools=[SEARCH])
    assert told.headers["x-dragoman-loss"] == "1; hosted_tool"
    assert not {"tools", "web_search_options"} & chat.last.keys()
    chat.answers()
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\].*`web_search_20250305`"):
        ask_messages(claude, streams=False, model="exact/m", tools=[SEARCH])
    assert not chat.asked


def test_what_was_found_before_is_told_to_another_vendor_in_words(
    claude: anthropic.Anthropic, chat: ExactUpstream
) -> None:
    chat.answers(chat_answer(completion("Yes."), streams=False))
    history: Any = [
        {"role": "user", "content": "Foxes?"},
        {"role": "assistant", "content": ANSWER["content"]},
        {"role": "user", "content": "Sure?"},
    ]
    ask_messages(claude, streams=False, model="plain/m", messages=history)
    said = chat.last["messages"][1]["content"]
    assert "Foxes are red." in said
    assert URL in said
    assert "encrypted" not in said
