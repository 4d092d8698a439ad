"""A vLLM server on this machine: the model it was started with."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="vllm",
    title="vLLM",
    source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server/",
    protocol="openai-chat",
    bases={"openai-chat": "http://127.0.0.1:8000/v1"},
    # docs.vllm.ai/en/latest/serving/openai_compatible_server/#extra-parameters
    dialect=Dialect(reasoning_field="reasoning", files=False, prompt_cache_key=False, service_tiers=(), top_k=True),
    needs_key=False,
)
