"""Google's Gemini API."""

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider

_PRO = Dialect(efforts=("low", "medium", "high"))
_FLASH = Dialect(efforts=("minimal", "low", "medium", "high"))

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
    # Which levels of thinking a model knows.  ai.google.dev/gemini-api/docs/thinking
    families=(
        Family("gemini-3*-pro*", _PRO),
        Family("gemini-3.[78]-*", _PRO),
    ),
)
