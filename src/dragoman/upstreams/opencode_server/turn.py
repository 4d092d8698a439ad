"""The events of one session of OpenCode's, as the events of a reply: one step of the model, and nothing behind it."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from dragoman.codec import Source
from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    Event,
    ReasoningDelta,
    ReplyEnd,
    ReplyStart,
    SealDelta,
    TextDelta,
)
from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.reply import Finish, Usage
from dragoman.ir.request import Reasoning, Text, ToolCall
from dragoman.ir.seals import Seal
from dragoman.upstreams.opencode_server.failures import failure_of, failure_of_retry
from dragoman.upstreams.opencode_server.wire import News, Part, Properties

ORIGIN: Final = "opencode-server"
"""Whose its seals are."""
ANSWER_TOOL: Final = "StructuredOutput"
"""The tool by which OpenCode has an answer in JSON given."""
_FINISHES: Final = {
    "stop": Finish.DONE,
    "length": Finish.LENGTH,
    "tool-calls": Finish.TOOL_CALLS,
    "content-filter": Finish.FILTERED,
}
_WRAPPED: Final = b'{"value":'
_CUT: Final = Failure(FailureKind.UPSTREAM_CUT, "the model's reply ended without saying why")


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    """What OpenCode makes of arguments that are no JSON object: a text for what is no JSON at all."""

    value: Raw


_wrapped: Final = msgspec.json.Decoder(_Wrapped).decode
_metadata: Final = msgspec.json.Decoder(dict[str, dict[str, Raw]]).decode


class TurnReader:
    """Reads one session. Parts of other messages than the model's own are not for the client."""

    def __init__(
        self, source: Source, npm: str, *, answers_in_json: bool = False, takes_value: Collection[str] = ()
    ) -> None:
        """`npm` is the package that asks the model; `answers_in_json`: the answer comes as a tool's arguments.

        `takes_value` are the tools that have a parameter `value`.
        """
        self._source = source
        self._npm = npm
        self._takes_value = takes_value
        self._answers_in_json = answers_in_json
        self._message: str | None = None
        self._blocks = 0
        self._kinds: dict[str, str] = {}
        self._open: dict[str, int] = {}
        self._called: set[str] = set()
        self._calls = 0
        self._is_answered = False
        self._words: list[str] = []
        self.is_done = False
        """Whether the reply has ended: whatever OpenCode does next is not to happen."""

    @property
    def has_begun(self) -> bool:
        """Whether the model has begun to answer."""
        return self._message is not None

    def take(self, news: News) -> Sequence[Event]:
        """Return the events that `news` brings. Raises DragomanError when the reply has failed."""
        told = news.properties
        match news.type:
            case "message.part.delta":
                return list(self._delta(told))
            case "message.part.updated" if told.part is not None:
                return list(self._part(told.part))
            case "session.error" if told.error is not None:
                raise DragomanError(failure_of(told.error, self._npm))
            case "session.status" if told.status is not None and told.status.type == "retry":
                raise DragomanError(failure_of_retry(told.status))
            case "session.idle":
                raise DragomanError(_CUT)
            case _:
                return ()

    def _delta(self, told: Properties) -> Iterator[Event]:
        kind = self._kinds.get(told.part_id)
        if kind is None or self._is_held(kind) or told.field != "text" or not told.delta:
            return
        index = self._open.get(told.part_id)
        if index is None:
            index, start = self._begin(told.part_id, kind)
            yield start
        yield ReasoningDelta(index, told.delta) if kind == "reasoning" else TextDelta(index, told.delta)

    def _part(self, part: Part) -> Iterator[Event]:
        if part.type == "step-start" and self._message is None:
            self._message = part.message_id
            yield ReplyStart(part.message_id, self._source.model)
        if part.message_id != self._message:
            return
        match part.type:
            case "text" | "reasoning":
                self._kinds[part.id] = part.type
                if part.time.end is not None:
                    yield from self._said(part)
            case "tool" if part.state.status not in ("", "pending") and part.call_id not in self._called:
                self._called.add(part.call_id)
                yield from self._call(part)
            case "step-finish":
                yield from self._finish(part)
            case _:
                pass

    def _is_held(self, kind: str) -> bool:
        """Tell whether words are kept until it is known that they are the answer: beside a tool's arguments they are not."""
        return self._answers_in_json and kind == "text"

    def _begin(self, part_id: str, kind: str) -> tuple[int, BlockStart]:
        index = self._open[part_id] = self._blocks
        self._blocks += 1
        return index, BlockStart(index, Reasoning() if kind == "reasoning" else Text(""))

    def _said(self, part: Part) -> Iterator[Event]:
        """A part has been said to its end; one that only bears a seal is a block, too."""
        if self._is_held(part.type):
            self._words.append(part.text)
            return
        seal = self._seal(part) if part.type == "reasoning" else None
        index = self._open.get(part.id)
        if index is None:
            if not part.text and seal is None:
                return
            index, start = self._begin(part.id, part.type)
            yield start
            if part.text:
                yield ReasoningDelta(index, part.text) if part.type == "reasoning" else TextDelta(index, part.text)
        if seal is not None:
            yield SealDelta(index, seal)
        yield self._end(part.id)

    def _end(self, part_id: str) -> BlockEnd:
        del self._kinds[part_id]
        return BlockEnd(self._open.pop(part_id))

    def _call(self, part: Part) -> Iterator[Event]:
        arguments, name = self._arguments(part), part.tool
        if name == ANSWER_TOOL and self._answers_in_json:
            self._is_answered = True
            yield from self._whole(Text(""), TextDelta(self._blocks, arguments))
            return
        self._calls += 1
        yield from self._whole(
            ToolCall(part.call_id, name, "", seal=self._call_seal(part)), ArgumentsDelta(self._blocks, arguments)
        )

    def _whole(self, block: Text | ToolCall, delta: Event) -> Iterator[Event]:
        index = self._blocks
        self._blocks += 1
        yield BlockStart(index, block)
        yield delta
        yield BlockEnd(index)

    def _arguments(self, part: Part) -> str:
        """Return the arguments as the model wrote them, also where they were no object."""
        said = bytes(part.state.input)
        if not said.startswith(_WRAPPED) or part.tool in self._takes_value:
            return said.decode()
        try:
            value = bytes(_wrapped(said).value)
        except msgspec.ValidationError:
            return said.decode()
        return msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()

    def _finish(self, part: Part) -> Iterator[Event]:
        for open_part in list(self._open):
            yield self._end(open_part)
        if words := "" if self._is_answered else "".join(self._words):
            yield from self._whole(Text(""), TextDelta(self._blocks, words))
        finish = _FINISHES.get(part.reason)
        if finish is None:
            raise DragomanError(_CUT)
        if finish is Finish.TOOL_CALLS and not self._calls:
            finish = Finish.DONE
        self.is_done = True
        yield ReplyEnd(finish, _usage(part), part.reason)

    def _call_seal(self, part: Part) -> Seal | None:
        """Return the seal of a call; the id that OpenAI's server gave to it is of no use to one that keeps nothing."""
        try:
            told = _metadata(part.metadata) if part.metadata else {}
        except msgspec.ValidationError:
            return self._seal(part)
        return self._seal(part) if any(fields.keys() - {"itemId"} for fields in told.values()) else None

    def _seal(self, part: Part) -> Seal | None:
        data = bytes(part.metadata)
        if data in (b"", b"{}", b"null"):
            return None
        return Seal(ORIGIN, data.decode(), self._source.provider, self._source.model)


def _usage(part: Part) -> Usage:
    tokens = part.tokens
    figures = (tokens.input, tokens.cache.read, tokens.cache.write, tokens.output, tokens.reasoning)
    if not any(figures):
        return Usage()  # OpenCode says 0 for what it was not told
    return Usage(
        tokens.input,
        tokens.cache.read,
        tokens.cache.write,
        tokens.output + tokens.reasoning,
        tokens.reasoning,
        cost=part.cost,
    )
