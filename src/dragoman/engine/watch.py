"""Stops an exchange when its client leaves."""

import asyncio
from types import TracebackType
from typing import Self

from dragoman.engine.client import ClientConnection


class ClientWatch:
    """While inside, the running task is cancelled as soon as the client has left; outside, that is no error.

    The cancellation takes the upstream down with it: whoever awaits the upstream closes it on the way out.
    """

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self.left = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an exchange runs in a task
        self._exchange = task
        self._watcher = asyncio.ensure_future(self._client.gone())
        self._watcher.add_done_callback(self._on_gone)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._watcher.remove_done_callback(self._on_gone)
        self._watcher.cancel()
        if self.left and isinstance(error, asyncio.CancelledError):
            return self._exchange.uncancel() == 0
        return False

    def _on_gone(self, watcher: "asyncio.Future[None]") -> None:
        if not watcher.cancelled():
            self.left = True
            self._exchange.cancel()
