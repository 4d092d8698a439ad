"""Model lists and token counts. https://platform.claude.com/docs/en/api/models-list."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from dragoman.codec import ModelCard


class _ModelInfo(msgspec.Struct, tag_field="type", tag="model"):
    id: str
    display_name: str
    created_at: str
    lifecycle: str = "active"
    max_input_tokens: int | None = None
    max_tokens: int | None = None


class _ModelList(msgspec.Struct):
    data: list[_ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


class _TokensCount(msgspec.Struct):
    input_tokens: int


def encode_models(cards: Sequence[ModelCard]) -> bytes:
    """Return a list of models, all on one page."""
    models = [_model(card) for card in cards]
    first, last = (models[0].id, models[-1].id) if models else (None, None)
    return msgspec.json.encode(_ModelList(models, has_more=False, first_id=first, last_id=last))


def encode_model(card: ModelCard) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_model(card))


def encode_count(tokens: int) -> bytes:
    """Return the answer of a token count."""
    return msgspec.json.encode(_TokensCount(tokens))


def _model(card: ModelCard) -> _ModelInfo:
    created = datetime.fromtimestamp(card.created, UTC).isoformat().replace("+00:00", "Z")
    return _ModelInfo(card.id, card.name, created, max_input_tokens=card.context, max_tokens=card.max_output)
