"""The store forgets what nobody asks for, and never holds more than it may."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dragoman.stores.memory import MemoryStore

ROW = 250
keys = st.sampled_from([b"a", b"b", b"c", b"d"])


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def store(clock: Clock, *, rows: int = 100, size: int = 100_000) -> MemoryStore:
    return MemoryStore(clock, idle_seconds=10, max_rows=rows, max_bytes=size)


def test_what_was_put_is_there_byte_for_byte() -> None:
    kept = store(Clock())
    kept.put(b"key", bytes(range(256)))
    assert kept.get(b"key") == bytes(range(256))
    assert kept.get(b"other") is None


def test_what_is_put_again_replaces_what_was_there() -> None:
    kept = store(Clock())
    kept.put(b"key", b"old and long")
    kept.put(b"key", b"new")
    assert (kept.get(b"key"), len(kept), kept.size) == (b"new", 1, 3 + 3 + ROW)


def test_what_is_deleted_is_gone() -> None:
    kept = store(Clock())
    kept.put(b"key", b"value")
    kept.delete(b"key")
    kept.delete(b"never there")
    assert (kept.get(b"key"), len(kept), kept.size) == (None, 0, 0)


def test_a_row_lives_as_long_as_somebody_asks_for_it() -> None:
    clock = Clock()
    kept = store(clock)
    kept.put(b"key", b"value")
    for clock.now in (9.0, 18.0, 27.0):
        assert kept.get(b"key") == b"value"
    clock.now = 37.0
    assert kept.get(b"key") is None
    assert (len(kept), kept.size) == (0, 0)


def test_expired_rows_make_room_without_being_asked_for() -> None:
    clock = Clock()
    kept = store(clock)
    for number in range(5):
        kept.put(b"%d" % number, b"value")
    clock.now = 11.0
    kept.put(b"new", b"value")
    assert len(kept) == 1


def test_the_row_that_was_not_used_for_longest_goes_first() -> None:
    kept = store(Clock(), rows=2)
    kept.put(b"first", b"1")
    kept.put(b"second", b"2")
    kept.get(b"first")
    kept.put(b"third", b"3")
    assert [kept.get(key) for key in (b"first", b"second", b"third")] == [b"1", None, b"3"]


def test_a_value_that_does_not_fit_at_all_pushes_nothing_out() -> None:
    kept = store(Clock(), size=1000)
    kept.put(b"small", b"1")
    kept.put(b"large", b"x" * 1000)
    assert (kept.get(b"small"), kept.get(b"large")) == (b"1", None)


@given(st.lists(st.tuples(keys, st.binary(max_size=600))))
def test_there_is_never_more_than_may_be(rows: list[tuple[bytes, bytes]]) -> None:
    kept = store(Clock(), rows=3, size=1200)
    for key, value in rows:
        kept.put(key, value)
        assert len(kept) <= 3
        assert kept.size <= 1200


class Against(RuleBasedStateMachine):
    """The store beside a dictionary that forgets nothing but what is too old: what it gives is what that has."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.kept = store(self.clock)
        self.known: dict[bytes, tuple[float, bytes]] = {}

    @rule(key=keys, value=st.binary(max_size=9))
    def put(self, key: bytes, value: bytes) -> None:
        self.kept.put(key, value)
        self.known[key] = (self.clock.now, value)

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        used, value = self.known.get(key, (-99.0, b""))
        is_known = self.clock.now - used < 10
        assert self.kept.get(key) == (value if is_known else None)
        if is_known:
            self.known[key] = (self.clock.now, value)

    @rule(seconds=st.sampled_from([1.0, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def the_size_is_that_of_the_rows(self) -> None:
        assert (self.kept.size == 0) == (len(self.kept) == 0)
        assert self.kept.size <= len(self.kept) * (ROW + 10)


TestAgainst = Against.TestCase
