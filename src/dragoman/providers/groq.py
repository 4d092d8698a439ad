"""GroqCloud: open models on Groq's own chips."""

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider


def _dialect(*, reasoning_field: str | None, efforts: tuple[str, ...], structured_output: bool) -> Dialect:
    """Return a dialect of a server that answers 400 to any property it does not know.

    console.groq.com/docs/api-reference#chat-create, console.groq.com/docs/reasoning, console.groq.com/docs/structured-outputs
    """
    return Dialect(
        reasoning_field=reasoning_field,
        efforts=efforts,
        structured_output=structured_output,
        files=False,
        prompt_cache_key=False,
        service_tiers=("auto", "flex"),
    )


PROVIDER = Provider(
    name="groq",
    title="Groq",
    source="https://console.groq.com/docs/models",
    protocol="openai-chat",
    bases={"openai-chat": "https://api.groq.com/openai/v1", "openai-responses": "https://api.groq.com/openai/v1"},
    dialect=_dialect(reasoning_field=None, efforts=(), structured_output=False),
    catalog="groq",
    hides=("canopylabs/*", "*prompt-guard*", "whisper-*"),
    families=(
        Family(
            "openai/gpt-oss-*",
            _dialect(reasoning_field="reasoning", efforts=("low", "medium", "high"), structured_output=True),
        ),
        # Thinks or does not: there are no degrees.
        Family("qwen/*", _dialect(reasoning_field="reasoning", efforts=("none",), structured_output=True)),
    ),
)
