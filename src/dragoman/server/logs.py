"""Structured logs: one line an event, for people on a terminal, as JSON for machines. Bodies and keys never get here."""

import asyncio
import atexit
import logging
import sys
import time
from typing import Any, Final, TextIO

import msgspec

from dragoman.engine.record import Line, Record, RecordSink
from dragoman.ir.failures import Failure, FailureKind

_PATIENCE: Final = 0.05
_MOST: Final = 64
"""Lines that may wait: more at a time would keep everybody else waiting for milliseconds."""
_REASON_LENGTH: Final = 300
_OURS: Final = frozenset(
    {
        FailureKind.AUTHENTICATION,
        FailureKind.METHOD_NOT_ALLOWED,
        FailureKind.NOT_FOUND,
        FailureKind.NOT_IMPLEMENTED,
        FailureKind.PERMISSION,
        FailureKind.SHUTTING_DOWN,
        FailureKind.TOO_LARGE,
    }
)
"""The kinds whose words, when nobody has been asked, are ours and quote nothing of a body but a model's name."""


class EarlyLine(Line, frozen=True, omit_defaults=True):
    """The line of a request that was refused before it was an exchange: it has a path and no model."""

    path: str = ""


class Early(Record):
    """A request that was refused before it was an exchange."""

    path: str = ""

    def line(self) -> Line:
        """Return what the log says of it."""
        return EarlyLine(**msgspec.structs.asdict(Record.line(self)), path=self.path)


def reason_of(failure: Failure) -> str | None:
    """Return why a request was refused before anybody was asked, in words; None where they may quote its body."""
    if failure.kind in _OURS:
        return failure.message[:_REASON_LENGTH]
    return f"refused because of `{failure.param[:_REASON_LENGTH]}`" if failure.param else None


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        row: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(row).decode()


class TextFormatter(logging.Formatter):
    """A line to read: when, how grave, what."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{clock} {text}"


class LineWriter:
    """Writes the lines of exchanges, several with one system call and without the detour through logging.

    A line is made and written within `_PATIENCE` seconds, when the client has its answer; at the end of the process
    whatever waits is written.
    """

    def __init__(self, *, as_json: bool, warnings_only: bool) -> None:
        self._format, self._clock = (_json_line, _now) if as_json else (_text_line, _local)
        self._warnings_only = warnings_only
        self._waiting: list[Record] = []
        self._is_timed = False
        atexit.register(self.flush)

    def __call__(self, record: Record) -> None:
        """Take the record of one exchange."""
        if self._warnings_only and not record.failure:
            return
        if not self._is_timed:
            self._is_timed = True
            asyncio.get_running_loop().call_later(_PATIENCE, self._go_off)
        self._waiting.append(record)
        if len(self._waiting) >= _MOST:
            self.flush()

    def _go_off(self) -> None:
        self._is_timed = False
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        now = self._clock()
        lines = "".join([self._format(record, now) for record in self._waiting])
        self._waiting.clear()
        sys.stderr.buffer.write(lines.encode(errors="replace"))
        sys.stderr.buffer.flush()


def _message(record: Record) -> str | None:
    """Return why it failed, in words that quote no body."""
    if record.failure is None or record.lane:
        return record.message
    return reason_of(record.failure) or record.message


def _json_line(record: Record, now: str) -> str:
    line = record.line()
    if record.failure is not None:
        line = msgspec.structs.replace(line, message=_message(record))
    level = "warning" if record.failure else "info"
    start = f'{{"time":"{now}","level":"{level}","logger":"dragoman.exchange","event":"exchange",'
    return f"{start}{msgspec.json.encode(line)[1:].decode()}\n"


def _now() -> str:
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _local() -> str:
    return time.strftime("%H:%M:%S")


def _text_line(record: Record, now: str) -> str:
    text = _exchange(record)
    if not text.isprintable():
        # A model's name is the client's: it may neither begin a line of its own nor speak to the terminal.
        text = "".join(character if character.isprintable() else "?" for character in text)
    return f"{now} {text}\n"


def _exchange(record: Record) -> str:
    """Return the line to read: status, who asked whom in which lane, how long, how much, what was lost."""
    if isinstance(record, Early):
        text = f"{record.status}  {record.path}  ({record.protocol}, refused)  {record.total_ms} ms"
    else:
        text = (
            f"{record.status}  {record.model or '-'} -> {record.provider or '?'}/{record.upstream_model or '?'}  "
            f"({record.protocol} -> {record.upstream_protocol or '?'}, {record.lane or 'refused'})  {record.total_ms} ms"
        )
    if record.first_byte is not None:
        text += f"  first byte {record.first_byte_ms} ms"
    usage = record.read_usage()
    if usage.output_tokens is not None:
        text += f"  tokens {usage.input_tokens or 0}+{usage.cache_read or 0} in, {usage.output_tokens} out"
    if record.retries:
        text += f"  {record.retries} retries"
    if record.ledger:
        text += f"  losses: {', '.join(record.loss_names)}"
    if record.left:
        text += "  the client left"
    if record.failure:
        words = _message(record)
        text += f"  {record.failure.kind.word}: {words}" if words else f"  {record.failure.kind.word}"
    return f"{text}  {record.request_id}"


class _InOrder(logging.StreamHandler[TextIO]):
    """Writes the lines that wait before its own."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__(sys.stderr)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write."""
        self._writer.flush()
        super().emit(record)


def set_up(*, as_json: bool, level: str) -> RecordSink:
    """Send the logs to standard error; return where the lines of exchanges go."""
    writer = LineWriter(as_json=as_json, warnings_only=level.upper() in ("WARNING", "ERROR"))
    handler = _InOrder(writer)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger("dragoman")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(level.upper())
    # The server's own complaints (a client that is not speaking HTTP, say) go the same way.
    server = logging.getLogger("uvicorn.error")
    server.handlers[:] = [handler]
    server.propagate = False
    server.setLevel(logging.WARNING)
    # What nobody reads need not be made.
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False
    return writer
