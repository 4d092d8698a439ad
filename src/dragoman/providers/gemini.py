"""Google's Gemini API."""

from msgspec import structs

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider

# Thinking is a budget up to 2.5 and a level from 3 on, and which levels there are differs.  ai.google.dev/gemini-api/docs/thinking
_FLASH_2 = Dialect(web_search=True)
_PRO_2 = Dialect(web_search=True, thinking_budgets=(128, 32_768))
# Pictures in what a tool answered.  ai.google.dev/gemini-api/docs/function-calling#multimodal
_FLASH = Dialect(web_search=True, media_in_tool_results=True, thinking_levels=("minimal", "low", "medium", "high"))
_PRO = structs.replace(_FLASH, thinking_levels=("low", "medium", "high"))

PROVIDER = Provider(
    name="gemini",
    title="Google Gemini",
    source="https://ai.google.dev/gemini-api/docs/models",
    protocol="gemini-generate",
    bases={
        "gemini-generate": "https://generativelanguage.googleapis.com/v1beta",
        "openai-chat": "https://generativelanguage.googleapis.com/v1beta/openai",
    },
    dialect=_FLASH,
    catalog="google",
    # Live, music, speech and research models answer on other endpoints.
    hides=("*-live-*", "*-tts*", "*-image*", "*-translate-*", "*-omni-*", "deep-research-*", "lyria-*", "veo-*"),
    families=(
        Family("gemini-[12]*-pro*", _PRO_2),
        Family("gemini-[12]*", _FLASH_2),
        Family("gemini-3*-pro*", _PRO),
        Family("gemini-3.[78]-*", _PRO),
        Family("gemma-*", Dialect()),
    ),
)
