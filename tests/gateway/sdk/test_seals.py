"""Opaque state over turns: what an upstream signs comes back to it byte-equal, whatever the client speaks, and to nobody else."""

# ruff: noqa: ANN401 - what stands here for a body or a block is any JSON

from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.thinking_block import ThinkingBlock

from tests.support.exact_upstream import ExactUpstream
from tests.support.sdks import ask_chat, ask_messages
from tests.support.wires import chat_answer, completion, message, messages_answer, text, thinking, tool_use

CLAUDE = "messages/claude-large"
SIGNATURE = "EqoBCkgIBxABGAIiQL+/8vT0==/byte+equal/" + "x" * 700 + "=="
REDACTED = "EmwKAhgBEgyredacted+data/==" * 9
THOUGHT = " First the city,\n\tthen the „weather“. 🐫\n"
USED = tool_use("toolu_1", "get_weather", city="Paris")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
TOOL: dict[str, Any] = {"name": "get_weather", "input_schema": SCHEMA}
QUESTION = {"role": "user", "content": "Weather?"}
RAIN = {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}


def as_dict(reply: Any) -> dict[str, Any]:
    """Return a message as a client keeps it that stores what the SDK gave it."""
    kept: dict[str, Any] = reply.choices[0].message.model_dump(exclude_none=True)
    return kept


def first_turn(gpt: openai.OpenAI, messages: ExactUpstream, *blocks: dict[str, Any], streams: bool) -> dict[str, Any]:
    messages.answers(messages_answer(message(*blocks), streams=streams))
    reply = ask_chat(gpt, streams=streams, model=CLAUDE, tools=[FUNCTION], messages=[QUESTION], reasoning_effort="low")
    return as_dict(reply.reply)


def second_turn(gpt: openai.OpenAI, messages: ExactUpstream, spoken: dict[str, Any], *, streams: bool) -> list[Any]:
    """Go on with the conversation; return the assistant's blocks as the upstream got them back."""
    messages.answers(messages_answer(message(text("Rain.")), streams=streams))
    history = [QUESTION, spoken, RAIN]
    ask_chat(gpt, streams=streams, model=CLAUDE, tools=[FUNCTION], messages=history, reasoning_effort="low")
    blocks: list[Any] = messages.last["messages"][1]["content"]
    return blocks


def test_a_signature_comes_back_byte_equal_through_a_chat_client(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    spoken = first_turn(gpt, messages, thinking(THOUGHT, SIGNATURE), text("I look."), USED, streams=streams)
    assert spoken["reasoning_content"] == THOUGHT
    returned = second_turn(gpt, messages, spoken, streams=streams)
    assert returned == [thinking(THOUGHT, SIGNATURE), text("I look."), USED]


def test_several_thoughts_and_hidden_ones_come_back_in_order(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    hidden = {"type": "redacted_thinking", "data": REDACTED}
    blocks = [thinking(THOUGHT, SIGNATURE), hidden, thinking("More. ", SIGNATURE[::-1]), USED]
    spoken = first_turn(gpt, messages, *blocks, streams=streams)
    assert second_turn(gpt, messages, spoken, streams=streams) == blocks


def test_a_thought_that_is_not_shown_comes_back_with_its_signature(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    spoken = first_turn(gpt, messages, thinking("", SIGNATURE), USED, streams=streams)
    assert second_turn(gpt, messages, spoken, streams=streams) == [thinking("", SIGNATURE), USED]


def test_a_signature_survives_a_turn_at_an_unrelated_provider(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream, streams: bool
) -> None:
    spoken = first_turn(gpt, messages, thinking(THOUGHT, SIGNATURE), text("I look."), USED, streams=streams)
    history = [QUESTION, spoken, RAIN]
    asking: dict[str, Any] = {"streams": streams, "tools": [FUNCTION], "messages": history}

    messages.answers(messages_answer(message(text("Rain.")), streams=streams))
    ask_chat(gpt, model="unrelated/claude-large", **asking)
    assert SIGNATURE not in messages.asked[0].body.decode()
    assert "DRAGOMAN" not in messages.asked[0].body.decode()
    assert [block["type"] for block in messages.last["messages"][1]["content"]] == ["text", "tool_use"]

    chat.answers(chat_answer(completion("Rain."), streams=streams))
    ask_chat(gpt, model="chat/gpt-large", **asking)
    assert SIGNATURE not in chat.asked[0].body.decode()
    assert "DRAGOMAN" not in chat.asked[0].body.decode()

    assert second_turn(gpt, messages, spoken, streams=streams)[0] == thinking(THOUGHT, SIGNATURE)


@pytest.mark.parametrize("model", ["chat/gpt-large", "router/any", "deep/any"])
def test_no_chat_upstream_ever_sees_a_foreign_signature(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream, model: str
) -> None:
    hidden = {"type": "redacted_thinking", "data": REDACTED}
    spoken = first_turn(gpt, messages, thinking(THOUGHT, SIGNATURE), hidden, USED, streams=True)
    chat.answers(chat_answer(completion("Rain."), streams=False))
    ask_chat(gpt, streams=False, model=model, tools=[FUNCTION], messages=[QUESTION, spoken, RAIN])
    body = chat.asked[0].body.decode()
    assert [word for word in (SIGNATURE, REDACTED, "DRAGOMAN") if word in body] == []


def test_an_anthropic_client_of_a_messages_upstream_gets_and_sends_the_signature_as_it_is(
    claude: anthropic.Anthropic, messages: ExactUpstream, streams: bool
) -> None:
    hidden = {"type": "redacted_thinking", "data": REDACTED}
    messages.answers(
        messages_answer(message(thinking(THOUGHT, SIGNATURE), hidden, USED), streams=streams),
        messages_answer(message(text("Rain.")), streams=streams),
    )
    first = ask_messages(claude, streams=streams, model=CLAUDE, tools=[TOOL], messages=[QUESTION]).reply
    thought = first.content[0]
    assert isinstance(thought, ThinkingBlock)
    assert (thought.thinking, thought.signature) == (THOUGHT, SIGNATURE)
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]}
    history = [QUESTION, {"role": "assistant", "content": first.content}, result]
    ask_messages(claude, streams=streams, model=CLAUDE, tools=[TOOL], messages=history)
    thought_again, hidden_again, _ = messages.last["messages"][1]["content"]
    assert thought_again == thinking(THOUGHT, SIGNATURE)
    assert hidden_again == hidden


def test_thinking_that_the_gateway_made_never_reaches_anthropic(
    claude: anthropic.Anthropic, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    """The model is switched from a Chat upstream to Claude in mid-conversation: a forged signature would be a 400."""
    chat.answers(chat_answer(completion("It rains.", reasoning_content=THOUGHT), streams=streams))
    first = ask_messages(claude, streams=streams, model="deep/thinker", messages=[QUESTION]).reply
    assert first.content[0].type == "thinking"
    messages.answers(messages_answer(message(text("Yes.")), streams=streams))
    history = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
    ask_messages(claude, streams=streams, model=CLAUDE, messages=history)
    assert [block["type"] for block in messages.last["messages"][1]["content"]] == ["text"]
    assert THOUGHT.strip() not in str(messages.last)
    assert "DRAGOMAN" not in messages.asked[0].body.decode()


def test_claudes_thinking_never_reaches_a_chat_upstream(
    claude: anthropic.Anthropic, chat: ExactUpstream, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(messages_answer(message(thinking(THOUGHT, SIGNATURE), text("It rains.")), streams=streams))
    first = ask_messages(claude, streams=streams, model=CLAUDE, messages=[QUESTION]).reply
    chat.answers(chat_answer(completion("Yes."), streams=streams))
    history = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
    told = ask_messages(claude, streams=streams, model="chat/gpt-large", messages=history)
    assert chat.last["messages"][1] == {"role": "assistant", "content": "It rains."}
    assert SIGNATURE not in chat.asked[0].body.decode()
    assert "reasoning" in told.headers["x-dragoman-loss"]


def test_reasoning_details_come_back_as_they_were(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    details = [
        {
            "type": "reasoning.text",
            "text": THOUGHT,
            "signature": SIGNATURE,
            "format": "anthropic-claude-v1",
            "index": 0,
        },
        {"type": "reasoning.encrypted", "data": REDACTED, "format": "anthropic-claude-v1", "index": 1},
    ]
    reply = completion("It rains.", reasoning=THOUGHT, reasoning_details=details)
    chat.answers(chat_answer(reply, streams=streams), chat_answer(completion("Yes."), streams=streams))
    first = ask_messages(claude, streams=streams, model="router/any", messages=[QUESTION]).reply
    assert [block.type for block in first.content][-1] == "text"
    history = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
    ask_messages(claude, streams=streams, model="router/any", messages=history)
    assert chat.last["messages"][1]["reasoning_details"] == details


def test_reasoning_of_one_chat_provider_does_not_reach_another(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(
        chat_answer(completion("It rains.", reasoning_content=THOUGHT), streams=streams),
        chat_answer(completion("Yes."), streams=streams),
    )
    first = ask_messages(claude, streams=streams, model="deep/thinker", messages=[QUESTION]).reply
    history = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
    ask_messages(claude, streams=streams, model="chat/gpt-large", messages=history)
    assert chat.last["messages"][1] == {"role": "assistant", "content": "It rains."}


def test_a_chat_client_of_a_chat_upstream_gets_its_reasoning_back_unchanged(
    gpt: openai.OpenAI, chat: ExactUpstream, streams: bool
) -> None:
    chat.answers(
        chat_answer(completion("It rains.", reasoning_content=THOUGHT), streams=streams),
        chat_answer(completion("Yes."), streams=streams),
    )
    first = as_dict(ask_chat(gpt, streams=streams, model="deep/thinker", messages=[QUESTION]).reply)
    assert first["reasoning_content"] == THOUGHT
    history = [QUESTION, first, {"role": "user", "content": "Sure?"}]
    ask_chat(gpt, streams=streams, model="deep/thinker", messages=history)
    assert chat.last["messages"][1]["reasoning_content"] == THOUGHT
