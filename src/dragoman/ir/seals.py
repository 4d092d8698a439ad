"""Opaque artefacts with their origin: signatures, encrypted reasoning, thought signatures.

What upstream X seals must come back to X byte-equal and must never reach Y. Where a client returns a field
untouched the seal travels in that field, in a text form that names its origin. The text begins with a word and is
valid standard base64 as a whole, so that it fits every protocol's field (Gemini's `thoughtSignature` is base64 bytes).
"""

import base64
import binascii
from typing import Final

import msgspec

MARK: Final = "DRAGOMAN"
"""How every sealed text begins: the base64 form of six fixed bytes."""

MARK_BYTES: Final = MARK.encode()
_MARK_LENGTH: Final = len(MARK)
_VERSION: Final = 1


class Seal(msgspec.Struct, frozen=True, gc=False):
    """Opaque state of one upstream.

    `protocol`, `provider` and `model` say whose it is; an empty `provider` means that a client handed it over in its own
    protocol's native form, so that all that is known is the protocol. `data` is the artefact itself, byte-equal, in the
    form of that protocol (`""`: nothing but the origin is remembered). `form` tells apart the artefacts of one protocol.
    """

    protocol: str
    data: str
    provider: str = ""
    model: str = ""
    form: str = ""

    @property
    def is_native(self) -> bool:
        """Whether it came in its protocol's native form, from a source that is not known."""
        return not self.provider


def may_return(seal: Seal, protocol: str, provider: str, model: str | None = None) -> bool:
    """Tell whether `seal` may be sent to the upstream `provider` that speaks `protocol`.

    `model` is given where an artefact is of use to the model alone that made it (Gemini's thought signatures, OpenAI's encrypted
    reasoning); Anthropic takes thinking of its other models and leaves it out by itself.
    """
    if seal.protocol != protocol:
        return False
    return seal.is_native or (seal.provider == provider and (model is None or seal.model in ("", model)))


def write_seal(seal: Seal) -> str:
    """Return the text form of `seal`: ASCII, valid standard base64."""
    fields = (_VERSION, seal.protocol, seal.provider, seal.model, seal.form, seal.data)
    return MARK + base64.b64encode(msgspec.json.encode(fields)).decode()


def read_seal(text: str) -> Seal | None:
    """Return the seal that `text` is the form of; None when it is not one of ours (a native signature, say)."""
    if not text.startswith(MARK):
        return None
    try:
        content = base64.b64decode(text[_MARK_LENGTH:], validate=True)
        version, protocol, provider, model, form, data = _decode(content)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    if version != _VERSION:
        return None
    return Seal(protocol, data, provider, model, form)


_decode = msgspec.json.Decoder(tuple[int, str, str, str, str, str]).decode
