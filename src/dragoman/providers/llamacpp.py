"""llama.cpp's server on this machine: the model it was started with."""

from dragoman.dialects import Dialect
from dragoman.providers import Provider

PROVIDER = Provider(
    name="llamacpp",
    title="llama.cpp",
    source="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    protocol="openai-chat",
    bases={"openai-chat": "http://127.0.0.1:8080/v1"},
    # github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; templates may refuse a system message that comes late.
    dialect=Dialect(
        efforts=(), files=False, prompt_cache_key=False, service_tiers=(), system_only_first=True, top_k=True
    ),
    needs_key=False,
)
