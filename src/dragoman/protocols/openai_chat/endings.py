"""Why replies end and what they cost: this protocol's words and figures, and the IR's.

https://platform.openai.com/docs/api-reference/chat/object
"""

from typing import Any, Final

from dragoman.ir.failures import Failure, FailureKind
from dragoman.ir.losses import Ledger
from dragoman.ir.reply import Finish, Usage
from dragoman.protocols.openai_chat import losses
from dragoman.protocols.openai_chat.wire_replies import CompletionDetails, Number, PromptDetails, WireUsage

_FINISHES: Final = {
    "stop": Finish.DONE,
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "model_length": Finish.CONTEXT_FULL,
    "model_context_window_exceeded": Finish.CONTEXT_FULL,
    "content_filter": Finish.FILTERED,
    "sensitive": Finish.FILTERED,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
}
"""`max_tokens`, `model_length` (Mistral), `model_context_window_exceeded` and `sensitive` (GLM) are not the specification's.

Other words of vendors mean a normal end, save the next ones.
"""

_INTERRUPTIONS: Final = frozenset({"error", "insufficient_system_resource", "network_error"})
"""How OpenRouter, DeepSeek and GLM say that the model did not get to the end.

https://openrouter.ai/docs/api-reference/overview#finish-reason, https://api-docs.deepseek.com/api/create-chat-completion
and https://docs.z.ai/api-reference/llm/chat-completion
"""

_WORDS: Final = {
    Finish.DONE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.STOP_SEQUENCE: "stop",
    Finish.REFUSAL: "content_filter",
    Finish.FILTERED: "content_filter",
    Finish.PAUSED: "stop",
    Finish.CONTEXT_FULL: "length",
}


def interruption(word: str | None) -> Failure | None:
    """Return the failure that `word` means; None when it means an end."""
    if word not in _INTERRUPTIONS:
        return None
    return Failure(FailureKind.UPSTREAM_CUT, f"the upstream broke the reply off: its finish reason is `{word}`")


def decode_finish(word: str | None, *, has_calls: bool, has_refusal: bool) -> Finish:
    """Return what `word` means for a reply with such content: calls win over a normal end, and without any there are none."""
    finish = _FINISHES.get(word or "", Finish.DONE)
    if finish in (Finish.DONE, Finish.TOOL_CALLS):
        if has_calls:
            return Finish.TOOL_CALLS
        return Finish.REFUSAL if has_refusal else Finish.DONE
    return finish


_UNTOLD: Final = {
    Finish.STOP_SEQUENCE: losses.REPLY_STOP_SEQUENCE,
    Finish.PAUSED: losses.REPLY_PAUSED,
    Finish.CONTEXT_FULL: losses.REPLY_CONTEXT_FULL,
    Finish.REFUSAL: losses.REPLY_REFUSED,
}
"""Ends that have no word of their own."""


def encode_finish(finish: Finish, ledger: Ledger, *, has_calls: bool, has_refusal: bool) -> str:
    """Return the word for `finish`. A refusal that stands in its own field ends normally, as OpenAI's do."""
    if finish is Finish.DONE and has_calls:
        return "tool_calls"
    if finish is Finish.REFUSAL and has_refusal:
        return "stop"
    if (loss := _UNTOLD.get(finish)) is not None:
        loss.once(ledger, "reply.finish")
    return _WORDS[finish]


_NO_PROMPT_DETAILS: Final = PromptDetails()
_NO_COMPLETION_DETAILS: Final = CompletionDetails()


def decode_usage(usage: WireUsage | None) -> Usage:
    """Return the figures as the IR counts: cached tokens apart from the input, reasoning within the output."""
    if usage is None:
        return Usage()
    prompt, completion = _whole(usage.prompt_tokens), _whole(usage.completion_tokens)
    details = usage.prompt_tokens_details or _NO_PROMPT_DETAILS
    thinking = usage.completion_tokens_details or _NO_COMPLETION_DETAILS
    read = _first(
        details.cached_tokens,
        usage.prompt_cache_hit_tokens,  # DeepSeek
        usage.cached_tokens,  # Moonshot
        usage.cache_read_input_tokens,  # proxies before Anthropic's models
    )
    write = _first(details.cache_write_tokens, usage.cache_creation_input_tokens)
    reasoning = _whole(thinking.reasoning_tokens)
    if (
        prompt is not None
        and completion is not None
        and reasoning
        and usage.total_tokens == prompt + completion + reasoning
    ):
        completion += reasoning  # xAI and a few others count reasoning beside the completion
    fresh = None if prompt is None else max(0, prompt - (read or 0) - (write or 0))
    return Usage(fresh, read, write, completion, reasoning)


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the figures as this protocol counts: the prompt includes what was cached. Unknown ones are 0.

    A cost stands where OpenRouter has it: https://openrouter.ai/docs/use-cases/usage-accounting
    """
    read, write = usage.cache_read or 0, usage.cache_write or 0
    prompt, completion = (usage.input_tokens or 0) + read + write, usage.output_tokens or 0
    prompt_details = {"cached_tokens": read}
    if write:
        prompt_details["cache_write_tokens"] = write
    figures = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }
    return figures if usage.cost is None else {**figures, "cost": usage.cost}


def _whole(number: Number) -> int | None:
    return None if number is None else int(number)


def _first(*numbers: Number) -> int | None:
    for number in numbers:
        if number is not None:
            return int(number)
    return None
