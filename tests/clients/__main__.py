"""Runs real coding agents through the gateway, against upstreams that follow a script: `make test-clients`.

Each agent is fetched from npm or PyPI into a folder of its own and told to do something small, headless and without a key.
Between them stand the gateway and a scripted upstream; nothing leaves this machine once the agents are there.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic

from tests.clients import aider, claude_code, codex, continue_cli, gemini_cli, opencode, openhands, report
from tests.clients.chat import CHAT
from tests.clients.claude_agent import CLAUDE_AGENT
from tests.clients.client import BrokenStream, Case, Client, Delegation, Errand
from tests.clients.connecting import CONNECTED, LAUNCHED
from tests.clients.gateway import GatewayError, configuration, internal_configuration, running
from tests.clients.gemini import GEMINI
from tests.clients.install import NODE, Package, UnavailableError, default_prefix, install
from tests.clients.messages import MESSAGES
from tests.clients.responses import RESPONSES
from tests.clients.speech import Speech
from tests.clients.stage import Stage, play
from tests.clients.upstream import serving

CLIENTS: Sequence[Client] = tuple(
    module.CLIENT for module in (claude_code, codex, gemini_cli, opencode, continue_cli, openhands, aider)
)
UPSTREAMS: Sequence[Speech] = (CHAT, MESSAGES, RESPONSES, GEMINI, CLAUDE_AGENT)

RUN_LIMIT = 2400.0
"""Seconds for all cases of a client."""


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
    parser.add_argument("--only", default="*", metavar="GLOB", help="cases to run, as `client/dialect/upstream/case`")
    parser.add_argument(
        "--direct", action="store_true", help="leave the gateway out: a test of these tests, for equal protocols"
    )
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="keep every request and answer there")
    given = parser.parse_args()
    return Options(given.prefix.absolute(), given.install_limit, given.only, given.direct, given.evidence)


@dataclass(frozen=True, slots=True)
class Cast:
    """A client that is here, with the folders of its programs, and the cases it is to play."""

    client: Client
    cases: Sequence[Case]
    programs: Sequence[Path]


async def _main(options: Options) -> int:
    casts: list[Cast] = []
    print(report.head())
    for client in CLIENTS:
        cases = [case for case in client.cases if _is_chosen(options, client, case)]
        try:
            if cases:
                casts.append(Cast(client, cases, await _programs(options, client)))
        except UnavailableError as reason:
            print(report.skipped(client, len(cases), str(reason)), flush=True)
    if not casts:
        return 0
    with tempfile.TemporaryDirectory(prefix="dragoman-clients-", ignore_cleanup_errors=True) as name:
        try:
            failed = await _run(options, casts, Path(name))
        except GatewayError as error:
            print(f"the gateway: {error}")
            failed = True
    return int(failed)


def _is_chosen(options: Options, client: Client, case: Case) -> bool:
    if options.direct and (case.upstream is not case.dialect or _needs_gateway(case)):
        return False
    return fnmatch(f"{client.name}/{case.dialect.protocol}/{case.upstream.protocol}/{case.name}", options.only)


def _needs_gateway(case: Case) -> bool:
    """Tell whether the gateway has a part: it sees what looks whole to some clients, it routes, its command is under test."""
    if case.variant in (CONNECTED, LAUNCHED) or isinstance(case.plot, Delegation):
        return True
    return isinstance(case.plot, BrokenStream) and case.plot.silently


async def _programs(options: Options, client: Client) -> Sequence[Path]:
    packages = [client.package, NODE] if isinstance(client.package, Package) else [client.package]
    return [await install(package, options.prefix, options.install_limit) for package in packages]


async def _run(options: Options, casts: Sequence[Cast], folder: Path) -> bool:
    async with AsyncExitStack() as stack:
        upstreams = {speech: await stack.enter_async_context(serving(speech)) for speech in UPSTREAMS}
        gateway = internal = None
        if not options.direct:
            ports = {speech: upstream.port for speech, upstream in upstreams.items()}
            aliases = {alias: model for client in CLIENTS for alias, model in client.aliases.items()}
            agents = {agent: model for client in CLIENTS for agent, model in client.agents.items()}
            gateway = await stack.enter_async_context(running(configuration(ports, aliases, agents), folder))
            if any(isinstance(case.plot, Errand) for cast in casts for case in cast.cases):
                room = folder / "internal"
                room.mkdir()
                configured = internal_configuration(CLAUDE_AGENT, ports[CLAUDE_AGENT], room)
                internal = await stack.enter_async_context(running(configured, room))
        stage = Stage(upstreams, gateway, internal)
        return any([await _play_all(options, stage, cast, folder) for cast in casts])


async def _play_all(options: Options, stage: Stage, cast: Cast, folder: Path) -> bool:
    """Play a client's cases, one after the other; tell whether one of them failed."""
    deadline = monotonic() + RUN_LIMIT
    client, failed = cast.client, False
    for number, case in enumerate(cast.cases):
        room = folder / f"{client.name}-{number}"
        played = await play(stage, client, case, cast.programs, room, max(1.0, deadline - monotonic()))
        print(report.row(client, case, played), flush=True)
        failed = failed or bool(played.faults)
        if options.evidence:
            report.keep(played, options.evidence / f"{room.name}-{case.dialect.provider}-{case.upstream.provider}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
