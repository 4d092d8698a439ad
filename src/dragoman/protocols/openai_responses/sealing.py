"""Encrypted reasoning on its way in and out of `encrypted_content`, and the phase of a message.

The form of a seal is the id of its item, so that the item goes back as it was; `encrypted_content` of other protocols' seals
is our own text. https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
"""

from typing import Final

from dragoman.codec import Source, Target
from dragoman.ir.seals import Seal, may_return, read_seal, write_seal
from dragoman.protocols.openai_responses.wire import ORIGIN

PHASE: Final = "phase"
"""The form of a text's seal whose data is the phase of its message (`commentary`, `final_answer`)."""


def received(text: str | None, id: str | None) -> Seal | None:
    """Return the seal that a client sent back: ours, or a native one of unknown source; None: there is none."""
    if not text:
        return None
    return read_seal(text) or Seal(ORIGIN, text, form=id or "")


def issued(text: str | None, id: str | None, source: Source) -> Seal:
    """Return the seal of the reasoning that came from `source`; one without data remembers where it came from."""
    return Seal(ORIGIN, text or "", source.provider, source.model, id or "")


def shown(seal: Seal) -> str:
    """Return what a client is given to send back: native artefacts as they are, everything else wrapped."""
    return seal.data if seal.protocol == ORIGIN and seal.data else write_seal(seal)


def returnable(seal: Seal | None, target: Target) -> bool:
    """Tell whether reasoning may go to `target`: what is encrypted is of use to the model alone that wrote it."""
    if seal is None or not may_return(seal, ORIGIN, target.provider):
        return False
    return seal.is_native or seal.model in ("", target.model)


def phase_seal(phase: str | None) -> Seal | None:
    """Return what carries the phase of a message on its texts."""
    return Seal(ORIGIN, phase, form=PHASE) if phase else None


def phase_of(seal: Seal | None) -> str | None:
    """Return the phase of a text's message; None when it has none."""
    return seal.data if seal and seal.protocol == ORIGIN and seal.form == PHASE else None
