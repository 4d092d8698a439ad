"""Requests and replies as a careless or hostile peer may send them: true ones with something wrong in them, or any bytes."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from dragoman.codec import Codec, Target
from dragoman.dialects import Dialect
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Base64Data,
    Block,
    CacheBreakpoint,
    Document,
    Effort,
    FunctionTool,
    Image,
    Message,
    OutputFormat,
    PlainText,
    Reasoning,
    ReasoningControl,
    Request,
    Role,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import Seal, write_seal
from dragoman.protocols import discover
from dragoman.wire.reading import UNREADABLE

RECORDINGS = Path(__file__).parent.parent / "recordings"
CODECS = discover()
_SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
_SEAL = Seal("anthropic-messages", "EqoB", "upstream", "model-1")

# What is true -----------------------------------------------------------------------------------------------------------


def _conversation(protocol: str, *elsewhere: Block) -> tuple[Message, ...]:
    picture = Image(Base64Data("image/png", "iVBORw0KGgo="), detail="high")
    shown: tuple[Block, ...] = (
        Text("Look.", cache=CacheBreakpoint("1h")),
        picture,
        *elsewhere,
        Document(Base64Data("application/pdf", "JVBERi0="), title="a.pdf"),
        Document(PlainText("words"), title="b.txt", context="c"),
    )
    thought = Reasoning(("hm",), seal=Seal(protocol, write_seal(_SEAL)))
    return (
        Message(Role.USER, shown),
        Message(Role.ASSISTANT, (thought, Text("So."), ToolCall("call_1", "look", '{"city":"Paris"}'))),
        Message(Role.USER, (ToolResult("call_1", (Text("rain"), picture), is_error=True), Text("And?"))),
        Message(Role.DEVELOPER, (Text("Be brief."),)),
        Message(Role.USER, (Text("Go on."),)),
    )


def _request(protocol: str, *elsewhere: Block, streams: bool) -> Request:
    return Request(
        "model-1",
        _conversation(protocol, *elsewhere),
        system=(Text("You are terse."),),
        tools=(FunctionTool("look", "Looks.", _SCHEMA, strict=True), FunctionTool("rest")),
        tool_choice=ToolChoice("tool", "look"),
        parallel_tools=False,
        max_tokens=4000,
        sampling=Sampling(temperature=0.5, top_p=0.9, stop=("STOP",)),
        reasoning=ReasoningControl(effort=Effort.LOW),
        output=OutputFormat(_SCHEMA, "answer"),
        stream=streams,
        user="somebody",
        cache_key="key",
    )


@cache
def requests_of(codec: Codec) -> list[bytes]:
    """Return requests of the codec's clients in which all that most of them say is said; the first ones stream."""
    target = Target("gateway", "model-1", Dialect(reasoning_details=True))
    samples = []
    for streams, elsewhere in product((True, False), ((), (Image(UrlData("https://pictures.test/a.png")),))):
        with suppress(UnsupportedError):  # not every protocol's servers fetch pictures
            samples.append(codec.encode_request(_request(codec.name, *elsewhere, streams=streams), target, Ledger()))
    return samples


def replies_of(codec: Codec, suffix: str) -> list[bytes]:
    """Return the protocol's recorded replies: whole ones (`.json`) or streams (`.sse`)."""
    folder = RECORDINGS / codec.name.replace("-", "_")
    return [path.read_bytes() for path in sorted(folder.glob(f"*{suffix}"))]


# What is wrong with it ---------------------------------------------------------------------------------------------------

_BETWEEN_EVENTS = re.compile(rb"\r?\n\r?\n")
_NESTED = "[" * 2000
_LEAVES: list[Any] = [
    None, True, False, 0, -1, 0.5, 1e300, 2**63, -(2**70), "", " ", "x", "\0", "🐫", "auto", "user", "text",
    "data:image/png;base64,????", "DRAGOMAN", "DRAGOMANWzEs", write_seal(_SEAL), "{", "{}", "[]", [], {}, [[]], [None],
    {"type": "text"}, {"type": None}, {"": ""}, {"type": "unheard_of", "a": 1},
]  # fmt: skip
leaves = st.sampled_from(_LEAVES) | st.text(max_size=5) | st.integers() | st.floats(allow_nan=False)
names = st.sampled_from(
    ["type", "role", "content", "text", "id", "name", "input", "arguments", "tools", "index", "usage", "error", "delta"]
) | st.text(max_size=4)


@st.composite
def damaged_json(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """JSON in which some values are others, missing, doubled, or under other names."""
    value = msgspec.json.decode(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        value = _damaged(draw, value)
    return _written(value)


def _damaged(draw: st.DrawFn, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Go down to some place in `value`, and do something there."""
    is_end = draw(st.integers(0, 5)) == 0
    if isinstance(value, dict) and value and not is_end:
        name = draw(st.sampled_from(sorted(value)))
        match draw(st.integers(0, 9)):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {(draw(names) if key == name else key): item for key, item in value.items()}
            case 2:
                return {**value, draw(names): draw(leaves)}
            case _:
                return {**value, name: _damaged(draw, value[name])}
    if isinstance(value, list) and value and not is_end:
        place = draw(st.integers(0, len(value) - 1))
        match draw(st.integers(0, 9)):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value, value[place]]
            case 2:
                return [*value[:place], draw(leaves), *value[place:]]
            case _:
                return [*value[:place], _damaged(draw, value[place]), *value[place + 1 :]]
    return draw(leaves)


def _written(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    return msgspec.json.encode(value).replace(b'"DRAGOMANWzEs"', _NESTED.encode() + b"]" * 2000)


@st.composite
def damaged_bytes(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """A sample with bytes taken out, put in, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 40))
        match draw(st.integers(0, 3)):
            case 0:
                del data[place : place + size]
            case 1:
                data[place:place] = draw(st.binary(max_size=8))
            case 2:
                data[place:place] = data[place : place + size]
            case _:
                data = data[: max(place, 1)]
    return bytes(data)


@st.composite
def damaged_stream(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """Event streams whose events are missing, doubled, in another order, or have damaged JSON in them."""
    events = _BETWEEN_EVENTS.split(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(events) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                events = events[:place] + events[place + 1 :]
            case 1:
                events.insert(draw(st.integers(0, len(events))), events[place])
            case _:
                events[place] = _damaged_event(draw, events[place])
        if not events:
            break
    return b"\n\n".join(events)


def _damaged_event(draw: st.DrawFn, event: bytes) -> bytes:
    head, mark, data = event.partition(b"data: ")
    try:
        value = msgspec.json.decode(data)
    except UNREADABLE:  # damaged already
        return event
    return head + mark + _written(_damaged(draw, value))


def any_request(codec: Codec) -> st.SearchStrategy[bytes]:
    """Return what a client may send."""
    samples = requests_of(codec)
    return damaged_json(samples) | damaged_bytes(samples) | st.binary(max_size=60) | _json_values()


def any_reply(codec: Codec) -> st.SearchStrategy[bytes]:
    """Return what an upstream may answer, whole."""
    samples = replies_of(codec, ".json")
    return damaged_json(samples) | damaged_bytes(samples) | st.binary(max_size=60) | _json_values()


def any_stream(codec: Codec) -> st.SearchStrategy[bytes]:
    """Return what an upstream may stream."""
    samples = replies_of(codec, ".sse")
    return damaged_stream(samples) | damaged_bytes(samples)


def _json_values() -> st.SearchStrategy[bytes]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4)
    ).map(_written)
