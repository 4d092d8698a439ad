"""One process of the CLI: its lines in and out, the questions both sides ask, its end."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.upstreams.claude_agent import lines, rpc
from dragoman.upstreams.claude_agent.lines import Asked, ControlRequest, ControlResponse, Exited, McpMessage, Word

_LINE_LIMIT: Final = 256 * 1024 * 1024
_WORDS_KEPT: Final = 20
_ANSWER_SECONDS: Final = 60.0
_ENDING: Final = b'{"type":"stream_event","event":{"type":"message_delta"'
_CONTINUED: Final = tuple(
    f'"stop_reason":"{reason}"'.encode() for reason in ("max_tokens", "model_context_window_exceeded", "pause_turn")
)
"""How a message ends after which the CLI would ask the model to go on, unbidden."""
_HOOKS: Final = {"PreToolUse": [{"matcher": None, "hookCallbackIds": ["call"]}]}
_DEFERRED: Final = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "defer"}}
NO_TOOLS: Final = Raw(b"[]")


class CliError(DragomanError):
    """The CLI could not be started, broke off, or refused what was asked of it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(Failure(FailureKind.UPSTREAM_CUT, message, hint=hint))


class Process:
    """A running CLI. What it says of a turn is in `words`, the last of which is `Exited`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._questions: dict[str, asyncio.Future[Raw]] = {}
        self._asked = 0
        self._stderr: deque[str] = deque(maxlen=_WORDS_KEPT)
        self.tools = NO_TOOLS
        """The tools that the CLI is told of when it asks."""
        self.attend: Callable[[ControlRequest], None] = self._defer
        """Answers what it asks."""
        self.is_ending = False
        """Whether it was killed."""
        self.words: asyncio.Queue[Word | Exited] = asyncio.Queue()
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def spawn(cls, command: Sequence[str], environment: Mapping[str, str], folder: str) -> "Process":
        """Start the CLI in `folder`. Raises CliError when that cannot be done."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                cwd=folder,
                limit=_LINE_LIMIT,
                # A group of its own: a Ctrl-C at the gateway's terminal is not for it, and what it starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            raise CliError(f"the Claude CLI could not be started: {error.strerror}", "check `claude.cli`") from None
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is about to."""
        return self.is_ending or self._reading.done() or self._process.returncode is not None

    def write(self, line: bytes) -> None:
        """Send a line; what a dead process does not take is no error, for its `Exited` is on its way."""
        if not self.is_over and self._process.stdin is not None:
            self._process.stdin.write(line)

    async def ask(self, subtype: str, **fields: Any) -> Raw:  # noqa: ANN401 - what the protocol has
        """Ask for something and return the answer. Raises CliError when it is refused or never comes."""
        self._asked += 1
        line = lines.ask(self._asked, subtype, fields)
        answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        if self.is_over:
            await self.gone()  # its last words tell why
            raise CliError(self._obituary())
        self._questions[f"q{self._asked}"] = answer
        self.write(line)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise CliError(f"the Claude CLI did not answer `{subtype}` in {_ANSWER_SECONDS:g} s") from None

    async def initialise(self, system: str, **fields: Any) -> Raw:  # noqa: ANN401 - what the protocol has
        """Open the conversation, in which every tool call is asked about; the answer tells of models and of the account."""
        return await self.ask("initialize", hooks=_HOOKS, systemPrompt=system, systemPromptSnapshot=False, **fields)

    def kill(self) -> None:
        """End it at once, and all that it has started. Called again, it does nothing."""
        self.is_ending = True
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until it has ended and nothing of it is left."""
        await asyncio.wait((self._reading,))

    # --- what it says ---

    async def _read(self) -> None:
        process = self._process
        assert process.stdout is not None  # noqa: S101 - asked for above
        errors = asyncio.ensure_future(self._read_errors())
        try:
            async for line in process.stdout:
                self._take(line)
        except (ValueError, ConnectionError):
            self.kill()  # a line beyond all bounds
        status = await process.wait()
        await errors
        if process.stdin is not None:
            process.stdin.close()
        for answer in self._questions.values():
            if not answer.done():
                answer.set_exception(CliError(self._obituary()))
                answer.exception()
        self.words.put_nowait(Exited(status, "\n".join(self._stderr)))

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - asked for above
        with suppress(ValueError, ConnectionError):
            async for line in self._process.stderr:
                self._stderr.append(line.decode(errors="replace").rstrip()[:500])

    def _take(self, raw: bytes) -> None:
        if raw.startswith(_ENDING) and any(reason in raw for reason in _CONTINUED):
            # Here and not where the reply is read: every millisecond counts before the CLI has asked again.
            self.kill()
        try:
            line = lines.decode(raw)
        except msgspec.DecodeError as error:
            self._stderr.append(f"a line of the CLI's could not be read: {error}")
            self.kill()
            return
        match line:
            case None:
                return
            case ControlRequest():
                self.attend(line)
            case ControlResponse(response):
                answer = self._questions.pop(response.request_id, None)
                if answer is None or answer.done():
                    return
                if response.subtype == "error":
                    answer.set_exception(CliError(f"the Claude CLI refused: {response.error}"))
                else:
                    answer.set_result(Raw(bytes(response.response)))
            case word:
                self.words.put_nowait(word)

    def _defer(self, asked: ControlRequest) -> None:
        """Leave every call to the client, as the server of tools that are never called here."""
        match asked.request:
            case Asked("hook_callback"):
                self.write(lines.answer(asked, _DEFERRED))
            case Asked("mcp_message", McpMessage() as message) if isinstance(
                reply := rpc.take(message, self.tools), dict
            ):
                self.write(lines.answer(asked, {"mcp_response": reply}))
            case _:
                self.write(lines.refusal(asked))

    def _obituary(self) -> str:
        words = f": {self._stderr[-1]}" if self._stderr else ""
        return f"the Claude CLI has ended (exit status {self._process.returncode}){words}"
