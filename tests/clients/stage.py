"""Plays a case: scripts the upstream, starts the agent, and gathers what is wrong with what everyone saw."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import msgspec

from tests.clients import checks
from tests.clients.client import Case, Client, FallBack, Fault, Order, Refusal, Said, ToolLoop
from tests.clients.gateway import CLIENT_KEY, UPSTREAM_KEYS, UPSTREAM_MODELS, Gateway
from tests.clients.install import Finished, run
from tests.clients.story import Story, tell
from tests.clients.tap import Tap, tapping
from tests.clients.upstream import CACHED, CHAT, FRESH, JSON, MESSAGES, SPOKEN, Break, Speech, Turn, Upstream

CASE_LIMIT = 40.0
REFUSAL_LIMIT = 20.0
"""Seconds for a case, and for one in which the upstream refuses: the person who waits has to be told soon."""

OVERLOADED: dict[Speech, JSON] = {
    CHAT: {"error": {"message": "The engine is overloaded (scripted).", "type": "server_error", "code": None}},
    MESSAGES: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded (scripted)"}},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What all cases share. Without a gateway the client calls the upstream itself, which tests this program."""

    upstreams: dict[Speech, Upstream]
    gateway: Gateway | None


@dataclass(frozen=True, slots=True)
class Played:
    """A case that was played: what went wrong, and the evidence."""

    seconds: float
    faults: list[Fault]
    finished: Finished | None
    """None: it was still running when its time was over."""
    tap: Tap
    upstream: Upstream
    log: str


async def play(stage: Stage, client: Client, case: Case, programs: Path, folder: Path, limit: float) -> Played:
    """Play a case in `folder`, which is empty; it takes `limit` seconds at most."""
    home, work = _rooms(folder)
    upstream, gateway = stage.upstreams[case.speech], stage.gateway
    story = tell(client, work, parallel=isinstance(case.plot, ToolLoop) and case.plot.parallel)
    upstream.play(*_script(case, story, is_direct=gateway is None))
    limit = min(limit, REFUSAL_LIMIT if isinstance(case.plot, Refusal) else CASE_LIMIT)
    logged = gateway.log_size() if gateway else 0
    finished = None
    started = monotonic()
    async with tapping(gateway.port if gateway else upstream.port) as tap:
        order = Order(story.prompt, case.model, tap.port, CLIENT_KEY, home, _path(programs), case.variant)
        command, environment = client.start(order)
        with suppress(TimeoutError):
            finished = await run([str(programs / command[0]), *command[1:]], work, environment, limit)
    log = gateway.log_since(logged) if gateway else ""
    played = Played(monotonic() - started, [], finished, tap, upstream, log)
    if finished is None:
        played.faults.append(f"{client.name} did not end within {limit:.0f} s")
    try:
        played.faults.extend(_faults(client, case, story, played, is_direct=gateway is None))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        played.faults.append(f"what was seen is not of the expected shape: {type(error).__name__}: {error}")
    return played


def _rooms(folder: Path) -> tuple[Path, Path]:
    home, work = folder / "home", folder / "work"
    home.mkdir(parents=True)
    work.mkdir()
    return home, work


def _path(programs: Path) -> str:
    return f"{programs}:{os.defpath}"


def _script(case: Case, story: Story, *, is_direct: bool) -> tuple[Turn, ...]:
    match case.plot:
        case ToolLoop():
            return story.opening, story.closing
        case FallBack():
            return Break("It begins", OVERLOADED[case.speech]), story.closing
        case Refusal(fail=fail):
            # That a refused key stays refused is for the gateway to say, when there is one.
            return (replace(fail, is_final=is_direct),) * 20


def _faults(client: Client, case: Case, story: Story, played: Played, *, is_direct: bool) -> Iterator[Fault]:
    said = client.read(played.finished) if played.finished else None
    if said is not None:
        yield from _told(case, story, said)
    seen = played.upstream.seen
    expected = 1 if isinstance(case.plot, Refusal) else 2
    yield from checks.count(seen, played.upstream.strays, expected)
    for exchange in played.tap.exchanges[len(seen) :]:
        asked = exchange.asked
        yield f"the client also asked `{asked.method} {asked.target}` and was answered {exchange.status}"
    if not is_direct:
        yield from _passed_on(client, case, played)
    if len(seen) == expected:
        yield from _plot_faults(case, story, played)


def _told(case: Case, story: Story, said: Said) -> Iterator[Fault]:
    """What the person at the terminal was told."""
    match case.plot:
        case Refusal(words=words):
            if not said.is_failure:
                yield f"the client does not call it a failure: `{said.text}`"
            yield from (
                f"the client's last words lack `{word}`: `{said.text}`" for word in words if word not in said.text
            )
            return
        case ToolLoop():
            tokens = (2 * FRESH, 2 * CACHED, 2 * SPOKEN)
            if said.tokens != tokens:
                yield f"the client counted the tokens {said.tokens}, not {tokens}"
        case FallBack():
            pass
    if said.is_failure or said.text != story.closing.text:
        yield f"the client's last words are `{said.text}`, not `{story.closing.text}`"
    if said.models != {case.model}:
        yield f"the client asked for `{case.model}` and was answered by {sorted(said.models)}"


def _passed_on(client: Client, case: Case, played: Played) -> Iterator[Fault]:
    """What the gateway made of each request."""
    upstream_model = UPSTREAM_MODELS[case.speech]
    for exchange, asked in zip(played.tap.exchanges, played.upstream.seen, strict=False):
        yield from checks.sign_in(asked, case.speech, UPSTREAM_KEYS[case.speech], CLIENT_KEY)
        yield from checks.model(asked, upstream_model)
        if case.speech is client.speech:
            asked_model = exchange.asked.json()["model"]
            yield from checks.untouched(exchange.asked, asked, asked_model, upstream_model)
        elif client.speech is MESSAGES and case.speech is CHAT:
            yield from checks.carried(exchange.asked, asked, client.private_marks)
        if isinstance(case.plot, Refusal) and case.speech is client.speech:
            yield from _words_changed(case.plot, bytes(exchange.answered))
    if "Traceback (most recent call last)" in played.log:
        yield "the gateway logged a traceback"
    if isinstance(case.plot, ToolLoop) and "the client left" in played.log:
        yield "the gateway logged that the client left, though it got its answers whole"
    for secret in (CLIENT_KEY, *UPSTREAM_KEYS.values()):
        if secret in played.log:
            yield f"the gateway logged the key `{secret}`"


def _words_changed(refusal: Refusal, answer: bytes) -> Iterator[Fault]:
    if msgspec.json.encode(refusal.fail.body) not in answer:
        yield "the upstream's error body did not reach the client unchanged"


def _plot_faults(case: Case, story: Story, played: Played) -> Iterator[Fault]:
    seen = played.upstream.seen
    if case.speech is CHAT:
        for asked in seen:
            yield from checks.chat_request(asked)
    match case.plot:
        case ToolLoop():
            yield from (checks.chat_loop if case.speech is CHAT else checks.messages_loop)(seen, story)
            written = story.file.read_text(encoding="utf-8") if story.file.exists() else ""
            if written != f"{story.words[0]}\n":
                yield f"`{story.file.name}` holds `{written}`, not the word `{story.words[0]}`"
        case FallBack():
            yield from checks.asked_again_whole(seen)
        case Refusal():
            pass
