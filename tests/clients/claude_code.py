"""Claude Code, headless. Its contract with a gateway: code.claude.com/docs/en/llm-gateway-protocol."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.clients.client import Case, Client, FallBack, Order, Refusal, Said, ToolLoop
from tests.clients.install import Finished, Package
from tests.clients.upstream import CHAT, JSON, MESSAGES, Fail

# What OpenAI and Anthropic answer when a prompt is too long: the client recognises both.
CHAT_TOO_LONG = Fail(
    400,
    {
        "error": {
            "message": "This model's maximum context length is 200000 tokens. However, your messages resulted in 250000.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
)
MESSAGES_TOO_LONG = Fail(
    400,
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "prompt is too long: 250000 tokens > 200000 maximum",
        },
    },
)
CHAT_BAD_KEY = Fail(
    401,
    {"error": {"message": "Incorrect API key provided: scripted.", "type": "invalid_request_error", "code": None}},
)
MESSAGES_BAD_KEY = Fail(
    401,
    {"type": "error", "error": {"type": "authentication_error", "message": "This key was revoked (scripted)."}},
)

# The client treats ids that it knows as older models, newer ones and unknown ones in three ways: the environment as
# reminders in the user's message or as a system message in mid-conversation, thinking with a budget or adaptive.
CASES = (
    Case("one call, claude-sonnet-4-5", CHAT, "claude-sonnet-4-5", ToolLoop()),
    Case("two calls at once, chat/coder-1", CHAT, "chat/coder-1", ToolLoop(parallel=True), "every tool"),
    Case("two calls at once, claude-sonnet-5-5", CHAT, "claude-sonnet-5-5", ToolLoop(parallel=True), "bearer"),
    Case("stream breaks, asks again whole", CHAT, "claude-sonnet-4-5", FallBack()),
    Case("prompt is too long", CHAT, "claude-sonnet-4-5", Refusal(CHAT_TOO_LONG, ("Prompt is too long", "250000"))),
    Case("401", CHAT, "chat/coder-1", Refusal(CHAT_BAD_KEY, ("401", "Incorrect API key provided: scripted."))),
    Case("one call, claude-opus-4-5", MESSAGES, "claude-opus-4-5", ToolLoop()),
    Case("two calls at once, messages/writer-1", MESSAGES, "messages/writer-1", ToolLoop(parallel=True), "every tool"),
    Case("two calls at once, claude-opus-5-5", MESSAGES, "claude-opus-5-5", ToolLoop(parallel=True), "bearer"),
    Case("stream breaks, asks again whole", MESSAGES, "claude-opus-4-5", FallBack()),
    Case(
        "prompt is too long",
        MESSAGES,
        "messages/writer-1",
        Refusal(MESSAGES_TOO_LONG, ("Prompt is too long", "250000", "200000")),
    ),
    Case("401", MESSAGES, "claude-opus-4-5", Refusal(MESSAGES_BAD_KEY, ("401", "This key was revoked (scripted)."))),
)


def _start(order: Order) -> tuple[Sequence[str], Mapping[str, str]]:
    tools = () if order.variant == "every tool" else ("--tools", "Bash,Read")
    output = ("--output-format", "stream-json", "--verbose")
    command = ("claude", "-p", order.prompt, "--model", order.model, *output, "--dangerously-skip-permissions", *tools)
    environment = {
        "PATH": order.programs,
        "HOME": str(order.home),
        "TMPDIR": str(order.home),
        "LANG": "C.UTF-8",
        "CLAUDE_CONFIG_DIR": str(order.home / ".claude"),
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{order.port}",
        "ANTHROPIC_AUTH_TOKEN" if order.variant == "bearer" else "ANTHROPIC_API_KEY": order.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
        "IS_SANDBOX": "1",  # lets root skip permissions
        "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is there: nothing leaves this machine
        "NO_PROXY": "127.0.0.1",
    }
    return command, environment


def _read(finished: Finished) -> Said:
    events = list(_events(finished.output))
    results = [event for event in events if event.get("type") == "result"]
    messages = [event["message"] for event in events if event.get("type") == "assistant"]
    # What the client says of itself, such as an error, has the model `<synthetic>`.
    models = frozenset(message["model"] for message in messages) - {"<synthetic>"}
    if not results:
        return Said(finished.errors.strip(), is_failure=True, models=models, tokens=None)
    result, usage = results[-1], results[-1]["usage"]
    tokens = (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"])
    return Said(str(result.get("result", "")), is_failure=bool(result["is_error"]), models=models, tokens=tokens)


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
    speech=MESSAGES,
    package=Package("@anthropic-ai/claude-code", "2.1.329", "claude"),
    start=_start,
    read=_read,
    shell=_shell,
    look=_look,
    private_marks=("x-anthropic-billing-header",),
    cases=CASES,
)
