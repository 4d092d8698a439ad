"""OpenAI's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import Family, Provider


def _reasons(*efforts: str) -> Dialect:
    """Return the dialect of a model that reasons: no sampling parameters, and no field of Chat's that takes its reasoning back.

    platform.openai.com/docs/guides/reasoning
    """
    return Dialect(
        max_tokens_field="max_completion_tokens",
        developer_role=True,
        reasoning_field=None,
        sampling=False,
        custom_tools=True,
        penalties=False,
        stop=False,
        efforts=efforts,
        web_search=True,
    )


_O_SERIES = _reasons("low", "medium", "high")
_CODEX = _reasons("low", "medium", "high", "xhigh")
_FIRST = _reasons("minimal", "low", "medium", "high")
_THIRD = _reasons("none", "low", "medium", "high", "xhigh")
_PRO = _reasons("medium", "high", "xhigh")
_NEWEST = _reasons("none", "low", "medium", "high", "xhigh", "max")
_PLAIN = Dialect(developer_role=True, reasoning_field=None, efforts=())

PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    source="https://platform.openai.com/docs/models",
    # Models that reason call no functions on Chat from GPT-5.4 on, and keep what they thought on Responses alone.
    # platform.openai.com/docs/guides/migrate-to-responses
    protocol="openai-responses",
    bases={"openai-chat": "https://api.openai.com/v1", "openai-responses": "https://api.openai.com/v1"},
    dialect=_NEWEST,
    catalog="openai",
    hides=("gpt-realtime*", "gpt-audio*"),
    families=(
        Family("gpt-3.5-*", _PLAIN, "openai-chat"),
        Family("gpt-4*", _PLAIN, "openai-chat"),
        Family("chatgpt-*", _PLAIN, "openai-chat"),
        Family("gpt-5*-chat-latest", _PLAIN, "openai-chat"),
        Family("o[134]*", _O_SERIES),
        Family("gpt-5-codex*", _O_SERIES),
        Family("gpt-5.1-codex-max*", _CODEX),
        Family("gpt-5.1-codex*", _O_SERIES),
        Family("gpt-5.2-codex*", _CODEX),
        Family("gpt-5.3-codex-spark*", _CODEX),
        Family("gpt-5.1*", _reasons("none", "low", "medium", "high")),
        Family("gpt-5*-pro*", _PRO),
        Family("gpt-5.[2345]*", _THIRD),
        Family("gpt-5.*", _NEWEST),
        Family("gpt-5*", _FIRST),
        Family("gpt-6-astra*", _reasons("low", "medium", "high", "xhigh", "max")),
    ),
)
