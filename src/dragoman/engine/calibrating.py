"""Learns from finished exchanges how far our estimates are off, when nobody waits for it."""

import asyncio
from typing import Final

from dragoman.engine.lanes import RawLane, TranslatedLane
from dragoman.engine.ports import Calibration
from dragoman.engine.record import Record, RecordSink
from dragoman.ir.failures import DragomanError
from dragoman.ir.reply import Usage
from dragoman.routing.plan import Attempt
from dragoman.transforms.vision import may_hold_media

_PATIENCE: Final = 0.05
_LARGEST: Final = 512 * 1024
"""Bytes of a request. Reading a larger one again would keep everybody else waiting for too long."""


def note_sample(
    record: Record, calibration: Calibration, attempt: Attempt, lane: RawLane | TranslatedLane, body: bytes
) -> None:
    """Have the record remember how to estimate its request, if there is something to learn from it.

    What shows pictures or files teaches nothing about words.
    """
    if not calibration.wants(attempt.provider, attempt.model):
        return
    if len(body) <= _LARGEST and not may_hold_media(body):
        record.estimate = lane.estimate


class CalibratingSink:
    """Hands records on, and learns from those with an estimate a little later, several at once."""

    def __init__(self, sink: RecordSink, calibration: Calibration) -> None:
        self._sink = sink
        self._calibration = calibration
        self._waiting: list[Record] = []

    def __call__(self, record: Record) -> None:
        """Take the record of one exchange."""
        self._sink(record)
        if record.estimate is None or record.failure is not None:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(_PATIENCE, self._learn)
        self._waiting.append(record)

    def _learn(self) -> None:
        records, self._waiting = self._waiting, []
        for record in records:
            reported = _input_of(record.read_usage())
            if reported and record.estimate is not None:
                try:
                    estimated = record.estimate()
                except DragomanError:  # the upstream took a body that we cannot read: nothing to compare
                    continue
                self._calibration.learn(record.provider, record.upstream_model, estimated, reported)


def _input_of(usage: Usage) -> int:
    """Return all that was sent, in tokens, from a cache or not; 0 when nobody said."""
    if usage.input_tokens is None:
        return 0
    return usage.input_tokens + (usage.cache_read or 0) + (usage.cache_write or 0)
