"""Why replies end and what they cost: this protocol's words and figures, and the IR's.

https://ai.google.dev/api/generate-content#FinishReason
"""

from typing import Any, Final

from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.reply import Finish, Usage
from dragoman.protocols.gemini_generate.wire_replies import Number, UsageMetadata

_FINISHES: Final = {
    "STOP": Finish.DONE,
    "MAX_TOKENS": Finish.LENGTH,
    "CONTINUATION": Finish.PAUSED,
    "SAFETY": Finish.FILTERED,
    "RECITATION": Finish.FILTERED,
    "LANGUAGE": Finish.FILTERED,
    "BLOCKLIST": Finish.FILTERED,
    "PROHIBITED_CONTENT": Finish.FILTERED,
    "SPII": Finish.FILTERED,
    "MODEL_ARMOR": Finish.FILTERED,
    "IMAGE_SAFETY": Finish.FILTERED,
    "IMAGE_PROHIBITED_CONTENT": Finish.FILTERED,
    "IMAGE_RECITATION": Finish.FILTERED,
}
"""Other words mean a normal end, save the next ones."""

_MISTAKES: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
"""How it is said that the model said something that makes no sense: no client may take that for an answer."""

_WORDS: Final = {
    Finish.DONE: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOL_CALLS: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.REFUSAL: "SAFETY",
    Finish.FILTERED: "SAFETY",
    Finish.PAUSED: "CONTINUATION",
    Finish.CONTEXT_FULL: "MAX_TOKENS",
}


def mistake(word: str | None, message: str | None) -> Failure | None:
    """Return the failure that a finish reason means; None when it means an end."""
    if word not in _MISTAKES:
        return None
    said = f": {message}" if message else ""
    return Failure(FailureKind.UPSTREAM_INVALID, f"the model's answer ended with `{word}`{said}", code=word)


def decode_finish(word: str | None, *, has_calls: bool) -> Finish:
    """Return what a finish reason means: calls win over a normal end, which has no word of its own for them."""
    finish = _FINISHES.get(word or "", Finish.DONE)
    return Finish.TOOL_CALLS if finish is Finish.DONE and has_calls else finish


def encode_finish(finish: Finish) -> str:
    """Return the word for `finish`."""
    return _WORDS[finish]


def decode_usage(counts: UsageMetadata | None) -> Usage:
    """Return the figures as the IR counts: cached tokens apart from the input, thought within the output."""
    if counts is None:
        return Usage()
    read, thought = _whole(counts.cached_content_token_count), _whole(counts.thoughts_token_count)
    prompt, said = _whole(counts.prompt_token_count), _whole(counts.candidates_token_count)
    if prompt is not None:
        prompt = max(0, prompt - (read or 0)) + (_whole(counts.tool_use_prompt_token_count) or 0)
    output = None if said is None and thought is None else (said or 0) + (thought or 0)
    return Usage(prompt, read, None, output, thought)


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the figures as this protocol counts. What was written to a cache is part of the prompt, and not told apart."""
    read, thought = usage.cache_read or 0, usage.reasoning or 0
    prompt, output = (usage.input_tokens or 0) + read + (usage.cache_write or 0), usage.output_tokens or 0
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": max(0, output - thought)}
    if thought:
        counts["thoughtsTokenCount"] = thought
    if read:
        counts["cachedContentTokenCount"] = read
    return {**counts, "totalTokenCount": prompt + max(output, thought)}


def _whole(number: Number) -> int | None:
    return None if number is None else int(number)
