"""What a stream has cost is known on the raw lane too, whether its client asked or not, and nobody gets what it did not ask for."""

# ruff: noqa: ANN401 - what stands here for a body is any JSON

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import ExactUpstream, stream_answer
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import openai_client
from tests.support.wires import DONE, chat_answer, completion, completion_chunks, piece

ANSWER = completion("Hello")
ASKED = {"include_usage": True}


@pytest.fixture(scope="module")
def gateway(chat_server: ExactUpstream) -> Iterator[RunningGateway]:
    chat = f"{chat_server.url}/v1"
    providers = {
        "chat": provider("openai-chat", chat),
        "old": provider("openai-chat", chat, dialect={"stream_options": False}),
    }
    with RunningGateway(providers, Server(port=0, retries=0)) as running:
        yield running


@pytest.fixture
def gpt(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai_client(gateway.url) as client:
        yield client


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "chat/m", "stream": True, "messages": [{"role": "user", "content": "?"}], **fields}


def chunks(gateway: RunningGateway, **fields: Any) -> list[dict[str, Any]]:
    reply = httpx2.post(f"{gateway.url}/v1/chat/completions", json=body(**fields), timeout=20)
    assert reply.status_code == 200
    events = reply.text.removesuffix("\n\n").split("\n\n")
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


@pytest.mark.parametrize("options", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}])
def test_usage_is_asked_for_and_kept_from_a_client_that_did_not(
    gateway: RunningGateway, chat: ExactUpstream, options: dict[str, Any]
) -> None:
    gateway.forget_lines()
    chat.answers(chat_answer(ANSWER, streams=True))
    told = chunks(gateway, **options)
    assert all(chunk["choices"] for chunk in told)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in told) == "Hello"
    assert chat.last["stream_options"] == ASKED
    (line,) = gateway.wait_for_lines(1)
    assert (line.lane, line.input_tokens, line.output_tokens) == ("raw", 11, 7)


def test_a_client_that_asked_gets_every_byte(gateway: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(ANSWER, streams=True))
    reply = httpx2.post(f"{gateway.url}/v1/chat/completions", json=body(stream_options=ASKED), timeout=20)
    sent = b"".join(completion_chunks(ANSWER)).replace(ANSWER["model"].encode(), b"chat/m")
    assert reply.content == sent


def test_figures_beside_words_stay(gateway: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(stream_answer(piece({"content": "Hi"}), piece({}, "stop", usage=ANSWER["usage"]), DONE))
    assert chunks(gateway)[-1]["usage"] == ANSWER["usage"]


def test_a_server_that_does_not_know_the_question_is_not_asked(gateway: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(ANSWER, streams=True))
    assert chunks(gateway, model="old/m")[-1]["choices"] == []
    assert "stream_options" not in chat.last


def test_the_sdk_reads_on(gpt: openai.OpenAI, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(ANSWER, streams=True))
    stream = gpt.chat.completions.create(model="chat/m", messages=[{"role": "user", "content": "?"}], stream=True)
    told = list(stream)
    assert [chunk.usage for chunk in told] == [None] * len(told)
    assert told[-1].choices[0].finish_reason == "stop"


def test_an_option_that_makes_no_sense_is_the_upstreams_to_refuse(gateway: RunningGateway, chat: ExactUpstream) -> None:
    chat.answers(chat_answer(ANSWER, streams=True))
    chunks(gateway, stream_options={"include_usage": "yes"})
    assert chat.last["stream_options"] == {"include_usage": "yes"}
