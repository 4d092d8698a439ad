"""Ollama on this machine: whatever models it has pulled."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="ollama",
    title="Ollama",
    source="https://docs.ollama.com/api/openai-compatibility",
    protocol="openai-chat",
    bases={"openai-chat": "http://127.0.0.1:11434/v1"},
    # docs.ollama.com/api/openai-compatibility; a tool choice is ignored there, so nothing may rely on it.
    dialect=Dialect(
        reasoning_field="reasoning", files=False, prompt_cache_key=False, service_tiers=(), tool_choice_required=False
    ),
    needs_key=False,
)
