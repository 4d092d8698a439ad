"""What the application is made of."""

from collections.abc import Callable, Mapping

import msgspec

from dragoman.codec import Codec
from dragoman.engine.parts import Parts
from dragoman.engine.ports import Ids
from dragoman.server.auth import OriginCheck
from dragoman.server.router import Router
from dragoman.settings import Key


class Gateway(msgspec.Struct, frozen=True):
    """The parts of the application that other settings would change."""

    parts: Parts
    router: Router
    origins: OriginCheck
    keys: tuple[Key, ...]
    body_limit: int
    models: Callable[[Codec, str | None, str | None, Mapping[str, str]], bytes]
    """(dialect, prefix, one model's id, query) -> the list, or that model's entry. Raises DragomanError."""
    default_codec: Codec
    """Whose dialect is spoken to a client that cannot be recognised."""
    ids: Ids
