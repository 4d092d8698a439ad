"""What the registry makes of the settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.catalog import Catalogue
from dragoman.catalog.files import About, Row, Shelf, text_of
from dragoman.providers import discover
from dragoman.routing.building import base_for
from dragoman.routing.names import list_places, resolve
from dragoman.routing.registry import Registry, counted, key_state
from dragoman.settings import Provider, Secret, Settings, SettingsError, load

Make = Callable[[str], Registry]
CHAT = '[providers.chat]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9101/v1"\n'


def test_without_configuration_there_are_go_zen_and_the_demo(registry: Make) -> None:
    empty = registry("")
    assert set(empty.providers) == {"demo", "opencode-go", "opencode-zen"}
    assert empty.prefixes == {"demo", "go", "opencode-go", "opencode-zen", "zen"}
    go = empty.provider("go")
    assert go is empty.providers["opencode-go"]
    assert go.needs_key
    assert go.session_header == "x-opencode-session"


@pytest.mark.parametrize("preset", discover())
def test_every_preset_can_be_configured_by_its_name_alone(preset: str) -> None:
    registry = Registry(Settings(providers={"mine": Provider(preset=preset, api_key=Secret("k"))}))
    spec = registry.providers["mine"]
    assert spec.pattern is None or spec.pattern.base_url
    assert all(model.base_url.startswith("https://") for model in spec.models.values())
    assert spec.api_key == Secret("k")


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_a_provider_of_ones_own_takes_its_models_from_the_catalogue(registry: Make) -> None:
    made = registry(CHAT + 'catalog = "fireworks-ai"\n').providers["chat"]
    glm = made.models["accounts/fireworks/models/glm-5p3"]
    assert (glm.protocol, glm.base_url, glm.capabilities.vision) == ("openai-chat", "http://127.0.0.1:9101/v1", False)
    assert made.find("something-newer") is not None


def test_a_listed_model_of_ones_own_has_the_catalogues_figures_unless_it_says_otherwise(registry: Make) -> None:
    text = CHAT + 'catalog = "groq"\nmodels = ["llama-3.1-8b-instant", {id = "groq/compound", context = 5}, "x"]\n'
    models = registry(text).providers["chat"].models
    assert models["llama-3.1-8b-instant"].capabilities.context == 131_072
    assert models["groq/compound"].capabilities.context == 5
    assert models["groq/compound"].capabilities.max_output == 8192
    assert models["x"].capabilities.context is None


def test_the_users_own_catalogue_is_asked_first(tmp_path: Path) -> None:
    text = text_of(About("mine"), [(Shelf("groq"), [Row("new-one", 7, flags="t")])])
    (tmp_path / "models.jsonl").write_bytes(text)
    settings = Settings(providers={"mine": Provider(preset="groq")}, data=tmp_path)
    assert Registry(settings).providers["mine"].models.keys() == {"new-one"}


def test_without_a_preset_that_needs_it_nothing_of_the_catalogue_is_read() -> None:
    def source() -> bytes:
        raise AssertionError

    made = Registry(Settings(), catalogue=Catalogue(source))
    assert made.address("go/glm-5.3")
    assert made.address("zen/gpt-5.5")


# --- ready-made aliases -----------------------------------------------------------------------------------------------

CLAUDE = '[providers.claude]\npreset = "anthropic"\n'
ROUTER = '[providers.router]\npreset = "openrouter"\n'
OWN = '[providers.mine]\nprotocol = "anthropic-messages"\nbase_url = "http://127.0.0.1:1"\n'


@pytest.mark.parametrize(
    ("providers", "sonnet", "haiku", "opus"),
    [
        ("", "opencode-zen/claude-sonnet-5", "opencode-zen/claude-haiku-4-5", "opencode-zen/claude-opus-5-5"),
        (CLAUDE, "claude/claude-sonnet-5", "claude/claude-haiku-4-5", "claude/claude-opus-5-5"),
        (CHAT + CLAUDE, "claude/claude-sonnet-5", "claude/claude-haiku-4-5", "claude/claude-opus-5-5"),
        (OWN, "mine/claude-sonnet-5", "mine/claude-haiku-4-5", "mine/claude-opus-5-5"),
        (
            ROUTER,
            "router/anthropic/claude-sonnet-5",
            "router/anthropic/claude-haiku-4.5",
            "router/anthropic/claude-opus-5.5",
        ),
    ],
)
def test_openais_names_lead_to_the_claudes_that_are_there(
    registry: Make, providers: str, sonnet: str, haiku: str, opus: str
) -> None:
    made = registry('aliases = "openai-to-claude"\n' + providers)

    def meant(name: str) -> str:
        found = resolve(made, name)
        return f"{found.provider}/{found.model}"

    for name in ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4-turbo", "gpt-4", "o1-mini", "claude-3-5-sonnet-latest"):
        assert meant(name) == sonnet, name
    for name in ("gpt-4o-mini", "gpt-3.5-turbo", "claude-3-5-haiku-20241022"):
        assert meant(name) == haiku, name
    assert meant("o1") == opus
    assert resolve(made, "gpt-4o").reason == "alias `gpt-4o`"


def test_ones_own_aliases_stand_before_the_ready_made_ones(registry: Make) -> None:
    made = registry('[aliases]\npreset = "openai-to-claude"\n"gpt-4o*" = "zen/glm-5.3"\n' + CLAUDE)
    assert resolve(made, "gpt-4o").model == resolve(made, "gpt-4o-mini").model == "glm-5.3"
    assert resolve(made, "o1").model == "claude-opus-5-5"


def test_ready_made_aliases_are_chosen_by_a_variable_too() -> None:
    made = Registry(load(None, {"DRAGOMAN_ALIASES_PRESET": "openai-to-claude"}))
    assert resolve(made, "gpt-4o").model == "claude-sonnet-5"


def test_a_path_prefix_leads_to_the_configured_provider_with_that_preset(registry: Make) -> None:
    made = registry('[providers.work]\npreset = "opencode-go"\napi_key = "k"\n')
    assert made.provider("go") is made.providers["work"]
    assert made.provider("zen") is made.providers["opencode-zen"]


@pytest.mark.parametrize(
    ("protocol", "url", "spoken", "base"),
    [
        ("anthropic-messages", "https://api.anthropic.com/v1/", None, "https://api.anthropic.com"),
        ("anthropic-messages", "http://host/zen/go/v1", "openai-chat", "http://host/zen/go"),
        ("openai-chat", "http://host/v1/", None, "http://host/v1"),
        ("openai-chat", "http://host", None, "http://host"),
        ("openai-chat", "http://host", "anthropic-messages", "http://host/v1"),
        ("gemini-generate", "http://host", None, "http://host/v1beta"),
        ("gemini-generate", "http://host/v1", "openai-chat", "http://host/v1"),
    ],
)
def test_a_base_url_fits_the_protocol(protocol: str, url: str, spoken: str | None, base: str) -> None:
    assert base_for(protocol, url, spoken=spoken) == base


def test_each_protocol_of_a_preset_has_its_own_base(registry: Make) -> None:
    models = registry("").providers["opencode-go"].models
    assert models["glm-5.3"].base_url == "https://opencode.ai/zen/go/v1"
    assert models["minimax-m3"].base_url == "https://opencode.ai/zen/go"
    moved = registry('[providers.go]\npreset = "opencode-go"\nbase_url = "http://127.0.0.1:1/zen/go/v1"\n').providers[
        "go"
    ]
    assert moved.models["glm-5.3"].base_url == "http://127.0.0.1:1/zen/go/v1"
    assert moved.models["minimax-m3"].base_url == "http://127.0.0.1:1/zen/go"
    assert not moved.needs_key


def test_configuration_overrides_what_a_preset_says(registry: Make) -> None:
    made = registry(
        '[providers.go]\npreset = "opencode-go"\ndialect = {prompt_cache_key = false}\n'
        'models = ["new-one", {id = "glm-5.3[1m]", protocol = "anthropic-messages", vision = true, context = 7,'
        ' dialect = {thinking_switch = "", mid_system = false}}]\n'
    ).providers["go"]
    glm = made.models["glm-5.3"]
    assert (glm.protocol, glm.base_url) == ("anthropic-messages", "https://opencode.ai/zen/go")
    assert (glm.capabilities.vision, glm.capabilities.context) == (True, 7)
    assert (glm.capabilities.max_output, glm.capabilities.documents) == (131_072, False)
    assert (glm.dialect.mid_system, glm.dialect.thinking_switch, glm.dialect.prompt_cache_key) == (False, None, False)
    assert made.models["new-one"].protocol == "openai-chat"
    assert not made.models["kimi-k2.6"].dialect.prompt_cache_key
    assert made.models["kimi-k2.6"].dialect.thinking_switch == "thinking"


def test_a_model_that_nobody_gives_a_protocol_is_told() -> None:
    provider = Provider(base_url="http://x", models=("m",))
    with pytest.raises(SettingsError, match="the model `m` of `a` needs a `protocol`"):
        Registry(Settings(providers={"a": provider}))


def test_the_reference_dialect_is_the_protocols_own(registry: Make) -> None:
    made = registry('[providers.a]\nprotocol = "anthropic-messages"\nbase_url = "http://x"\nmodels = ["m"]\n')
    assert made.providers["a"].models["m"].dialect.tool_name_limit == 128


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("[]", "any model"),
        ('["a"]', "1 model"),
        ('["a", "b"]', "2 models"),
        (
            '[{id = "a", protocol = "gemini-generate"}]',
            "1 model, on gemini-generate, which this version does not speak",
        ),
        (
            '["a", {id = "b", protocol = "gemini-generate"}, {id = "c", protocol = "openai-responses"}]',
            "3 models, 2 of them on gemini-generate and openai-responses, which this version does not speak",
        ),
    ],
)
def test_models_are_counted_in_words(registry: Make, models: str, words: str) -> None:
    made = Registry(registry(CHAT + f"models = {models}\n").settings, ("openai-chat",))
    assert counted(made, made.providers["chat"]) == words


def test_models_that_are_listed_are_counted(registry: Make) -> None:
    made = registry('[providers.go]\npreset = "opencode-go"\n')
    spec = made.providers["go"]
    listed = len(list_places(made, "go"))
    older = len(spec.models) - listed
    assert older > 0
    assert counted(made, spec) == f"{listed} models ({older} more can be asked for, and are not offered any longer)"


def test_it_is_told_with_which_key_a_provider_is_called(registry: Make) -> None:
    def states(text: str) -> list[str]:
        made = registry(text)
        return [key_state(made, made.providers[name]) for name in ("chat", "opencode-go", "demo")]

    assert states(CHAT) == ["the client's own", "the client's own", "needs no key"]
    local = registry('[providers.local]\npreset = "vllm"\n')
    assert key_state(local, local.providers["local"]) == "needs no key"
    own = '[server]\nkeys = ["mine"]\n'
    assert states(own + CHAT + 'api_key = "k"\n') == ["configured", "no key configured", "needs no key"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[providers.a]\npreset = "opencode-goo"\n',
            r":2: there is no preset `opencode-goo`\nhint: did you mean `opencode-go`",
        ),
        (
            CHAT + "[providers.chat.dialect]\nfile = true\n",
            r":5: a dialect has no field `file`\nhint: did you mean `files`",
        ),
        (
            'aliases = "openai-to-clade"\n' + CHAT,
            r":1: there are no ready-made aliases `openai-to-clade`\nhint: did you mean `openai-to-claude`",
        ),
        (
            CHAT + '[aliases]\npreset = "openai-to-claude"\n',
            r":5: no provider has a model for the aliases `openai-to-claude`\nhint: configure",
        ),
        (CHAT + "aliases = 3\n", r"`providers.chat.aliases`"),
        (
            CHAT + 'catalog = "grok"\n',
            r":4: the catalogue has no provider `grok`\nhint: did you mean `groq`",
        ),
        (CHAT + "dialect.files = 3\n", r":4: `files` is `3`: expected `bool`, got `int`"),
        (CHAT + 'dialect.max_tokens_field = ""\n', r"`max_tokens_field` is ``: expected `str`, got `null`"),
        (CHAT + '[aliases]\n"x" = "caht/m"\n', r":5: `caht/m`: there is no provider `caht`\nhint: did you mean `chat`"),
        (
            CHAT + 'models = ["m1"]\n[aliases]\nx = "chat/m2"\n',
            r":6: `chat` has no model `m2`\nhint: did you mean `m1`",
        ),
        (
            CHAT + 'models = ["m1"]\n[routes.default]\nto = "m2"\n',
            r":6: there is no model `m2`\nhint: did you mean `m1`",
        ),
        (
            '[providers.a]\npreset = "deepseek"\nmodels = [{id = "m", protocol = "gemini-generate"}]\n',
            r"`a` does not speak `gemini-generate`",
        ),
        (
            '[providers.a]\nbase_url = "http://x"\nmodels = [{id = "m", protocol = "openai-chat"}]\n[aliases]\nx = "a/y"\n',
            r"`a` has no model `y`",
        ),
    ],
)
def test_what_only_the_data_can_tell_is_told_like_any_mistake(registry: Make, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        registry(text)


@pytest.mark.parametrize(
    ("aliases", "told"),
    [
        ('a = "b"\nb = "a"\n', r":6: the aliases go in a circle: `b` -> `a` -> `b`\nhint: an alias stands for a model"),
        ('a = "a"\n', r":6: the aliases go in a circle: `a` -> `a`"),
        ('"c*" = "cc"\n', r":6: the aliases go in a circle: `cc` -> `cc`"),
        ('x = "a"\na = "b"\nb = "a"\n', r":6: the aliases go in a circle: `a` -> `b` -> `a`"),
        ('a = "b"\nb = "chat/m1"\n', r":6: `b` is an alias itself\nhint: write what it stands for: `chat/m1`"),
        ('fine = "m1"\na = "fime"\n', r":7: there is no model `fime`\nhint: `dragoman models` lists"),
    ],
)
def test_an_alias_that_leads_to_no_model_is_told_with_its_way(registry: Make, aliases: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        registry(CHAT + 'models = ["m1"]\n[aliases]\n' + aliases)


def test_the_claude_agent_may_not_ask_this_gateway() -> None:
    claude = Provider(kind="claude-agent", base_url="http://localhost:4747")
    with pytest.raises(SettingsError, match="would ask itself"):
        Registry(Settings(providers={"claude": claude}))


# --- OpenCode's server ------------------------------------------------------------------------------------------------

OPENCODE = '[providers.opencode]\nkind = "opencode-server"\n'


def test_any_model_of_opencode_s_can_be_asked_for(registry: Make) -> None:
    made = registry(OPENCODE)
    assert resolve(made, "opencode/anthropic/claude-sonnet-5-5").model == "anthropic/claude-sonnet-5-5"
    assert key_state(made, made.providers["opencode"]) == "OpenCode's own"
    assert not made.providers["opencode"].takes_client_key


def test_models_of_opencode_s_that_are_listed_are_the_only_ones(registry: Make) -> None:
    made = registry(OPENCODE + 'models = [{ id = "up/m", vision = false }]\n')
    found = resolve(made, "up/m")
    assert (found.provider, found.card.capabilities.vision) == ("opencode", False)
    assert made.address("opencode/up/other") is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('base_url = "https://example.com"\n', "has to run on this machine"),
        ('api_key = "sk-0123456789"\n', "password of a server"),
        ('protocol = "openai-chat"\n', "means nothing"),
        ('[providers.other]\nkind = "opencode-server"\n', "there can be one only"),
    ],
)
def test_what_makes_no_sense_for_opencode_s_server(registry: Make, more: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        registry(OPENCODE + more)


def test_a_closed_registry_has_the_configured_providers_alone() -> None:
    providers = {"opencode": Provider(kind="opencode-server")}
    registry = Registry(Settings(providers=providers), is_closed=True)
    assert set(registry.providers) == {"opencode"}
    assert registry.prefixes == {"opencode"}
    assert resolve(registry, "up/m").provider == "opencode"
