"""OpenAI's prompt cache, as its protocols ask for it.

https://platform.openai.com/docs/guides/prompt-caching
"""

from typing import Final

SETTINGS: Final = frozenset({"prompt_cache_options", "prompt_cache_retention"})
"""Fields beside `prompt_cache_key`: a server that does not take the one takes none of the others."""
