"""Anthropic's own API."""

from msgspec import structs

from dragoman.dialects import Dialect
from dragoman.providers import ANTHROPIC, Family, Provider

# Thinking is a budget of tokens, effort is not known, and a system message may only come first.
# platform.claude.com/docs/en/build-with-claude/extended-thinking
_BUDGET = Dialect(tool_name_limit=128, web_search=True, adaptive_thinking=False, mid_system=False)
# A context of a million tokens has to be asked for.  platform.claude.com/docs/en/build-with-claude/context-windows
_LONG = structs.replace(_BUDGET, long_context_beta="context-1m-2025-08-07")
# Adaptive thinking, sampling parameters still taken.  platform.claude.com/docs/en/build-with-claude/adaptive-thinking
_ADAPTIVE = Dialect(tool_name_limit=128, web_search=True, mid_system=False)
# Temperature, top_p and top_k are refused.
_CURRENT = Dialect(tool_name_limit=128, web_search=True, sampling=False)

PROVIDER = Provider(
    name="anthropic",
    title="Anthropic",
    source="https://platform.claude.com/docs/en/about-claude/models/overview",
    protocol="anthropic-messages",
    bases={"anthropic-messages": "https://api.anthropic.com", "openai-chat": "https://api.anthropic.com/v1"},
    dialect=ANTHROPIC,
    catalog="anthropic",
    families=(
        Family("claude-[0-3]*", _BUDGET),
        Family("claude-sonnet-4-5*", _LONG),
        Family("claude-sonnet-4-2*", _LONG),
        Family("claude-sonnet-4-0", _LONG),
        Family("claude-*-4", _BUDGET),
        Family("claude-*-4-[015]", _BUDGET),
        Family("claude-*-4-202?????", _BUDGET),
        Family("claude-*-4-[015]-202?????", _BUDGET),
        Family("claude-*-4-6*", _ADAPTIVE),
        Family("claude-*", _CURRENT),
    ),
)
