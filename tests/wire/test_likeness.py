"""An event read by its likeness to another says what parsing it would say."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.wire.likeness import Likeness


class Event(msgspec.Struct):
    id: str
    text: str | None = None
    note: str | None = None


def text_alone(data: bytes) -> str | None:
    event = msgspec.json.decode(data, type=Event)
    return event.text if event.note is None else None


def event(text: str, *, id: str = "e") -> bytes:
    return msgspec.json.encode({"id": id, "text": text, "n": 0})


def learned(text: str) -> Likeness:
    likeness = Likeness(text_alone)
    likeness.learn(event(text), text)
    return likeness


@given(st.text(), st.text())
@example("a", '","text":"')
@example('","', "after a text that looks like what stands between two strings")
@example("e", "after a text that stands in another field, too")
@example("text", "after a text that is a key, too")
def test_what_is_read_is_what_parsing_says(first: str, second: str) -> None:
    assert learned(first).read(event(second)) in (None, second)


@given(st.text(min_size=5), st.text())
def test_a_text_that_stands_once_is_enough(first: str, second: str) -> None:
    assert learned(f"once {first}").read(event(second)) == second


def packet(*texts: str) -> bytes:
    return b"".join(b"data: %b\n\n" % event(text) for text in texts)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=40))
def test_events_that_are_alike_are_read_together(texts: list[str]) -> None:
    likeness, rest, read = learned("once"), packet(*texts), list[str]()
    while rest:
        found, size = likeness.read_all(rest)
        assert size
        read += found
        rest = rest[size:]
    assert read == texts


@pytest.mark.parametrize(
    ("rest", "texts"),
    [
        (b"data: [DONE]\n\n", ["a", "b"]),
        (packet("c")[:-1], ["a", "b"]),
        (packet("c")[:9], ["a", "b"]),
        (b'data: {"id":"e","text":"c","note":"d","n":0}\n\n', []),
        (b": a comment\n\n" + packet("c"), ["a", "b"]),
        (packet("c").replace(b'"c"', b'"c"\n'), []),
        (packet("c").replace(b'"c"', b'"c","text":"d"'), []),
        (packet(""), []),
    ],
)
def test_what_follows_alike_events_is_left(rest: bytes, texts: list[str]) -> None:
    found, size = learned("once").read_all(packet("a", "b") + rest)
    assert (list(found), size) == (texts, len(packet(*texts)))


@pytest.mark.parametrize(
    "other",
    [
        event("x", id="another"),
        event("x")[:-1],
        event("x")[1:],
        b'{"id":"e","text":"x","n":0,"text":"y","n":0}',
        b'{"id":"e","text":"x","note":"y","n":0}',
        b'{"id":"e","text":null,"n":0}',
        b'{"id":"e","text":"\xff","n":0}',
        b'{"id":"e","text":"\x01","n":0}',
        b'{"id":"e","text":"\\ud800","n":0}',
        b'{"id":"e","text":","n":0}',
        b"",
    ],
)
def test_whatever_is_unlike_is_left_to_the_parser(other: bytes) -> None:
    assert learned("once").read(other) is None


def test_an_event_that_says_more_is_not_learned() -> None:
    likeness = Likeness(text_alone)
    more = b'{"id":"e","text":"once","note":"more"}'
    likeness.learn(more, "once")
    assert likeness.read(more) is None


def test_an_event_of_several_lines_is_not_learned() -> None:
    likeness = Likeness(text_alone)
    lines = b'{"id":"e",\n"text":"once"}'
    likeness.learn(lines, "once")
    assert likeness.read_all(b"data: %b\n\n" % lines) == ((), 0)


@pytest.mark.parametrize(("before", "after"), [(5_000, 0), (0, 5_000), (1, 1)])
def test_blanks_around_a_text_are_not_what_is_looked_for(before: int, after: int) -> None:
    """To look for a long row of them from its end in another one takes as long as the product of both."""
    likeness = Likeness(text_alone)
    likeness.learn(b'{"id":"e","text":%b"once"%b}' % (b" " * before, b"\t" * after), "once")
    data = b'data: {"id":"e","text":"a"}\n\ndata: {"id":"e","text":  "b" }\n\n'
    assert likeness.read_all(data) == (["a", "b"], len(data))


@pytest.mark.parametrize(("size", "text"), [(900, "once"), (1_100, None)])
def test_an_event_with_much_around_its_text_is_not_learned(size: int, text: str | None) -> None:
    likeness = Likeness(text_alone)
    likeness.learn(event("once", id="e" * size), "once")
    assert likeness.read(event("once", id="e" * size)) == text


@pytest.mark.parametrize("spelled", [rb'"\u00e9t\u00e9 \/"', rb'"\u00E9t\u00E9 /"', '"\u00e9t\\u00e9 /"'.encode()])
def test_a_text_is_learned_in_any_spelling(spelled: bytes) -> None:
    likeness = Likeness(text_alone)
    event = b'{"unread":"\xff","id":"e","text":%b,"n":0}'
    likeness.learn(event % spelled, "\u00e9t\u00e9 /")
    assert likeness.read(event % spelled) == "\u00e9t\u00e9 /"
    assert likeness.read(event % b'"other"') == "other"


def test_a_text_in_another_spelling_is_not_taken_for_another_field() -> None:
    likeness = Likeness(text_alone)
    slash = b'{"id":"/","text":"\\/"}'
    likeness.learn(slash, "/")
    assert likeness.read(slash) is None


def test_nobody_goes_on_learning_where_every_event_is_unlike_the_last() -> None:
    calls: list[bytes] = []

    def noting(data: bytes) -> str | None:
        calls.append(data)
        return text_alone(data)

    likeness = Likeness(noting)
    for number in range(50):
        likeness.learn(event("once", id=str(number)), "once")
    assert 0 < len(calls) < 10
