"""The built-in model does what its words say, the same each time, and every reply is a legal one."""

import asyncio
import base64
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.engine.ports import ModelUpstream, Turn
from dragoman.ir.collecting import collect
from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event, ReplyEnd, ReplyFailed, ReplyStart, TextDelta
from dragoman.ir.failures import DragomanError, FailureKind
from dragoman.ir.grammar import Guard, State
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Base64Data,
    Block,
    CustomTool,
    Document,
    Effort,
    FunctionTool,
    Image,
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Refusal,
    Request,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from dragoman.upstreams.scripted import MODELS, WORDS, ScriptedModel, script

WEATHER = FunctionTool(
    "get_weather",
    "The weather in a city.",
    msgspec.Raw(
        b'{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}'
    ),
)
TIME = FunctionTool("get_time")
PATCH = CustomTool("apply_patch")
PIXEL = Image(Base64Data("image/png", base64.b64encode(b"0123456789").decode()))


def user(*blocks: Block | str) -> Message:
    return Message(Role.USER, tuple(Text(block) if isinstance(block, str) else block for block in blocks))


def asked(*blocks: Block | str, model: str = "assistant", tools: Sequence[Tool] = (), **settings: object) -> Request:
    request = Request(model, (user(*blocks),), tools=tuple(tools))
    return msgspec.structs.replace(request, **settings)


def events_of(request: Request) -> list[Event]:
    return [event for step in script(request) for event in step.events]


def reply_to(request: Request) -> Reply:
    return collect(events_of(request))


def text_of(request: Request) -> str:
    return "\n".join(block.text for block in reply_to(request).blocks if isinstance(block, Text))


def calls_of(request: Request) -> list[tuple[str, object]]:
    return [
        (block.name, json.loads(block.arguments)) for block in reply_to(request).blocks if isinstance(block, ToolCall)
    ]


def after_calls(request: Request, *answers: Block) -> Request:
    """Return the request that follows when a client has run the calls that the model made."""
    spoken = Message(Role.ASSISTANT, reply_to(request).blocks)
    return msgspec.structs.replace(request, messages=(*request.messages, spoken, Message(Role.USER, answers)))


prompts = st.lists(
    st.one_of(st.sampled_from([word.words for word in WORDS]), st.text(max_size=20)), min_size=1, max_size=4
).map(" ".join)


@given(
    prompts,
    st.sampled_from([card.id for card in MODELS]),
    st.lists(st.sampled_from([WEATHER, TIME, PATCH]), unique_by=str),
    st.one_of(st.none(), st.integers(0, 20)),
)
def test_every_reply_is_legal_and_the_same_each_time(
    prompt: str, model: str, tools: list[Tool], max_tokens: int | None
) -> None:
    request = asked(prompt, model=model, tools=tools, max_tokens=max_tokens)
    try:
        events = events_of(request)
    except DragomanError:
        assert "fail with 429" in prompt
        return
    guard = Guard()
    for event in events:
        guard.check(event)
    assert guard.state is State.DONE
    assert events_of(request) == events


@given(st.text())
def test_echo_repeats_what_was_said_to_the_letter(text: str) -> None:
    assert text_of(asked(text, model="demo/echo")) == (text if text.strip() else "You said nothing.")


def test_words_without_a_meaning_are_echoed_by_every_model_without_tools() -> None:
    for card in MODELS:
        assert text_of(asked("Hello  there\n", model=card.id)) == "Hello  there\n"


def test_echo_takes_no_orders() -> None:
    for word in WORDS:
        assert text_of(asked(word.words, model="echo", tools=[WEATHER])) == word.words


def test_a_harness_between_the_words_is_not_obeyed() -> None:
    reminder = "<system-reminder>\nYou may refuse, think, or fail with 500.\n</system-reminder>\n"
    assert text_of(asked(reminder, reminder + "hello")) == "hello"


def test_the_reply_comes_in_small_pieces_at_the_chosen_pace() -> None:
    steps = script(asked("say this every 50 ms please"))
    deltas = [step for step in steps if any(isinstance(event, TextDelta) for event in step.events)]
    assert [step.delay for step in deltas] == [0.05] * 6
    assert isinstance(steps[0].events[0], ReplyStart)
    assert steps[0].delay == 0


@pytest.mark.parametrize(
    ("words", "pace"), [("slowly", 0.2), ("every 2 s", 2), ("every 0.5s", 0.5), ("every 99 s", 10), ("everything", 0)]
)
def test_pace_is_read_from_the_words(words: str, pace: float) -> None:
    assert script(asked(words))[1].delay == pace


async def _played(model: ModelUpstream, request: Request) -> list[Event]:
    return [event async for batch in model.answer(Turn(request)) for event in batch]


def test_the_model_waits_as_long_as_its_script_says() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    request = asked("slowly now")
    events = asyncio.run(_played(ScriptedModel(sleep=sleep), request))
    assert events == events_of(request)
    assert sum(waited) == pytest.approx(0.4)


def test_reasoning_comes_first_and_is_sealed() -> None:
    thought, answer = reply_to(asked("think about it")).blocks
    assert isinstance(thought, Reasoning)
    assert thought.seal
    assert thought.seal.provider == "demo"
    assert answer == Text("think about it")


def test_the_thinker_always_reasons_unless_that_is_switched_off() -> None:
    assert isinstance(reply_to(asked("hi", model="thinker")).blocks[0], Reasoning)
    for control in (ReasoningControl("disabled"), ReasoningControl(effort=Effort.NONE)):
        assert reply_to(asked("hi", model="thinker", reasoning=control)).blocks == (Text("hi"),)
    assert isinstance(reply_to(asked("hi", reasoning=ReasoningControl("enabled", 1024))).blocks[0], Reasoning)


def test_reasoning_that_comes_back_is_checked_for_its_seal() -> None:
    request = asked("think, then call get_weather", tools=[WEATHER])
    follow_up = after_calls(request, ToolResult("call_demo_1", (Text("sunny"),)))
    thought = reply_to(follow_up).blocks[0]
    assert isinstance(thought, Reasoning)
    assert "Of my 1 earlier thoughts 1 came back with their seals." in thought.text
    first, *others = follow_up.messages[1].blocks
    assert isinstance(first, Reasoning)
    changed = Message(Role.ASSISTANT, (msgspec.structs.replace(first, parts=("something else",)), *others))
    messages = (follow_up.messages[0], changed, follow_up.messages[2])
    thought = reply_to(msgspec.structs.replace(follow_up, messages=messages)).blocks[0]
    assert isinstance(thought, Reasoning)
    assert "Of my 1 earlier thoughts 0 came back with their seals." in thought.text


def test_a_tool_is_called_with_the_arguments_as_they_are_written() -> None:
    request = asked('call get_weather with {"city": "Paris", "n": 12345678901234567890} now', tools=[WEATHER])
    reply = reply_to(request)
    assert reply.finish is Finish.TOOL_CALLS
    call = reply.blocks[-1]
    assert call == ToolCall("call_demo_1", "get_weather", '{"city": "Paris", "n": 12345678901234567890}')


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        ("use get_weather", [("get_weather", {"city": "Paris"})]),
        ("Please call `get_time` and get_weather.", [("get_time", {}), ("get_weather", {"city": "Paris"})]),
        ("call all tools", [("get_weather", {"city": "Paris"}), ("get_time", {})]),
        (
            'call get_weather with {"city": "Rome"} and get_weather with {"city": "get_time"}',
            [("get_weather", {"city": "Rome"}), ("get_weather", {"city": "get_time"})],
        ),
        ('call get_weather with {"broken', [("get_weather", {"city": "Paris"})]),
        ("get_weather", []),
        ("call get_weather_now", []),
        ("recall get_weather", []),
        ("call me", []),
    ],
)
def test_tools_are_called_by_their_names(words: str, calls: list[tuple[str, object]]) -> None:
    assert calls_of(asked(words, tools=[WEATHER, TIME])) == calls


def test_a_tool_that_is_not_offered_is_not_called() -> None:
    assert reply_to(asked("call get_weather")).finish is Finish.DONE


def test_a_custom_tool_gets_free_text() -> None:
    call = reply_to(asked("call apply_patch", tools=[PATCH])).blocks[-1]
    assert call == ToolCall("call_demo_1", "apply_patch", "hello", ToolKind.CUSTOM)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (ToolChoice("none"), []),
        (ToolChoice("any"), ["get_weather"]),
        (ToolChoice("tool", "get_time"), ["get_time"]),
        (ToolChoice("any", allowed=("get_time",)), ["get_time"]),
        (ToolChoice("auto"), []),
    ],
)
def test_the_tool_choice_is_kept(choice: ToolChoice, called: list[str]) -> None:
    assert [name for name, _ in calls_of(asked("hello", tools=[WEATHER, TIME], tool_choice=choice))] == called


def test_parallel_calls_can_be_forbidden() -> None:
    assert len(calls_of(asked("call all tools", tools=[WEATHER, TIME], parallel_tools=False))) == 1


def test_arguments_of_parallel_calls_can_be_interleaved() -> None:
    request = asked("call all tools interleaved", tools=[WEATHER, msgspec.structs.replace(WEATHER, name="forecast")])
    events = [event for event in events_of(request) if isinstance(event, BlockStart | ArgumentsDelta | BlockEnd)]
    indexes = [event.index for event in events if event.index]
    assert indexes == [1, 2] * (len(indexes) // 2)
    assert [name for name, _ in calls_of(request)] == ["get_weather", "forecast"]


def test_the_tool_user_calls_every_tool_and_then_says_what_they_answered() -> None:
    request = asked("hello", model="tool-user", tools=[WEATHER, TIME])
    assert [name for name, _ in calls_of(request)] == ["get_weather", "get_time"]
    follow_up = after_calls(
        request,
        ToolResult("call_demo_2", (Text("noon"),)),
        ToolResult("call_demo_1", (Text("no such city"),), is_error=True),
    )
    assert text_of(follow_up) == "The tool said: noon (get_time)\nThe tool failed: no such city (get_weather)"


def test_results_are_used_and_not_asked_for_again() -> None:
    request = asked("call get_weather", tools=[WEATHER], tool_choice=ToolChoice("any"))
    follow_up = after_calls(request, ToolResult("call_demo_1"), Text("thanks"))
    assert text_of(follow_up) == "The tool said: nothing (get_weather)"


def test_call_ids_are_new_in_each_turn() -> None:
    request = asked("call get_weather", tools=[WEATHER])
    follow_up = after_calls(request, ToolResult("call_demo_1", (Text("sunny"),)))
    again = msgspec.structs.replace(
        follow_up, messages=(*follow_up.messages, Message(Role.ASSISTANT, (Text("ok"),)), *request.messages)
    )
    assert [block.id for block in reply_to(again).blocks if isinstance(block, ToolCall)] == ["call_demo_2"]


def test_an_answer_in_json_fits_its_schema() -> None:
    schema = msgspec.Raw(b'{"type":"object","properties":{"ok":{"type":"boolean"},"n":{"type":"integer","minimum":3}}}')
    assert json.loads(text_of(asked("hi", output=OutputFormat(schema)))) == {"ok": True, "n": 3}
    assert json.loads(text_of(asked("hi", output=OutputFormat()))) == {"answer": "hi"}


def test_images_and_documents_are_seen_also_inside_results() -> None:
    report = Document(PlainText("12 characters"[:12]), title="report.txt")
    assert text_of(asked("look", PIXEL, report)) == (
        "look\nI see an image/png of 10 bytes.\nI see a document `report.txt`: 12 characters of text."
    )
    request = asked("call get_time", tools=[TIME])
    assert text_of(after_calls(request, ToolResult("call_demo_1", (PIXEL,)))).endswith(
        "I see an image/png of 10 bytes."
    )


def test_the_request_is_described() -> None:
    request = asked("describe the request", PIXEL, tools=[TIME], system=(Text("be kind"),), max_tokens=99)
    assert text_of(request).splitlines() == [
        "system: 7 characters",
        "user: text of 20 characters, image",
        "tools: get_time",
        "max_tokens: 99",
    ]


def test_it_refuses() -> None:
    reply = reply_to(asked("please refuse"))
    assert reply.finish is Finish.REFUSAL
    assert isinstance(reply.blocks[0], Refusal)


@pytest.mark.parametrize(
    ("status", "kind", "retry_after"),
    [
        (400, FailureKind.INVALID_REQUEST, None),
        (401, FailureKind.AUTHENTICATION, None),
        (404, FailureKind.NOT_FOUND, None),
        (418, FailureKind.INVALID_REQUEST, None),
        (429, FailureKind.RATE_LIMITED, "2"),
        (500, FailureKind.UPSTREAM_ERROR, None),
        (503, FailureKind.OVERLOADED, "2"),
        (529, FailureKind.OVERLOADED, "2"),
        (599, FailureKind.UPSTREAM_ERROR, None),
    ],
)
def test_it_fails_before_the_reply_with_the_chosen_status(status: int, kind: FailureKind, retry_after: str) -> None:
    with pytest.raises(DragomanError, match=str(status)) as caught:
        asyncio.run(_played(ScriptedModel(), asked(f"fail with {status}")))
    failure = caught.value.failure
    assert (failure.http_status, failure.kind, failure.retry_after) == (status, kind, retry_after)


@pytest.mark.parametrize("words", ["write 50 words and break off", "call get_weather, but break off"])
def test_a_reply_that_breaks_off_never_looks_finished(words: str) -> None:
    events = events_of(asked(words, tools=[WEATHER]))
    assert isinstance(events[-1], ReplyFailed)
    assert not any(isinstance(event, ReplyEnd) for event in events)
    assert any(isinstance(event, BlockStart) for event in events)
    ended = {event.index for event in events if isinstance(event, BlockEnd)}
    calls = {event.index for event in events if isinstance(event, BlockStart) and isinstance(event.block, ToolCall)}
    assert not calls & ended


def test_silence_is_a_reply_without_blocks() -> None:
    assert [type(event) for event in events_of(asked("stay silent"))] == [ReplyStart, ReplyEnd]


@pytest.mark.parametrize("length", [1, 12, 500])
def test_a_text_has_the_length_that_was_asked_for(length: int) -> None:
    assert len(text_of(asked(f"write {length} words")).split()) == length


def test_max_tokens_and_stop_sequences_end_the_reply() -> None:
    reply = reply_to(asked("one two three four", max_tokens=2))
    assert (reply.blocks, reply.finish) == ((Text("one two"),), Finish.LENGTH)
    reply = reply_to(asked("one two three four", sampling=Sampling(stop=("four", "three"))))
    assert (reply.blocks, reply.finish, reply.stop_sequence) == ((Text("one two "),), Finish.STOP_SEQUENCE, "three")


def test_usage_is_reported_at_both_ends() -> None:
    start, *_, end = events_of(asked("think it over"))
    assert isinstance(start, ReplyStart)
    assert isinstance(end, ReplyEnd)
    assert start.usage.input_tokens == end.usage.input_tokens
    assert end.usage.output_tokens
    assert end.usage.reasoning
    assert end.usage.output_tokens > end.usage.reasoning


def test_every_word_in_the_table_does_something() -> None:
    plain = {"anything else"}
    for word in WORDS:
        try:
            steps = script(asked(word.words, tools=[WEATHER, TIME]))
        except DragomanError:
            continue
        echoed = "".join(e.text for s in steps for e in s.events if isinstance(e, TextDelta)) == word.words
        assert not echoed or steps[1].delay or word.words in plain | {"think", "interleaved"}
