"""Tool arguments: JSON text of an object on every wire, whatever a model or a client made of it."""

from typing import Final

import msgspec

_object_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_object(text: str) -> bool:
    """Tell whether `text` is the JSON of an object."""
    try:
        _object_of(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def as_object(text: str) -> tuple[msgspec.Raw, bool]:
    """Return `text` as the JSON of an object, digits and order kept, and whether it had to be wrapped.

    Nothing at all is `{}`. Another JSON value, or what is not JSON (a broken history), goes under `_raw`, so that it is neither
    lost nor taken for arguments.
    """
    if not text.strip():
        return msgspec.Raw(b"{}"), False
    if is_object(text):
        return msgspec.Raw(text.encode()), False
    return msgspec.Raw(msgspec.json.encode({"_raw": text})), True


def squeezed(raw: msgspec.Raw | bytes) -> bytes:
    """Return JSON without white space, the same for the same value however a server lays it out."""
    return msgspec.json.format(bytes(raw), indent=-1)


def compact(raw: msgspec.Raw | bytes) -> bytes:
    """Return JSON on one line, as a stream's `data:` needs it."""
    data = bytes(raw)
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data
