"""A model of long conversations: random tool loops of any client with any upstreams, which change from turn to turn.

Whatever the client keeps of what it is told, each upstream gets a history that it can take: results behind their calls, what
it sealed itself byte-equal and in its place, nothing that another one sealed, and the same beginning each time.
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import (
    Base64Data,
    Block,
    FunctionTool,
    Image,
    Message,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.ir.seals import MARK_BYTES, Seal
from dragoman.protocols import discover
from dragoman.stores.memory import MemoryStore
from tests.support.conversations import MODEL, Client, Upstream, exchange, wire_messages
from tests.support.ir_strategies import arguments

CODECS = discover()
UPSTREAMS = {
    f"{name} {number}": Upstream(codec, f"{name}-{number}") for name, codec in CODECS.items() for number in (1, 2)
}
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')
TOOLS = [FunctionTool(name, schema=SCHEMA) for name in ("look", "mcp__" + "a_very_long_name_" * 6)]
PICTURE = Image(Base64Data("image/png", "iVBORw0KGgo="))
SEALED = MARK_BYTES + base64.b64encode(b"[1,")
"""How our seals begin. (The word alone is one of those that Hypothesis finds in the sources and tries out.)"""
_CACHE_MARK = re.compile(rb',"cache_control":\{[^}]*\}')
_number = count()


class Keeps(Enum):
    """What a client puts into its history of the reasoning that it was told."""

    EVERYTHING = "everything"
    WORDS = "words"
    NOTHING = "nothing"


# What upstreams say ---------------------------------------------------------------------------------------------------


def opaque() -> str:
    """Return an artefact that nobody else has: base64, as all protocols take it."""
    return base64.b64encode(b"sealed by nobody else: %d" % next(_number)).decode()


def sealed(upstream: Upstream) -> Iterator[Block]:
    yield Reasoning((f"thought {next(_number)}",), seal=Seal(upstream.codec.name, opaque()))


def redacted(upstream: Upstream) -> Iterator[Block]:
    yield Reasoning(is_redacted=True, seal=Seal(upstream.codec.name, opaque(), form="redacted"))


def between_words(upstream: Upstream) -> Iterator[Block]:
    yield Text(f"words {next(_number)}. ")
    yield from sealed(upstream)
    yield from redacted(upstream)


def plain(upstream: Upstream) -> Iterator[Block]:
    yield Reasoning((f"thought {next(_number)}",), seal=Seal(upstream.codec.name, "", form="reasoning_content"))


def details(upstream: Upstream) -> Iterator[Block]:
    entry = {"data": opaque(), "index": 0, "type": "reasoning.encrypted"}
    data = msgspec.json.encode([entry], order="sorted").decode()
    yield Reasoning(is_redacted=True, seal=Seal(upstream.codec.name, data, form="reasoning_details"))


THOUGHTS: dict[str, Sequence[Callable[[Upstream], Iterator[Block]]]] = {
    "anthropic-messages": (sealed, redacted, between_words),
    "openai-chat": (plain, details),
}
"""How models think on each protocol; on one that is not listed they seal each thought."""
ORDERED = frozenset({"anthropic-messages"})
"""Protocols whose replies are a sequence in which thought may stand anywhere."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a reply is to consist of."""

    thinks: tuple[int, ...]
    speaks: bool
    calls: tuple[str, ...]
    counts_ids: bool


shapes = st.builds(
    Shape,
    st.lists(st.integers(0, 9), max_size=2).map(tuple),
    st.booleans(),
    st.lists(arguments, max_size=3).map(tuple),
    st.sampled_from([False, False, False, True]),
)


def reply_of(upstream: Upstream, shape: Shape, names: Sequence[str]) -> Reply:
    kinds = THOUGHTS.get(upstream.codec.name, (sealed,))
    is_ordered = upstream.codec.name in ORDERED
    thinks = shape.thinks if is_ordered else shape.thinks[:1]
    thoughts = [list(kinds[number % len(kinds)](upstream)) for number in thinks]
    words = [Text(f"words {next(_number)}.")] if shape.speaks or not shape.calls else []
    calls = [
        ToolCall(
            f"call_{number}" if shape.counts_ids else f"call_{number}_{next(_number)}",
            names[number % len(names)],
            given,
        )
        for number, given in enumerate(shape.calls)
    ]
    first, *others = thoughts or [[]]
    blocks: list[Block] = [*first, *words]
    if others and len(calls) > 1:
        # Interleaved thinking: also between the calls of one reply. Words never stand there.
        blocks += [calls[0], *(block for block in others[0] if isinstance(block, Reasoning)), *calls[1:]]
    else:
        blocks += calls
    if isinstance(blocks[-1], Reasoning):
        blocks.append(Text("So."))
    return Reply(f"reply_{next(_number)}", MODEL, tuple(blocks), Finish.TOOL_CALLS if calls else Finish.DONE)


def artefacts(blocks: Sequence[Block]) -> Iterator[str]:
    """Yield the opaque parts of what was said."""
    for block in blocks:
        if isinstance(block, Reasoning | Text | ToolCall) and block.seal and block.seal.data:
            data = block.seal.data
            yield msgspec.json.decode(data)[0]["data"] if data.startswith("[") else data


def essence(blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """Return what has to come back of a turn, in its order."""
    seen: list[tuple[str, ...]] = []
    for block in blocks:
        match block:
            case Text(text=text) if seen and seen[-1][0] == "text":
                seen[-1] = ("text", seen[-1][1] + text)
            case Text(text=text):
                seen.append(("text", text))
            case Reasoning(seal=seal):
                seen.append(("thought", block.text, seal.data if seal else ""))
            case ToolCall(name=name, arguments=given):
                seen.append(("call", name, repr(msgspec.json.decode(given))))
            case _:
                raise AssertionError(block)
    return seen


# What clients keep ----------------------------------------------------------------------------------------------------


def kept(block: Block, client: Client, keeps: Keeps) -> Iterator[Block]:
    match block:
        case Reasoning() if keeps is Keeps.NOTHING:
            return
        case Reasoning(parts=parts) if keeps is Keeps.WORDS:
            yield Reasoning(parts, seal=Seal(client.codec.name, ""))
        case Reasoning(parts=parts, seal=Seal(form="reasoning_details")) if parts:
            # Both fields of a Chat message: an upstream would only get the details back.
            yield Reasoning(parts, seal=Seal(client.codec.name, ""))
            yield msgspec.structs.replace(block, parts=())
        case Text() | ToolCall() if keeps is not Keeps.EVERYTHING:
            yield msgspec.structs.replace(block, seal=None)
        case _:
            yield block


# The model ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Turn:
    """What an upstream said, and whether all of it has to come back to it."""

    upstream: Upstream
    blocks: tuple[Block, ...]
    comes_back: bool
    is_raw: bool


@dataclass(slots=True)
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Talk:
    """A conversation as its client knows it, and as the upstreams do."""

    client: Client
    keeps: Keeps
    messages: list[Message] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    open_calls: list[ToolCall] = field(default_factory=list)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)


class Conversations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(Clock(), idle_seconds=1, max_rows=1000, max_bytes=10**7)
        self.talk: Talk

    @initialize(protocol=st.sampled_from(list(CODECS)), keeps=st.sampled_from(Keeps), has_session=st.booleans())
    def begin(self, protocol: str, keeps: Keeps, has_session: bool) -> None:
        self.talk = Talk(Client(CODECS[protocol], "session" if has_session else None), keeps)

    @rule(
        whom=st.sampled_from(list(UPSTREAMS)),
        shape=shapes,
        streams=st.booleans(),
        answers=st.sampled_from(["all", "all", "all", "some", "twice", "none"]),
        says=st.booleans(),
    )
    def ask(self, whom: str, shape: Shape, streams: bool, answers: str, says: bool) -> None:
        """The client answers the calls that wait, or goes on talking; the upstream replies."""
        talk, upstream = self.talk, UPSTREAMS[whom]
        talk.messages.append(self.next_message(answers, says=says))
        replies: list[Reply] = []

        def answer(body: bytes) -> bytes:
            self.check(upstream, body)
            names = [tool.name for tool in upstream.read(body).tools]
            replies.append(reply_of(upstream, shape, names))
            return upstream.write(replies[0], streams=streams)

        body = talk.client.write(talk.messages, TOOLS, streams=streams)
        told = talk.client.read(
            exchange(talk.client, upstream, body, self.store, answer, streams=streams), streams=streams
        )
        self.note_turn(upstream, shape, replies[0])
        talk.open_calls = [block for block in told.blocks if isinstance(block, ToolCall)]
        assert {call.name for call in talk.open_calls} <= {tool.name for tool in TOOLS}
        blocks = tuple(piece for block in told.blocks for piece in kept(block, talk.client, talk.keeps))
        talk.messages.append(Message(Role.ASSISTANT, blocks))

    def next_message(self, answers: str, *, says: bool) -> Message:
        calls = self.talk.open_calls
        results = [ToolResult(call.id, (Text("seen"), PICTURE), is_error=not index) for index, call in enumerate(calls)]
        if answers == "some":
            results = results[1:]
        elif answers == "twice":
            results += results[:1]
        elif answers == "none":
            results = []
        words = [Text(f"question {next(_number)}")] if says or not results else []
        return Message(Role.USER, (*results[::-1], *words))

    def note_turn(self, upstream: Upstream, shape: Shape, reply: Reply) -> None:
        is_raw = upstream.codec is self.talk.client.codec
        has_calls = any(isinstance(block, ToolCall) for block in reply.blocks)
        # Clients are told apart from forgetful ones by what they keep; what passed as bytes is not looked into.
        is_kept = self.talk.keeps is Keeps.EVERYTHING and (is_raw or self.talk.client.codec.name in ORDERED)
        comes_back = is_kept or (has_calls and not is_raw)
        self.talk.turns.append(Turn(upstream, reply.blocks, comes_back and not shape.counts_ids, is_raw))

    # --- what holds for each request ---

    def check(self, upstream: Upstream, body: bytes) -> None:
        """Check what the upstream is sent."""
        request = upstream.read(body)
        if upstream.codec is not self.talk.client.codec:
            assert_paired(request)
        self.check_secrets(upstream, body)
        self.check_own_turns(upstream, request)
        self.check_prefix(upstream, body)

    def check_secrets(self, upstream: Upstream, body: bytes) -> None:
        assert SEALED not in body
        is_raw = upstream.codec is self.talk.client.codec
        for turn in self.talk.turns:
            # Bytes that have passed as they were carry no mark: what a client makes of them is its own affair.
            if turn.upstream != upstream and not (is_raw and turn.is_raw):
                for artefact in artefacts(turn.blocks):
                    assert artefact.encode() not in body, f"{upstream} sees what {turn.upstream} sealed"

    def check_own_turns(self, upstream: Upstream, request: Request) -> None:
        seen = list(assistant_turns(request))
        assert len(seen) == len(self.talk.turns)
        for turn, blocks in zip(self.talk.turns, seen, strict=True):
            if turn.upstream == upstream and turn.comes_back:
                assert essence(blocks) == essence(turn.blocks)

    def check_prefix(self, upstream: Upstream, body: bytes) -> None:
        now = [_CACHE_MARK.sub(b"", message) for message in wire_messages(body)]
        before = self.talk.bodies.get(upstream.provider, [])
        assert now[: len(before)] == before
        self.talk.bodies[upstream.provider] = now


def assert_paired(request: Request) -> None:
    """Check that each call has one result, in what is said before the assistant speaks again, and no result lacks its call."""
    waiting: list[str] = []
    seen: set[str] = set()
    speaker = Role.USER
    for message in request.messages:
        if message.role is Role.ASSISTANT and speaker is not Role.ASSISTANT:
            assert not waiting
        speaker = message.role
        for block in message.blocks:
            if isinstance(block, ToolCall):
                assert speaker is Role.ASSISTANT
                assert block.id not in seen
                seen.add(block.id)
                waiting.append(block.id)
            elif isinstance(block, ToolResult):
                assert speaker is not Role.ASSISTANT
                waiting.remove(block.call_id)
    assert not waiting


def assistant_turns(request: Request) -> Iterator[list[Block]]:
    turn: list[Block] = []
    for message in request.messages:
        if message.role is Role.ASSISTANT:
            turn += message.blocks
        elif turn:
            yield turn
            turn = []


TestConversations = Conversations.TestCase
TestConversations.settings = settings(stateful_step_count=8)
