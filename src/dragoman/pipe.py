"""Transducers: objects that take a batch and give one, and keep to themselves what they must remember between."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Transducer(Protocol[In, Out]):
    """Something to push batches through: bytes to bytes, bytes to events, events to events, events to bytes.

    `feed` gives at once whatever its batch allows to be given. `flush` is called once, at the end of the input.
    """

    def feed(self, batch: In) -> Out:
        """Take the next batch."""

    def flush(self) -> Out:
        """The input has ended: give what is left."""


class Pipe:
    """Transducers in a row, themselves a transducer. The stages' types must fit: each takes what the one before gives."""

    __slots__ = ("_stages",)

    def __init__(self, *stages: Transducer[Any, Any]) -> None:
        self._stages: Sequence[Transducer[Any, Any]] = stages

    def feed(self, batch: Any) -> Any:  # noqa: ANN401 - the first stage's input, the last one's output
        """Push `batch` through every stage."""
        for stage in self._stages:
            batch = stage.feed(batch)
        return batch

    def flush(self) -> Any:  # noqa: ANN401 - as above
        """Flush the stages one after the other, each tail going through the stages behind it."""
        first, *others = self._stages
        tail = first.flush()
        for stage in others:
            tail = stage.feed(tail) + stage.flush()
        return tail
