"""Scripted upstreams of `tests/clients` for tests that do not await: in a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

from tests.clients.speech import Speech
from tests.clients.upstream import Upstream, serving


@contextmanager
def playing(speeches: Sequence[Speech]) -> Iterator[list[Upstream]]:
    """Run an upstream for each protocol for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def begin() -> list[Upstream]:
        return [await stack.enter_async_context(serving(speech)) for speech in speeches]

    try:
        yield asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def base_url(upstream: Upstream) -> str:
    """Return where an upstream is, as its protocol's own SDK takes it."""
    return f"http://127.0.0.1:{upstream.port}{upstream.speech.base}"
