"""xAI's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider


def _grok(*efforts: str) -> Dialect:
    """Return the dialect of a Grok: those that reason refuse penalties and stop sequences.

    docs.x.ai/docs/guides/reasoning
    """
    return Dialect(
        efforts=efforts, penalties=False, stop=False, reasoning_field=None, service_tiers=(), web_search=True
    )


_FIXED = _grok()

PROVIDER = Provider(
    name="xai",
    title="xAI",
    source="https://docs.x.ai/docs/models",
    # Chat keeps nothing of what a Grok thought.
    protocol="openai-responses",
    bases={"openai-chat": "https://api.x.ai/v1", "openai-responses": "https://api.x.ai/v1"},
    dialect=_grok("low", "medium", "high"),
    catalog="xai",
    hides=("grok-imagine-*",),
    families=(
        Family("grok-4.20-*", _FIXED),
        Family("grok-build-*", _FIXED),
        Family("grok-4.3*", _grok("none", "low", "medium", "high", "xhigh")),
        Family("grok-4.[67]*", _grok("low", "medium", "high", "xhigh")),
    ),
)
