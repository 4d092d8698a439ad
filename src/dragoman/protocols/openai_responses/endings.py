"""Why responses end and what they cost: this protocol's words and figures, and the IR's."""

from typing import Any, Final

from dragoman.ir.reply import Finish, Usage
from dragoman.protocols.openai_responses.wire_replies import (
    InputDetails,
    Number,
    OutputDetails,
    WireResponse,
    WireUsage,
)

_REASONS: Final = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}
"""Other reasons (`max_messages`, `steered`) leave a turn to be taken up again."""

_INCOMPLETE: Final = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT_FULL: "max_output_tokens",
    Finish.FILTERED: "content_filter",
}

_NO_INPUT_DETAILS: Final = InputDetails()
_NO_OUTPUT_DETAILS: Final = OutputDetails()


def decode_finish(response: WireResponse, *, has_calls: bool, has_refusal: bool) -> tuple[Finish, str]:
    """Return why a response ended, and the word that says so."""
    if response.status == "incomplete":
        details = response.incomplete_details
        reason = (details.reason if details else None) or "incomplete"
        return _REASONS.get(reason, Finish.PAUSED), reason
    word = response.status or "completed"
    if has_calls:
        return Finish.TOOL_CALLS, word
    return (Finish.REFUSAL if has_refusal else Finish.DONE), word


def incomplete_reason(finish: Finish, *, has_refusal: bool) -> str | None:
    """Return why a response is not complete; None when it is. A refusal with words of its own is complete."""
    if finish is Finish.REFUSAL and not has_refusal:
        return "content_filter"
    return _INCOMPLETE.get(finish)


def decode_usage(usage: WireUsage | None) -> Usage:
    """Return the figures as the IR counts: cached tokens apart from the input."""
    if usage is None:
        return Usage()
    details = usage.input_tokens_details or _NO_INPUT_DETAILS
    thinking = usage.output_tokens_details or _NO_OUTPUT_DETAILS
    total, read, write = _whole(usage.input_tokens), _whole(details.cached_tokens), _whole(details.cache_write_tokens)
    fresh = None if total is None else max(0, total - (read or 0) - (write or 0))
    return Usage(fresh, read, write, _whole(usage.output_tokens), _whole(thinking.reasoning_tokens))


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the figures as this protocol counts: the input includes what was cached. Unknown ones are 0."""
    read, write = usage.cache_read or 0, usage.cache_write or 0
    given, made = (usage.input_tokens or 0) + read + write, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": given + made,
    }


def _whole(number: Number) -> int | None:
    return None if number is None else int(number)
