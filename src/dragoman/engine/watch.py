"""Stops an exchange when its client leaves."""

import asyncio
from types import TracebackType
from typing import Self

from dragoman.engine.client import ClientConnection


class ClientWatch:
    """While inside, the running task is cancelled as soon as the client has left; outside, that is no error.

    The cancellation takes the upstream down with it: whoever awaits the upstream closes it on the way out.
    """

    __slots__ = ("_cancelled", "_client", "_forget", "_is_over")

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._is_over = False
        self._cancelled: asyncio.Task[None] | None = None

    @property
    def left(self) -> bool:
        """Whether the client left before the exchange was over."""
        return self._cancelled is not None

    def __enter__(self) -> Self:
        self._forget = self._client.on_gone(self._on_gone)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._is_over = True
        self._forget()
        if self._cancelled is not None and isinstance(error, asyncio.CancelledError):
            return self._cancelled.uncancel() == 0
        return False

    def _on_gone(self, exchange: "asyncio.Task[None]") -> None:
        if not self._is_over:
            self._cancelled = exchange
            exchange.cancel()
