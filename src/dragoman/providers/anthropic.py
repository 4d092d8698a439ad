"""Anthropic's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import ANTHROPIC, Model, Provider

# Thinking is a budget of tokens, effort is not known, and a system message may only come first.
# platform.claude.com/docs/en/build-with-claude/extended-thinking
_BUDGET = Dialect(tool_name_limit=128, web_search=True, adaptive_thinking=False, mid_system=False)
# Adaptive thinking, sampling parameters still taken.  platform.claude.com/docs/en/build-with-claude/adaptive-thinking
_ADAPTIVE = Dialect(tool_name_limit=128, web_search=True, mid_system=False)
# Temperature, top_p and top_k are refused.
_CURRENT = Dialect(tool_name_limit=128, web_search=True, sampling=False)
_SEES = ("text", "image", "pdf")


def _claude(model: str, name: str, dialect: Dialect, context: int, max_output: int) -> Model:
    return Model(
        model, "anthropic-messages", dialect, name, context, max_output, inputs=_SEES, tools=True, reasoning=True
    )


PROVIDER = Provider(
    name="anthropic",
    title="Anthropic",
    source="https://platform.claude.com/docs/en/about-claude/models/overview",
    protocol="anthropic-messages",
    bases={"anthropic-messages": "https://api.anthropic.com", "openai-chat": "https://api.anthropic.com/v1"},
    dialect=ANTHROPIC,
    models=(
        _claude("claude-fable-5-1", "Claude Fable 5.1", _CURRENT, 1_000_000, 128_000),
        _claude("claude-fable-5", "Claude Fable 5", _CURRENT, 1_000_000, 128_000),
        _claude("claude-opus-5-5", "Claude Opus 5.5", _CURRENT, 1_000_000, 128_000),
        _claude("claude-opus-5", "Claude Opus 5", _CURRENT, 1_000_000, 128_000),
        _claude("claude-opus-4-8", "Claude Opus 4.8", _CURRENT, 1_000_000, 128_000),
        _claude("claude-opus-4-7", "Claude Opus 4.7", _CURRENT, 1_000_000, 128_000),
        _claude("claude-opus-4-6", "Claude Opus 4.6", _ADAPTIVE, 1_000_000, 128_000),
        _claude("claude-opus-4-5", "Claude Opus 4.5", _BUDGET, 200_000, 64_000),
        _claude("claude-sonnet-5", "Claude Sonnet 5", _CURRENT, 1_000_000, 128_000),
        _claude("claude-sonnet-4-6", "Claude Sonnet 4.6", _ADAPTIVE, 1_000_000, 128_000),
        _claude("claude-sonnet-4-5", "Claude Sonnet 4.5", _BUDGET, 1_000_000, 64_000),
        _claude("claude-haiku-4-5", "Claude Haiku 4.5", _BUDGET, 200_000, 64_000),
    ),
)
