"""Ends a reply at a stop sequence, where the target cannot be told of it (OpenAI Responses)."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dragoman.ir.events import (
    ArgumentsDelta,
    BlockEnd,
    BlockStart,
    CitationDelta,
    Event,
    ReasoningDelta,
    ReplyEnd,
    SealDelta,
    TextDelta,
)
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Block, Text

_NOWHERE: Final = -1


def cut_reply(reply: Reply, stops: Sequence[str]) -> Reply:
    """Return a whole reply up to the first stop sequence in its words; the same object when there is none."""
    kept: list[Block] = []
    for block in reply.blocks:
        place, stop = _first(block.text, stops) if isinstance(block, Text) else (_NOWHERE, "")
        if place == _NOWHERE or not isinstance(block, Text):
            kept.append(block)
            continue
        if place:
            kept.append(msgspec.structs.replace(block, text=block.text[:place]))
        return msgspec.structs.replace(
            reply, blocks=tuple(kept), finish=Finish.STOP_SEQUENCE, stop_sequence=stop, finish_word=None
        )
    return reply


class CutAtStop:
    """The same while a reply streams. Only what may be the beginning of a stop sequence is held back.

    The upstream goes on to its end, which tells what it has cost.
    """

    __slots__ = ("_held", "_open", "_stop", "_stops")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held: dict[int, str] = {}
        self._open: set[int] = set()
        self._stop: str | None = None

    def feed(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Return the batch up to the stop."""
        return [cut for event in batch for cut in self._cut(event)]

    def flush(self) -> Sequence[Event]:
        """A block that never ended has nothing to add."""
        return []

    def _cut(self, event: Event) -> Iterator[Event]:
        match event:
            case BlockStart(index, block):
                if self._stop is not None:
                    return
                self._open.add(index)
                if isinstance(block, Text):
                    self._held[index] = ""
                yield event
            case TextDelta(index, text) if index in self._held:
                if said := self._said(index, text):
                    yield TextDelta(index, said)
            case BlockEnd(index):
                if rest := self._held.pop(index, ""):
                    yield TextDelta(index, rest)
                if index in self._open:
                    self._open.remove(index)
                    yield event
            case ReplyEnd() if self._stop is not None:
                yield msgspec.structs.replace(
                    event, finish=Finish.STOP_SEQUENCE, stop_sequence=self._stop, finish_word=None
                )
            case (
                TextDelta(index)
                | ReasoningDelta(index)
                | ArgumentsDelta(index)
                | SealDelta(index)
                | CitationDelta(index)
            ):
                # What was open beside the words that were cut goes on to its own end.
                if index in self._open:
                    yield event
            case _:
                yield event

    def _said(self, index: int, text: str) -> str:
        """Return what may leave of the words of an open block."""
        if self._stop is not None:
            return ""
        text = self._held[index] + text
        place, stop = _first(text, self._stops)
        if place != _NOWHERE:
            self._stop = stop
            self._held[index] = ""
            return text[:place]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held[index] = text[len(text) - kept :]
        return text[: len(text) - kept]


def _first(text: str, stops: Sequence[str]) -> tuple[int, str]:
    """Return the place of the first stop sequence in `text`, and which it is."""
    found = [(place, stop) for stop in stops if stop and (place := text.find(stop)) != _NOWHERE]
    return min(found, default=(_NOWHERE, ""))


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
