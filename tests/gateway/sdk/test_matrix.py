"""Every official SDK before every upstream, streamed and whole: text, pictures, parallel tools, thought, form, errors.

The upstreams are the scripted model behind real ports: it says what it saw, and whether its seals came back.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors

from dragoman.settings import Server
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import anthropic_client, google_client, openai_client
from tests.support.talks import ChatTalk, GeminiTalk, MessagesTalk, ResponsesTalk, Talk
from tests.support.upstream import RunningUpstream

UPSTREAMS = ("anthropic-messages", "gemini-generate", "openai-chat", "openai-responses")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FORM = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
BOTH = 'Think, then call get_weather with {"city": "Paris"} and get_time with {"city": "Oslo"}.'


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, RunningUpstream]]:
    with ExitStack() as stack:
        yield {protocol: stack.enter_context(RunningUpstream(protocol)) for protocol in UPSTREAMS}


@pytest.fixture(scope="module")
def gateway(upstreams: dict[str, RunningUpstream]) -> Iterator[RunningGateway]:
    """A gateway that asks once before an upstream of each protocol; the one of Chat takes its reasoning back."""
    chat = {"reasoning_field": "reasoning_content"}
    providers = {
        protocol: provider(protocol, upstream.base_url, dialect=chat if protocol == "openai-chat" else {})
        for protocol, upstream in upstreams.items()
    }
    with RunningGateway(providers, Server(port=0, retries=0)) as running:
        yield running


@contextmanager
def talking(client: str, url: str, upstream: str, *, streams: bool) -> Iterator[Talk]:
    model = f"{upstream}/assistant"
    match client:
        case "anthropic":
            with anthropic_client(url) as claude:
                yield MessagesTalk(claude, model, streams=streams)
        case "openai chat":
            with openai_client(url) as gpt:
                yield ChatTalk(gpt, model, streams=streams)
        case "openai responses":
            with openai_client(url) as gpt:
                yield ResponsesTalk(gpt, model, streams=streams)
        case _:
            with google_client(url) as google:
                yield GeminiTalk(google, model, streams=streams)


@pytest.fixture(params=["anthropic", "openai chat", "openai responses", "google-genai"])
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=UPSTREAMS)
def talk(request: pytest.FixtureRequest, gateway: RunningGateway, sdk: str, streams: bool) -> Iterator[Talk]:
    with talking(sdk, gateway.url, request.param, streams=streams) as one:
        yield one


def test_words_arrive_as_they_were_said(talk: Talk) -> None:
    words = 'Grüße, "Welt" \N{PARTY POPPER}\n\ttab and \\ backslash'
    heard = talk.say(words)
    assert (heard.text, heard.thought, heard.calls) == (words, "", [])
    assert "again" in talk.say("and again").text


def test_a_picture_arrives(talk: Talk) -> None:
    heard = talk.say("What is this?", image=PNG).text
    assert "image/png" in heard
    assert "70" in heard, "its size in bytes"


def test_parallel_calls_and_thought_go_through_three_turns(
    talk: Talk, sdk: str, upstreams: dict[str, RunningUpstream], request: pytest.FixtureRequest
) -> None:
    """Every turn thinks anew, and says how much of its earlier thought came back whole.

    Chat's plain reasoning has no seal to be counted by; Google's own client returns a seal with the words behind a thought.
    """
    upstream = request.node.callspec.params["talk"]
    heard = talk.say(BOTH, thinks=True, tools=True)
    for turn in range(1, 4):
        assert [(call.name, call.arguments) for call in heard.calls] == [
            ("get_weather", {"city": "Paris"}),
            ("get_time", {"city": "Oslo"}),
        ]
        assert len({call.id for call in heard.calls}) == 2
        told = talk.answer([(call, f"{call.name} said {turn}") for call in heard.calls], thinks=True)
        assert told.calls == []
        assert f"get_weather said {turn}" in told.text
        assert f"get_time said {turn}" in told.text
        heard = talk.say(f"{BOTH} Turn {turn}.", thinks=True, tools=True)
        assert heard.thought.startswith("The user said: Think")
        earlier = 2 * turn
        if upstream == "openai-chat":
            seen = upstreams[upstream].last_json["messages"]
            assert sum("reasoning_content" in message for message in seen) == earlier
        elif (upstream, sdk) == ("gemini-generate", "google-genai"):
            assert json.dumps(upstreams[upstream].last_json).count('"thoughtSignature"') == earlier
        else:
            assert f"Of my {earlier} earlier thoughts {earlier} came back with their seals." in heard.thought


def test_an_answer_has_the_form_that_was_asked_for(talk: Talk) -> None:
    answer = json.loads(talk.say("How warm is Paris?", schema=FORM).text)
    assert answer.keys() == {"city", "degrees"}
    assert isinstance(answer["city"], str)
    assert isinstance(answer["degrees"], int)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503, 529])
def test_an_error_is_the_sdks_own(talk: Talk, status: int) -> None:
    with pytest.raises((anthropic.APIStatusError, openai.APIStatusError, errors.APIError)) as raised:
        talk.say(f"fail with {status}")
    error: Any = raised.value
    code = error.code if isinstance(error, errors.APIError) else error.status_code
    assert code == status or (status, code) == (529, 503), "529 is Anthropic's alone"
    assert str(status) in str(error), "the upstream's own words"


def test_a_reply_that_breaks_off_is_never_taken_for_a_whole_one(talk: Talk) -> None:
    with pytest.raises(Exception, match=r"(?s).+"):
        talk.say("break off")
