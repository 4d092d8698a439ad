"""DeepSeek's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="deepseek",
    title="DeepSeek",
    source="https://api-docs.deepseek.com",
    protocol="openai-chat",
    bases={"anthropic-messages": "https://api.deepseek.com/anthropic", "openai-chat": "https://api.deepseek.com"},
    # Thinks unless told not to, and wants its reasoning back beside tool calls.  api-docs.deepseek.com/guides/thinking_mode
    # JSON mode, but no JSON Schema.  api-docs.deepseek.com/guides/json_mode
    dialect=Dialect(
        efforts=("low", "high", "max"),
        files=False,
        prompt_cache_key=False,
        reasoning_required_with_tools=True,
        service_tiers=(),
        structured_output=False,
        thinking_switch="thinking",
        tool_choice_required=False,
    ),
    catalog="deepseek",
)
