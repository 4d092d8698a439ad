"""OpenCode, headless, with a provider of its own configuration: opencode.ai/docs/providers/#custom-provider."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import msgspec

from tests.clients.chat import CHAT
from tests.clients.client import BrokenStream, Case, Client, Compaction, Order, Plot, Refusal, Said, surroundings
from tests.clients.install import Finished, Package
from tests.clients.messages import MESSAGES
from tests.clients.script import JSON
from tests.clients.speech import Speech
from tests.clients.story import Hands, ToolLoop

DIALECTS: Mapping[Speech, str] = {CHAT: "@ai-sdk/openai-compatible", MESSAGES: "@ai-sdk/anthropic"}
"""The package, bundled with the program, that speaks each protocol. All of them are given the base URL with `/v1`."""

OFF = ("AUTOUPDATE", "CLAUDE_CODE", "DEFAULT_PLUGINS", "EXTERNAL_SKILLS", "LSP_DOWNLOAD", "MODELS_FETCH")
"""What would look around in the person's home, or on the network (the table of models is the bundled one)."""


def _plots(upstream: Speech) -> Iterator[tuple[str, Plot]]:
    yield "one call", ToolLoop(reasons=False)
    yield "reasoning, two calls at once", ToolLoop(parallel=True)
    yield "stream breaks, asks again", BrokenStream()
    yield "stream is cut, asks again", BrokenStream(silently=True)
    yield "prompt is too long, compacts it", Compaction()
    yield "401", Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],))


def _cases() -> Iterator[Case]:
    for dialect, upstream in product(DIALECTS, repeat=2):
        model = f"{upstream.provider}/{upstream.model}"
        for name, plot in _plots(upstream):
            reasons = isinstance(plot, ToolLoop) and plot.reasons
            yield Case(name, dialect, upstream, model, plot, "high" if reasons else "")


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    # `--title` spares a request for one.
    effort = ("--variant", order.variant) if order.variant else ()
    how = ("--format", "json", "--thinking", "--title", "A word", "--model", f"gateway/{order.model}", *effort)
    environment = {
        **surroundings(order),
        "OPENCODE_CONFIG_CONTENT": msgspec.json.encode(_configuration(order)).decode(),
        **{f"OPENCODE_DISABLE_{name}": "1" for name in OFF},
    }
    return ("opencode", "run", *how, "--", order.prompt), environment


def _configuration(order: Order) -> JSON:
    options = {"baseURL": f"http://127.0.0.1:{order.port}/v1", "apiKey": order.key}
    # Limits that are big enough for its whole prompt.
    model = {"tool_call": True, "reasoning": True, "limit": {"context": 200_000, "output": 8192}}
    gateway = {"npm": DIALECTS[order.dialect], "options": options, "models": {order.model: model}}
    return {
        "provider": {"gateway": gateway},
        "enabled_providers": ["gateway"],
        "small_model": f"gateway/{order.model}",
        "permission": "allow",
        "share": "disabled",
        "autoupdate": False,
    }


def _read(finished: Finished) -> Said:
    events = [msgspec.json.decode(line, type=JSON) for line in finished.output.splitlines() if line.startswith("{")]
    reasoning, steps = (_parts(events, kind) for kind in ("reasoning", "step_finish"))
    counts = [(step["tokens"]["input"], step["tokens"]["cache"]["read"], step["tokens"]["output"]) for step in steps]
    fresh, cached, spoken = map(sum, zip(*counts, strict=True)) if counts else (0, 0, 0)
    shown = "".join(part["text"] for part in reasoning)
    # The last words are the model's, or an error's. After an overflow it goes on, and still ends with code 1.
    words = [
        event["error"]["data"]["message"] if event["type"] == "error" else event["part"]["text"]
        for event in events
        if event["type"] in ("error", "text")
    ]
    last = words[-1] if words else finished.errors.strip()
    return Said(last, is_failure=finished.code != 0, tokens=(fresh, cached, spoken), reasoning=shown)


def _parts(events: Sequence[JSON], kind: str) -> list[JSON]:
    return [event["part"] for event in events if event["type"] == kind]


def _shell(command: str) -> tuple[str, JSON]:
    return "bash", {"command": command, "description": "Write a word — “as asked” 🥭"}


def _look(file: Path) -> tuple[str, JSON]:
    return "read", {"filePath": str(file)}


CLIENT = Client(
    name="opencode",
    package=Package("opencode-ai", "1.18.33", "opencode"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=tuple(_cases()),
    aliases={},
)
