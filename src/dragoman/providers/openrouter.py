"""OpenRouter: many vendors' models behind OpenAI Chat with extensions."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="openrouter",
    title="OpenRouter",
    source="https://openrouter.ai/docs/api-reference/overview",
    protocol="openai-chat",
    bases={
        "anthropic-messages": "https://openrouter.ai/api",
        "openai-chat": "https://openrouter.ai/api/v1",
        "openai-responses": "https://openrouter.ai/api/v1",
    },
    # openrouter.ai/docs/use-cases/reasoning-tokens, openrouter.ai/docs/features/prompt-caching
    dialect=Dialect(reasoning_field="reasoning", reasoning_details=True, cache_control=True, top_k=True),
    catalog="openrouter",
)
