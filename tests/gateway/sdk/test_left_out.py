"""Clients that leave reasoning out of their history: the gateway puts it back, for the upstream that it came from."""

from typing import Any

import anthropic
import openai

from tests.support.exact_upstream import ExactUpstream
from tests.support.sdks import ask_chat, ask_messages
from tests.support.wires import call, chat_answer, completion, message, messages_answer, text, thinking, tool_use

CLAUDE = "messages/claude-large"
SIGNATURE = "EqoBCkgIBxABGAIiQL+/8vT0==/byte+equal/" + "x" * 700 + "=="
HIDDEN = {"type": "redacted_thinking", "data": "EmwKAhgBEgyredacted+data/=="}
THOUGHT = " First the city,\n\tthen the „weather“. 🐫\n"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
TOOL: dict[str, Any] = {"name": "get_weather", "input_schema": SCHEMA}
QUESTION = {"role": "user", "content": "Weather?"}
RAIN = {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}
USED = tool_use("toolu_1", "get_weather", city="Paris")
CALLED = {
    "id": "toolu_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}
BARE = {"role": "assistant", "content": "I look.", "tool_calls": [CALLED]}
"""What a client keeps of the reply that keeps standard fields only."""


def answer_first(gpt: openai.OpenAI, messages: ExactUpstream, *blocks: dict[str, Any], streams: bool) -> None:
    messages.answers(messages_answer(message(*blocks), streams=streams))
    ask_chat(gpt, streams=streams, model=CLAUDE, tools=[FUNCTION], messages=[QUESTION], reasoning_effort="low")


def returned(gpt: openai.OpenAI, messages: ExactUpstream, history: list[Any], *, model: str = CLAUDE) -> list[Any]:
    """Return the assistant's blocks of the first turn as the upstream gets them in the second."""
    messages.answers(messages_answer(message(text("Rain.")), streams=False))
    asked: dict[str, Any] = {"messages": history, "tools": [FUNCTION], "reasoning_effort": "low"}
    ask_chat(gpt, streams=False, model=model, **asked)
    blocks: list[Any] = messages.last["messages"][1]["content"]
    return blocks


def test_signed_thinking_comes_back_for_a_client_that_keeps_standard_fields_only(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    said = [thinking(THOUGHT, SIGNATURE), HIDDEN, text("I look."), USED]
    answer_first(gpt, messages, *said, streams=streams)
    assert returned(gpt, messages, [QUESTION, BARE, RAIN]) == said
    assert messages.last["thinking"]["type"] == "adaptive"


def test_a_client_that_keeps_the_readable_part_gets_the_signature_with_it(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    """As OpenCode does: `reasoning_content` comes back, `reasoning_details` do not."""
    said = [thinking(THOUGHT, SIGNATURE), text("I look."), USED]
    answer_first(gpt, messages, *said, streams=streams)
    assert returned(gpt, messages, [QUESTION, {**BARE, "reasoning_content": THOUGHT}, RAIN]) == said


def test_thinking_stays_on_where_a_budget_goes_with_signed_thinking_only(
    gpt: openai.OpenAI, messages: ExactUpstream, streams: bool
) -> None:
    messages.answers(
        messages_answer(message(thinking(THOUGHT, SIGNATURE), USED), streams=streams),
        messages_answer(message(text("Rain.")), streams=False),
    )
    asked: dict[str, Any] = {"model": "older/claude", "tools": [FUNCTION], "reasoning_effort": "low"}
    ask_chat(gpt, streams=streams, messages=[QUESTION], **asked)
    told = ask_chat(gpt, streams=False, messages=[QUESTION, {**BARE, "content": None}, RAIN], **asked)
    assert messages.last["thinking"]["type"] == "enabled"
    assert messages.last["messages"][1]["content"] == [thinking(THOUGHT, SIGNATURE), USED]
    assert "thinking_off" not in told.headers["x-dragoman-loss"]


def test_a_conversation_that_nobody_remembers_goes_on_without_thinking(
    gpt: openai.OpenAI, messages: ExactUpstream
) -> None:
    messages.answers(messages_answer(message(text("Rain.")), streams=False))
    history = [{"role": "user", "content": "A question that was never asked here"}, BARE, RAIN]
    told = ask_chat(
        gpt, streams=False, model="older/claude", tools=[FUNCTION], messages=history, reasoning_effort="low"
    )
    assert messages.last["thinking"]["type"] == "disabled"
    assert "thinking_off" in told.headers["x-dragoman-loss"]


def test_it_is_for_the_upstream_that_it_came_from_also_after_turns_elsewhere(
    gpt: openai.OpenAI, messages: ExactUpstream, chat: ExactUpstream, streams: bool
) -> None:
    said = [thinking(THOUGHT, SIGNATURE), text("I look."), USED]
    answer_first(gpt, messages, *said, streams=streams)
    history = [QUESTION, BARE, RAIN]
    assert returned(gpt, messages, history, model="unrelated/claude-large") == said[1:]
    assert SIGNATURE not in messages.asked[0].body.decode()
    chat.answers(chat_answer(completion("Rain."), streams=False))
    ask_chat(gpt, streams=False, model="chat/gpt-large", tools=[FUNCTION], messages=history)
    assert SIGNATURE not in chat.asked[0].body.decode()
    assert returned(gpt, messages, history) == said


def test_no_other_clients_conversation_gets_it(gpt: openai.OpenAI, messages: ExactUpstream, streams: bool) -> None:
    answer_first(gpt, messages, thinking(THOUGHT, SIGNATURE), text("I look."), USED, streams=streams)
    stranger = gpt.with_options(api_key="sk-somebody-else-0123456789")
    assert returned(stranger, messages, [QUESTION, BARE, RAIN]) == [text("I look."), USED]
    other = {"role": "user", "content": "Another question"}
    assert returned(gpt, messages, [other, BARE, RAIN]) == [text("I look."), USED]


def test_reasoning_that_must_come_back_beside_calls_comes_back(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    called = call("functions.get_weather:0", "get_weather", '{"city": "Paris"}')
    chat.answers(
        chat_answer(completion("I look.", [called], reasoning_content=THOUGHT), streams=streams),
        chat_answer(completion("Rain."), streams=False),
    )
    asked: dict[str, Any] = {"model": "deep/thinker", "tools": [TOOL]}
    first = ask_messages(claude, streams=streams, messages=[QUESTION], **asked).reply
    kept = [block for block in first.content if block.type != "thinking"]
    assert len(kept) == len(first.content) - 1
    (used,) = (block.id for block in first.content if block.type == "tool_use")
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used, "content": "rain"}]}
    ask_messages(claude, streams=False, messages=[QUESTION, {"role": "assistant", "content": kept}, result], **asked)
    spoken = chat.last["messages"][1]
    assert spoken["reasoning_content"] == THOUGHT
    assert spoken["content"] == "I look."


def test_reasoning_details_come_back_as_they_were(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    details = [{"type": "reasoning.encrypted", "data": "c2VjcmV0", "format": "google-gemini-v1", "index": 0}]
    called = call("call_1", "get_weather", '{"city": "Paris"}')
    chat.answers(
        chat_answer(completion(None, [called], reasoning_details=details), streams=streams),
        chat_answer(completion("Rain."), streams=False),
    )
    ask_messages(claude, streams=streams, model="router/any", tools=[TOOL], messages=[QUESTION])
    used = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}]}
    history = [QUESTION, {"role": "assistant", "content": [used]}, result]
    ask_messages(claude, streams=False, model="router/any", tools=[TOOL], messages=history)
    assert chat.last["messages"][1]["reasoning_details"] == details


def test_googles_thought_signature_comes_back_on_its_call_and_to_its_model_alone(
    claude: anthropic.Anthropic, chat: ExactUpstream, streams: bool
) -> None:
    extra = {"google": {"thought_signature": "c2lnbmVk"}}
    called = call("call_1", "get_weather", '{"city": "Paris"}') | {"extra_content": extra}
    answers = [chat_answer(completion("Rain."), streams=False)] * 2
    chat.answers(chat_answer(completion(None, [called]), streams=streams), *answers)
    ask_messages(claude, streams=streams, model="chat/gemini-pro", tools=[TOOL], messages=[QUESTION])
    used = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}]}
    history = [QUESTION, {"role": "assistant", "content": [used]}, result]
    ask_messages(claude, streams=False, model="chat/gemini-pro", tools=[TOOL], messages=history)
    assert chat.last["messages"][1]["tool_calls"][0]["extra_content"] == extra
    told = ask_messages(claude, streams=False, model="chat/gemini-flash", tools=[TOOL], messages=history)
    assert "extra_content" not in chat.last["messages"][1]["tool_calls"][0]
    assert "foreign_reasoning" in told.headers["x-dragoman-loss"]
