"""The arguments of a tool call at the end of a stream: whole, or broken off."""

import msgspec

from dragoman.ir.failures import DragomanError, Failure, FailureKind
from dragoman.ir.reply import Finish
from dragoman.wire.arguments import is_object
from dragoman.wire.reading import UNREADABLE


def is_json(text: str) -> bool:
    """Tell whether `text` is whole JSON: what is no object has been said nevertheless, and is the client's to refuse."""
    if is_object(text):
        return True
    try:
        msgspec.json.decode(text)
    except UNREADABLE:
        return False
    return True


def broken_off(name: str, finish: Finish) -> DragomanError:
    """Return the error for the call of the tool `name` in a reply that ended with `finish`: nobody may run half a call."""
    return DragomanError(
        Failure(
            FailureKind.UPSTREAM_INVALID,
            f"the arguments of the tool call `{name}` broke off before their end",
            hint="the limit of output tokens was reached: raise it" if finish is Finish.LENGTH else None,
        )
    )
