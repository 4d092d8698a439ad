"""What a chunk of a stream holds alone: nearly all of them hold some words and nothing else."""

from typing import Final

import msgspec

from dragoman.protocols.openai_chat.wire_replies import Answer, Chunk

chunk_of: Final = msgspec.json.Decoder(Chunk).decode
"""Reads a chunk. Raises msgspec.DecodeError."""


def _delta_alone(data: bytes) -> Answer | None:
    """Return the delta of a chunk that says nothing beside it."""
    chunk = chunk_of(data)
    if chunk.usage is not None or chunk.error or chunk.choices is None or len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    if choice.index or choice.finish_reason or choice.usage is not None or choice.error:
        return None
    return choice.delta


def text_alone(data: bytes) -> str | None:
    """Return the words of a chunk that has nothing else in it."""
    delta = _delta_alone(data)
    return delta.content if delta and delta == Answer(delta.content) and isinstance(delta.content, str) else None


def thought_alone(data: bytes) -> str | None:
    """Return the reasoning of a chunk that has nothing else in it."""
    delta = _delta_alone(data)
    if delta is None or delta.content:
        return None
    if delta in (
        Answer(delta.content, reasoning_content=delta.reasoning_content),
        Answer(delta.content, reasoning=delta.reasoning),
    ):
        return delta.reasoning_content or delta.reasoning
    return None


def is_only_calls(delta: Answer) -> bool:
    """Tell whether a delta has nothing beside calls and words."""
    return (
        not delta.reasoning_content
        and not delta.reasoning
        and not delta.reasoning_details
        and delta.refusal is None
        and delta.annotations is None
        and delta.function_call is None
        and delta.images is None
    )
