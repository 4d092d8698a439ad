"""The scripted model behind a real port, in a thread of its own: what tests look at is what it saw."""

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from dragoman.upstreams.scripted_server import ScriptedServer, Seen

KEY = "sk-upstream-0123456789"


class RunningUpstream:
    """An upstream that runs while inside: `with RunningUpstream("openai-chat") as upstream: upstream.base_url`."""

    def __init__(self, protocol: str = "openai-chat") -> None:
        self.protocol = protocol
        self._server = ScriptedServer(protocol)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def base_url(self) -> str:
        """Where it is, as the protocol's own SDK takes it."""
        return self._server.base_url

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def seen(self) -> list[Seen]:
        """What was asked, oldest first."""
        return self._server.seen

    @property
    def last(self) -> Seen:
        """What was asked last."""
        return self._server.seen[-1]

    @property
    def last_json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The last body."""
        return self.last.json
