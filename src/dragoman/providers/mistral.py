"""Mistral's own API, La Plateforme."""

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider


def _dialect(*efforts: str) -> Dialect:
    """Return a dialect of a server that answers 422 to any field it does not know.

    docs.mistral.ai/api/#tag/chat; a system message may not follow a user's, and ids of calls are nine letters or digits:
    github.com/mistralai/mistral-common, validator.py
    """
    return Dialect(
        efforts=efforts,
        files=False,
        prompt_cache_key=False,
        reasoning_field=None,
        seed_field="random_seed",
        service_tiers=(),
        stream_options=False,
        system_only_first=True,
        tool_call_id_length=9,
        user_field=None,
    )


_SWITCHED = _dialect("none", "high")

PROVIDER = Provider(
    name="mistral",
    title="Mistral",
    source="https://docs.mistral.ai/getting-started/models/",
    protocol="openai-chat",
    bases={"openai-chat": "https://api.mistral.ai/v1"},
    dialect=_dialect(),
    catalog="mistral",
    hides=("*-embed*", "voxtral-*"),
    # docs.mistral.ai/capabilities/reasoning
    families=(
        Family("mistral-small-latest", _SWITCHED),
        Family("mistral-small-26*", _SWITCHED),
        Family("mistral-medium-latest", _SWITCHED),
        Family("mistral-medium-26*", _SWITCHED),
    ),
)
