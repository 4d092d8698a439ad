"""A turn that is silent because a tool runs is no turn that hangs."""

import asyncio
import time
from pathlib import Path
from typing import cast

import pytest
from msgspec import Raw

from dragoman.codec import Source
from dragoman.engine.errors import UpstreamTimeoutError
from dragoman.engine.ports import Timeouts
from dragoman.settings import Claude
from dragoman.upstreams.claude_agent import lines
from dragoman.upstreams.claude_agent.internal.session import InternalSession
from dragoman.upstreams.claude_agent.internal.toolbox import Toolbox
from dragoman.upstreams.claude_agent.lines import ControlRequest
from dragoman.upstreams.claude_agent.process import Process
from dragoman.upstreams.claude_agent.prompt import Prompt
from dragoman.upstreams.claude_agent.session import Session

CALL = (
    b'{"type":"control_request","request_id":"r","request":{"subtype":"mcp_message","message":'
    b'{"method":"tools/call","id":1,"params":{"name":"bash","arguments":{"command":"sleep 0.4"}}}}}'
)

PROMPT = Prompt("m", "", (), Raw(b'"x"'), b"", b"", Raw(b"[]"), frozenset(), Raw(b"{}"))


class SilentProcess:
    """Says nothing."""

    is_over = False
    is_ending = False

    def __init__(self) -> None:
        self.words: asyncio.Queue[lines.Word] = asyncio.Queue()
        self.written: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.written.append(line)

    def kill(self) -> None:
        self.is_over = True


def test_who_leaves_in_the_moment_that_a_word_comes_has_left(tmp_path: Path) -> None:
    async def leave() -> None:
        process = SilentProcess()
        session = Session("s", cast("Process", process))
        reading = asyncio.ensure_future(anext(session.reply(PROMPT, Source("claude", "m"), Timeouts())))
        await asyncio.sleep(0)
        process.words.put_nowait(lines.System("status"))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reading, 5)

    asyncio.run(leave())


def test_a_tool_may_be_silent_for_longer_than_the_model(tmp_path: Path) -> None:
    async def wait() -> float:
        process = SilentProcess()
        box = Toolbox(Claude(mode="internal", workdir=str(tmp_path)), {"PATH": "/usr/bin:/bin"})
        session = InternalSession("s", cast("Process", process), box, 5)
        call = lines.decode(CALL)
        assert isinstance(call, ControlRequest)
        session.process.attend(call)
        begun = time.monotonic()
        assert session.is_working
        with pytest.raises(UpstreamTimeoutError):
            await anext(session.reply(PROMPT, Source("claude", "m"), Timeouts(first_byte=0.05, idle=0.05)))
        assert process.is_over
        assert b'"isError":false' in process.written[-1]
        return time.monotonic() - begun

    assert asyncio.run(wait()) > 0.4
