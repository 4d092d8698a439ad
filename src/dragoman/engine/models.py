"""An upstream that speaks the IR, behind the same face as any other reply that is arriving."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from dragoman.engine.errors import UpstreamCutError
from dragoman.ir.events import Event

Batches = AsyncGenerator[Sequence[Event], None]


class ModelReply:
    """The batches of events of a ModelUpstream, as an Incoming reply. Whoever holds it must `aclose` it."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._step: asyncio.Task[Sequence[Event] | None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_closed = False

    async def read(self) -> Sequence[Event] | None:
        """Return the next batch; an empty one after a nudge; None at the end."""
        if self._step is None and not self._is_closed:
            self._step = asyncio.ensure_future(anext(self._batches, None))
            self._step.add_done_callback(self._wake)
        if self._step is not None and not self._step.done():
            await self._wait()
        if self._is_closed:
            raise UpstreamCutError("the reply was closed here before its end")
        if self._step is None or not self._step.done():
            return ()
        step, self._step = self._step, None
        return step.result()

    @property
    def is_over(self) -> bool:
        """Only the generator knows, when it is asked."""
        return False

    def nudge(self) -> None:
        """Make a pending read return."""
        self._wake(None)

    def close(self) -> None:
        """Stop the work; `aclose` waits until it has stopped."""
        self._is_closed = True
        if self._step is not None:
            self._step.cancel()

    async def aclose(self) -> None:
        """Stop the work and let the generator clean up."""
        self.close()
        if self._step is not None:
            await asyncio.wait((self._step,))
            if not self._step.cancelled():
                self._step.exception()
        await self._batches.aclose()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self, _step: object) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
