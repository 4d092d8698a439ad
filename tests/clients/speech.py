"""What a protocol is to this program: how an upstream speaks it from a script, and how a request in it is read and judged.

One module for each protocol (`chat.py`, `messages.py`) ends in such a record. They are written against the published wire
formats and use nothing of the gateway's own codecs: an independent check of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.clients.script import JSON, Break, Call, Fail, Fault, Say
from tests.clients.sockets import Asked
from tests.clients.story import Story


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for a turn asks for."""

    model: str
    streams: bool


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers. One that `is_deferred` need not be sent before the model has looked for it.

    `group` describes the group that a tool is the first of: without groups that stands in front of its own description.
    """

    name: str
    description: str
    schema: JSON
    is_deferred: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """One protocol, and the one upstream that speaks it."""

    protocol: str
    """As the gateway's configuration names it."""
    provider: str
    model: str
    """The upstream's name in the configuration, and that of its only model."""
    base: str
    """What its base URL has after host and port."""
    key: str
    """What the gateway shows to it; `key_header` is where."""
    key_header: str
    wanted: Callable[[Asked], Wanted | None]
    """What a request asks for; None: it is no request for a turn."""
    stream: Callable[[Say, str], Iterator[bytes]]
    """The events of a turn of a model; `whole` is the same in one piece, and `break_off` a stream that breaks."""
    whole: Callable[[Say, str], JSON]
    break_off: Callable[[Break, str], Iterator[bytes]]
    too_long: Fail
    """What it answers when the prompt is too long: 250000 tokens, where 200000 are possible."""
    bad_key: Fail
    texts: Callable[[JSON], Iterator[str]]
    """Every text of a request in its order: of the system, of people, of the model, of tools."""
    tools: Callable[[JSON], Iterator[Tool]]
    request_faults: Callable[[JSON], Iterator[Fault]]
    """What the strictest server of this protocol would find wrong with a request."""
    loop_faults: Callable[[Sequence[JSON], Story], Iterator[Fault]]
    """What is wrong with the second request of a tool loop, after the first."""
    retells: "Speech | None" = None
    """The protocol of which it says the very same blocks; what a program in between adds to them is known."""
    added: Callable[[JSON], bytes] = lambda _: b""
    """What the gateway puts behind the model's name of a client's request that is otherwise passed on as it is."""
    cache_key: str | None = None
    """The request's field by which a server finds the conversation in its cache, if the protocol has one."""


# --- for the modules of the protocols ---


def pieces(text: str, size: int) -> Iterator[str]:
    """Cut a text as a model's server does."""
    return (text[start : start + size] for start in range(0, len(text), size))


def argument_pieces(call: Call) -> Iterator[str]:
    """Cut the arguments of a call."""
    return pieces(msgspec.json.encode(call.arguments).decode(), 9)


def text_of(content: Any) -> str:  # noqa: ANN401 - a string, a list of parts or nothing, as several protocols have it
    """Give all text of a message's content."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def same_but(fields: tuple[str, ...], first: JSON, second: JSON) -> Iterator[Fault]:
    """Two requests are equal save in `fields`."""
    for name in first.keys() | second.keys():
        if name not in fields and first.get(name) != second.get(name):
            yield f"`{name}` changed between the turns"


def begins_with(before: Sequence[JSON], after: Sequence[JSON]) -> Iterator[Fault]:
    """The messages `before` stand unchanged at the beginning of those `after`."""
    for place, message in enumerate(before):
        if place >= len(after) or after[place] != message:
            now = after[place] if place < len(after) else None
            yield f"`messages[{place}]` changed between the turns: from `{_short(message)}` to `{_short(now)}`"


def differences(what: str, expected: JSON, found: JSON) -> Iterator[Fault]:
    """What is `expected` was `found`."""
    for name, value in expected.items():
        if found.get(name) != value:
            yield f"{what} has `{name}`: `{_short(found.get(name))}` instead of `{_short(value)}`"


def results_faults(story: Story, ids: Sequence[str | None], results: Sequence[str]) -> Iterator[Fault]:
    """Every call of the model's turn is answered in its order, each with the word that it was to bring."""
    wanted = [call.id for call in story.calls]
    if list(ids) != wanted:
        yield f"after the model's turn come the results {list(ids)}, not those of {wanted}"
    for word, result in zip(story.words, (*results, *[""] * len(story.words)), strict=False):
        if word not in result:
            yield f"the result `{result[:200]}` has not the word `{word}`"


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) < 600 else f"{text[:300]} ... {text[-300:]}"
