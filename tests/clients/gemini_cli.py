"""Gemini CLI, headless: google-gemini.github.io/gemini-cli, `docs/cli/headless.md` and `docs/reference/configuration.md`."""

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

SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


def _plots(upstream: Speech) -> Iterator[tuple[str, Plot]]:
    yield "one call", ToolLoop(reasons=False)
    yield "reasoning, two calls at once", ToolLoop(parallel=True)
    yield "stream breaks, asks again", BrokenStream(shows_both=True)
    yield "stream is cut, asks again", BrokenStream(silently=True, shows_both=True)
    yield "401", Refusal(upstream.bad_key, (upstream.bad_key.body["error"]["message"],))
    yield "prompt is too long", Refusal(upstream.too_long, (upstream.too_long.body["error"]["message"],))


def _cases() -> Iterator[Case]:
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        for name, plot in _plots(upstream):
            yield Case(name, GEMINI, upstream, f"{upstream.provider}/{upstream.model}", plot)
    one = ToolLoop()
    yield Case("connected, one call", GEMINI, CHAT, "chat/coder-1", one, CONNECTED)
    yield Case("launched, one call", GEMINI, MESSAGES, "messages/writer-1", one, LAUNCHED)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    words = (
        "--prompt",
        order.prompt,
        "--approval-mode",
        "yolo",
        "--skip-trust",
        "--output-format",
        "json",
        "-e",
        "none",
    )
    environment = {**surroundings(order), "GEMINI_CLI_NO_RELAUNCH": "true", "CI": "1"}
    if order.variant == LAUNCHED:
        # It trusts no settings of the system below a folder that everybody may write to, as that of temporary files is.
        environment["XDG_STATE_HOME"] = str(Path(order.programs.partition(":")[0]).parents[2] / "state")
        return launched(order, "gemini-cli", words, environment)
    if order.variant == CONNECTED:
        connect(order, "gemini-cli")
        return ("gemini", *words), environment
    settings = order.home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_bytes(msgspec.json.encode(SETTINGS))
    environment |= {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{order.port}", "GEMINI_API_KEY": order.key}
    return ("gemini", *words, "--model", order.model), environment


def _read(finished: Finished) -> Said:
    told = _last_object(finished.output) or _last_object(finished.errors)
    failure = told.get("error")
    if failure or not told:
        return Said((failure or {}).get("message", finished.errors.strip()), is_failure=True, tokens=None)
    models = told["stats"]["models"]
    counts = [model["tokens"] for model in models.values()]
    tokens = (
        sum(count["input"] for count in counts),
        sum(count["cached"] for count in counts),
        sum(count["candidates"] + count["thoughts"] for count in counts),
    )
    return Said(told["response"], is_failure=finished.code != 0, tokens=tokens, models=frozenset(models))


def _last_object(text: str) -> JSON:
    """Give the JSON that a text ends in; before it may stand anything."""
    start = text.find("{\n") if not text.startswith("{") else 0
    try:
        return msgspec.json.decode(text[start:], type=JSON) if start >= 0 else {}
    except msgspec.DecodeError:
        return {}


def _shell(command: str) -> tuple[str, JSON]:
    return "run_shell_command", {"command": command, "description": "Write a word — “as asked” 🥭"}


def _look(file: Path) -> tuple[str, JSON]:
    return "read_file", {"file_path": str(file)}


CLIENT = Client(
    name="gemini-cli",
    package=Package("@google/gemini-cli", "0.61.0", "gemini"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=tuple(_cases()),
    aliases={},
)
