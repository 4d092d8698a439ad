"""LM Studio on this machine: whatever models it has loaded."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="lmstudio",
    title="LM Studio",
    source="https://lmstudio.ai/docs/developer/openai-compat",
    protocol="openai-chat",
    bases={"openai-chat": "http://127.0.0.1:1234/v1"},
    # lmstudio.ai/docs/developer/openai-compat/chat-completions: JSON Schema, but no plain JSON mode.
    dialect=Dialect(files=False, json_object=False, prompt_cache_key=False, service_tiers=(), top_k=True),
    needs_key=False,
)
