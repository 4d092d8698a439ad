"""Runs real coding agents through the gateway, against upstreams that follow a script: `make test-clients`.

Each agent is fetched from npm into a folder of its own and told to do something small, headless and without a key.
Between them stand the gateway and a scripted upstream; nothing leaves this machine once the agents are there.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic

from tests.clients import claude_code
from tests.clients.client import Case, Client
from tests.clients.gateway import GatewayError, configuration, running
from tests.clients.install import NODE, UnavailableError, default_prefix, install
from tests.clients.sockets import Asked
from tests.clients.stage import Played, Stage, play
from tests.clients.upstream import CHAT, MESSAGES, serving

CLIENTS: Sequence[Client] = (claude_code.CLIENT,)

RUN_LIMIT = 220.0
"""Seconds for all cases together."""

TAIL = 2000
"""Characters of each piece of evidence that are printed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was said on the command line."""

    prefix: Path
    install_limit: float
    only: str
    direct: bool
    evidence: Path | None


def main() -> int:
    """Run everything; 0: all is well, or nothing could be run."""
    return asyncio.run(_main(_options()))


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prefix", type=Path, default=default_prefix(), help="where agents are kept [%(default)s]")
    parser.add_argument(
        "--install-limit", type=float, default=300.0, metavar="SECONDS", help="for fetching each of them [%(default)s]"
    )
    parser.add_argument("--only", default="*", metavar="GLOB", help="cases to run, as `client/upstream/case`")
    parser.add_argument(
        "--direct", action="store_true", help="leave the gateway out: a test of these tests, for equal protocols"
    )
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="keep every request and answer there")
    given = parser.parse_args()
    return Options(given.prefix.absolute(), given.install_limit, given.only, given.direct, given.evidence)


async def _main(options: Options) -> int:
    failed = False
    ready: list[tuple[Client, Path]] = []
    for client in CLIENTS:
        try:
            await install(NODE, options.prefix, options.install_limit)
            ready.append((client, await install(client.package, options.prefix, options.install_limit)))
        except UnavailableError as reason:
            print(f"skipped: {client.name} {client.package.version}: {reason}")
    if not ready:
        return 0
    with tempfile.TemporaryDirectory(prefix="dragoman-clients-", ignore_cleanup_errors=True) as name:
        try:
            failed = await _run(options, ready, Path(name))
        except GatewayError as error:
            print(f"the gateway: {error}")
            failed = True
    return int(failed)


async def _run(options: Options, ready: Sequence[tuple[Client, Path]], folder: Path) -> bool:
    deadline = monotonic() + RUN_LIMIT
    failed = False
    async with AsyncExitStack() as stack:
        upstreams = {speech: await stack.enter_async_context(serving(speech)) for speech in (CHAT, MESSAGES)}
        gateway = None
        if not options.direct:
            configured = configuration(upstreams[CHAT].port, upstreams[MESSAGES].port)
            gateway = await stack.enter_async_context(running(configured, folder))
        stage = Stage(upstreams, gateway)
        print(_row("client", "upstream", "case", "result", "seconds"))
        for number, (client, case, programs) in enumerate(_cases(options, ready)):
            played = await play(stage, client, case, programs, folder / str(number), max(1.0, deadline - monotonic()))
            result = "FAILED" if played.faults else "ok"
            print(_row(client.name, case.speech.protocol, case.name, result, f"{played.seconds:.1f}"), flush=True)
            if played.faults:
                failed = True
                print(_report(played))
            if options.evidence:
                _keep(played, options.evidence / f"{number}-{client.name}-{case.speech.protocol}")
    return failed


def _cases(options: Options, ready: Sequence[tuple[Client, Path]]) -> Iterator[tuple[Client, Case, Path]]:
    for client, programs in ready:
        for case in client.cases:
            if options.direct and case.speech is not client.speech:
                continue
            if fnmatch(f"{client.name}/{case.speech.protocol}/{case.name}", options.only):
                yield client, case, programs


def _row(client: str, upstream: str, case: str, result: str, seconds: str) -> str:
    return f"{client:<14}{upstream:<20}{case:<40}{result:<8}{seconds:>7}"


def _report(played: Played) -> str:
    return "\n".join([*(f"  - {fault}" for fault in played.faults), *_evidence(played)])


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


def _keep(played: Played, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, asked in enumerate(played.upstream.seen):
        (folder / f"upstream-{number}.http").write_bytes(asked.raw)
    for number, exchange in enumerate(played.tap.exchanges):
        (folder / f"client-{number}.http").write_bytes(exchange.asked.raw)
        (folder / f"answer-{number}.http").write_bytes(exchange.answered)
    if played.finished:
        (folder / "output.txt").write_text(played.finished.output, encoding="utf-8")
    (folder / "gateway.log").write_text(played.log, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
