"""What has to hold of the shipped providers."""

import json
from collections import Counter
from importlib.resources import files

import pytest

from dragoman.dialects import Dialect
from dragoman.providers import Provider, discover, models_of
from dragoman.settings import PROTOCOLS
from dragoman.settings.origins import origin_of

PROVIDERS = list(discover().values())


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_is_complete(provider: Provider) -> None:
    models = models_of(provider)
    assert provider.source.startswith("https://")
    assert provider.protocol in provider.bases
    assert set(provider.bases) <= set(PROTOCOLS)
    assert all(origin_of(base) and not base.endswith("/") for base in provider.bases.values())
    assert not provider.bases.get("anthropic-messages", "").endswith("/v1"), "the SDK adds it"
    assert {model.protocol for model in models.values()} <= set(provider.bases)
    assert all(id == model.id for id, model in models.items())
    assert models or provider.takes_any
    if provider.vision:
        vision = models[provider.vision]
        assert vision.status == "active"
        assert set(vision.inputs or ()) >= {"image", "pdf"}
        assert vision.protocol == "openai-chat"


def test_presets_are_found_by_being_there() -> None:
    assert set(discover()) >= {"anthropic", "deepseek", "openai", "opencode-go", "opencode-zen", "openrouter"}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("opencode-go", {"anthropic-messages": 4, "openai-chat": 31, "openai-responses": 7}),
        (
            "opencode-zen",
            {"anthropic-messages": 24, "gemini-generate": 8, "openai-chat": 51, "openai-responses": 32},
        ),
    ],
)
def test_every_row_of_the_table_is_shipped(name: str, counts: dict[str, int]) -> None:
    models = models_of(discover()[name]).values()
    assert Counter(model.protocol for model in models) == counts


def test_native_formats_are_kept() -> None:
    go, zen = (models_of(discover()[name]) for name in ("opencode-go", "opencode-zen"))
    assert go["minimax-m3"].protocol == "anthropic-messages"
    assert zen["minimax-m3"].protocol == "openai-chat"
    assert zen["claude-opus-5"].protocol == "anthropic-messages"
    assert zen["gpt-5.5"].protocol == "openai-responses"
    assert zen["gemini-3.8-flash"].protocol == "gemini-generate"


def test_families_have_their_quirks() -> None:
    go, zen = (models_of(discover()[name]) for name in ("opencode-go", "opencode-zen"))
    deepseek, kimi, qwen = go["deepseek-v4-pro"].dialect, go["kimi-k2.6"].dialect, go["qwen3.7-plus"].dialect
    assert deepseek.reasoning_field == "reasoning_content"
    assert deepseek.reasoning_required_with_tools
    assert deepseek.thinking_switch == kimi.thinking_switch == go["glm-5.3"].dialect.thinking_switch == "thinking"
    assert deepseek.efforts == ("high", "max")
    assert kimi.reasoning_required_with_tools
    assert go["kimi-k3"].dialect.thinking_switch is None, "it always thinks"
    assert (qwen.thinking_switch, qwen.reasoning_field, qwen.cache_control) == ("enable_thinking", None, True)
    assert not zen["claude-haiku-4-5"].dialect.adaptive_thinking
    assert zen["claude-sonnet-4-6"].dialect.adaptive_thinking
    assert zen["claude-opus-5-5"].dialect == Dialect(tool_name_limit=128, sampling=False)
    assert not go["minimax-m3"].dialect.mid_system


def test_the_data_names_its_sources_and_their_licence() -> None:
    room = files("dragoman.providers")
    data = json.loads(room.joinpath("opencode.json").read_text())
    assert "models.dev" in data["sources"]["catalogue"]
    notice = room.joinpath("NOTICE").read_text()
    assert "Copyright (c) 2025 models.dev" in notice
    assert "The MIT License" in notice
