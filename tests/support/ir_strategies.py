"""Random replies and their events, for laws that hold for whatever a model may say."""

from collections.abc import Iterable, Sequence

import msgspec
from hypothesis import strategies as st

from dragoman.codec import Codec
from dragoman.ir.collecting import expand
from dragoman.ir.events import ArgumentsDelta, BlockEnd, BlockStart, Event, ReasoningDelta, ReplyEnd, TextDelta
from dragoman.ir.reply import Finish, Reply, Usage
from dragoman.ir.request import Block, Reasoning, Refusal, Text, ToolCall

# Everything but lone surrogates, which are not text.
characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, min_size=1, max_size=30)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,20}", fullmatch=True)
numbers = st.integers(-(2**70), 2**70)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, json_values, max_size=4).map(lambda value: msgspec.json.encode(value).decode())
counts = st.integers(0, 10**6)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """A reply as models give them: thought first, then words, then calls."""
    blocks: list[Block] = []
    if draw(st.booleans()):
        blocks.append(Reasoning((draw(texts),)))
    blocks += [Text(draw(texts)) for _ in range(draw(st.integers(0, 1)))]
    calls = draw(st.integers(0, 3))
    blocks += [ToolCall(f"call_{index}{draw(names)}"[:40], draw(names), draw(arguments)) for index in range(calls)]
    if not any(isinstance(block, Text | ToolCall) for block in blocks):
        blocks.append(draw(st.one_of(texts.map(Text), texts.map(Refusal))))
    usage = Usage(draw(counts), draw(counts), draw(counts), draw(counts))
    return Reply("reply_1", "model-1", tuple(blocks), _finish(draw, blocks), usage)


def _finish(draw: st.DrawFn, blocks: Sequence[Block]) -> Finish:
    if any(isinstance(block, ToolCall) for block in blocks):
        return Finish.TOOL_CALLS
    if any(isinstance(block, Refusal) for block in blocks):
        return Finish.REFUSAL
    return draw(st.sampled_from((Finish.DONE, Finish.LENGTH)))


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """The events of a reply, its texts in several deltas, and its tool calls perhaps interleaved."""
    events = [piece for event in expand(draw(replies())) for piece in _pieces(draw, event)]
    return _interleaved(events) if draw(st.booleans()) else events


def _pieces(draw: st.DrawFn, event: Event) -> Iterable[Event]:
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text) | ArgumentsDelta(text=text) if len(text) > 1:
            cut = draw(st.integers(1, len(text) - 1))
            yield msgspec.structs.replace(event, text=text[:cut])
            yield msgspec.structs.replace(event, text=text[cut:])
        case _:
            yield event


def _interleaved(events: list[Event]) -> list[Event]:
    """Return the events with all tool calls open at once: their starts, then their fragments in turn, then their ends."""
    calls = {event.index for event in events if isinstance(event, BlockStart) and isinstance(event.block, ToolCall)}
    of_calls = [event for event in events if getattr(event, "index", None) in calls]
    before = [
        event for event in events if getattr(event, "index", None) not in calls and not isinstance(event, ReplyEnd)
    ]
    starts = [event for event in of_calls if isinstance(event, BlockStart)]
    ends = [event for event in of_calls if isinstance(event, BlockEnd)]
    deltas = [event for event in of_calls if isinstance(event, ArgumentsDelta)]
    # The second fragments of all calls behind the first ones of all calls.
    ordered = [*deltas[::2], *deltas[1::2]] if len(deltas) == 2 * len(starts) else deltas
    return [*before, *starts, *ordered, *ends, *(event for event in events if isinstance(event, ReplyEnd))]


def essence(reply: Reply, codec: Codec) -> dict[str, object]:
    """Return what `codec` can say of a reply, however it cuts it into blocks."""
    usage = reply.usage
    if any(note.code == "reply_cache_write" for note in codec.loses):
        fresh = (usage.input_tokens or 0) + (usage.cache_write or 0)
        usage = msgspec.structs.replace(usage, input_tokens=fresh, cache_write=0)
    calls = [block for block in reply.blocks if isinstance(block, ToolCall)]
    return {
        "thought": "".join(block.text for block in reply.blocks if isinstance(block, Reasoning)),
        "words": "".join(block.text for block in reply.blocks if isinstance(block, Text | Refusal)),
        "calls": [(call.id, call.name, msgspec.json.decode(call.arguments)) for call in calls],
        "finish": reply.finish if reply.finish is not Finish.FILTERED else Finish.REFUSAL,
        "usage": [
            usage.input_tokens,
            usage.cache_read or 0,
            usage.cache_write or 0,
            usage.output_tokens,
        ],
    }
