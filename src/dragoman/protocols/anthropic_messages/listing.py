"""Model lists and token counts. https://platform.claude.com/docs/en/api/models-list."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from dragoman.codec import ModelCard
from dragoman.ir.failures import RequestError

_MOST: Final = 1000
"""The largest page. https://platform.claude.com/docs/en/api/models-list"""
_is_number: Final = re.compile(r"[0-9]{1,9}").fullmatch


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
    return _list(cards, has_more=False)


def encode_page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """Return the models behind `after_id` or before `before_id`, `limit` of them at the most (none given: all there are).

    Raises RequestError for a limit or an id that there cannot be.
    """
    limit = _limit(query.get("limit"))
    if "before_id" in query and "after_id" in query:
        raise RequestError("`before_id` and `after_id` do not go together", param="before_id")
    if "before_id" in query:
        rest = cards[: _place(cards, query, "before_id")]
        return _list(rest[-limit:], has_more=len(rest) > limit)
    rest = cards[_place(cards, query, "after_id") + 1 :] if "after_id" in query else cards
    return _list(rest[:limit], has_more=len(rest) > limit)


def _limit(text: str | None) -> int:
    if text is None:
        return _MOST
    limit = int(text) if _is_number(text) else 0
    if not 1 <= limit <= _MOST:
        raise RequestError(f"`limit` is no number from 1 to {_MOST}", param="limit")
    return limit


def _place(cards: Sequence[ModelCard], query: Mapping[str, str], name: str) -> int:
    place = next((place for place, card in enumerate(cards) if card.id == query[name]), None)
    if place is None:
        raise RequestError(f"`{name}`: there is no model `{query[name]}` in this list", param=name)
    return place


def _list(cards: Sequence[ModelCard], *, has_more: bool) -> bytes:
    models = [_model(card) for card in cards]
    first, last = (models[0].id, models[-1].id) if models else (None, None)
    return msgspec.json.encode(_ModelList(models, has_more, first, last))


def encode_model(card: ModelCard) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_model(card))


def encode_count(tokens: int) -> bytes:
    """Return the answer of a token count."""
    return msgspec.json.encode(_TokensCount(tokens))


def decode_count_reply(body: bytes) -> int:
    """Return what a token count was answered with. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=_TokensCount).input_tokens


def _model(card: ModelCard) -> _ModelInfo:
    created = datetime.fromtimestamp(card.created, UTC).isoformat().replace("+00:00", "Z")
    return _ModelInfo(card.id, card.name, created, max_input_tokens=card.context, max_tokens=card.max_output)
