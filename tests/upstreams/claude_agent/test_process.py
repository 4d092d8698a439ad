"""A process that is no CLI: what is known of its end."""

import asyncio
import os

import pytest

from dragoman.upstreams.claude_agent.process import CliError, Process


@pytest.mark.parametrize("delay", [0, 0.3], ids=["asked while it ends", "asked when it has ended"])
def test_who_asks_one_that_ends_hears_its_last_words(delay: float) -> None:
    async def ask() -> None:
        process = await Process.spawn(["/bin/sh", "-c", "echo boom >&2; exit 3"], dict(os.environ), "/")
        await asyncio.sleep(delay)
        with pytest.raises(CliError, match=r"has ended \(exit status 3\): boom"):
            await process.ask("mcp_status")
        await process.gone()

    asyncio.run(ask())


def test_a_program_that_cannot_be_started_is_an_error() -> None:
    with pytest.raises(CliError, match="could not be started: No such file"):
        asyncio.run(Process.spawn(["/nowhere/claude"], {}, "/"))
