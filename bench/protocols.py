"""The four protocols and the lanes between them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Json = dict[str, object]


class Protocol(StrEnum):
    """A wire protocol that upstream.c speaks."""

    CHAT = "chat"
    MESSAGES = "messages"
    RESPONSES = "responses"
    GEMINI = "gemini"


@dataclass(frozen=True)
class Provider:
    """What stands behind a protocol in the gateway's configuration: a name, a codec, a base URL below the upstream's root."""

    name: str
    protocol: str
    path: str


PROVIDERS: Final = {
    Protocol.CHAT: Provider("chat", "openai-chat", "/v1"),
    Protocol.MESSAGES: Provider("anthropic", "anthropic-messages", ""),
    Protocol.RESPONSES: Provider("openai", "openai-responses", "/v1"),
    Protocol.GEMINI: Provider("gemini", "gemini-generate", "/v1beta"),
}


@dataclass(frozen=True)
class Lane:
    """What the client speaks, and what the upstream does."""

    client: Protocol
    upstream: Protocol

    def __str__(self) -> str:
        return f"{self.client} -> {self.upstream}"

    @property
    def is_raw(self) -> bool:
        return self.client == self.upstream


RAW: Final = Lane(Protocol.CHAT, Protocol.CHAT)
TRANSLATED: Final = Lane(Protocol.MESSAGES, Protocol.CHAT)
CORE: Final = (RAW, TRANSLATED, Lane(Protocol.MESSAGES, Protocol.MESSAGES), Lane(Protocol.CHAT, Protocol.MESSAGES))
"""The lanes that every workload is measured on, beside the same upstreams behind nginx."""
PAIRS: Final = tuple(Lane(client, upstream) for client in Protocol for upstream in Protocol)
