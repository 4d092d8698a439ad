"""Plays a case: scripts the upstream, starts the agent, and gathers what is wrong with what everyone saw."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import msgspec

from tests.clients import checks
from tests.clients.client import (
    BrokenStream,
    Case,
    Client,
    Compaction,
    Delegation,
    Edits,
    Errand,
    Order,
    Plot,
    Refusal,
    Said,
)
from tests.clients.gateway import CLIENT_KEY, Gateway
from tests.clients.install import Finished, run
from tests.clients.script import CACHED, FRESH, SPOKEN, Break, Call, Fault, Say, Turn
from tests.clients.speech import Speech
from tests.clients.story import Hands, Story, ToolLoop, tell, tell_edits
from tests.clients.tap import Exchange, Tap, tapping
from tests.clients.upstream import Upstream

CASE_LIMIT = 60.0
REFUSAL_LIMIT = 30.0
"""Seconds for a case, and for one in which the upstream refuses: the person who waits has to be told soon."""

UPGRADE_REQUIRED = 426

LOOKS = ("/", "/health", "/v1/models?limit=1000")
"""What `dragoman launch` asks before the client begins, and what fills Claude Code's menu of models."""

OWN_HANDS = Hands(lambda command: ("bash", {"command": command}), lambda file: ("read", {"file_path": str(file)}))
"""The gateway's own tools."""

BEGINNING = "It begins"
"""What a stream says before it breaks."""

COMMITS = "docs: write a word", "fix: write the right word"
"""What it says of its edits."""

HANDED_OVER = "Look for the word that begins with q."
FOUND = "The word is quokka."
TITLE = "Words"
"""What a sub-agent is told to do, what it answers, and what the conversation is called."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all cases share. Without a gateway the client calls the upstream itself, which tests this program."""

    upstreams: Mapping[Speech, Upstream]
    gateway: Gateway | None
    internal: Gateway | None = None
    """One that runs the tools itself."""


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

    @property
    def exchanges(self) -> list[Exchange]:
        """Give the turns that the client asked for and that were not just declined, with the answers."""
        asked = [exchange for exchange in self.tap.exchanges if exchange.asked.target not in LOOKS]
        return [exchange for exchange in asked if exchange.status != UPGRADE_REQUIRED]


async def play(
    stage: Stage, client: Client, case: Case, programs: Sequence[Path], folder: Path, limit: float
) -> Played:
    """Play a case in `folder`, which is empty; it takes `limit` seconds at most. `programs` are folders for the PATH."""
    home, work = _rooms(folder)
    is_errand = isinstance(case.plot, Errand) and stage.internal is not None
    upstream, gateway = stage.upstreams[case.upstream], stage.internal if is_errand else stage.gateway
    story = _story(client.hands, case.plot, gateway.folder if gateway and is_errand else work)
    upstream.play(*_script(case, story, is_direct=gateway is None))
    if isinstance(case.plot, Delegation):
        stage.upstreams[case.plot.helper].play(Say(FOUND))
        stage.upstreams[case.plot.titler].play(Say(TITLE))
    limit = min(limit, client.start_limit + (REFUSAL_LIMIT if isinstance(case.plot, Refusal) else CASE_LIMIT))
    logged = gateway.log_size() if gateway else 0
    finished = None
    started = monotonic()
    async with tapping(gateway.port if gateway else upstream.port) as tap:
        path = os.pathsep.join([*map(str, programs), os.defpath])
        order = Order(story.prompt, case.model, case.dialect, tap.port, CLIENT_KEY, home, path, case.variant)
        command, environment = client.start(order)
        with suppress(TimeoutError):
            finished = await run([str(programs[0] / command[0]), *command[1:]], work, environment, limit)
    log = gateway.log_since(logged) if gateway else ""
    played = Played(monotonic() - started, [], finished, tap, upstream, log)
    if finished is None:
        played.faults.append(f"{client.name} did not end within {limit:.0f} s")
    try:
        if isinstance(case.plot, Delegation):
            played.faults.extend(_delegated(client, case.plot, story, played, stage))
        else:
            played.faults.extend(_faults(client, case, story, played, is_direct=gateway is None))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        played.faults.append(f"what was seen is not of the expected shape: {type(error).__name__}: {error}")
    return played


def _rooms(folder: Path) -> tuple[Path, Path]:
    home, work = folder / "home", folder / "work"
    home.mkdir(parents=True)
    work.mkdir()
    return home, work


def _story(hands: Hands, plot: Plot, folder: Path) -> Story:
    match plot:
        case Errand():
            return tell(OWN_HANDS, folder, ToolLoop(reasons=False))
        case Edits(edit=edit):
            return tell_edits(folder, edit)
        case ToolLoop():
            return tell(hands, folder, plot)
        case BrokenStream() | Refusal() | Compaction() | Delegation():
            return tell(hands, folder, ToolLoop())


def _script(case: Case, story: Story, *, is_direct: bool) -> tuple[Turn, ...]:
    match case.plot:
        case ToolLoop() | Errand():
            return *(one.opening for one in story.rounds), story.closing
        case BrokenStream(silently=silently):
            return Break(BEGINNING, silently), story.closing
        case Refusal(fail=fail):
            # That a refused key stays refused is for the gateway to say, when there is one.
            return (replace(fail, is_final=is_direct),) * 20
        case Compaction():
            return case.upstream.too_long, Say("A word has to be written."), story.closing
        case Delegation(hand_over=hand_over):
            name, arguments = hand_over(HANDED_OVER)
            return Say(story.opening.text, calls=(Call("call_handed_over", name, arguments),)), story.closing
        case Edits():
            return story.opening, Say(COMMITS[0]), story.closing, Say(COMMITS[1])


def _calls(case: Case) -> int:
    """Tell how often the upstream is called."""
    match case.plot:
        case ToolLoop(rounds=rounds):
            return rounds + 1
        case BrokenStream() | Errand():
            return 2
        case Refusal(calls=calls):
            return calls
        case Compaction():
            return 3
        case Delegation():
            return 2
        case Edits():
            return 4


def _faults(client: Client, case: Case, story: Story, played: Played, *, is_direct: bool) -> Iterator[Fault]:
    said = client.read(played.finished) if played.finished else None
    if said is not None:
        yield from _told(case, story, said)
    seen = played.upstream.seen
    yield from checks.count(seen, played.upstream.strays, _calls(case))
    declined = sum(exchange.status == UPGRADE_REQUIRED for exchange in played.tap.exchanges)
    if declined != case.declined:
        yield f"{declined} requests were answered {UPGRADE_REQUIRED}, not {case.declined}"
    for exchange in played.exchanges[len(seen) :]:
        asked = exchange.asked
        yield f"the client also asked `{asked.method} {asked.target}` and was answered {exchange.status}"
    if not is_direct:
        yield from _passed_on(client, case, played)
        yield from _logged(case, played)
    if len(seen) == _calls(case):
        yield from _plot_faults(case, story, played)


def _delegated(client: Client, plot: Delegation, story: Story, played: Played, stage: Stage) -> Iterator[Fault]:
    """Who was asked what, when the model has handed something over."""
    said = client.read(played.finished) if played.finished else None
    if said is not None and (said.is_failure or said.text != story.closing.text):
        yield f"the client's last words are `{said.text}`, not `{story.closing.text}`"
    helper, titler = stage.upstreams[plot.helper], stage.upstreams[plot.titler]
    for upstream, count in ((played.upstream, 2), (helper, 1), (titler, 1)):
        yield from checks.count(upstream.seen, upstream.strays, count)
        for asked in upstream.seen:
            yield from checks.sign_in(asked, upstream.speech, CLIENT_KEY)
            yield from checks.model(asked, upstream.speech)
    if plot.modes:
        yield from checks.agents_told([exchange.asked for exchange in played.exchanges], plot.modes)
    if helper.seen and HANDED_OVER.encode() not in helper.seen[0].body:
        yield "the sub-agent's model was not asked what was handed over"
    if len(played.upstream.seen) == 2 and FOUND.encode() not in played.upstream.seen[1].body:
        yield "the model was not told what its sub-agent has found"


def _told(case: Case, story: Story, said: Said) -> Iterator[Fault]:
    """What the person at the terminal was told."""
    if isinstance(case.plot, Refusal):
        if not said.is_failure:
            yield f"the client does not call it a failure: `{said.text}`"
        lacking = [words for words in case.plot.words if words not in said.text]
        yield from (f"the client's last words lack `{words}`: `{said.text}`" for words in lacking)
        return
    if isinstance(case.plot, Edits):
        lacking = [words for words in COMMITS if f" {words}\n" not in said.text]
        yield from (f"the client did not commit `{words}`: `{said.text}`" for words in lacking)
        return
    # A client may call it a failure that it had to shorten a conversation.
    is_failure = said.is_failure and not isinstance(case.plot, Compaction)
    shows_both = isinstance(case.plot, BrokenStream) and case.plot.shows_both
    before = f"{story.opening.text}\n\n" if isinstance(case.plot, Errand) else BEGINNING if shows_both else ""
    expected = before + story.closing.text
    if is_failure or said.text != expected:
        yield f"the client's last words are `{said.text}`, not `{expected}`"
    if said.models is not None and said.models != {case.model}:
        yield f"the client asked for `{case.model}` and was answered by {sorted(said.models)}"
    if isinstance(case.plot, ToolLoop):
        calls, reasoning = _calls(case), "".join(one.opening.reasoning for one in story.rounds)
        tokens = (calls * FRESH, calls * CACHED, calls * SPOKEN)
        if said.tokens is not None and said.tokens != tokens:
            yield f"the client counted the tokens {said.tokens}, not {tokens}"
        if said.reasoning is not None and said.reasoning != reasoning:
            yield f"the client showed the reasoning `{said.reasoning}`, not `{reasoning}`"


def _passed_on(client: Client, case: Case, played: Played) -> Iterator[Fault]:
    """What the gateway made of each request, and of a refusal."""
    dialect, speech = case.dialect, case.upstream
    for exchange, asked in zip(played.exchanges, played.upstream.seen, strict=False):
        yield from checks.sign_in(asked, speech, CLIENT_KEY)
        yield from checks.model(asked, speech)
        if isinstance(case.plot, Errand):
            continue  # neither its tools nor its turns are the client's
        if speech is not dialect:
            yield from checks.carried(exchange.asked, dialect, asked, speech, client.private_marks)
            if speech.retells is dialect:
                yield from checks.retold(exchange.asked, asked)
            continue
        wanted = dialect.wanted(exchange.asked)
        yield from checks.untouched(
            exchange.asked, asked, (wanted.model if wanted else "", speech.model), speech.added(exchange.asked.json())
        )
        if isinstance(case.plot, Refusal) and msgspec.json.encode(case.plot.fail.body) not in exchange.answered:
            yield "the upstream's error body did not reach the client unchanged"
    if speech is not dialect:
        # A commit's message is asked for in a conversation of its own.
        own = played.upstream.seen[::2] if isinstance(case.plot, Edits) else played.upstream.seen
        yield from checks.one_conversation(own, speech)


def _logged(case: Case, played: Played) -> Iterator[Fault]:
    """What the gateway may not write to its log."""
    if "Traceback (most recent call last)" in played.log:
        yield "the gateway logged a traceback"
    if isinstance(case.plot, ToolLoop) and "the client left" in played.log:
        yield "the gateway logged that the client left, though it got its answers whole"
    for secret in (CLIENT_KEY, case.upstream.key):
        if secret in played.log:
            yield f"the gateway logged the key `{secret}`"


def _plot_faults(case: Case, story: Story, played: Played) -> Iterator[Fault]:
    seen, speech = played.upstream.seen, case.upstream
    requests = [asked.json() for asked in seen]
    for request in requests:
        yield from speech.request_faults(request)
    match case.plot:
        case ToolLoop(ids=ids):
            if speech.retells is not None:
                yield from checks.one_process([exchange.answered for exchange in played.tap.exchanges])
            for place, one in enumerate(story.rounds):
                yield from speech.loop_faults(requests[place : place + 2], one.with_ids(ids) if ids else one)
                yield from checks.written(one)
        case Errand():
            if len(played.exchanges) != 1:
                yield f"the client asked {len(played.exchanges)} times, not once"
            yield from speech.loop_faults(requests, story)
            yield from checks.written(story)
        case BrokenStream(whole=whole):
            yield from checks.asked_again(seen, speech, whole=whole)
        case Edits():
            yield from checks.edited(seen, speech, story)
        case Refusal() | Compaction() | Delegation():
            pass
