"""An upstream that speaks the IR, behind the same face as any other reply that is arriving."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from dragoman.ir.events import Event


class ModelReply:
    """The batches of events of a ModelUpstream, as an Incoming reply."""

    def __init__(self, batches: AsyncGenerator[Sequence[Event], None]) -> None:
        self._batches = batches
        self._pending: asyncio.Task[Sequence[Event] | None] | None = None
        self._nudged = asyncio.Event()

    async def read(self) -> Sequence[Event] | None:
        """Return the next batch; an empty one after a nudge; None at the end."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(anext(self._batches, None))
        nudge = asyncio.ensure_future(self._nudged.wait())
        try:
            await asyncio.wait((self._pending, nudge), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nudge.cancel()
            self._nudged.clear()
        if not self._pending.done():
            return ()
        pending, self._pending = self._pending, None
        return pending.result()

    def nudge(self) -> None:
        """Make a pending read return."""
        self._nudged.set()

    def close(self) -> None:
        """Cancel the work."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
