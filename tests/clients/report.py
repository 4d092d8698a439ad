"""What is printed of a run: one table, and beneath a case that failed its faults with the evidence."""

from collections.abc import Iterator
from pathlib import Path

from tests.clients.client import Case, Client
from tests.clients.sockets import Asked
from tests.clients.stage import Played

TAIL = 2000
"""Characters of each piece of evidence that are printed."""


def head() -> str:
    """Give the table's first line."""
    return _row("client", "dialect", "upstream", "case", "result", "seconds")


def row(client: Client, case: Case, played: Played) -> str:
    """Give a case's line; when it failed also why."""
    result = "FAILED" if played.faults else "ok"
    line = _row(client.name, case.dialect.protocol, case.upstream.protocol, case.name, result, f"{played.seconds:.1f}")
    if not played.faults:
        return line
    return "\n".join([line, *(f"  - {fault}" for fault in played.faults), *_evidence(played)])


def skipped(client: Client, cases: int, reason: str) -> str:
    """Give the line of a client that cannot be run here."""
    return f"{_row(client.name, '*', '*', f'{cases} cases', 'skipped', '')}: {reason}"


def _row(client: str, dialect: str, upstream: str, case: str, result: str, seconds: str) -> str:
    return f"{client:<13}{dialect:<20}{upstream:<20}{case:<38}{result:<8}{seconds:>7}".rstrip()


def _evidence(played: Played) -> Iterator[str]:
    for asked in played.upstream.seen[-2:]:
        yield f"  the upstream saw: {_summary(asked)}"
    for exchange in played.tap.exchanges[-2:]:
        answer = exchange.answered.decode(errors="replace")
        yield f"  the client asked {exchange.asked.target} and got: {_cut(answer)}"
    if played.finished:
        yield f"  the client ended with {played.finished.code}: {_cut(played.finished.output)}"
        yield f"  and complained: {_cut(played.finished.errors)}"
    yield f"  the gateway logged: {_cut(played.log)}"


def _summary(asked: Asked) -> str:
    headers = "\n".join(f"    {name}: {value}" for name, value in asked.headers)
    return f"{asked.method} {asked.target}\n{headers}\n    {_cut(asked.body.decode(errors='replace'))}"


def _cut(text: str) -> str:
    text = text.strip()
    if len(text) <= TAIL:
        return text
    return f"{text[: TAIL // 3]}\n    [... {len(text) - TAIL} characters ...]\n{text[-TAIL * 2 // 3 :]}"


def keep(played: Played, folder: Path) -> None:
    """Write every request and answer of a case to files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, asked in enumerate(played.upstream.seen):
        (folder / f"upstream-{number}.http").write_bytes(asked.raw)
    for number, exchange in enumerate(played.tap.exchanges):
        (folder / f"client-{number}.http").write_bytes(exchange.asked.raw)
        (folder / f"answer-{number}.http").write_bytes(exchange.answered)
    if played.finished:
        (folder / "output.txt").write_text(played.finished.output, encoding="utf-8")
    (folder / "gateway.log").write_text(played.log, encoding="utf-8")
