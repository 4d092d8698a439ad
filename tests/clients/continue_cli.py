"""Continue's command line, headless, set up by our command: docs.continue.dev/guides/cli."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.clients.chat import CHAT
from tests.clients.client import Case, Client, Order, Plot, Refusal, Said, surroundings
from tests.clients.connecting import CONNECTED, LAUNCHED, connect, launched
from tests.clients.gemini import GEMINI
from tests.clients.install import Finished, Package
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.script import JSON
from tests.clients.speech import Speech
from tests.clients.story import Hands, ToolLoop


def _plots(upstream: Speech) -> Iterator[tuple[str, Plot]]:
    yield "connected, one call", ToolLoop(reasons=False)
    # It leaves reasoning out. On a translated way the gateway puts back what the model has to get.
    yield "connected, two calls at once", ToolLoop(parallel=True, reasons=upstream is not CHAT)
    yield "connected, 401", Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],))
    yield "connected, prompt is too long", Refusal(upstream.too_long, (upstream.too_long.body["error"]["message"],))


def _cases() -> Iterator[Case]:
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        for name, plot in _plots(upstream):
            yield Case(name, CHAT, upstream, f"{upstream.provider}/{upstream.model}", plot, CONNECTED)
    yield Case("launched, one call", CHAT, MESSAGES, "messages/writer-1", ToolLoop(reasons=False), LAUNCHED)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    words = ("--print", "--auto", order.prompt)
    environment = {**surroundings(order), "CONTINUE_CLI_ENABLE_TELEMETRY": "0", "CONTINUE_METRICS_ENABLED": "0"}
    if order.variant == LAUNCHED:
        return launched(order, "continue", words, environment)
    connect(order, "continue")
    return ("cn", *words), environment


def _read(finished: Finished) -> Said:
    is_failure = finished.code != 0
    return Said((finished.errors if is_failure else finished.output).strip(), is_failure=is_failure, tokens=None)


def _shell(command: str) -> tuple[str, JSON]:
    return "Bash", {"command": command}


def _look(file: Path) -> tuple[str, JSON]:
    return "Read", {"filepath": str(file)}


CLIENT = Client(
    name="continue",
    package=Package("@continuedev/cli", "1.5.47", "cn"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=tuple(_cases()),
    aliases={},
)
