"""The client's side of an exchange, as the engine sees it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from dragoman.codec import Codec, Peek
from dragoman.routing.plan import Plan
from dragoman.settings import LossPolicy

Headers = Sequence[tuple[bytes, bytes]]
"""Response headers: lower-case name and value."""


class ClientHeaders(dict[str, str]):
    """A request's headers, by lower-case name. One object stands for all the requests whose head is the same."""

    __slots__ = ("planned", "sent")

    def __init__(self, rows: Mapping[str, str]) -> None:
        super().__init__(rows)
        self.planned: tuple[str, Plan] | None = None
        """The last model that was asked for, and whom to ask for it: the next one is most likely the same."""
        self.sent: tuple[Any, ...] = ()
        """What the last call's headers were made for, and they themselves: the next one's are most likely the same."""


class Arrival(msgspec.Struct, frozen=True):
    """A request as it came in.

    `headers` have lower-case names; `prefix` is the provider that the path named (`go` in `/go/v1/messages`), `key` the client's
    own key, `may_forward_key` whether it is one for upstreams (False when it is the gateway's own). `key_name` is what the
    configuration calls the gateway's key that was presented; `losses` is the policy that the request, or else that key, asks
    for (None: the route's). `model` and `streams` are what the path says of them; None: the body says it. `reader` is
    the protocol whose request the body really is, when that is not the endpoint's.
    """

    request_id: str
    codec: Codec
    headers: ClientHeaders
    body: bytes
    prefix: str | None = None
    key: str | None = None
    may_forward_key: bool = True
    key_name: str | None = None
    losses: LossPolicy | None = None
    model: str | None = None
    streams: bool | None = None
    reader: Codec | None = None

    def peek(self) -> Peek:
        """Return the model that is asked for and whether its reply streams. Raises RequestError."""
        peek = self.codec.peek(self.body)
        if self.model is None and self.streams is None:
            return peek
        return msgspec.structs.replace(peek, model=self.model or peek.model, stream=bool(self.streams))


class ClientConnection(Protocol):
    """Where the answer goes."""

    @property
    def has_started(self) -> bool:
        """Whether the reply's head has been sent."""

    @property
    def is_finished(self) -> bool:
        """Whether the reply's last byte has been sent: nothing can follow."""

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a reply whose length is not known."""

    async def write(self, data: bytes) -> None:
        """Send more of the body; waits while the client reads slower than we write."""

    async def finish(self, data: bytes = b"") -> None:
        """Send the last of the body."""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply."""

    def on_gone(self, callback: Callable[["asyncio.Task[None]"], object]) -> Callable[[], object]:
        """Have `callback` called as soon as the client has left, with the task that answers it.

        Return what takes that back. To be asked for once.
        """
