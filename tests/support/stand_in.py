"""Stands in for opencode.ai: calls go there as they would, but arrive at scripted upstreams on this machine."""

import msgspec

from dragoman.engine.ports import Call, Timeouts
from dragoman.upstreams.http import HttpUpstream
from dragoman.upstreams.http_reply import HttpReply
from tests.support.upstream import RunningUpstream

_SITE = "https://opencode.ai"
_TIERS = ("/zen/go", "/zen")


class OpenCodeStandIn(HttpUpstream):
    """The upstream edge of a gateway under test. `urls` are those that were called, oldest first."""

    def __init__(
        self, chat: RunningUpstream, messages: RunningUpstream, gemini: RunningUpstream, responses: RunningUpstream
    ) -> None:
        super().__init__()
        self.urls: list[str] = []
        self._chat = chat
        self._messages = messages
        self._gemini = gemini
        self._responses = responses

    async def send(self, call: Call, timeouts: Timeouts) -> HttpReply:
        self.urls.append(call.url)
        site, path = call.url[: len(_SITE)], call.url[len(_SITE) :]
        assert site == _SITE, "nothing else may be called"
        tier = next(tier for tier in _TIERS if path.startswith(f"{tier}/"))
        path = path.removeprefix(tier)
        server = self._chat
        if path.startswith("/v1/messages"):
            server = self._messages
        elif path.startswith("/v1/models/"):
            server = self._gemini
        elif path.startswith("/v1/responses"):
            server = self._responses
        return await super().send(msgspec.structs.replace(call, url=server.origin + path), timeouts)
