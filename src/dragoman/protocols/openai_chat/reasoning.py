"""Reasoning on its way through this protocol: `reasoning_content`, `reasoning` and `reasoning_details`.

An upstream of this protocol writes plain text, or details that hold opaque state (OpenRouter); the details come back to it as they
were, save the order of their keys. What another protocol's upstream sealed reaches a client of this one as a
detail whose `signature` or `data` is our sealed text, so that it comes back with its origin on it.
https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.failures import RequestError
from dragoman.ir.request import Reasoning
from dragoman.ir.seals import Seal, read_seal, write_seal
from dragoman.protocols.openai_chat.wire import ORIGIN, is_given
from dragoman.protocols.openai_chat.wire_replies import Answer
from dragoman.wire.arguments import is_object
from dragoman.wire.reading import UNREADABLE

PLAIN: Final = "reasoning_content"
"""The form of a seal that only remembers where plain reasoning came from."""
DETAILS: Final = "reasoning_details"
"""The form of a seal whose data is the JSON of a list of details."""
EXTRA_CONTENT: Final = "extra_content"
"""The form of a tool call's seal whose data is the JSON of its `extra_content` (Google's endpoint)."""

_FORMATS: Final = {
    "anthropic-messages": "anthropic-claude-v1",
    "openai-responses": "openai-responses-v1",
    "gemini-generate": "google-gemini-v1",
}
"""OpenRouter's names for whose state a detail holds."""

_PARAGRAPH: Final = "\n\n"
_PIECES: Final = ("text", "summary", "data")
"""The fields of a detail that arrive in pieces."""

Detail = dict[str, Any]
_details_of: Final = msgspec.json.Decoder(list[Detail]).decode


class GoogleContent(msgspec.Struct, frozen=True):
    """The part of `extra_content.google` that is a seal."""

    thought_signature: str | None = None


class ExtraContent(msgspec.Struct, frozen=True):
    """A tool call's `extra_content`.

    https://ai.google.dev/gemini-api/docs/openai
    """

    google: GoogleContent | None = None


_extra_content_of: Final = msgspec.json.Decoder(ExtraContent).decode


# From a client's history --------------------------------------------------------------------------------------------------


def decode_history(text: str | None, details: Raw, path: str) -> tuple[Reasoning, ...]:
    """Return the reasoning of an assistant message in a client's history; `path` is the details' own."""
    entries = read_details(details, path)
    if not entries:
        return (Reasoning((text,), seal=Seal(ORIGIN, "", form=PLAIN)),) if text else ()
    sealed = [(entry, seal) for entry in entries if (seal := seal_of(entry))]
    native = [entry for entry in entries if seal_of(entry) is None]
    if not sealed:
        return (_decode_native(text, native),)
    ours = tuple(_decode_sealed(text, sealed))
    return (*ours, _decode_native(None, native)) if native else ours


def read_details(details: Raw, path: str) -> list[Detail]:
    """Return the entries of `reasoning_details`. Raises RequestError when they are no list of objects."""
    if not is_given(details):
        return []
    try:
        return _details_of(details)
    except UNREADABLE as error:
        raise RequestError(f"`{path}` is no list of objects: {error}", param=path) from None


def seal_of(entry: Detail) -> Seal | None:
    """Return the seal in one of our own details; None for anybody else's."""
    for name in ("signature", "data"):
        value = entry.get(name)
        if isinstance(value, str) and (seal := read_seal(value)):
            return seal
    return None


def text_of(entry: Detail) -> str:
    """Return what can be read of a detail."""
    text = entry.get("text") or entry.get("summary")
    return text if isinstance(text, str) else ""


def _decode_native(text: str | None, entries: Sequence[Detail]) -> Reasoning:
    readable = text or "".join(map(text_of, entries))
    seal = Seal(ORIGIN, write_details(entries), form=DETAILS)
    return Reasoning((readable,) if readable else (), is_redacted=not readable, seal=seal)


def _decode_sealed(text: str | None, sealed: Sequence[tuple[Detail, Seal]]) -> Iterator[Reasoning]:
    """Yield a block for each of our details. One without text gets what `reasoning_content` has beyond the others' texts.

    In a stream the text has left before the seal is known, so that the first detail does not repeat it.
    """
    known = _PARAGRAPH.join(filter(None, (text_of(entry) for entry, _ in sealed)))
    rest = (text or "").removesuffix(known).removesuffix(_PARAGRAPH) if known else (text or "")
    for entry, seal in sealed:
        if entry.get("type") == "reasoning.encrypted":
            yield Reasoning(is_redacted=True, seal=seal)
            continue
        readable = text_of(entry)
        if not readable:
            readable, rest = rest, ""
        yield Reasoning((readable,) if readable else (), entry.get("type") == "reasoning.summary", seal=seal)


def decode_call_seal(extra_content: Raw) -> Seal | None:
    """Return the seal of a tool call: one of ours, or the upstream's own `extra_content` in native form."""
    if not is_given(extra_content):
        return None
    try:
        google = _extra_content_of(extra_content).google
    except UNREADABLE:
        google = None
    seal = read_seal(google.thought_signature) if google and google.thought_signature else None
    return seal or Seal(ORIGIN, bytes(extra_content).decode(errors="replace"), form=EXTRA_CONTENT)


# To a client --------------------------------------------------------------------------------------------------------------


def details_for_client(block: Reasoning, first_index: int, *, repeats_text: bool) -> list[Detail]:
    """Return the details that carry the seal of `block` through a client; none when plain text says it all.

    They are numbered from `first_index`: the SDKs put lists together by that number.
    """
    seal = block.seal
    if seal is None or (seal.protocol == ORIGIN and seal.form == PLAIN):
        return []
    if seal.protocol == ORIGIN and seal.form == DETAILS:
        entries = native_details(seal)
        return [{**entry, "index": first_index + place} for place, entry in enumerate(entries)]
    entry: Detail
    if block.is_redacted:
        entry = {"type": "reasoning.encrypted", "data": write_seal(seal)}
    else:
        kind, field = ("reasoning.summary", "summary") if block.is_summary else ("reasoning.text", "text")
        entry = {"type": kind, field: block.text if repeats_text else "", "signature": write_seal(seal)}
    return [{**entry, "format": _FORMATS.get(seal.protocol, "unknown"), "index": first_index}]


def call_extra(seal: Seal) -> Raw:
    """Return the `extra_content` that carries a tool call's seal through a client."""
    if seal.protocol == ORIGIN and seal.form == EXTRA_CONTENT:
        return Raw(seal.data.encode())
    return Raw(msgspec.json.encode({"google": {"thought_signature": write_seal(seal)}}))


# From and to an upstream --------------------------------------------------------------------------------------------------


def native_details(seal: Seal) -> list[Detail]:
    """Return the details that a seal of that form holds; none when a client has tampered with it."""
    return _lenient(Raw(seal.data.encode()))


def native_extra(seal: Seal) -> Raw | None:
    """Return the `extra_content` that a seal of that form holds; None when a client has tampered with it."""
    return Raw(seal.data.encode()) if is_object(seal.data) else None


def details_in(answer: Answer) -> list[Detail]:
    """Return the details of an answer, or a delta's pieces of them; what is no list of objects says nothing."""
    return _lenient(answer.reasoning_details) if is_given(answer.reasoning_details) else []


def _lenient(details: Raw) -> list[Detail]:
    try:
        return _details_of(details)
    except UNREADABLE:
        return []


def merged(pieces: Iterable[Detail]) -> list[Detail]:
    """Return a stream's pieces of details as the whole ones: neighbours of one index and type are one detail."""
    details: list[Detail] = []
    for piece in pieces:
        if details and _continues(details[-1], piece):
            _add(details[-1], piece)
        else:
            details.append(dict(piece))
    return details


def _continues(detail: Detail, piece: Detail) -> bool:
    same = piece.get("type") == detail.get("type") and piece.get("index") == detail.get("index")
    return same and piece.get("index") is not None


def _add(detail: Detail, piece: Detail) -> None:
    for name, value in piece.items():
        old = detail.get(name)
        if name in _PIECES and isinstance(old, str) and isinstance(value, str):
            detail[name] = old + value
        elif value is not None or name not in detail:
            detail[name] = value


def write_details(entries: Sequence[Detail]) -> str:
    """Return details as JSON text, the same for the same details however they arrived."""
    return msgspec.json.encode(entries, order="sorted").decode()
