"""Under the policy `strict` an answer that does not fit the schema is a failure in the client's own dialect."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from dragoman.settings import Server
from tests.support.exact_upstream import ExactUpstream
from tests.support.gateway import RunningGateway, provider
from tests.support.sdks import anthropic_client, ask_chat, ask_messages, openai_client, said
from tests.support.wires import call, chat_answer, completion, message, messages_answer, text, tool_use

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}},
    "required": ["n"],
    "additionalProperties": False,
}
CHAT_FORM: Any = {"type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA, "strict": True}}
CLAUDE_FORM: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def gateway(chat_server: ExactUpstream, messages_server: ExactUpstream) -> Iterator[RunningGateway]:
    chat, messages = f"{chat_server.url}/v1", messages_server.url
    providers = {
        "chat": provider("openai-chat", chat, losses="strict"),
        "plain": provider("openai-chat", chat, losses="strict", dialect={"structured_output": False}),
        "loose": provider("openai-chat", chat),
        "messages": provider("anthropic-messages", messages, losses="strict"),
    }
    with RunningGateway(providers, Server(port=0, retries=1)) as running:
        yield running


@pytest.fixture
def claude(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic_client(gateway.url) as client:
        yield client


@pytest.fixture
def gpt(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai_client(gateway.url) as client:
        yield client


def test_an_answer_that_fits_passes(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion('{"n": 3}'), streams=streams))
    told = ask_messages(claude, streams=streams, model="chat/m", output_config=CLAUDE_FORM)
    assert said(told.reply) == [text('{"n": 3}')]
    messages.answers(messages_answer(message(text('{"n": 3}')), streams=streams))
    whole = ask_chat(gpt, streams=streams, model="messages/m", response_format=CHAT_FORM).reply
    assert whole.choices[0].message.content == '{"n": 3}'


def test_a_whole_answer_that_does_not_fit_is_asked_for_again_and_then_refused(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream
) -> None:
    wrong = chat_answer(completion('{"n": 0}'), streams=False)
    chat.answers(wrong, chat_answer(completion('{"n": 3}'), streams=False))
    assert said(ask_messages(claude, streams=False, model="chat/m", output_config=CLAUDE_FORM).reply) == [
        text('{"n": 3}')
    ]
    chat.answers(wrong, wrong)
    with pytest.raises(anthropic.APIStatusError, match=r"`\$\.n`: 0 is less than the minimum of 1") as refused:
        ask_messages(claude, streams=False, model="chat/m", output_config=CLAUDE_FORM)
    assert refused.value.status_code == 502
    assert refused.value.response.json()["error"]["type"] == "api_error"
    miss = messages_answer(message(text("three")), streams=False)
    messages.answers(miss, miss)
    with pytest.raises(openai.InternalServerError, match="it is no JSON") as failed:
        ask_chat(gpt, streams=False, model="messages/m", response_format=CHAT_FORM)
    assert failed.value.code == "schema_mismatch"


def listen(client: anthropic.Anthropic, seen: list[str]) -> None:
    """Put the words of a stream into `seen`, as they come."""
    asked: Any = {"model": "chat/m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    with client.messages.stream(**asked, output_config=CLAUDE_FORM) as stream:
        seen.extend(stream.text_stream)


def test_a_streamed_answer_that_does_not_fit_ends_with_an_error(
    claude: anthropic.Anthropic,
    gpt: openai.OpenAI,
    chat: ExactUpstream,
    messages: ExactUpstream,
    gateway: RunningGateway,
) -> None:
    gateway.forget_lines()
    chat.answers(chat_answer(completion('{"n": 0}'), streams=True))
    seen: list[str] = []
    with pytest.raises(anthropic.APIStatusError, match="does not fit the schema"):
        listen(claude, seen)
    assert "".join(seen) == '{"n": 0}'
    messages.answers(messages_answer(message(text("three")), streams=True))
    with pytest.raises(openai.APIError, match="does not fit the schema"):
        ask_chat(gpt, streams=True, model="messages/m", response_format=CHAT_FORM)
    assert [line.failure for line in gateway.wait_for_lines(2)] == ["upstream_invalid"] * 2


def test_a_stream_for_a_client_that_wants_it_whole_is_checked_too(
    claude: anthropic.Anthropic, chat: ExactUpstream
) -> None:
    wrong = chat_answer(completion("no"), streams=True)
    chat.answers(wrong, wrong)
    with pytest.raises(anthropic.APIStatusError, match="does not fit the schema"):
        ask_messages(claude, streams=False, model="chat/m", output_config=CLAUDE_FORM)


def test_tool_calls_and_cut_answers_are_none_of_the_schemas_business(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(
        chat_answer(completion("I look.", [call("call_1", "run", "{}")]), streams=streams),
        chat_answer(completion('{"n"', finish="length"), streams=streams),
    )
    told = ask_messages(claude, streams=streams, model="chat/m", output_config=CLAUDE_FORM)
    assert said(told.reply) == [text("I look."), tool_use("call_1", "run")]
    cut = ask_messages(claude, streams=streams, model="chat/m", output_config=CLAUDE_FORM)
    assert cut.reply.stop_reason == "max_tokens"


def test_a_model_without_schemas_is_told_in_words_and_held_to_it_all_the_same(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion('{"n": 3}'), streams=streams))
    told = ask_messages(claude, streams=streams, model="plain/m", output_config=CLAUDE_FORM)
    assert said(told.reply) == [text('{"n": 3}')]
    assert told.headers["x-dragoman-loss"] == "1; json_schema"
    assert '"minimum":1' in chat.last["messages"][0]["content"].replace(" ", "")


def test_who_lets_the_model_stray_or_is_not_strict_gets_what_it_says(
    claude: anthropic.Anthropic, gpt: openai.OpenAI, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    chat.answers(chat_answer(completion("three"), streams=streams))
    told = ask_messages(claude, streams=streams, model="loose/m", output_config=CLAUDE_FORM)
    assert said(told.reply) == [text("three")]
    messages.answers(messages_answer(message(text("three")), streams=streams))
    form: Any = {"type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA}}
    whole = ask_chat(gpt, streams=streams, model="messages/m", response_format=form).reply
    assert whole.choices[0].message.content == "three"


@pytest.mark.parametrize("schema", [{"type": "strange"}, {"$ref": "#"}, {"$ref": "http://x/y"}])
def test_a_schema_that_is_none_is_a_400(
    claude: anthropic.Anthropic, chat: ExactUpstream, schema: dict[str, Any], streams: bool
) -> None:
    chat.answers()
    broken: Any = {"format": {"type": "json_schema", "schema": schema}}
    with pytest.raises(anthropic.BadRequestError, match=r"`output_config\.format\.schema` is no JSON Schema"):
        ask_messages(claude, streams=streams, model="chat/m", output_config=broken)
    assert not chat.asked
