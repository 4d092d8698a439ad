"""Events that are alike are read at once, and without being parsed: that must show in nothing but the time."""

import json
from collections.abc import Sequence
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.codec import Codec
from dragoman.ir.events import BlockEnd, BlockStart, Event, ReasoningDelta, ReplyEnd, ReplyStart, TextDelta
from dragoman.ir.reply import Finish
from dragoman.ir.request import Reasoning, Text
from dragoman.protocols import discover
from dragoman.wire.likeness import Likeness
from tests.conformance.test_stream_laws import codecs, cut, encoded, received
from tests.support.ir_strategies import texts

_PIECE = 16
"""Bytes; no event comes in one."""


def parsed(codec: Codec, data: bytes) -> list[Event]:
    """What a decoder says that learns of no event what the next one may look like, and gets them piece by piece."""
    with patch.object(Likeness, "learn"):
        return received(codec, [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)])


def assert_read_as_parsed(codec: Codec, data: bytes, places: Sequence[int]) -> None:
    expected = parsed(codec, data)
    events = [event + b"\n\n" for event in data.split(b"\n\n")]
    events[-1] = events[-1][:-2]
    assert received(codec, [data]) == expected
    assert received(codec, events) == expected
    assert received(codec, cut(data, places)) == expected


ODD = [
    b": a comment",
    b'event: ping\ndata: {"type": "ping"}',
    b"data: {",
    b"data:\ndata:",
    b"id: 7",
    b"\r\n",
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"x"},"n":1}',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"\n}}',
    b'data: {"id":"r","choices":[{"index":0,"delta":{"content":"x","tool_calls":null},"finish_reason":null}]}',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":""}}',
]
"""What may stand between the events of a burst that are alike."""
WORDS = texts | st.sampled_from(["tok ", '"', "\\", '","text":"', "\n\ndata: ", "}}"])
PLACES = st.lists(st.integers(0, 10**6), max_size=4)


@codecs
@given(
    words=st.lists(WORDS, min_size=1, max_size=50),
    odd=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(ODD)), max_size=2),
    damage=st.none() | st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.binary(max_size=3)),
    places=PLACES,
)
def test_a_burst_says_what_its_events_say_one_by_one(
    codec: Codec,
    words: list[str],
    odd: list[tuple[int, bytes]],
    damage: tuple[int, int, bytes] | None,
    places: list[int],
) -> None:
    thought: list[Event] = [BlockStart(0, Reasoning()), *(ReasoningDelta(0, word) for word in words), BlockEnd(0)]
    said: list[Event] = [BlockStart(1, Text("")), *(TextDelta(1, word) for word in words), BlockEnd(1)]
    pieces = encoded(codec, [ReplyStart("r", "model-1"), *thought, *said, ReplyEnd(Finish.DONE)]).split(b"\n\n")
    for place, piece in odd:
        pieces.insert(place % len(pieces), piece)
    data = b"\n\n".join(pieces)
    if damage is not None:
        place, size, other = damage[0] % len(data), damage[1], damage[2]
        data = data[:place] + other + data[place + size :]
    assert_read_as_parsed(codec, data, places)


# --- events as upstreams write them, in any order ----------------------------------------------------------------------


def chat(content: str, choice: str = "", rest: str = "") -> str:
    return f'data: {{"id":"r","choices":[{{"index":0,"delta":{{{content}}}{choice}}}]{rest}}}\n\n'


def delta(index: int, content: str, rest: str = "") -> str:
    said = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":{content}}}{rest}}}'
    return f"event: content_block_delta\ndata: {said}\n\n"


def opened(index: int, content: str) -> str:
    return f'data: {{"type":"content_block_start","index":{index},"content_block":{{"type":{content}}}}}\n\n'


def closed(index: int) -> str:
    return f'data: {{"type":"content_block_stop","index":{index}}}\n\n'


TEXT, THOUGHT = '"text","text":""', '"thinking","thinking":""'
KINDS: dict[str, tuple[str, list[str], list[str]]] = {
    "openai-chat": (
        "",
        [
            chat('"content":@'),
            chat('"content":@', ',"finish_reason":null'),
            chat('"content": @'),
            chat('"reasoning_content":@'),
            chat('"content":"","reasoning_content":@'),
            chat('"content":@', ',"usage":{"prompt_tokens":#,"completion_tokens":#}'),
            chat('"content":@', rest=',"usage":{"prompt_tokens":#,"completion_tokens":#}'),
            chat('"content":@', ',"finish_reason":"stop"'),
            chat('"content":@', ',"finish_reason":"length"'),
            chat('"content":@').replace('"index":0', '"index":1'),
            chat('"content":@').replace("data: {", "data: {\ndata: "),
            chat('"content":@', rest=',"n":#'),
            "event: message\n" + chat('"content":@'),
            chat('"refusal":@'),
        ],
        [
            "event: error\n" + chat('"content":@'),
            chat('"content":@').replace("data: {", "data: {\n"),
            chat('"content":@', rest=',"error":{"message":@}'),
            "data: [DONE]\n\n",
            chat("", ',"finish_reason":"stop"'),
        ],
    ),
    "anthropic-messages": (
        'data: {"type":"message_start","message":{"id":"m","model":"m","usage":{}}}\n\n'
        + opened(0, TEXT)
        + opened(1, THOUGHT)
        + opened(2, TEXT),
        [
            delta(0, '"text_delta","text":@'),
            delta(1, '"thinking_delta","thinking":@'),
            delta(2, '"text_delta","text":@'),
            delta(0, '"text_delta","text":@', ',"n":#'),
            delta(2, '"text_delta","text": @ '),
            delta(0, '"text_delta","text":@').removeprefix("event: content_block_delta\n"),
            delta(0, '"text_delta","text":@').replace(",", ",\ndata: "),
            closed(0) + opened(0, TEXT),
            closed(1) + opened(1, THOUGHT),
            delta(1, '"signature_delta","signature":@'),
        ],
        [
            closed(0),
            closed(0) + opened(0, THOUGHT),
            delta(0, '"text_delta","text":@').replace(",", ",\n"),
            delta(1, '"text_delta","text":@'),
            'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":@}}\n\n',
            'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        ],
    ),
}
"""How a stream begins, what may go on in it, what may end it; `@` stands for a text, `#` for a number, which may be new."""
SAID = [
    "a",
    "tok ",
    "content",
    "text_delta",
    '"',
    "\\",
    '","text":"',
    "\n\ndata: ",
    "}}",
    "caf\u00e9",
    "\U0001f600",
    "0",
    "",
]


def said(random: Random, kind: str) -> str:
    """An event of this kind, its text in one of the two spellings that most servers have."""
    word = random.choice(SAID) + random.choice(SAID)
    number = str(random.choice((1, 2, random.randrange(10**9))))
    return kind.replace("#", number).replace("@", json.dumps(word, ensure_ascii=random.random() < 0.3))


def stream_of(random: Random, name: str) -> bytes:
    """A stream of a few kinds of events, so that each comes again soon, alone or in a row."""
    start, kinds, endings = KINDS[name]
    few = random.choices(kinds, k=random.randint(1, 3))
    events = [said(random, kind) for kind in random.choices(few, k=20) for _ in range(random.choice((1, 1, 2, 6)))]
    events.insert(len(events) - random.randint(0, 9), said(random, random.choice(endings)))
    return "".join((start, *events)).encode()


@pytest.mark.parametrize("name", KINDS)
@given(random=st.randoms(use_true_random=True), places=PLACES)
def test_events_of_all_kinds_say_in_any_order_what_parsing_them_says(
    name: str, random: Random, places: list[int]
) -> None:
    for _ in range(5):
        assert_read_as_parsed(discover()[name], stream_of(random, name), places)
