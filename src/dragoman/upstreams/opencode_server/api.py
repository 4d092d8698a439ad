"""OpenCode's server over HTTP: its calls, and its one stream of events, which comes apart here by session."""

import asyncio
import base64
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from dragoman.engine.errors import UpstreamCutError
from dragoman.engine.ports import Call, Timeouts, Upstream, UpstreamReply
from dragoman.engine.relay import read_whole
from dragoman.ir.failures import DragomanError, Failure, FailureKind, UpstreamProtocolError
from dragoman.settings import Secret
from dragoman.upstreams.opencode_server.configuration import USER
from dragoman.upstreams.opencode_server.wire import News, read_news
from dragoman.wire.sse import SseReader

T = TypeVar("T")

_ANSWER_LIMIT: Final = 64 * 1024 * 1024
_SECONDS: Final = Timeouts(connect=10, first_byte=60, idle=60)
_EVENTS_SECONDS: Final = Timeouts(connect=10, first_byte=60, idle=120)
"""A stream that is silent for longer than this, heartbeats included, is dead."""
_UNAUTHORIZED: Final = 401

Box = asyncio.Queue[News | DragomanError]
"""What one session's reader gets: its events, or why there are no more."""


class Api:
    """One running server. Raises DragomanError for whatever it refuses."""

    def __init__(self, upstream: Upstream, url: str, password: Secret | None) -> None:
        self._upstream = upstream
        self._url = url.rstrip("/")
        self._boxes: dict[str, Box] = {}
        self._headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
        if password is not None:
            token = base64.b64encode(f"{USER}:{password.reveal()}".encode()).decode()
            self._headers += (("authorization", f"Basic {token}"),)
        self._listening: asyncio.Task[None] | None = None

    async def call(self, method: str, path: str, body: bytes = b"", *, folder: str | None = None) -> bytes:
        """Return the answer's body; `folder` is the directory that the call is for."""
        reply = await self._send(method, path, body, folder, _SECONDS)
        try:
            answer = await read_whole(reply, _ANSWER_LIMIT)
        finally:
            reply.close()
        if reply.status >= 400:
            raise _refused(method, path, reply.status, answer)
        return answer

    async def ask(
        self, decode: Callable[[bytes], T], method: str, path: str, body: bytes = b"", *, folder: str | None = None
    ) -> T:
        """Return the answer, read by `decode`."""
        answer = await self.call(method, path, body, folder=folder)
        try:
            return decode(answer)
        except msgspec.DecodeError as error:
            raise UpstreamProtocolError(f"OpenCode's answer to `{method} {path}` could not be read: {error}") from None

    async def _send(self, method: str, path: str, body: bytes, folder: str | None, timeouts: Timeouts) -> UpstreamReply:
        headers = self._headers if folder is None else (*self._headers, ("x-opencode-directory", quote(folder)))
        return await self._upstream.send(Call(method, self._url + path, headers, body), timeouts)

    # --- events ---

    def listen(self, session: str) -> Box:
        """Return where the events of `session` will arrive."""
        box = self._boxes[session] = Box()
        return box

    def leave(self, session: str) -> None:
        """Nobody reads them any more."""
        self._boxes.pop(session, None)

    @property
    def is_listening(self) -> bool:
        """Whether events arrive."""
        return self._listening is not None and not self._listening.done()

    async def start_listening(self) -> None:
        """Open the stream of events; return when it is open."""
        reply = await self._send("GET", "/global/event", b"", None, _EVENTS_SECONDS)
        if reply.status >= 400:
            answer = await read_whole(reply, _ANSWER_LIMIT)
            raise _refused("GET", "/global/event", reply.status, answer)
        self._listening = asyncio.ensure_future(self._read_events(reply))

    async def gone(self) -> None:
        """Wait until no more events arrive."""
        if self._listening is not None:
            await asyncio.wait((self._listening,))

    async def aclose(self) -> None:
        """Close the stream; whoever still reads is told."""
        if self._listening is not None:
            self._listening.cancel()
            await self.gone()

    async def _read_events(self, reply: UpstreamReply) -> None:
        error: DragomanError = UpstreamCutError("OpenCode's server has closed its stream of events")
        reader = SseReader()
        try:
            while (chunk := await reply.read()) is not None:
                for frame in reader.feed(chunk):
                    self._hand_out(frame.data)
        except DragomanError as cut:
            error = cut
        finally:
            reply.close()
            self._tell_all(error)

    def _tell_all(self, error: DragomanError) -> None:
        for box in self._boxes.values():
            box.put_nowait(error)

    def _hand_out(self, data: bytes) -> None:
        try:
            news = read_news(data)
        except msgspec.DecodeError as problem:
            # Nobody can tell whose it was.
            self._tell_all(UpstreamCutError(f"an event of OpenCode's could not be read: {problem}"))
            return
        box = self._boxes.get(news.properties.session) if news is not None else None
        if news is not None and box is not None:
            box.put_nowait(news)


def _refused(method: str, path: str, status: int, answer: bytes) -> DragomanError:
    if status == _UNAUTHORIZED:
        return DragomanError(
            Failure(
                FailureKind.UPSTREAM_INVALID,
                "OpenCode's server does not take the password",
                hint="set the provider's `api_key` to what that server has in OPENCODE_SERVER_PASSWORD",
            )
        )
    words = answer[:300].decode(errors="replace")
    return DragomanError(
        Failure(FailureKind.UPSTREAM_INVALID, f"OpenCode's server answers `{method} {path}` with {status}: {words}")
    )
