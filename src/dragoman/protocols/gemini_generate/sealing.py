"""Thought signatures on their way in and out of the field `thoughtSignature`.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from dragoman.codec import Source, Target
from dragoman.ir.request import Reasoning
from dragoman.ir.seals import MARK, Seal, may_return, read_seal, write_seal
from dragoman.protocols.gemini_generate.wire import NAME

CALL: Final = "call"
"""The form of a seal that stood on a function call."""
TEXT: Final = "text"
"""The form of one that stood on words; without a form it stood on a thought."""
CARRIED: Final = "carried"
"""The form of what is no signature but thoughts: some clients (Gemini CLI) give back calls and no thoughts."""

PLACEHOLDER: Final = "skip_thought_signature_validator"
"""What Google documents for a call that it has not signed itself."""
_PLACEHOLDERS: Final = frozenset({PLACEHOLDER, "context_engineering_is_the_way_to_go"})
_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")

_thoughts_of: Final = msgspec.json.Decoder(list[Reasoning]).decode


def received(text: str | None, form: str = "") -> Seal | None:
    """Return the seal that a client sent back: ours, or a native one of unknown source; None: there is none.

    Google's Python SDK gives bytes back in the other alphabet of base64.
    """
    if not text or text in _PLACEHOLDERS:
        return None
    if text.startswith(MARK):
        return read_seal(text.translate(_STANDARD_ALPHABET)) or Seal(NAME, text, form=form)
    return Seal(NAME, text, form=form)


def issued(text: str, source: Source, form: str = "") -> Seal:
    """Return the seal that the upstream `source` made."""
    return Seal(NAME, text, source.provider, source.model, form)


def shown(seal: Seal) -> str:
    """Return what a client is given to send back: native signatures as they are, others wrapped."""
    return seal.data if seal.protocol == NAME else write_seal(seal)


def returnable(seal: Seal | None, target: Target) -> bool:
    """Tell whether there is something to give back to `target`. A signature is good for the model that made it."""
    if seal is None or not seal.data or seal.form == CARRIED or not may_return(seal, NAME, target.provider):
        return False
    return seal.is_native or seal.model == target.model


# Thoughts on a call ---------------------------------------------------------------------------------------------------


def carried(thoughts: Sequence[Reasoning]) -> str:
    """Return thoughts as the signature of the call that they led to."""
    return write_seal(Seal(NAME, msgspec.json.encode(thoughts).decode(), form=CARRIED))


def thoughts_in(seal: Seal | None) -> tuple[Reasoning, ...]:
    """Return the thoughts that a call's signature carries; none when it is one of a call."""
    if seal is None or seal.form != CARRIED:
        return ()
    try:
        return tuple(_thoughts_of(seal.data))
    except (msgspec.DecodeError, RecursionError):
        return ()  # a client has tampered with it
