"""OpenAI's own API."""

from dragoman.dialects import Dialect
from dragoman.providers import Model, Provider

# Reasoning models: `max_completion_tokens`, no sampling parameters, and no field that takes reasoning back.
# platform.openai.com/docs/guides/reasoning
_REASONING = Dialect(
    max_tokens_field="max_completion_tokens",
    developer_role=True,
    reasoning_field=None,
    sampling=False,
    efforts=("none", "low", "medium", "high", "xhigh"),
)
_PLAIN = Dialect(developer_role=True, reasoning_field=None, efforts=())


def _model(model: str, name: str, context: int, max_output: int, *, protocol: str = "openai-chat") -> Model:
    inputs = ("text", "image", "pdf")
    return Model(model, protocol, _REASONING, name, context, max_output, inputs=inputs, tools=True, reasoning=True)


def _plain(model: str, name: str, context: int, max_output: int) -> Model:
    inputs = ("text", "image", "pdf")
    return Model(model, "openai-chat", _PLAIN, name, context, max_output, inputs=inputs, tools=True, reasoning=False)


PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    source="https://platform.openai.com/docs/models",
    protocol="openai-chat",
    bases={"openai-chat": "https://api.openai.com/v1", "openai-responses": "https://api.openai.com/v1"},
    dialect=_REASONING,
    models=(
        _model("gpt-6-astra", "GPT-6 Astra", 1_050_000, 128_000),
        _model("gpt-6-sol", "GPT-6 Sol", 1_050_000, 128_000),
        _model("gpt-6-luna", "GPT-6 Luna", 1_050_000, 128_000),
        _model("gpt-5.6", "GPT-5.6", 1_050_000, 128_000),
        _model("gpt-5.5", "GPT-5.5", 1_050_000, 128_000),
        _model("gpt-5.5-pro", "GPT-5.5 Pro", 1_050_000, 128_000, protocol="openai-responses"),
        _model("gpt-5.4", "GPT-5.4", 1_050_000, 128_000),
        _model("gpt-5.4-mini", "GPT-5.4 mini", 400_000, 128_000),
        _model("gpt-5.3-codex", "GPT-5.3 Codex", 400_000, 128_000, protocol="openai-responses"),
        _plain("gpt-4.1", "GPT-4.1", 1_047_576, 32_768),
        _plain("gpt-4.1-mini", "GPT-4.1 mini", 1_047_576, 32_768),
        _plain("gpt-4o", "GPT-4o", 128_000, 16_384),
        _plain("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384),
    ),
)
