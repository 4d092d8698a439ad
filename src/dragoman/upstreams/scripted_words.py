"""The plain words that the scripted model obeys, found in what the user said last."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from dragoman.ir.request import Block, CustomTool, FunctionTool, Message, Request, Role, Text, ToolResult

OfferedTool = FunctionTool | CustomTool


class Word(NamedTuple):
    """One row of the table in README: what to write and what it does."""

    words: str
    effect: str


WORDS: Final = (
    Word("anything else", "is echoed; images and documents are named with their size"),
    Word("slowly", "streams five words a second"),
    Word("every 50 ms", "streams a word every 50 milliseconds (any number, `ms` or `s`)"),
    Word("think", "reasons before it answers"),
    Word('call get_weather with {"city": "Paris"}', "calls that tool with these arguments"),
    Word("use get_weather and get_time", "calls these tools in parallel, with arguments made from their schemas"),
    Word("call all tools", "calls every offered tool in parallel"),
    Word("interleaved", "streams the arguments of parallel calls alternately"),
    Word("write 500 words", "answers with a text of that length"),
    Word("describe the request", "lists what arrived: system prompt, messages, tools, settings"),
    Word("refuse", "declines to answer"),
    Word("stay silent", "ends without having said anything"),
    Word("break off", "breaks off in the middle of the answer"),
    Word("fail with 429", "fails with that HTTP status; 429, 503 and 529 ask to come back in two seconds"),
)
"""What the model obeys, for the docs."""

SLOWLY: Final = 0.2
_MAX_PACE: Final = 10.0
_MAX_WORDS: Final = 100_000

_REMINDER: Final = re.compile(r"<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
_PACE: Final = re.compile(r"\bevery (\d{1,6}(?:\.\d{1,6})?) ?(ms|s)\b", re.IGNORECASE)
_FAILURE: Final = re.compile(r"\bfail with ([45]\d\d)\b", re.IGNORECASE)
_LENGTH: Final = re.compile(r"\bwrite (\d{1,6}) words\b", re.IGNORECASE)
_CALL: Final = re.compile(r"\b(?:call|use)\b", re.IGNORECASE)
_ALL_TOOLS: Final = re.compile(r"\b(?:call|use) all (?:the )?tools\b", re.IGNORECASE)
_WITH: Final = re.compile(r"`?\s+with\s+(?=\{)", re.IGNORECASE)
_json: Final = json.JSONDecoder()


class ToolWish(msgspec.Struct, frozen=True):
    """A tool that is to be called; `arguments` as they were written, None when they are to be made up."""

    tool: OfferedTool
    arguments: str | None = None


class Wishes(msgspec.Struct, frozen=True):
    """What the words ask for. `prompt` is what was said; `pace` the seconds between two pieces of the answer."""

    prompt: str = ""
    pace: float = 0.0
    thinks: bool = False
    calls: tuple[ToolWish, ...] = ()
    interleaves: bool = False
    length: int | None = None
    describes: bool = False
    refuses: bool = False
    is_silent: bool = False
    breaks_off: bool = False
    status: int | None = None


def last_turn(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return what the user said since the model spoke last."""
    place = len(messages)
    while place and messages[place - 1].role is not Role.ASSISTANT:
        place -= 1
    return tuple(message for message in messages[place:] if message.role is Role.USER)


def last_words(request: Request) -> str:
    """Return the user's last words, without what a client's harness put between them.

    They come from the last turn that has any: a turn of tool results goes on with the one before it.
    """
    messages = request.messages
    place = len(messages)
    while place and not (messages[place - 1].role is Role.USER and said(messages[place - 1].blocks)):
        place -= 1
    turn = last_turn(messages[:place])
    return "\n".join(text for message in turn if (text := said(message.blocks)))


def said(blocks: Sequence[Block]) -> str:
    """Return the words among `blocks`; results of tools are not the user's words."""
    texts = (_REMINDER.sub("", block.text) for block in blocks if isinstance(block, Text))
    return "\n".join(text for text in texts if text.strip())


def results_of(turn: Sequence[Message]) -> list[ToolResult]:
    """Return the tool results of a turn, in order."""
    return [block for message in turn for block in message.blocks if isinstance(block, ToolResult)]


def read_wishes(prompt: str, tools: Sequence[OfferedTool]) -> Wishes:
    """Return what `prompt` asks for; `tools` are those that may be called."""
    lowered = prompt.lower()
    length, status = _LENGTH.search(prompt), _FAILURE.search(prompt)
    return Wishes(
        prompt,
        _pace(prompt),
        thinks=_has(lowered, "think"),
        calls=tuple(_calls(prompt, tools)),
        interleaves=_has(lowered, "interleaved"),
        length=min(int(length.group(1)), _MAX_WORDS) if length else None,
        describes=_has(lowered, "describe the request"),
        refuses=_has(lowered, "refuse"),
        is_silent=_has(lowered, "stay silent"),
        breaks_off=_has(lowered, "break off"),
        status=int(status.group(1)) if status else None,
    )


def _has(lowered: str, words: str) -> bool:
    return words in lowered and re.search(rf"\b{words}\b", lowered) is not None


def _pace(prompt: str) -> float:
    every = _PACE.search(prompt)
    if not every:
        return SLOWLY if _has(prompt.lower(), "slowly") else 0.0
    seconds = float(every.group(1)) / (1000 if every.group(2).lower() == "ms" else 1)
    return min(seconds, _MAX_PACE)


def _calls(prompt: str, tools: Sequence[OfferedTool]) -> Iterator[ToolWish]:
    """Yield the tools that are named behind the first `call` or `use`, with the JSON behind their names."""
    start = _CALL.search(prompt)
    if not start or not tools:
        return
    if _ALL_TOOLS.search(prompt):
        yield from map(ToolWish, tools)
        return
    by_name = {tool.name: tool for tool in tools}
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True) if name)
    name_at = re.compile(rf"(?<![\w-])(?:{names})(?![\w-])")
    place = start.end()
    while found := name_at.search(prompt, place):
        arguments, place = _arguments(prompt, found.end())
        yield ToolWish(by_name[found.group()], arguments)


def _arguments(prompt: str, place: int) -> tuple[str | None, int]:
    """Return the JSON object that follows at `place`, exactly as it is written, and where it ends."""
    announced = _WITH.match(prompt, place)
    if not announced:
        return None, place
    try:
        _, end = _json.raw_decode(prompt, announced.end())
    except (ValueError, RecursionError):
        return None, place
    return prompt[announced.end() : end], end
