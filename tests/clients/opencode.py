"""OpenCode, headless, with a provider of its own configuration: opencode.ai/docs/providers/#custom-provider."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import msgspec

from tests.clients.chat import CHAT
from tests.clients.claude_agent import CLAUDE_AGENT
from tests.clients.client import (
    BrokenStream,
    Case,
    Client,
    Compaction,
    Delegation,
    Errand,
    Order,
    Plot,
    Refusal,
    Said,
    surroundings,
)
from tests.clients.connecting import CONNECTED, LAUNCHED, connect, launched
from tests.clients.gemini import GEMINI
from tests.clients.install import Finished, Package
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.script import JSON
from tests.clients.speech import Speech
from tests.clients.story import Hands, ToolLoop

DIALECTS: Mapping[Speech, tuple[str, str]] = {
    CHAT: ("@ai-sdk/openai-compatible", "/v1"),
    MESSAGES: ("@ai-sdk/anthropic", "/v1"),
    RESPONSES: ("@ai-sdk/openai", "/v1"),
    GEMINI: ("@ai-sdk/google", "/v1beta"),
}
"""The package, bundled with the program, that speaks each protocol, and the path that it is given in its base URL."""

UNNAMED = "unnamed"
"""The variant in which it is told no title, and has one made."""

OFF = ("AUTOUPDATE", "CLAUDE_CODE", "DEFAULT_PLUGINS", "EXTERNAL_SKILLS", "LSP_DOWNLOAD", "MODELS_FETCH")
"""What would look around in the person's home, or on the network (the table of models is the bundled one)."""


def _plots(dialect: Speech, upstream: Speech) -> Iterator[tuple[str, Plot]]:
    # Its package for Gemini returns no ids of calls, passes over an error in a stream, and takes one that was cut for whole.
    is_gemini = dialect is GEMINI
    made_up = ("call_1_1",), ("call_1_2", "call_1_3")
    one, two = made_up if is_gemini and upstream is not GEMINI else ((), ())
    yield "one call", ToolLoop(reasons=False, ids=one)
    yield "reasoning, two calls at once", ToolLoop(parallel=True, ids=two)
    if not is_gemini:
        yield "stream breaks, asks again", BrokenStream()
        yield "stream is cut, asks again", BrokenStream(silently=True)
    yield "prompt is too long, compacts it", Compaction()
    yield "401", Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],))


def _cases() -> Iterator[Case]:
    for dialect, upstream in product(DIALECTS, repeat=2):
        model = f"{upstream.provider}/{upstream.model}"
        for name, plot in _plots(dialect, upstream):
            reasons = isinstance(plot, ToolLoop) and plot.reasons
            yield Case(name, dialect, upstream, model, plot, "high" if reasons else "")
    agent = f"{CLAUDE_AGENT.provider}/{CLAUDE_AGENT.model}"
    for dialect in (CHAT, MESSAGES):
        loop = ToolLoop(parallel=True, rounds=9)
        yield Case("ten turns, two calls at once in each", dialect, CLAUDE_AGENT, agent, loop, "high")
        for name, plot in _plots(dialect, CLAUDE_AGENT):
            if not isinstance(plot, ToolLoop):
                yield Case(name, dialect, CLAUDE_AGENT, agent, plot)
    yield Case("the gateway runs the tool", CHAT, CLAUDE_AGENT, agent, Errand())
    one = ToolLoop(reasons=False)
    yield Case("connected, one call", CHAT, MESSAGES, "messages/writer-1", one, CONNECTED)
    yield Case("launched, one call", CHAT, RESPONSES, "responses/reasoner-1", one, LAUNCHED)
    modes = {"build": "primary", "explore": "subagent", "title": "primary"}
    elsewhere = Delegation(helper=MESSAGES, titler=RESPONSES, hand_over=_hand_over, modes=modes)
    yield Case("connected, agents have models", CHAT, CHAT, "chat/coder-1", elsewhere, CONNECTED)
    elsewhere = Delegation(helper=GEMINI, titler=RESPONSES, hand_over=_hand_over)
    for dialect in DIALECTS:
        yield Case("no plugin, agents have models", dialect, CHAT, "chat/coder-1", elsewhere, UNNAMED)


def _hand_over(prompt: str) -> tuple[str, JSON]:
    return "task", {"description": "Look for a word", "prompt": prompt, "subagent_type": "explore"}


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    if order.variant in (CONNECTED, LAUNCHED):
        return _start_as_told(order)
    # `--title` spares a request for one.
    title = () if order.variant == UNNAMED else ("--title", "A word")
    effort = ("--variant", order.variant) if order.variant and title else ()
    how = ("--format", "json", "--thinking", *title, "--model", f"gateway/{order.model}", *effort)
    environment = {
        **surroundings(order),
        "OPENCODE_CONFIG_CONTENT": msgspec.json.encode(_configuration(order)).decode(),
        **{f"OPENCODE_DISABLE_{name}": "1" for name in OFF},
    }
    return ("opencode", "run", *how, "--", order.prompt), environment


def _start_as_told(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    """Give what runs it with nothing but what our command has told it. Only the case with agents has a title made."""
    environment = {
        **surroundings(order),
        **{f"OPENCODE_DISABLE_{name}": "1" for name in OFF},
        "OPENCODE_PERMISSION": '{"*":"allow"}',
        "npm_config_fetch_retries": "0",  # a plugin makes it look for npm's registry, which is not there
    }
    has_agents = order.model == "chat/coder-1"
    title = () if has_agents else ("--title", "A word")
    words = ("run", "--format", "json", "--thinking", *title, "--", order.prompt)
    if order.variant == LAUNCHED:
        return launched(order, "opencode", words, environment)
    connect(order, "opencode")
    return ("opencode", *words), environment


def _configuration(order: Order) -> JSON:
    package, path = DIALECTS[order.dialect]
    options = {"baseURL": f"http://127.0.0.1:{order.port}{path}", "apiKey": order.key}
    # Limits that are big enough for its whole prompt.
    model = {"tool_call": True, "reasoning": True, "limit": {"context": 200_000, "output": 8192}}
    gateway = {"npm": package, "options": options, "models": {order.model: model}}
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
    counts = [_tokens(step["tokens"]) for step in steps]
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


def _tokens(told: JSON) -> tuple[int, int, int]:
    return told["input"], told["cache"]["read"], told["output"] + told["reasoning"]


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
    agents={
        'agent = "explore"': "messages/writer-1",
        'agent = "title"': "responses/reasoner-1",
        'mode = "subagent"': "gemini/thinker-1",
    },
)
