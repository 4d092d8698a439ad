"""Remembers what a reply thought before its tool calls, and puts it back where a client has left it out.

Many clients keep only the words and the calls of a reply. Upstreams want the rest back, byte-equal: signed thinking
(Anthropic), `reasoning_content` (DeepSeek, Kimi), encrypted reasoning (OpenAI), thought signatures (Gemini). So what stood
before a call is kept under the call's id until it comes back. Ids alone would not do, because some servers count from 0 in
each conversation, some in each reply: the key also has the conversation and how often the id came before, and the call's name
and arguments are compared.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from dragoman.ir.collecting import collect
from dragoman.ir.events import BlockStart, Event, ReplyEnd, SealDelta
from dragoman.ir.request import Block, Message, Reasoning, Request, Role, Text, ToolCall, ToolKind
from dragoman.ir.seals import Seal, may_return

Get = Callable[[bytes], bytes | None]
Put = Callable[[bytes, bytes], None]

_ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")
_MOST_EVENTS: Final = 100_000
_DIGEST: Final = 16
_PRINTS: Final = 2 * _DIGEST


class _Thought(msgspec.Struct, frozen=True, array_like=True):
    """What stood between the call before and this one, and what the call itself carried."""

    blocks: tuple[Text | Reasoning, ...]
    seal: Seal | None = None

    @property
    def seals(self) -> frozenset[tuple[str, str]]:
        """What an upstream that wants its own back is to find."""
        return frozenset(_identity(one.seal) for one in (*self.blocks, self) if one.seal)


_write: Final = msgspec.msgpack.encode
_read: Final = msgspec.msgpack.Decoder(_Thought).decode


class Memory:
    """What is remembered of one conversation, in the rows of a store that `get` and `put` reach."""

    __slots__ = ("_get", "_put", "_scope")

    def __init__(self, scope: bytes, get: Get, put: Put) -> None:
        self._scope = scope
        self._get = get
        self._put = put

    @property
    def is_known(self) -> bool:
        """Whether anything is remembered at all: a conversation without thought costs this one look."""
        return self._get(self._scope) is not None

    def keep(self, blocks: Iterable[Block], history: Sequence[Message]) -> None:
        """Remember what of a reply to `history` its client may leave out. Nothing without both thought and calls."""
        thoughts = list(_thoughts(blocks))
        if not self.is_known and not any(thought.seals for _, thought in thoughts):
            return
        seen = Counter(_plain_id(call) for message in history for call in _calls(message.blocks))
        for call, thought in thoughts:
            id_ = _plain_id(call)
            key = self._key(id_, seen[id_])
            seen[id_] += 1
            if thought.seals:
                self._put(key, _fingerprints(call) + _write(thought))
            elif self._get(key):
                self._put(key, b"")  # the turn was asked for again, and this time nothing was thought
        self._put(self._scope, b"")

    def restored(self, request: Request, protocol: str, provider: str) -> Request:
        """Return `request` with what the upstream `provider`, which speaks `protocol`, may have back and has not got.

        With nothing to put back, the same object.
        """
        if not self.is_known:
            return request
        upstream = _Upstream(protocol, provider)
        seen: Counter[str] = Counter()
        messages = [
            message for turn in _turns(request.messages) for message in self._restored_turn(turn, upstream, seen)
        ]
        if all(new is old for new, old in zip(messages, request.messages, strict=False)):
            return request
        return msgspec.structs.replace(request, messages=tuple(messages))

    def _restored_turn(self, turn: Sequence[Message], upstream: "_Upstream", seen: Counter[str]) -> Iterable[Message]:
        """Return the messages that one side says in a row. What belongs to a call may stand in messages before its own."""
        if turn[0].role is not Role.ASSISTANT:
            return turn
        items = [_Item(place, block) for place, message in enumerate(turn) for block in message.blocks]
        thoughts: dict[int, _Thought] = {}
        fingerprints: dict[int, bytes] = {}
        stretch: list[Block] = []
        for number, (_, block) in enumerate(items):
            if not isinstance(block, ToolCall) or block.kind is ToolKind.HOSTED:
                stretch.append(block)
                continue
            data = self._recall(block, seen)
            # Most clients that return anything return all of it: then this comparison is the whole work.
            if data and data[_PRINTS:] != _write((stretch, block.seal)):
                own = upstream.own(_read(data[_PRINTS:]))
                if own.seals:
                    thoughts[number], fingerprints[number] = own, data[:_PRINTS]
            stretch = []
        if not thoughts or (rebuilt := _rebuilt(items, thoughts)) == items:
            return turn
        # Only now, because it takes time for long arguments: are these the calls that it was thought for?
        sure = {number: thoughts[number] for number, one in fingerprints.items() if _is_of(items[number].block, one)}
        if len(sure) < len(thoughts):
            rebuilt = _rebuilt(items, sure)
        return _regrouped(turn, rebuilt) if sure else turn

    def _recall(self, call: ToolCall, seen: Counter[str]) -> bytes | None:
        id_ = _plain_id(call)
        number = seen.get(id_, 0)
        seen[id_] = number + 1
        return self._get(self._key(id_, number))

    def _key(self, id_: str, number: int) -> bytes:
        return b"%b%d:%b" % (self._scope, number, id_.encode(errors="surrogatepass"))


class Remember:
    """Takes note of a streamed reply to `history` as it passes: batches of events to the same batches."""

    __slots__ = ("_events", "_history", "_memory")

    def __init__(self, memory: Memory, history: Sequence[Message]) -> None:
        self._memory = memory
        self._history = history
        self._events: list[Event] = []

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Return `batch`. The work is done at the end of a reply that has thought in it."""
        events = self._events
        if len(events) < _MOST_EVENTS:
            events += batch
            if batch and type(batch[-1]) is ReplyEnd and (self._memory.is_known or any(map(_is_thought, events))):
                self._memory.keep(collect(events).blocks, self._history)
        return batch

    def flush(self) -> Sequence[Event]:
        """Nothing is ever held back; a reply without its end is not remembered."""
        return []


def scope_of(client_key: str | None, session: str | None, request: Request) -> bytes:
    """Return what no other conversation has: a hash of the client's key and its session, else of the first words of the user.

    The system prompt is left out: in many clients the time of day stands in it.
    """
    digest = blake2b(digest_size=_DIGEST)
    for part in (client_key or "", session or "", "" if session else first_words(request)):
        data = part.encode(errors="surrogatepass")
        digest.update(b"%d:%b" % (len(data), data))
    return digest.digest()


def first_words(request: Request) -> str:
    """Return the text of the first message of the user; it is the same in every turn of a conversation."""
    first = next((message for message in request.messages if message.role is Role.USER), None)
    return "".join(block.text for block in first.blocks if isinstance(block, Text)) if first else ""


# What is kept -------------------------------------------------------------------------------------------------------


def _thoughts(blocks: Iterable[Block]) -> Iterator[tuple[ToolCall, _Thought]]:
    """Yield each call and what belongs to it; what was thought behind the last call belongs to that."""
    found: list[tuple[ToolCall, list[Text | Reasoning]]] = []
    before: list[Text | Reasoning] = []
    for block in blocks:
        match block:
            case Text(text, seal=seal):
                before.append(Text(text, seal=seal))
            case Reasoning():
                before.append(block)
            case ToolCall() if block.kind is not ToolKind.HOSTED:
                found.append((block, before))
                before = []
            case _:
                pass
    if found:
        found[-1][1].extend(block for block in before if isinstance(block, Reasoning))
    for call, stretch in found:
        yield call, _Thought(tuple(stretch), call.seal)


def _is_thought(event: Event) -> bool:
    if type(event) is BlockStart:
        block = event.block
        return type(block) is Reasoning or (type(block) is ToolCall and block.seal is not None)
    return type(event) is SealDelta


def _calls(blocks: Iterable[Block]) -> Iterator[ToolCall]:
    return (block for block in blocks if isinstance(block, ToolCall) and block.kind is not ToolKind.HOSTED)


def _plain_id(call: ToolCall) -> str:
    """Return a call's id in the letters that every protocol takes: some clients only got it so."""
    return _ODD.sub("_", call.id)


def _fingerprints(call: ToolCall) -> bytes:
    """Return two hashes of a call's name and arguments: as they came, and however a client writes them."""
    return _hash(call.name, call.arguments.encode(errors="surrogatepass")) + _hash(
        call.name, _canonical(call.arguments)
    )


def _is_of(call: Block, fingerprints: bytes) -> bool:
    """Tell whether these are the fingerprints of `call`."""
    if not isinstance(call, ToolCall):
        return False
    given = call.arguments.encode(errors="surrogatepass")
    as_it_came, canonical = fingerprints[:_DIGEST], fingerprints[_DIGEST:]
    return _hash(call.name, given) == as_it_came or _hash(call.name, _canonical(call.arguments)) == canonical


def _hash(name: str, arguments: bytes) -> bytes:
    return blake2b(b"%b\0%b" % (name.encode(errors="surrogatepass"), arguments), digest_size=_DIGEST).digest()


def _canonical(arguments: str) -> bytes:
    try:
        # JavaScript has no other numbers than doubles: 1.0 comes back as 1, and long digits rounded.
        value = json.loads(arguments or "{}", parse_int=float)
    except (ValueError, RecursionError):
        return arguments.strip().encode(errors="surrogatepass")
    return json.dumps(value, sort_keys=True).encode()


# What is put back ---------------------------------------------------------------------------------------------------


class _Item(NamedTuple):
    """A block of a turn, and in which of the turn's messages it stands."""

    place: int
    block: Block


class _Upstream(NamedTuple):
    """Whom a request is for."""

    protocol: str
    provider: str

    def own(self, thought: _Thought) -> _Thought:
        """Return what of `thought` may go there."""
        blocks = (self._own_block(block) for block in thought.blocks)
        return _Thought(tuple(block for block in blocks if block), self._own_seal(thought.seal))

    def _own_block(self, block: Text | Reasoning) -> Text | Reasoning | None:
        seal = self._own_seal(block.seal)
        if isinstance(block, Reasoning):
            return block if seal else None
        return block if seal is block.seal else Text(block.text)

    def _own_seal(self, seal: Seal | None) -> Seal | None:
        return seal if seal and may_return(seal, self.protocol, self.provider) else None


def _rebuilt(items: Sequence[_Item], thoughts: Mapping[int, _Thought]) -> list[_Item]:
    """Return the blocks of a turn with `thoughts` in it, which belong to the calls at these places, and nothing of them twice."""
    known = _Known(thoughts.values())
    rebuilt: list[_Item] = []
    stretch: list[_Item] = []
    for number, item in enumerate(items):
        if not isinstance(item.block, ToolCall):
            stretch.append(item)
            continue
        rest = [other for other in stretch if not known.has(other.block)]
        thought = thoughts.get(number)
        if thought is None:
            rebuilt += (*rest, item)
        else:
            place = stretch[0].place if stretch else item.place
            rebuilt += (*_joined(rest, thought.blocks, place), _Item(item.place, _sealed(item.block, thought.seal)))
        stretch = []
    return rebuilt + [other for other in stretch if not known.has(other.block)]


def _joined(rest: Sequence[_Item], blocks: Sequence[Text | Reasoning], place: int) -> Iterator[_Item]:
    """Yield the reply's own blocks where the client has kept all its words, in their order; else what was thought comes first."""
    said = [block for _, block in rest if isinstance(block, Text)]
    if "".join(block.text for block in said) != _text_of(blocks) or any(block.citations for block in said):
        yield from (_Item(place, block) for block in blocks if isinstance(block, Reasoning))
        yield from rest
        return
    marks = [block.cache for block in said if block.cache]
    last = max((index for index, block in enumerate(blocks) if isinstance(block, Text)), default=-1)
    for index, block in enumerate(blocks):
        is_marked = marks and index == last
        yield _Item(place, msgspec.structs.replace(block, cache=marks[-1]) if is_marked else block)
    yield from (other for other in rest if not isinstance(other.block, Text))


def _sealed(call: ToolCall, seal: Seal | None) -> ToolCall:
    return msgspec.structs.replace(call, seal=seal) if seal else call


class _Known:
    """All that a turn is known to have thought: what of it a client has returned, in whatever place and form, is not doubled."""

    __slots__ = ("_seals", "_words")

    def __init__(self, thoughts: Iterable[_Thought]) -> None:
        self._seals: frozenset[tuple[str, str]] = frozenset().union(*(thought.seals for thought in thoughts))
        blocks = (block for thought in thoughts for block in thought.blocks)
        self._words = "\n\n".join(block.text for block in blocks if isinstance(block, Reasoning)).strip()

    def has(self, block: Block) -> bool:
        """Tell whether `block` is thought that will be put back: with its seal, or the words of it that a client could read."""
        if not isinstance(block, Reasoning):
            return False
        if block.seal and block.seal.data:
            return _identity(block.seal) in self._seals
        words = block.text.strip()
        return words in self._words or bool(self._words and self._words in words)


def _regrouped(turn: Sequence[Message], items: Sequence[_Item]) -> Iterator[Message]:
    for place, message in enumerate(turn):
        blocks = tuple(block for at, block in items if at == place)
        if blocks or not message.blocks:
            yield msgspec.structs.replace(message, blocks=blocks)


def _turns(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield the messages in order: those of the assistant in runs, the others one by one."""
    run: list[Message] = []
    for message in messages:
        if message.role is Role.ASSISTANT:
            run.append(message)
            continue
        if run:
            yield run
            run = []
        yield (message,)
    if run:
        yield run


def _identity(seal: Seal) -> tuple[str, str]:
    """Return what tells one artefact from others; a client that speaks its protocol returns no more than that."""
    return seal.protocol, seal.data


def _text_of(blocks: Iterable[Text | Reasoning]) -> str:
    return "".join(block.text for block in blocks if isinstance(block, Text))
