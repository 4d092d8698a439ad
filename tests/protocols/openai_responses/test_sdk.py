"""OpenAI's own SDK reads what we write."""

import typing
from collections.abc import Iterable

import pytest
from hypothesis import given
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from dragoman.ir.collecting import collect, expand
from dragoman.ir.events import Event
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Block, Page, Reasoning, Refusal, Search, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_responses import PROTOCOL
from tests.protocols.openai_responses.support import audience, events_in, written
from tests.support.ir_strategies import event_lists

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def accumulated(events: Iterable[Event]) -> Response | None:
    """Return what the SDK's accumulator makes of our stream; None for one that is not completed."""
    state: ResponseStreamState[typing.Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for one in events_in(written(list(events))):
        state.handle_event(EVENT.validate_python(one))
    return state._completed_response


@given(events=event_lists())
def test_each_event_has_the_sdks_types(events: list[Event]) -> None:
    for one in events_in(written(events)):
        EVENT.validate_python(one, strict=False)


@given(events=event_lists())
def test_the_accumulated_stream_is_the_whole_reply(events: list[Event]) -> None:
    """Whatever a model says: the SDK puts together from the stream what it reads from the whole reply."""
    whole = Response.model_validate_json(PROTOCOL.encode_reply(collect(events), audience()))
    streamed = accumulated(events)
    if whole.status == "incomplete":
        assert streamed is None  # the SDK leaves such a response in its event
    else:
        assert streamed is not None
        dumped = streamed.model_dump(exclude_none=True)
        for item in dumped["output"]:
            for extra in ("parsed_arguments", "parsed"):
                item.pop(extra, None)
        assert dumped["output"] == whole.model_dump(exclude_none=True)["output"]
        assert streamed.usage == whole.usage


@pytest.mark.parametrize(
    "blocks",
    [
        (Reasoning(("a", "b"), seal=Seal("anthropic-messages", "s", "c", "m")), Text("x")),
        (Reasoning(is_redacted=True, seal=Seal("openai-responses", "e", "d", "m", "rs_1")), ToolCall("c", "f", "{}")),
        (ToolCall("c", "p", "free", ToolKind.CUSTOM), ToolCall("d", "f", "{}", namespace="ns")),
        (Refusal("no"),),
    ],
)
def test_what_is_rarer_is_read_too(blocks: tuple[Block, ...]) -> None:
    finish = Finish.TOOL_CALLS if any(isinstance(block, ToolCall) for block in blocks) else Finish.DONE
    said = accumulated(expand(Reply("", "m", blocks, finish)))
    assert said is not None
    assert len(said.output) == len(blocks)


def test_a_search_is_read() -> None:
    from msgspec import Raw

    from dragoman.ir.request import Foreign

    search = Foreign("anthropic-messages", "s", Raw(b"{}"), search=Search("q", (Page("https://x"),)))
    said = accumulated(expand(Reply("", "m", (search, Text("x")), Finish.DONE)))
    assert said is not None
    assert said.output[0].type == "web_search_call"
