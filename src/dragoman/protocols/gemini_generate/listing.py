"""Model lists and token counts. https://ai.google.dev/api/models and https://ai.google.dev/api/tokens."""

from collections.abc import Sequence
from typing import Final

import msgspec

from dragoman.codec import ModelCard

_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")


class _Model(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str
    display_name: str
    supported_generation_methods: tuple[str, ...]
    input_token_limit: int | None = None
    output_token_limit: int | None = None


class _Models(msgspec.Struct):
    models: list[_Model]


class _Count(msgspec.Struct, rename="camel"):
    total_tokens: int


def encode_models(cards: Sequence[ModelCard]) -> bytes:
    """Return a list of models, all on one page."""
    return msgspec.json.encode(_Models([_model(card) for card in cards]))


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
