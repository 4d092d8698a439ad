"""Mends a history: every tool call has one result, right behind the turn that made it, and no result lacks its call.

Clients interrupt turns, compact conversations and repeat ids; every upstream refuses what comes of that. A sound
history costs one look at each block and comes back as the same object.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dragoman.ir.losses import Ledger
from dragoman.ir.request import Block, Message, Request, Role, Text, ToolCall, ToolKind, ToolResult

_Place = tuple[int, int]
_NEVER: Final = (1 << 62, 0)
_LONGEST_BASE: Final = 56
_INTERRUPTED: Final = "interrupted"
_NAMELESS: Final = "call"
"""The id of a call whose client gave it none; the next one is `call_2`."""


def repair(request: Request, ledger: Ledger) -> Request:
    """Return `request` with a history that every upstream accepts; the same object when nothing was wrong.

    Calls of the last turn that nothing follows yet are left open: their results are still to come.
    """
    if _is_sound(request.messages):
        return request
    return msgspec.structs.replace(request, messages=_mended(request.messages, ledger))


def _is_sound(messages: Sequence[Message]) -> bool:
    """Tell whether ids are unique and each call's result stands behind its turn, before anything else that was said."""
    seen: set[str] = set()
    unanswered: set[str] = set()
    is_asking = True
    is_closed = False
    for message in messages:
        if message.role is Role.ASSISTANT:
            if not is_asking:
                if unanswered:
                    return False
                is_asking, is_closed = True, False
            for block in message.blocks:
                if type(block) is ToolCall and block.kind is not ToolKind.HOSTED:
                    if block.id in seen or not block.id:
                        return False
                    seen.add(block.id)
                    unanswered.add(block.id)
                elif type(block) is ToolResult and block.kind is not ToolKind.HOSTED:
                    return False
            continue
        is_asking = False
        says_more = False
        for block in message.blocks:
            if type(block) is not ToolResult or block.kind is ToolKind.HOSTED:
                says_more = True
            elif is_closed or block.call_id not in unanswered:
                return False
            else:
                unanswered.remove(block.call_id)
        is_closed = is_closed or says_more
    return is_asking or not unanswered


# The rare case ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Round:
    """What the assistant said in a row, and all that was said to it until it spoke again.

    `is_followed`: something came after its calls, so that their results are no longer to be waited for.
    """

    first: int
    asks: list[Message] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    calls: "list[_Call]" = field(default_factory=list)
    orphans: set[_Place] = field(default_factory=set)
    is_followed: bool = False
    is_broken: bool = False


@dataclass(slots=True)
class _Call:
    """A call, the id it gets, and the results that name it, each with its place."""

    block: ToolCall
    id: str
    round: _Round
    place: _Place
    results: list[tuple[_Place, ToolResult]] = field(default_factory=list)


class _Pairing:
    """Goes through the history once and finds out which result belongs to which call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._latest: dict[str, list[_Call]] = {}
        self._taken: set[str] = set()

    def enter(self, round_: _Round) -> None:
        """Pair what this round holds."""
        round_.is_followed = bool(round_.answers)
        for index, message in enumerate(round_.asks, round_.first):
            for number, block in enumerate(message.blocks):
                match block:
                    case ToolCall() if block.kind is not ToolKind.HOSTED:
                        self._call(block, round_, (index, number))
                    case ToolResult() if block.kind is not ToolKind.HOSTED:
                        round_.is_followed = True
                        self._result(block, round_, (index, number), is_misplaced=True)
                    case _:
                        pass
        is_closed = False
        for index, message in enumerate(round_.answers, round_.first + len(round_.asks)):
            says_more = False
            for number, block in enumerate(message.blocks):
                if isinstance(block, ToolResult) and block.kind is not ToolKind.HOSTED:
                    self._result(block, round_, (index, number), is_misplaced=is_closed)
                else:
                    says_more = True
            is_closed = is_closed or says_more

    def _call(self, block: ToolCall, round_: _Round, place: _Place) -> None:
        call = _Call(block, self._free_id(block.id or _NAMELESS), round_, place)
        if call.id != block.id:
            round_.is_broken = True
            self._note_id(block.id, place)
        self._taken.add(call.id)
        round_.calls.append(call)
        same_id = self._latest.get(block.id)
        if same_id and same_id[0].round is round_:
            same_id.append(call)
        else:
            self._latest[block.id] = [call]

    def _note_id(self, id_: str, place: _Place) -> None:
        if id_:
            self._ledger.repaired("duplicate_call_id", _path(place), f"the id `{id_}` was taken by an earlier call")
        else:
            self._ledger.repaired("empty_call_id", _path(place), "a call without an id gets one")

    def _free_id(self, id_: str) -> str:
        number, candidate = 1, id_
        while candidate in self._taken:
            number += 1
            candidate = f"{id_[:_LONGEST_BASE]}_{number}"
        return candidate

    def _result(self, block: ToolResult, round_: _Round, place: _Place, *, is_misplaced: bool) -> None:
        same_id = self._latest.get(block.call_id)
        if not same_id:
            round_.is_broken = True
            round_.orphans.add(place)
            self._ledger.repaired("orphan_result", _path(place), f"no call `{block.call_id}` comes before this result")
            return
        call = next((one for one in same_id if not one.results), same_id[-1])
        if call.results:
            self._ledger.repaired(
                "duplicate_result", _path(place), f"call `{block.call_id}` had a result: the last one counts"
            )
        elif is_misplaced or call.round is not round_:
            self._ledger.repaired("misplaced_result", _path(place), "moved right behind the turn that made the call")
        if call.results or is_misplaced or call.round is not round_:
            round_.is_broken = call.round.is_broken = True
        call.results.append((place, block))


def _mended(messages: Sequence[Message], ledger: Ledger) -> tuple[Message, ...]:
    rounds = list(_rounds(messages))
    pairing = _Pairing(ledger)
    for round_ in rounds:
        pairing.enter(round_)
    return tuple(message for round_ in rounds for message in _mended_round(round_, ledger))


def _rounds(messages: Sequence[Message]) -> Iterator[_Round]:
    current = _Round(0)
    for index, message in enumerate(messages):
        if message.role is not Role.ASSISTANT:
            current.answers.append(message)
            continue
        if current.answers:
            yield current
            current = _Round(index)
        current.asks.append(message)
    yield current


def _mended_round(round_: _Round, ledger: Ledger) -> Iterator[Message]:
    unanswered = [call for call in round_.calls if not call.results] if round_.is_followed else []
    if not unanswered and not round_.is_broken:
        yield from round_.asks
        yield from round_.answers
        return
    for call in unanswered:
        ledger.repaired(
            "unanswered_call", _path(call.place), f"call `{call.block.id}` has no result: one says it was interrupted"
        )
    calls = iter(round_.calls)
    strays: list[Block] = []
    for index, message in enumerate(round_.asks, round_.first):
        blocks: list[Block] = []
        for number, block in enumerate(message.blocks):
            if isinstance(block, ToolCall) and block.kind is not ToolKind.HOSTED:
                blocks.append(_with_id(block, next(calls).id))
            elif isinstance(block, ToolResult) and block.kind is not ToolKind.HOSTED:
                strays.extend(_as_text(block) if (index, number) in round_.orphans else ())
            else:
                blocks.append(block)
        if blocks or not message.blocks:
            yield msgspec.structs.replace(message, blocks=tuple(blocks))
    yield from _answers(round_, strays)


def _answers(round_: _Round, strays: list[Block]) -> Iterator[Message]:
    """Yield the round's results and what else was said: in the message they stood in, when it comes first."""
    group = (*_results(round_), *strays)
    said = [(message, _rest(round_, index)) for index, message in enumerate(round_.answers)]
    if group and said and said[0][0].role is Role.USER and _holds_result(said[0][0]):
        said[0] = (said[0][0], (*group, *said[0][1]))
    elif group:
        yield Message(Role.USER, group)
    for message, blocks in said:
        if blocks or not message.blocks:
            yield msgspec.structs.replace(message, blocks=blocks)


def _results(round_: _Round) -> Iterator[ToolResult]:
    """Yield one result for each call of the round, in the order in which the first ones came."""
    for call in sorted(round_.calls, key=lambda call: call.results[0][0] if call.results else _NEVER):
        if call.results:
            yield msgspec.structs.replace(call.results[-1][1], call_id=call.id)
        elif round_.is_followed:
            yield ToolResult(call.id, (Text(_INTERRUPTED),), is_error=True, kind=call.block.kind)


def _rest(round_: _Round, answer: int) -> tuple[Block, ...]:
    """Return what an answering message says beside its results; results without a call are text."""
    index = round_.first + len(round_.asks) + answer
    blocks: list[Block] = []
    for number, block in enumerate(round_.answers[answer].blocks):
        if not isinstance(block, ToolResult) or block.kind is ToolKind.HOSTED:
            blocks.append(block)
        elif (index, number) in round_.orphans:
            blocks.extend(_as_text(block))
    return tuple(blocks)


def _as_text(result: ToolResult) -> tuple[Block, ...]:
    what = "Error" if result.is_error else "Result"
    return Text(f"{what} of the tool call `{result.call_id}`, which this conversation no longer holds:"), *result.blocks


def _holds_result(message: Message) -> bool:
    return any(isinstance(block, ToolResult) for block in message.blocks)


def _with_id(block: ToolCall, id_: str) -> ToolCall:
    return block if block.id == id_ else msgspec.structs.replace(block, id=id_)


def _path(place: _Place) -> str:
    return f"messages[{place[0]}].content[{place[1]}]"
