"""Codex CLI, headless, with a provider of its own configuration: developers.openai.com/codex/config-reference."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.clients.chat import CHAT
from tests.clients.client import BrokenStream, Case, Client, Order, Plot, Refusal, Said, surroundings
from tests.clients.connecting import CONNECTED, LAUNCHED, connect, launched
from tests.clients.gemini import GEMINI
from tests.clients.install import Finished, Package
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.script import JSON
from tests.clients.speech import Speech
from tests.clients.story import Hands, ToolLoop

RETRIES = 2
"""How often it asks again; also after a refused key, whatever the answer says of that."""

UPGRADES = "upgrades"
"""The variant in which it first tries a WebSocket, which the gateway declines."""

CONFIGURATION = """\
model_provider = "gateway"
model_reasoning_effort = "high"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.gateway]
name = "gateway"
base_url = "http://127.0.0.1:{port}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
stream_max_retries = {retries}
supports_websockets = {upgrades}

[analytics]
enabled = false
"""


def _plots(upstream: Speech) -> Iterator[tuple[str, Plot]]:
    yield "one call", ToolLoop(reasons=False)
    yield "reasoning, two calls at once", ToolLoop(parallel=True)
    yield "stream breaks, asks again", BrokenStream()
    yield "stream is cut, asks again", BrokenStream(silently=True)
    yield "prompt is too long", Refusal(upstream.too_long, ("context window",))
    yield "401", Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],), 1 + RETRIES)


def _cases() -> Iterator[Case]:
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        for name, plot in _plots(upstream):
            yield Case(name, RESPONSES, upstream, f"{upstream.provider}/{upstream.model}", plot)
    yield Case("no WebSocket, one call", RESPONSES, CHAT, "chat/coder-1", ToolLoop(reasons=False), UPGRADES, declined=1)
    yield Case("a patch, two calls at once, gpt-5.5", RESPONSES, CHAT, "gpt-5.5", ToolLoop(parallel=True, write=_patch))
    yield Case("a script that patches, gpt-6-sol", RESPONSES, MESSAGES, "gpt-6-sol", ToolLoop(write=_script))
    one = ToolLoop(reasons=False)
    yield Case("connected, one call", RESPONSES, MESSAGES, "messages/writer-1", one, CONNECTED)
    yield Case("launched, one call", RESPONSES, CHAT, "chat/coder-1", one, LAUNCHED)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    freely = "--dangerously-bypass-approvals-and-sandbox"
    words = ("exec", "--json", "--skip-git-repo-check", freely, "--", order.prompt)
    if order.variant == LAUNCHED:
        return launched(order, "codex", words, surroundings(order))
    home = order.home / ".codex"
    home.mkdir()
    upgrades = "true" if order.variant == UPGRADES else "false"
    configured = CONFIGURATION.format(port=order.port, retries=RETRIES, upgrades=upgrades)
    (home / "config.toml").write_text(configured, encoding="utf-8")
    if order.variant == CONNECTED:
        connect(order, "codex")
        return ("codex", *words), surroundings(order)
    command = ("codex", "exec", "--json", "--skip-git-repo-check", "--model", order.model, "--", order.prompt)
    return command, {**surroundings(order), "CODEX_HOME": str(home), "GATEWAY_KEY": order.key}


def _read(finished: Finished) -> Said:
    events = [msgspec.json.decode(line, type=JSON) for line in finished.output.splitlines() if line.startswith("{")]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    words = [item["text"] for item in items if item["type"] == "agent_message"]
    words += [event["error"]["message"] for event in events if event["type"] == "turn.failed"]
    counts = [_tokens(event["usage"]) for event in events if event["type"] == "turn.completed"]
    last = words[-1] if words else finished.errors.strip()
    return Said(last, is_failure=finished.code != 0, tokens=counts[-1] if counts else (0, 0, 0))


def _tokens(usage: JSON) -> tuple[int, int, int]:
    cached = usage["cached_input_tokens"]
    return usage["input_tokens"] - cached, cached, usage["output_tokens"]


def _shell(command: str) -> tuple[str, JSON]:
    return "exec_command", {"cmd": command}


def _look(file: Path) -> tuple[str, JSON]:
    return "exec_command", {"cmd": f"cat {file}"}


def _patch(file: Path, line: str) -> tuple[str, JSON]:
    """Models that it knows get tools for free text. To upstreams without such they are functions of one argument, `input`."""
    return "apply_patch", {"input": _patch_text(file, line)}


def _script(file: Path, line: str) -> tuple[str, JSON]:
    """Newer models get one tool in a namespace that runs scripts, and nearly all others inside of it."""
    patch, command = (msgspec.json.encode(word).decode() for word in (_patch_text(file, line), f"cat {file}"))
    steps = (f"await tools.apply_patch({patch});", f"text((await tools.exec_command({{cmd: {command}}})).output);")
    return "functions__exec", {"input": "\n".join(steps)}


def _patch_text(file: Path, line: str) -> str:
    return f"*** Begin Patch\n*** Add File: {file.name}\n+{line}\n*** End Patch\n"


CLIENT = Client(
    name="codex",
    package=Package("@openai/codex", "0.169.0", "codex"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=tuple(_cases()),
    aliases={"gpt-5.5": "chat/coder-1", "gpt-6-sol": "messages/writer-1"},
)
