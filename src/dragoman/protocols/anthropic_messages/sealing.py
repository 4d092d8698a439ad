"""Signatures and encrypted thought on their way in and out of the fields `signature` and `data`."""

from typing import Final

from msgspec import Raw

from dragoman.codec import Source, Target
from dragoman.ir.request import Citation, Reasoning
from dragoman.ir.seals import Seal, may_return, read_seal, write_seal
from dragoman.protocols.anthropic_messages.wire import NAME
from dragoman.wire.arguments import is_object

REDACTED: Final = "redacted"
"""The form of a seal that is a `redacted_thinking` block's data."""
CITATION: Final = "citation"
"""The form of a seal that is another protocol's citation."""


def received(text: str | None, form: str = "") -> Seal | None:
    """Return the seal that a client sent back: ours, or a native one of unknown source; None: there is none."""
    if not text:
        return None
    return read_seal(text) or Seal(NAME, text, form=form)


def issued(text: str, source: Source, form: str = "") -> Seal:
    """Return the seal that the upstream `source` made."""
    return Seal(NAME, text, source.provider, source.model, form)


def shown(seal: Seal) -> str:
    """Return what an Anthropic client is given to send back: native artefacts as they are, others wrapped."""
    return seal.data if seal.protocol == NAME else write_seal(seal)


def shown_citation(citation: Citation) -> str:
    """Return the `encrypted_index` with which another protocol's citation goes to a client: the citation itself, sealed."""
    return write_seal(Seal(citation.origin, str(citation.raw, "utf-8"), form=CITATION))


def received_citation(index: str) -> Citation | None:
    """Return the citation that an `encrypted_index` of ours holds; None for Anthropic's own, and for one that was tampered with."""
    seal = read_seal(index)
    if seal is None or seal.form != CITATION:
        return None
    return Citation(seal.protocol, Raw(seal.data.encode() if is_object(seal.data) else b"{}"))


def returnable(seal: Seal | None, target: Target) -> bool:
    """Tell whether there is something to give back to `target`: what it signed, or what it thought where nothing is signed."""
    if seal is None or not may_return(seal, NAME, target.provider):
        return False
    return bool(seal.data) or not target.dialect.signed_thinking


def is_redacted(block: Reasoning) -> bool:
    """Tell whether `block` is a `redacted_thinking` block."""
    return block.is_redacted or (block.seal is not None and block.seal.form == REDACTED)
