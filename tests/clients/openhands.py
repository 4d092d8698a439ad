"""OpenHands' command line, headless, set up by our command: docs.openhands.dev/openhands/usage/cli/headless."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.clients.chat import CHAT
from tests.clients.client import Case, Client, Order, Refusal, Said, surroundings
from tests.clients.connecting import CONNECTED, LAUNCHED, connect, launched
from tests.clients.gemini import GEMINI
from tests.clients.install import Finished, PythonPackage
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.script import JSON
from tests.clients.story import Hands, ToolLoop

TOO_LONG = "LLMContextWindowExceedError"
"""What it calls an overflow that it has understood, and has nothing to shorten for."""

REASONER = "openhands-reasoner"
"""An alias: LiteLLM takes `responses/` in front of a model for the protocol that it is to speak."""


def _cases() -> Iterator[Case]:
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        model = REASONER if upstream is RESPONSES else f"{upstream.provider}/{upstream.model}"
        # It leaves reasoning out. On a translated way the gateway puts back what the model has to get.
        loop = ToolLoop(parallel=True, reasons=upstream is not CHAT)
        yield Case("connected, two calls at once", CHAT, upstream, model, loop, CONNECTED)
    one = ToolLoop(reasons=False)
    bad_key = Refusal(MESSAGES.bad_key, (MESSAGES.bad_key.body["error"]["message"],))
    too_long = Refusal(MESSAGES.too_long, (TOO_LONG,))
    for name, plot, variant in (
        ("connected, one call", one, CONNECTED),
        ("launched, one call", one, LAUNCHED),
        ("connected, 401", bad_key, CONNECTED),
        ("connected, prompt is too long", too_long, CONNECTED),
    ):
        yield Case(name, CHAT, MESSAGES, "messages/writer-1", plot, variant)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    words = ("--headless", "--json", "--task", order.prompt)
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENHANDS_SUPPRESS_BANNER": "1", "COLUMNS": "1000"}
    environment = {**surroundings(order), **quiet}
    if order.variant == LAUNCHED:
        return launched(order, "openhands", words, environment)
    connect(order, "openhands")
    return ("openhands", *words), environment


def _read(finished: Finished) -> Said:
    events = [msgspec.json.decode(line, type=JSON) for line in finished.output.splitlines() if line.startswith("{")]
    failures = [event for event in events if "Error" in event["kind"]]
    words = [_words(event) for event in events if event["kind"] == "MessageEvent" and event["source"] == "agent"]
    last = str(failures[-1]) if failures else words[-1] if words else finished.errors.strip()
    return Said(last, is_failure=finished.code != 0 or bool(failures), tokens=None)


def _words(event: JSON) -> str:
    return "".join(part["text"] for part in event["llm_message"]["content"])


def _shell(command: str) -> tuple[str, JSON]:
    return "terminal", {"command": command, "security_risk": "LOW"}


def _look(file: Path) -> tuple[str, JSON]:
    return "file_editor", {"command": "view", "path": str(file), "security_risk": "LOW"}


CLIENT = Client(
    name="openhands",
    package=PythonPackage("openhands", "1.16.0", "openhands", "==3.12.*"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=tuple(_cases()),
    start_limit=60.0,
    aliases={REASONER: "responses/reasoner-1"},
)
