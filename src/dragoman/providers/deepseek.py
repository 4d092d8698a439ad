"""DeepSeek's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import Model, Provider

# Thinks unless told not to, and wants its reasoning back beside tool calls.  api-docs.deepseek.com/guides/thinking_mode
# JSON mode, but no JSON Schema.  api-docs.deepseek.com/guides/json_mode
_DIALECT = Dialect(
    efforts=("low", "high", "max"),
    files=False,
    prompt_cache_key=False,
    reasoning_required_with_tools=True,
    structured_output=False,
    thinking_switch="thinking",
    tool_choice_required=False,
)


def _model(model: str, name: str, inputs: tuple[str, ...], dialect: Dialect = _DIALECT) -> Model:
    return Model(model, "openai-chat", dialect, name, 1_000_000, 393_216, inputs=inputs, tools=True, reasoning=True)


PROVIDER = Provider(
    name="deepseek",
    title="DeepSeek",
    source="https://api-docs.deepseek.com",
    protocol="openai-chat",
    bases={"anthropic-messages": "https://api.deepseek.com/anthropic", "openai-chat": "https://api.deepseek.com"},
    dialect=_DIALECT,
    models=(
        _model("deepseek-flash", "DeepSeek Flash", ("text", "image")),
        _model("deepseek-v4-pro", "DeepSeek V4 Pro", ("text",)),
    ),
)
