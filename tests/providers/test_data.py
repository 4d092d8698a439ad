"""What has to hold of the shipped providers."""

import json
from collections import Counter
from importlib.resources import files

import pytest

from dragoman.dialects import Dialect
from dragoman.providers import Provider, discover, table_of
from dragoman.routing.registry import Registry
from dragoman.routing.specs import ModelSpec, ProviderSpec
from dragoman.settings import PROTOCOLS, Settings
from dragoman.settings import Provider as Configured
from dragoman.settings.origins import origin_of

_BUDGET = Dialect(tool_name_limit=128, web_search=True, adaptive_thinking=False, mid_system=False)
PROVIDERS = list(discover().values())
VENDORS = ("anthropic", "deepseek", "gemini", "groq", "mistral", "openai", "openrouter", "xai")
LOCAL = {
    "llamacpp": "http://127.0.0.1:8080/v1",
    "lmstudio": "http://127.0.0.1:1234/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "vllm": "http://127.0.0.1:8000/v1",
}


def configured(preset: str) -> ProviderSpec:
    return Registry(Settings(providers={"mine": Configured(preset=preset)})).providers["mine"]


def model(preset: str, id: str) -> ModelSpec:
    found = configured(preset).find(id)
    assert found is not None
    return found


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_is_complete(provider: Provider) -> None:
    rows = table_of(provider)
    assert provider.source.startswith("https://")
    assert provider.protocol in provider.bases
    assert set(provider.bases) <= set(PROTOCOLS)
    assert all(origin_of(base) and not base.endswith("/") for base in provider.bases.values())
    assert not provider.bases.get("anthropic-messages", "").endswith("/v1"), "the SDK adds it"
    assert all(id == row.id for id, row in rows.items())
    spec = configured(provider.name)
    assert {one.protocol for one in spec.models.values()} <= set(provider.bases)
    assert spec.models or provider.takes_any
    if provider.vision:
        vision = rows[provider.vision]
        assert vision.status == "active"
        assert set(vision.inputs or ()) >= {"image", "pdf"}
        assert vision.protocol == "openai-chat"


def test_presets_are_found_by_being_there() -> None:
    assert set(discover()) == {*VENDORS, *LOCAL, "opencode-go", "opencode-zen"}


@pytest.mark.parametrize("preset", VENDORS)
def test_a_vendors_models_come_from_the_catalogue_with_their_figures(preset: str) -> None:
    spec = configured(preset)
    offered = [one for one in spec.models.values() if one.is_offered]
    assert offered
    assert spec.needs_key
    assert all(one.capabilities.context for one in offered)
    assert any(one.capabilities.cost.output for one in offered)
    assert not any(word in one.id for one in offered for word in ("embed", "whisper", "tts", "realtime", "imagine"))


@pytest.mark.parametrize(("preset", "base"), LOCAL.items())
def test_a_local_server_takes_no_key_and_any_model(preset: str, base: str) -> None:
    spec = configured(preset)
    assert (spec.needs_key, spec.takes_client_key, spec.models) == (False, False, {})
    found = model(preset, "whatever:7b")
    assert (found.id, found.protocol, found.base_url) == ("whatever:7b", "openai-chat", base)
    assert found.capabilities.vision is None


@pytest.mark.parametrize(
    ("preset", "id", "protocol", "base"),
    [
        ("anthropic", "claude-opus-5-5", "anthropic-messages", "https://api.anthropic.com"),
        ("gemini", "gemini-3.8-flash", "gemini-generate", "https://generativelanguage.googleapis.com/v1beta"),
        ("groq", "openai/gpt-oss-120b", "openai-chat", "https://api.groq.com/openai/v1"),
        ("mistral", "mistral-large-latest", "openai-chat", "https://api.mistral.ai/v1"),
        ("openai", "gpt-5.5", "openai-responses", "https://api.openai.com/v1"),
        ("openai", "gpt-4o", "openai-chat", "https://api.openai.com/v1"),
        ("openrouter", "moonshotai/kimi-k3", "openai-chat", "https://openrouter.ai/api/v1"),
        ("xai", "grok-4.7", "openai-responses", "https://api.x.ai/v1"),
        ("opencode-zen", "gpt-5.5", "openai-responses", "https://opencode.ai/zen/v1"),
        ("opencode-zen", "claude-opus-5", "anthropic-messages", "https://opencode.ai/zen"),
        ("opencode-zen", "gemini-3.8-flash", "gemini-generate", "https://opencode.ai/zen/v1"),
        ("opencode-zen", "kimi-k3", "openai-chat", "https://opencode.ai/zen/v1"),
    ],
)
def test_every_model_is_asked_in_its_native_protocol_at_its_own_place(
    preset: str, id: str, protocol: str, base: str
) -> None:
    found = model(preset, id)
    assert (found.protocol, found.base_url) == (protocol, base)


@pytest.mark.parametrize(
    ("id", "quirks"),
    [
        ("claude-opus-5-5", Dialect(tool_name_limit=128, web_search=True, sampling=False)),
        ("claude-sonnet-4-6", Dialect(tool_name_limit=128, web_search=True, mid_system=False)),
        ("claude-opus-4-5", _BUDGET),
        ("claude-haiku-4-5-20251001", _BUDGET),
        ("claude-opus-4-20250514", _BUDGET),
        ("claude-opus-4-1", _BUDGET),
        ("claude-3-5-haiku-latest", _BUDGET),
        ("claude-something-9", Dialect(tool_name_limit=128, web_search=True, sampling=False)),
    ],
)
def test_claudes_of_each_age_are_told_apart_by_their_ids(id: str, quirks: Dialect) -> None:
    assert model("anthropic", id).dialect == quirks


@pytest.mark.parametrize("id", ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"])
def test_the_sonnets_whose_long_context_has_to_be_asked_for_say_how(id: str) -> None:
    dialect = model("anthropic", id).dialect
    assert dialect.long_context_beta == "context-1m-2025-08-07"
    assert not dialect.adaptive_thinking


@pytest.mark.parametrize(
    ("id", "efforts"),
    [
        ("o3", ("low", "medium", "high")),
        ("gpt-5-mini", ("minimal", "low", "medium", "high")),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.3-codex", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.5-pro", ("medium", "high", "xhigh")),
        ("gpt-6-luna", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-4.1", ()),
    ],
)
def test_gpts_know_the_efforts_that_the_vendor_says(id: str, efforts: tuple[str, ...]) -> None:
    assert model("openai", id).dialect.efforts == efforts


@pytest.mark.parametrize(
    ("preset", "id", "levels", "budgets"),
    [
        ("gemini", "gemini-2.5-pro", (), (128, 32_768)),
        ("gemini", "gemini-2.5-flash", (), (0, 24_576)),
        ("gemini", "gemini-3.1-pro-preview", ("low", "medium", "high"), (0, 24_576)),
        ("gemini", "gemini-3.8-flash", ("low", "medium", "high"), (0, 24_576)),
        ("gemini", "gemini-flash-latest", ("minimal", "low", "medium", "high"), (0, 24_576)),
        ("opencode-zen", "gemini-3.8-flash", ("low", "medium", "high"), (0, 24_576)),
        ("opencode-zen", "gemini-3.5-flash", ("minimal", "low", "medium", "high"), (0, 24_576)),
    ],
)
def test_geminis_think_by_level_or_by_budget(
    preset: str, id: str, levels: tuple[str, ...], budgets: tuple[int, int]
) -> None:
    dialect = model(preset, id).dialect
    assert (dialect.thinking_levels, dialect.thinking_budgets) == (levels, budgets)
    assert dialect.media_in_tool_results is bool(levels)


def test_what_the_catalogue_says_a_model_does_not_take_is_not_sent_to_it() -> None:
    assert model("openrouter", "openai/gpt-5.5").dialect.sampling is False
    assert model("openrouter", "openai/gpt-4o").dialect.efforts == ()
    assert model("openrouter", "unheard/of").dialect == discover()["openrouter"].dialect


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
    models = table_of(discover()[name]).values()
    assert Counter(model.protocol for model in models) == counts


def test_native_formats_are_kept() -> None:
    go, zen = (table_of(discover()[name]) for name in ("opencode-go", "opencode-zen"))
    assert go["minimax-m3"].protocol == "anthropic-messages"
    assert zen["minimax-m3"].protocol == "openai-chat"
    assert zen["claude-opus-5"].protocol == "anthropic-messages"
    assert zen["gpt-5.5"].protocol == "openai-responses"
    assert zen["gemini-3.8-flash"].protocol == "gemini-generate"


def test_families_have_their_quirks() -> None:
    go, zen = (table_of(discover()[name]) for name in ("opencode-go", "opencode-zen"))
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
