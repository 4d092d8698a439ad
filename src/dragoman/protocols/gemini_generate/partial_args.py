"""Arguments that arrive by their paths, as Vertex streams them to those who ask for it.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

import re
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import UpstreamProtocolError

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_LONGEST_LIST: Final = 10_000


class PartialArg(msgspec.Struct, rename="camel", frozen=True):
    """A piece of one value: more of a string, or any other value whole."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: Raw = Raw()
    bool_value: bool | None = None
    null_value: Raw = Raw()


_pieces: Final = msgspec.json.Decoder(list[PartialArg]).decode
_value: Final = msgspec.json.Decoder().decode


class Arguments:
    """The arguments of one call while they arrive."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}

    def add(self, raw: Raw) -> None:
        """Take more pieces. Raises UpstreamProtocolError for a path that leads nowhere."""
        for piece in _pieces(raw):
            self._put(piece)

    def text(self) -> str:
        """Return the arguments as JSON."""
        return msgspec.json.encode(self._whole).decode()

    def _put(self, piece: PartialArg) -> None:
        steps = [found[1] or found[3] or int(found[2] or 0) for found in _STEP.finditer(piece.json_path)]
        if not steps:
            raise UpstreamProtocolError(f"the upstream's arguments have no place at `{piece.json_path}`")
        holder: Any = self._whole
        for step, following in pairwise(steps):
            old = _get(holder, step)
            if not isinstance(old, dict | list):
                old = [] if isinstance(following, int) else {}
                _set(holder, step, old)
            holder = old
        last = steps[-1]
        if piece.string_value is not None:
            before = _get(holder, last)
            _set(holder, last, (before if isinstance(before, str) else "") + piece.string_value)
        elif piece.bool_value is not None:
            _set(holder, last, piece.bool_value)
        elif piece.number_value:
            _set(holder, last, _value(piece.number_value))
        elif piece.null_value:
            _set(holder, last, None)


def _get(holder: Any, step: str | int) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(step, int):
        return holder[step] if isinstance(holder, list) and step < len(holder) else None
    return holder.get(step) if isinstance(holder, dict) else None


def _set(holder: Any, step: str | int, value: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(step, str) and isinstance(holder, dict):
        holder[step] = value
    elif isinstance(step, int) and isinstance(holder, list) and step < _LONGEST_LIST:
        holder.extend([None] * (step + 1 - len(holder)))
        holder[step] = value
    else:
        raise UpstreamProtocolError(f"the upstream's arguments have no place for `{step}`")
