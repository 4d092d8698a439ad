"""Claude Code, headless. Its contract with a gateway: code.claude.com/docs/en/llm-gateway-protocol."""

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


def _too_long(speech: Speech, *numbers: str) -> Refusal:
    return Refusal(speech.too_long, ("Prompt is too long", *numbers))


def _bad_key(speech: Speech, words: str) -> Refusal:
    return Refusal(speech.bad_key, ("401", words))


def _case(name: str, upstream: Speech, model: str, plot: Plot, variant: str = "") -> Case:
    return Case(name, MESSAGES, upstream, model, plot, variant)


# The client treats ids that it knows as older models, newer ones and unknown ones in three ways: the environment as
# reminders in the user's message or as a system message in mid-conversation, thinking with a budget or adaptive.
CASES = (
    _case("one call, claude-sonnet-4-5", CHAT, "claude-sonnet-4-5", ToolLoop()),
    _case("two calls at once, chat/coder-1", CHAT, "chat/coder-1", ToolLoop(parallel=True), "every tool"),
    _case("two calls at once, claude-sonnet-5-5", CHAT, "claude-sonnet-5-5", ToolLoop(parallel=True), "bearer"),
    _case("stream breaks, asks again whole", CHAT, "claude-sonnet-4-5", BrokenStream(whole=True)),
    _case("prompt is too long", CHAT, "claude-sonnet-4-5", _too_long(CHAT, "250000")),
    _case("401", CHAT, "chat/coder-1", _bad_key(CHAT, "Incorrect API key provided: scripted.")),
    _case("one call, claude-opus-4-5", MESSAGES, "claude-opus-4-5", ToolLoop()),
    _case("two calls at once, messages/writer-1", MESSAGES, "messages/writer-1", ToolLoop(parallel=True), "every tool"),
    _case("two calls at once, claude-opus-5-5", MESSAGES, "claude-opus-5-5", ToolLoop(parallel=True), "bearer"),
    _case("stream breaks, asks again whole", MESSAGES, "claude-opus-4-5", BrokenStream(whole=True)),
    _case("prompt is too long", MESSAGES, "messages/writer-1", _too_long(MESSAGES, "250000", "200000")),
    _case("one call, responses/reasoner-1", RESPONSES, "responses/reasoner-1", ToolLoop()),
    _case("two calls at once, claude-fable-5", RESPONSES, "claude-fable-5", ToolLoop(parallel=True), "every tool"),
    _case("stream breaks, asks again whole", RESPONSES, "responses/reasoner-1", BrokenStream(whole=True)),
    _case("prompt is too long", RESPONSES, "responses/reasoner-1", _too_long(RESPONSES, "context window")),
    _case("401", RESPONSES, "claude-fable-5", _bad_key(RESPONSES, "Incorrect API key provided: scripted.")),
    _case("one call, gemini/thinker-1", GEMINI, "gemini/thinker-1", ToolLoop()),
    _case("two calls at once, claude-haiku-5-5", GEMINI, "claude-haiku-5-5", ToolLoop(parallel=True), "every tool"),
    _case("stream breaks, asks again whole", GEMINI, "gemini/thinker-1", BrokenStream(whole=True)),
    _case("prompt is too long", GEMINI, "gemini/thinker-1", _too_long(GEMINI, "250000", "200000")),
    _case("401", GEMINI, "gemini/thinker-1", _bad_key(GEMINI, "API key not valid (scripted).")),
    _case("401", MESSAGES, "claude-opus-4-5", _bad_key(MESSAGES, "This key was revoked (scripted).")),
    _case("connected, one call", CHAT, "chat/coder-1", ToolLoop(), CONNECTED),
    _case("launched, one call", MESSAGES, "messages/writer-1", ToolLoop(), LAUNCHED),
)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    tools = () if order.variant == "every tool" else ("--tools", "Bash,Read")
    output = ("--output-format", "stream-json", "--verbose")
    words = ("-p", order.prompt, *output, "--dangerously-skip-permissions", *tools)
    environment = {
        **surroundings(order),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
        "IS_SANDBOX": "1",  # lets root skip permissions
    }
    if order.variant == LAUNCHED:
        # A key that leads elsewhere is not to win.
        return launched(order, "claude-code", words, environment | {"ANTHROPIC_API_KEY": "sk-elsewhere"})
    if order.variant == CONNECTED:
        connect(order, "claude-code")
        return ("claude", *words), environment
    environment |= {
        "CLAUDE_CONFIG_DIR": str(order.home / ".claude"),
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{order.port}",
        "ANTHROPIC_AUTH_TOKEN" if order.variant == "bearer" else "ANTHROPIC_API_KEY": order.key,
    }
    return ("claude", *words, "--model", order.model), environment


def _read(finished: Finished) -> Said:
    events = list(_events(finished.output))
    results = [event for event in events if event.get("type") == "result"]
    messages = [event["message"] for event in events if event.get("type") == "assistant"]
    # What the client says of itself, such as an error, has the model `<synthetic>`.
    models = frozenset(message["model"] for message in messages) - {"<synthetic>"}
    if not results:
        return Said(finished.errors.strip(), is_failure=True, tokens=None, models=models)
    result, usage = results[-1], results[-1]["usage"]
    tokens = (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"])
    return Said(str(result.get("result", "")), is_failure=bool(result["is_error"]), tokens=tokens, models=models)


def _events(output: str) -> Iterator[JSON]:
    for line in output.splitlines():
        if line.startswith("{"):
            yield msgspec.json.decode(line, type=JSON)


def _shell(command: str) -> tuple[str, JSON]:
    return "Bash", {"command": command, "description": "Write a word — “as asked” 🥭"}


def _look(file: Path) -> tuple[str, JSON]:
    return "Read", {"file_path": str(file)}


CLIENT = Client(
    name="claude-code",
    package=Package("@anthropic-ai/claude-code", "2.1.329", "claude"),
    start=_start,
    read=_read,
    hands=Hands(_shell, _look),
    cases=CASES,
    aliases={
        "claude-sonnet-*": "chat/coder-1",
        "claude-opus-*": "messages/writer-1",
        "claude-fable-*": "responses/reasoner-1",
        "claude-haiku-*": "gemini/thinker-1",
    },
    private_marks=("x-anthropic-billing-header",),
)
