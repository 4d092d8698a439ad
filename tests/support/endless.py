"""An upstream that talks as fast as it is listened to, without end, and knows how much it got rid of."""

import asyncio
import threading
import time

from tests.support.faulty_upstream import ThreadedUpstream, chunk, read_request, stream_head
from tests.support.lanes import Lane

_WORDS = b"Hello " * 2000


class EndlessUpstream(ThreadedUpstream):
    """Runs while inside. `sent` counts the bytes of the running reply; `left` is set when its reader has gone, at `left_at`."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(self._talk)
        self.sent = 0
        self.left = threading.Event()
        self.left_at = 0.0
        self._opening = chunk(lane.start + lane.content)
        self._more = chunk(lane.more.replace(b"Hello", _WORDS))

    def wait_until_blocked(self, seconds: float = 0.2) -> int:
        """Return what has been sent when nobody has taken any more for so long."""
        deadline = time.monotonic() + 20
        sent, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            assert time.monotonic() < deadline, f"still sending: {self.sent} bytes"
            if self.sent != sent:
                sent, since = self.sent, time.monotonic()
            time.sleep(0.005)
        return sent

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        self.sent = 0
        self.left.clear()
        try:
            writer.write(stream_head() + self._opening)
            while True:
                writer.write(self._more)
                await writer.drain()
                self.sent += len(self._more)
        finally:
            self.left_at = time.monotonic()
            self.left.set()
