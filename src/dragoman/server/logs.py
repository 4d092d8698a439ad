"""Structured logs: one line an event, for people on a terminal, as JSON for machines. Bodies and keys never get here."""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec


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
    """A line to read: when, how it ended, who asked whom in which lane, how long, how much."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        text = _exchange(fields) if fields is not None else f"{record.levelname.lower()}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{clock} {text}"


def _exchange(fields: Mapping[str, Any]) -> str:
    get = fields.get
    parts = [
        str(get("status", "-")),
        f"{get('model', '?')} -> {get('provider', '?')}/{get('upstream_model', '?')}",
        f"({get('protocol')} -> {get('upstream_protocol', '?')}, {get('lane', 'refused')})",
        f"{get('total_ms')} ms",
    ]
    if "first_byte_ms" in fields:
        parts.append(f"first byte {fields['first_byte_ms']} ms")
    if "output_tokens" in fields:
        parts.append(f"tokens {get('input_tokens', 0)}+{get('cache_read', 0)} in, {fields['output_tokens']} out")
    if "retries" in fields:
        parts.append(f"{fields['retries']} retries")
    if "losses" in fields:
        parts.append("losses: " + ", ".join(fields["losses"]))
    if get("client_left"):
        parts.append("the client left")
    if "failure" in fields:
        parts.append(f"{fields['failure']}: {get('message')}")
    parts.append(str(get("request_id")))
    return "  ".join(parts)


def set_up(*, as_json: bool, level: str) -> None:
    """Send the logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
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
