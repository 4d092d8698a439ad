"""What names stand for."""

from collections.abc import Callable

import pytest

from dragoman.ir.failures import DragomanError, FailureKind, RequestError
from dragoman.routing.names import find_model, list_models, resolve, title_of
from dragoman.routing.registry import Registry
from dragoman.settings import Settings

Make = Callable[[str], Registry]
TWO = """
[providers.chat]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9101/v1"
models = ["m1", "vendor/m2", "same"]
[providers.claude]
protocol = "anthropic-messages"
base_url = "http://127.0.0.1:9102"
models = ["claude-sonnet-5-5", "same"]
[aliases]
"gpt-4o" = "claude/claude-sonnet-5-5"
"gpt-*" = "chat/m1"
"claude-*-haiku*" = "chat/m1"
"*-bare" = "same"
"""
NAMESAKES = f'{TWO}"m1" = "chat/m1"\n"same" = "claude/same"\n'
OPEN = '[providers.local]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:1"\n'


def meant(registry: Registry, name: str, prefix: str | None = None) -> str:
    resolved = resolve(registry, name, prefix)
    assert resolved.requested == name
    return f"{resolved.provider}/{resolved.model}"


def refused(registry: Registry, name: str, prefix: str | None = None) -> str:
    with pytest.raises(DragomanError) as caught:
        resolve(registry, name, prefix)
    assert caught.value.failure.kind is FailureKind.NOT_FOUND
    return caught.value.failure.text


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("chat/m1", "chat/m1"),
        ("chat/vendor/m2", "chat/vendor/m2"),
        ("m1", "chat/m1"),
        ("vendor/m2", "chat/vendor/m2"),
        ("same", "chat/same"),
        ("claude/same", "claude/same"),
        ("claude-sonnet-5-5", "claude/claude-sonnet-5-5"),
        ("gpt-4o", "claude/claude-sonnet-5-5"),
        ("gpt-5", "chat/m1"),
        ("claude-3-5-haiku-latest", "chat/m1"),
        ("x-bare", "chat/same"),
        ("m1[1m]", "chat/m1"),
        ("gpt-4o[1M]", "claude/claude-sonnet-5-5"),
        ("claude-dragoman/chat/m1", "chat/m1"),
        ("claude-dragoman/chat/vendor/m2[1m]", "chat/vendor/m2"),
        ("claude-dragoman/gpt-4o", "claude/claude-sonnet-5-5"),
        ("demo/echo", "demo/echo"),
        ("zen/claude-opus-5", "opencode-zen/claude-opus-5"),
        ("opencode-go/glm-5.3", "opencode-go/glm-5.3"),
    ],
)
def test_a_name_stands_for_one_model(registry: Make, name: str, target: str) -> None:
    assert meant(registry(TWO), name) == target


def test_an_address_is_stronger_than_a_glob(registry: Make) -> None:
    made = registry(OPEN + '[aliases]\n"*" = "local/x"\n')
    assert meant(made, "demo/echo") == "demo/echo"
    assert meant(made, "anything") == "local/x"


def test_the_suffix_for_long_context_is_noticed(registry: Make) -> None:
    made = registry(TWO)
    assert resolve(made, "m1[1m]").long_context
    assert not resolve(made, "m1").long_context


def test_an_alias_and_a_route_may_ask_for_long_context(registry: Make) -> None:
    made = registry(f'{TWO}"big" = "chat/m1[1m]"\n[routes.default]\nto = "claude/same[1m]"\n')
    assert meant(made, "big") == "chat/m1"
    assert resolve(made, "big").long_context
    assert resolve(made, "big", "chat").long_context
    assert meant(made, "nobody's") == "claude/same"
    assert resolve(made, "nobody's").long_context
    assert not resolve(made, "gpt-5").long_context


def test_without_configuration_go_answers_and_zen_under_its_prefix(registry: Make) -> None:
    empty = registry("")
    assert meant(empty, "kimi-k2.6") == "opencode-go/kimi-k2.6"
    assert meant(empty, "kimi-k2.6", "go") == "opencode-go/kimi-k2.6"
    assert meant(empty, "kimi-k2.6", "zen") == "opencode-zen/kimi-k2.6"
    assert "did you mean `opencode-zen/gpt-5.5`?" in refused(empty, "gpt-5.5")


def test_configured_providers_keep_go_out_of_bare_names(registry: Make) -> None:
    assert "did you mean `opencode-go/glm-5.3`, " in refused(registry(TWO), "glm-5.3")


def test_a_path_prefix_restricts_to_its_provider(registry: Make) -> None:
    made = registry(TWO)
    assert meant(made, "same", "claude") == "claude/same"
    assert meant(made, "claude/same", "claude") == "claude/same"
    assert meant(made, "gpt-4o", "claude") == "claude/claude-sonnet-5-5"
    assert "`claude` has no model `m1`" in refused(made, "m1", "claude")
    assert "`claude` has no model `gpt-5`" in refused(made, "gpt-5", "claude")
    assert "`claude` has no model `chat/m1`" in refused(made, "chat/m1", "claude")


def test_a_provider_without_a_list_takes_any_id(registry: Make) -> None:
    made = registry(OPEN)
    assert meant(made, "local/some/thing") == "local/some/thing"
    assert meant(made, "whatever") == "local/whatever"
    assert meant(made, "whatever", "local") == "local/whatever"


def test_a_mistyped_model_of_a_provider_goes_to_nobody_else(registry: Make) -> None:
    chosen = registry(
        """
        [providers.listed]
        protocol = "openai-chat"
        base_url = "http://127.0.0.1:1/v1"
        models = ["m1"]
        [providers.any]
        protocol = "openai-chat"
        base_url = "http://127.0.0.1:2/v1"
        """
    )
    assert "`listed` has no model `typo`" in refused(chosen, "listed/typo")
    assert meant(chosen, "vendor/model") == "any/vendor/model"


def test_the_default_route_catches_unknown_names(registry: Make) -> None:
    made = registry(TWO + '[routes.default]\nto = "chat/m1"\n')
    resolved = resolve(made, "unheard-of")
    assert (resolved.model, resolved.reason) == ("m1", "route `default`")
    assert meant(made, "unheard-of", "chat") == "chat/m1"
    assert "has no model" in refused(made, "unheard-of", "claude")


@pytest.mark.parametrize(
    ("name", "prefix", "told"),
    [
        ("gtp-x", None, "nobody here has a model `gtp-x`"),
        ("chat/m3", None, "`chat` has no model `m3`\nhint: did you mean `chat/m1`"),
        ("sane", None, "did you mean `same`"),
        ("openrouter/x", None, 'configure [providers.openrouter] with preset = "openrouter"'),
        ("m1", "caht", "there is no provider `caht`\nhint: did you mean `chat`?"),
        ("[1m]", None, "cannot be a model's name"),
        ("x" * 10_000, None, "cannot be a model's name"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(registry: Make, name: str, prefix: str | None, told: str) -> None:
    assert told in refused(registry(TWO), name, prefix)


@pytest.mark.parametrize("prefix", [None, "local"])
@pytest.mark.parametrize("name", ["", " ", "\t\n\u3000"])
def test_a_name_with_nothing_in_it_is_nobodys(registry: Make, name: str, prefix: str | None) -> None:
    """Also not of a provider that takes any id."""
    with pytest.raises(RequestError, match="`model` must not be empty") as caught:
        resolve(registry(OPEN), name, prefix)
    assert (caught.value.failure.param, caught.value.failure.http_status) == ("model", 400)
    assert "cannot be a model's name" in refused(registry(OPEN), f"{name}[1m]", prefix)
    assert "`local` has no model" in refused(registry(OPEN), f"local/{name}")


def test_what_is_remembered_is_bounded(registry: Make) -> None:
    made = registry(OPEN)
    for number in range(10_000):
        resolve(made, f"model-{number}")
    assert len(made.remembered) <= 4096
    assert resolve(made, "again") is resolve(made, "again")


@pytest.mark.parametrize("text", ["", TWO, NAMESAKES, OPEN])
@pytest.mark.parametrize("prefix", [None, "go", "zen", "demo"])
@pytest.mark.parametrize("claude_shaped", [False, True])
def test_every_listed_name_leads_to_its_model(
    registry: Make, text: str, prefix: str | None, claude_shaped: bool
) -> None:
    made = registry(text)
    cards = list_models(made, prefix, claude_shaped=claude_shaped)
    assert len({card.id for card in cards}) == len(cards)
    for card in cards:
        resolved = resolve(made, card.id, prefix)
        assert card.owner == resolved.provider
        assert resolved.card.is_offered
        if claude_shaped:
            assert "claude" in card.id or "anthropic" in card.id


def test_lists_hold_aliases_and_tell_same_ids_apart(registry: Make) -> None:
    ids = [card.id for card in list_models(registry(TWO))]
    assert ids == ["m1", "vendor/m2", "same", "claude-sonnet-5-5", "claude/same", "gpt-4o"]


def test_without_configuration_everything_that_can_be_asked_for_is_listed(registry: Make) -> None:
    empty = registry("")
    ids = {card.id for card in list_models(empty)}
    assert {"glm-5.3", "opencode-zen/claude-opus-4-8", "demo/assistant", "demo/tool-user"} <= ids
    assert not any(name.startswith("opencode-go/") for name in ids)
    assert all("/" not in card.id for card in list_models(empty, "zen"))


def test_an_alias_of_a_model_that_cannot_be_asked_is_not_listed(registry: Make) -> None:
    made = registry('[aliases]\n"fast" = "zen/gpt-5.5"\n')
    assert "fast" in {card.id for card in list_models(made)}
    assert "fast" not in {card.id for card in list_models(made, spoken=("openai-chat",))}


def test_a_mistyped_demo_model_is_unknown_and_the_nearest_is_named(registry: Make) -> None:
    told = refused(registry(""), "demo/asistant")
    assert told.startswith("`demo` has no model `asistant`\nhint: did you mean `demo/assistant`")


def test_only_models_that_can_be_asked_are_suggested() -> None:
    made = Registry(Settings(), ("openai-chat", "anthropic-messages"))
    for name, prefix in (("gpt-5.5", None), ("zen/gpt-5.55", None), ("gpt-5.55", "zen"), ("gemini-3.8-flas", "zen")):
        told = refused(made, name, prefix)
        assert "gpt-5" not in told.partition("hint: ")[2]
        assert "gemini" not in told.partition("hint: ")[2]
    assert "opencode-zen/claude-opus-4-8" in refused(made, "claude-opus-4-8")


def test_claude_shaped_names_are_honest_about_who_answers(registry: Make) -> None:
    cards = {card.id: card for card in list_models(registry(""), claude_shaped=True)}
    glm = cards["claude-dragoman/opencode-go/glm-5.3"]
    assert (glm.name, glm.context) == ("GLM 5.3 (opencode-go)", 1_000_000)


def test_lists_leave_out_deprecated_models_and_protocols_that_are_not_spoken(registry: Make) -> None:
    empty = registry("")
    ids = {card.id for card in list_models(empty, "go", spoken=("openai-chat",))}
    assert "glm-5.3" in ids
    assert not ids & {"glm-5", "minimax-m3", "gpt-6-luna"}
    assert meant(empty, "glm-5", "go") == "opencode-go/glm-5"


def test_one_model_is_found_under_the_name_that_was_asked_for(registry: Make) -> None:
    assert find_model(registry(TWO), "gpt-4o").id == "gpt-4o"


@pytest.mark.parametrize(
    ("model", "title"),
    [("glm-5.3", "GLM 5.3"), ("claude-opus-4-8", "Claude Opus 4.8"), ("vendor/kimi-k3", "Kimi K3")],
)
def test_titles_read_like_names(model: str, title: str) -> None:
    assert title_of(model) == title
