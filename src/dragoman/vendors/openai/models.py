"""Model lists and token counts.

https://platform.openai.com/docs/api-reference/models/object
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman.codec import ModelCard


def encode_models(cards: Sequence[ModelCard]) -> bytes:
    """Return the list of models."""
    return msgspec.json.encode({"object": "list", "data": [_encode_card(card) for card in cards]})


def encode_model(card: ModelCard) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_encode_card(card))


def encode_count(tokens: int) -> bytes:
    """Return a count of tokens as Responses writes it: Chat itself counts none."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


def _encode_card(card: ModelCard) -> dict[str, Any]:
    """Return a model; `context_length` is OpenRouter's and vLLM's field for what OpenAI does not tell."""
    row: dict[str, Any] = {"id": card.id, "object": "model", "created": card.created, "owned_by": card.owner}
    if card.name != card.id:
        row["name"] = card.name
    if card.context is not None:
        row["context_length"] = card.context
    if card.max_output is not None:
        row["max_output_tokens"] = card.max_output
    return row
