"""Model lists and token counts. https://ai.google.dev/api/models and https://ai.google.dev/api/tokens."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from dragoman.codec import ModelCard
from dragoman.ir.failures import RequestError

_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_MOST: Final = 1000
"""Models on a page, however many are asked for. https://ai.google.dev/api/models#method:-models.list

Google gives 50 to who does not say. Here that gets all there can be: a client that reads one page would miss models without a word.
"""
_is_number: Final = re.compile(r"[0-9]{1,9}").fullmatch


class _Model(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str
    display_name: str
    supported_generation_methods: tuple[str, ...]
    input_token_limit: int | None = None
    output_token_limit: int | None = None


class _Models(msgspec.Struct, rename="camel", omit_defaults=True):
    models: list[_Model]
    next_page_token: str | None = None


class _Count(msgspec.Struct, rename="camel"):
    total_tokens: int


def encode_models(cards: Sequence[ModelCard]) -> bytes:
    """Return the first page of a list of models."""
    return encode_page(cards, {})


def encode_page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """Return the models behind those of the page that gave `pageToken`, `pageSize` of them at the most.

    A page's token is the id of its last model: it stays good when the list changes. Raises RequestError for a size or a token
    that there cannot be.
    """
    size = _size(_given(query, "pageSize", "page_size"))
    start = _start(cards, _given(query, "pageToken", "page_token"))
    page = cards[start : start + size]
    token = page[-1].id if start + size < len(cards) else None
    return msgspec.json.encode(_Models([_model(card) for card in page], token))


def _given(query: Mapping[str, str], *names: str) -> str:
    return next((query[name] for name in names if name in query), "")


def _size(text: str) -> int:
    if text and not _is_number(text):
        raise RequestError("`pageSize` is no number", param="pageSize")
    return min(int(text or 0) or _MOST, _MOST)


def _start(cards: Sequence[ModelCard], token: str) -> int:
    if not token:
        return 0
    place = next((place for place, card in enumerate(cards) if card.id == token), None)
    if place is None:
        raise RequestError("`pageToken` is none of this list", param="pageToken", hint="begin again without it")
    return place + 1


def encode_model(card: ModelCard) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_model(card))


def encode_count(tokens: int) -> bytes:
    """Return the answer of a token count."""
    return msgspec.json.encode(_Count(tokens))


def decode_count_reply(body: bytes) -> int:
    """Return what a token count was answered with. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=_Count).total_tokens


def _model(card: ModelCard) -> _Model:
    return _Model(f"models/{card.id}", card.name, _METHODS, card.context, card.max_output)
