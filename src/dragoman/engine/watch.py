"""Stops an exchange when its client leaves."""

import asyncio
from types import TracebackType
from typing import Self

from dragoman.engine.client import ClientConnection


class ClientWatch:
    """While inside, the running task is cancelled as soon as the client has left; outside, that is no error.

    The cancellation takes the upstream down with it: whoever awaits the upstream closes it on the way out.
    """

    __slots__ = ("_client", "_exchange", "_forget", "_is_over", "left")

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._is_over = False
        self.left = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an exchange runs in a task
        self._exchange = task
        self._forget = self._client.on_gone(self._on_gone)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._is_over = True
        self._forget()
        if self.left and isinstance(error, asyncio.CancelledError):
            return self._exchange.uncancel() == 0
        return False

    def _on_gone(self) -> None:
        if not self._is_over:
            self.left = True
            self._exchange.cancel()
