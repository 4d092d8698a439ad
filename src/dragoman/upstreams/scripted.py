"""The built-in model: it speaks the IR, needs no network, and does what plain words in the prompt ask for.

The same request always gets the same reply. What it says is decided by pure functions (`compose`), how it arrives too
(`script`); only `ScriptedModel` waits between the steps.
"""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from itertools import cycle, islice, zip_longest
from typing import Final

import msgspec

from dragoman.engine.ports import Turn
from dragoman.ir.collecting import expand
from dragoman.ir.events import ArgumentsDelta, BlockStart, Event, ReasoningDelta, ReplyFailed, ReplyStart, TextDelta
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import (
    Block,
    CustomTool,
    Effort,
    FunctionTool,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolKind,
)
from dragoman.ir.seals import Seal
from dragoman.routing.demo import MODELS, PROVIDER
from dragoman.transforms.counting import estimate_text, estimate_tokens
from dragoman.upstreams.scripted_sight import describe, result_lines, sights
from dragoman.upstreams.scripted_values import answer_for, arguments_for
from dragoman.upstreams.scripted_words import (
    WORDS,
    OfferedTool,
    ToolWish,
    Wishes,
    last_turn,
    last_words,
    read_wishes,
    results_of,
)

__all__ = ["MODELS", "PROVIDER", "WORDS", "ScriptedModel", "Step", "compose", "script"]

ORIGIN: Final = "scripted"
"""Whose its seals are."""

_RETRY_LATER: Final = frozenset({429, 503, 529})
_RETRY_AFTER: Final = "2"
_KINDS: Final = {kind.status: kind for kind in reversed(FailureKind)} | {
    500: FailureKind.UPSTREAM_ERROR,
    502: FailureKind.UPSTREAM_INVALID,
    503: FailureKind.OVERLOADED,
}
_CUT: Final = Failure(FailureKind.UPSTREAM_CUT, "the demo model broke off, as it was asked to")

_PIECE: Final = re.compile(r"\s*\S{1,24}|\s+")
_ARGUMENTS_PIECE: Final = 12
_PROMPT_EXCERPT: Final = 60
_TEXT: Final = (
    "a gateway carries words between two parties that do not share a language and the first rule of the trade is that "
    "nothing may get lost on the way while the second is to say so when something was"
)
_SENTENCE: Final = 12


class Step(msgspec.Struct, frozen=True):
    """Events that arrive together, `delay` seconds after those before."""

    delay: float
    events: tuple[Event, ...]


class ScriptedModel:
    """A model upstream that plays the script of each request.

    `sealed_as` is the protocol in whose name its reasoning is sealed (None: it bears no seal); `sleep` how it waits.
    """

    def __init__(
        self, *, sealed_as: str | None = ORIGIN, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._sealed_as = sealed_as
        self._sleep = sleep

    async def answer(self, turn: Turn) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the reply's events as they arise. Raises DragomanError when the words ask for a failure."""
        for step in script(turn.request, self._sealed_as):
            # Without a delay this still lets others run, so that a long text does not hold up the whole gateway.
            await self._sleep(step.delay)
            yield step.events

    async def aclose(self) -> None:
        """There is nothing to let go of."""


def script(request: Request, sealed_as: str | None = ORIGIN) -> list[Step]:
    """Return the steps of the reply to `request`. Raises DragomanError when the words ask for a failure."""
    wishes = _wishes(request)
    reply = compose(request, wishes, sealed_as)
    steps = _steps(reply, wishes)
    if not wishes.breaks_off:
        return steps
    return [*steps[: max(len(steps) // 2, 1)], Step(wishes.pace, (ReplyFailed(_CUT),))]


def compose(request: Request, wishes: Wishes, sealed_as: str | None = ORIGIN) -> Reply:
    """Return the whole reply to `request`. Raises DragomanError when a failure is wished for."""
    if wishes.status:
        raise DragomanError(_failure(wishes.status))
    spoken, finish, stop_sequence = ((), Finish.DONE, None) if wishes.is_silent else _spoken(request, wishes)
    thought = _thought(request, wishes, sealed_as) if wishes.thinks and not wishes.is_silent else ()
    output = "".join(_wording(block) for block in (*thought, *spoken))
    usage = Usage(
        input_tokens=estimate_tokens(request),
        output_tokens=estimate_text(output),
        reasoning=estimate_text(thought[0].text) if thought else None,
    )
    number = sum(len(message.blocks) for message in request.messages)
    return Reply(f"demo-{number}", request.model, (*thought, *spoken), finish, usage, stop_sequence=stop_sequence)


# What is wished for ---------------------------------------------------------------------------------------------------


def _wishes(request: Request) -> Wishes:
    """Return what the words ask for, and what the model's habits and the request's settings make of it."""
    prompt, tools = last_words(request), _callable_tools(request)
    habit = request.model.rpartition("/")[2]
    wishes = Wishes(prompt) if habit == "echo" else read_wishes(prompt, tools)
    choice = request.tool_choice
    calls = wishes.calls
    if habit == "tool-user" or (choice and choice.mode in ("any", "tool") and not calls):
        calls = tuple(map(ToolWish, tools))
        calls = calls if habit == "tool-user" else calls[:1]
    if results_of(last_turn(request.messages)):
        calls = ()
    if request.parallel_tools is False:
        calls = calls[:1]
    control = request.reasoning
    is_forbidden = control.mode == "disabled" or control.effort is Effort.NONE
    thinks = wishes.thinks or habit == "thinker" or control.mode == "enabled"
    return msgspec.structs.replace(wishes, calls=calls, thinks=thinks and not is_forbidden)


def _callable_tools(request: Request) -> tuple[OfferedTool, ...]:
    """Return the tools that may be called."""
    choice = request.tool_choice
    tools = tuple(tool for tool in request.tools if isinstance(tool, FunctionTool | CustomTool))
    if choice is None:
        return tools
    if choice.mode == "none":
        return ()
    if choice.mode == "tool":
        return tuple(tool for tool in tools if tool.name == choice.name)
    return tools if choice.allowed is None else tuple(tool for tool in tools if tool.name in choice.allowed)


def _failure(status: int) -> Failure:
    kind = _KINDS.get(status, FailureKind.INVALID_REQUEST if status < 500 else FailureKind.UPSTREAM_ERROR)
    return Failure(
        kind,
        f"the demo model fails with {status}, as it was asked to",
        status=status,
        retry_after=_RETRY_AFTER if status in _RETRY_LATER else None,
    )


# What is said ---------------------------------------------------------------------------------------------------------


def _thought(request: Request, wishes: Wishes, sealed_as: str | None) -> tuple[Reasoning, ...]:
    """Return the reasoning: about the prompt, and about earlier reasoning and whether its seals came back whole."""
    excerpt = " ".join(wishes.prompt.split())[:_PROMPT_EXCERPT]
    text = f"The user said: {excerpt}" if excerpt else "The user said nothing."
    earlier = [block for message in request.messages for block in message.blocks if isinstance(block, Reasoning)]
    if earlier and sealed_as:
        whole = sum(block.seal is not None and block.seal.data == _seal_data(block.text) for block in earlier)
        text += f"\nOf my {len(earlier)} earlier thoughts {whole} came back with their seals."
    seal = Seal(sealed_as, _seal_data(text), PROVIDER if sealed_as == ORIGIN else "") if sealed_as else None
    return (Reasoning((text,), seal=seal),)


def _seal_data(text: str) -> str:
    return base64.b64encode(sha256(text.encode(errors="replace")).digest()).decode()


def _spoken(request: Request, wishes: Wishes) -> tuple[tuple[Block, ...], Finish, str | None]:
    """Return the blocks after the reasoning, why they end, and the stop sequence that ended them."""
    if wishes.refuses:
        return (Refusal("I will not do that: I was asked to refuse."),), Finish.REFUSAL, None
    if wishes.calls:
        return tuple(_called(request, wishes.calls)), Finish.TOOL_CALLS, None
    text, finish, stop_sequence = _held_to_limits(_answer(request, wishes), request)
    return ((Text(text),) if text else ()), finish, stop_sequence


def _called(request: Request, wishes: Sequence[ToolWish]) -> Iterator[Block]:
    names = ", ".join(f"`{wish.tool.name}`" for wish in wishes)
    yield Text(f"I will call {names}.")
    earlier = sum(isinstance(block, ToolCall) for message in request.messages for block in message.blocks)
    for number, wish in enumerate(wishes, earlier + 1):
        match wish.tool:
            case FunctionTool(name=name, schema=schema):
                yield ToolCall(f"call_demo_{number}", name, wish.arguments or arguments_for(schema))
            case CustomTool(name=name):
                yield ToolCall(f"call_demo_{number}", name, wish.arguments or "hello", ToolKind.CUSTOM)


def _answer(request: Request, wishes: Wishes) -> str:
    turn = last_turn(request.messages)
    results = results_of(turn)
    if request.output is not None:
        schema = request.output.schema
        return answer_for(schema) if schema else msgspec.json.encode({"answer": wishes.prompt}).decode()
    if wishes.describes:
        return describe(request)
    lines = list(result_lines(results, request.messages))
    if wishes.length is not None and not results:
        lines.append(_long_text(wishes.length))
    elif not results:
        lines.append(wishes.prompt)
    lines += sights(block for message in turn for block in message.blocks)
    return "\n".join(line for line in lines if line) or "You said nothing."


def _long_text(length: int) -> str:
    """Return exactly `length` words, with a full stop after each dozen."""
    words = islice(cycle(_TEXT.split()), length)
    return " ".join(f"{word}." if number % _SENTENCE == 0 else word for number, word in enumerate(words, 1))


def _held_to_limits(text: str, request: Request) -> tuple[str, Finish, str | None]:
    """Return `text` up to the first stop sequence and at most `max_tokens` pieces of it."""
    finish, stop_sequence = Finish.DONE, None
    places = [(text.find(stop), stop) for stop in request.sampling.stop if stop and stop in text]
    if places:
        place, stop_sequence = min(places)
        text, finish = text[:place], Finish.STOP_SEQUENCE
    pieces = _PIECE.findall(text)
    if request.max_tokens is not None and len(pieces) > request.max_tokens:
        return "".join(pieces[: request.max_tokens]), Finish.LENGTH, None
    return text, finish, stop_sequence


def _wording(block: Block) -> str:
    match block:
        case Text(text=text) | Refusal(text=text) | ToolCall(arguments=text) | Reasoning(text=text):
            return text
        case _:
            return ""


# How it arrives -------------------------------------------------------------------------------------------------------


def _steps(reply: Reply, wishes: Wishes) -> list[Step]:
    """Return the reply in small pieces, each a step; what surrounds a piece comes with it."""
    _, *events = expand(reply)
    steps = [Step(0.0, (ReplyStart(reply.id, reply.model, Usage(reply.usage.input_tokens)),))]
    waiting: list[Event] = []
    for event in _alternating(events) if wishes.interleaves else events:
        for piece in _pieces(event):
            waiting.append(piece)
            if isinstance(piece, TextDelta | ReasoningDelta | ArgumentsDelta):
                steps.append(Step(wishes.pace, tuple(waiting)))
                waiting.clear()
    return [*steps, Step(0.0, tuple(waiting))]


def _pieces(event: Event) -> Iterator[Event]:
    match event:
        case TextDelta(index, text):
            yield from (TextDelta(index, piece) for piece in _PIECE.findall(text))
        case ReasoningDelta(index, text, part):
            yield from (ReasoningDelta(index, piece, part) for piece in _PIECE.findall(text))
        case ArgumentsDelta(index, text):
            for start in range(0, len(text), _ARGUMENTS_PIECE):
                yield ArgumentsDelta(index, text[start : start + _ARGUMENTS_PIECE])
        case _:
            yield event


def _alternating(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events with those of tool calls dealt out in turn: several calls are open at once."""
    calls: dict[int, list[Event]] = {}
    for event in events:
        index = getattr(event, "index", None)
        if isinstance(event, BlockStart) and isinstance(event.block, ToolCall):
            calls[event.index] = [event]
        elif index in calls:
            calls[index] += _pieces(event)
        else:
            yield from _dealt(calls)
            yield event


def _dealt(calls: dict[int, list[Event]]) -> Iterator[Event]:
    for round_ in zip_longest(*calls.values()):
        yield from (event for event in round_ if event is not None)
    calls.clear()
