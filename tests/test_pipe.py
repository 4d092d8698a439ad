"""Transducers in a row are a transducer."""

from dragoman.pipe import Pipe


class Pairs:
    """Gives what it is given in pairs, and what is left over at the end."""

    def __init__(self) -> None:
        self._held: list[str] = []

    def feed(self, batch: list[str]) -> list[str]:
        items = [*self._held, *batch]
        whole = len(items) - len(items) % 2
        self._held = items[whole:]
        return [first + second for first, second in zip(items[:whole:2], items[1:whole:2], strict=True)]

    def flush(self) -> list[str]:
        return self._held


def test_each_batch_goes_through_every_stage_at_once() -> None:
    pipe = Pipe(Pairs(), Pairs())
    assert pipe.feed(["a", "b", "c", "d"]) == ["abcd"]


def test_the_end_flushes_each_stage_into_those_behind_it() -> None:
    pipe = Pipe(Pairs(), Pairs())
    assert pipe.feed(["a", "b", "c"]) == []
    assert pipe.flush() == ["abc"]
