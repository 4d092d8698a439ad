"""Where settings come from, who wins, and how mistakes are told."""

from pathlib import Path

import pytest

from dragoman.settings import Key, Route, Secret, Settings, SettingsError, load

TOML_HINT = 'hint: a setting is `name = value` below its `[table]`, and a text stands in quotes: `host = "127.0.0.1"`'
API_KEY_HINT = (
    "\nhint: Its key, a literal or `env:NAME`. Absent: the client's own key is passed on. "
    "For `opencode-server` the password of the server at `base_url`."
)
IDLE_HINT = "\nhint: Seconds that an upstream may be silent within a reply."
CHAT = '[providers.chat]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9101/v1"\n'


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    return load(str(file), environ or {}, {name.replace("__", "."): value for name, value in flags.items()})


def complaint(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, environ)
    return str(caught.value).replace(str(tmp_path / "dragoman.toml"), "FILE")


def test_no_file_is_needed(tmp_path: Path) -> None:
    settings = load(None, {}, here=tmp_path)
    assert (settings.server.host, settings.server.port, settings.server.keys) == ("127.0.0.1", 4747, ())
    assert not settings.providers


def test_the_example_of_the_contract_is_understood(tmp_path: Path) -> None:
    text = """
[server]
host = "127.0.0.1"
port = 4747
keys = []
[providers.chat]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9101/v1"
api_key = "env:MY_KEY"
models = ["m1", {id = "m2", vision = true, context = 1000, dialect = {files = false}}]
[aliases]
"gpt-4o" = "chat/m1"
"claude-*-haiku*" = "chat/m1"
[routes.vision]
to = "chat/m2"
"""
    settings = read(tmp_path, text, {"MY_KEY": "secret"})
    assert settings.providers["chat"].api_key == Secret("secret")
    assert list(settings.aliases) == ["gpt-4o", "claude-*-haiku*"]
    assert settings.routes.vision is not None
    assert settings.routes.vision.to == "chat/m2"


def test_the_environment_beats_the_file_and_flags_beat_both(tmp_path: Path) -> None:
    text = '[server]\nhost = "file"\nport = 1\nretries = 1\n'
    environ = {"DRAGOMAN_SERVER_HOST": "variable", "DRAGOMAN_SERVER_PORT": "2"}
    server = read(tmp_path, text, environ, server__port=3, server__keys=None).server
    assert (server.host, server.port, server.retries, server.keys) == ("variable", 3, 1, ())


def test_variables_hold_lists_numbers_and_tables(tmp_path: Path) -> None:
    environ = {
        "DRAGOMAN_SERVER_KEYS": "one, two",
        "DRAGOMAN_SERVER_LOG_JSON": "True",
        "DRAGOMAN_SERVER_HEARTBEAT_S": "2.5",
        "DRAGOMAN_SERVER_RETRIES": "",
        "DRAGOMAN_PROVIDERS_CHAT_MODELS": '["a", {"id": "b"}]',
        "DRAGOMAN_PROVIDERS_CHAT_DIALECT": '{"files": false}',
        "DRAGOMAN_PROVIDERS_MY_OWN_PRESET": "deepseek",
        "DRAGOMAN_ROUTES_DEFAULT_TO": "chat/a",
        "DRAGOMAN_SERVICE_HOST": "10.0.0.1",
    }
    settings = read(tmp_path, CHAT, environ)
    server, chat = settings.server, settings.providers["chat"]
    assert [key.key.reveal() for key in server.keys] == ["one", "two"]
    assert (server.log_json, server.heartbeat_s, server.retries) == (True, 2.5, 2)
    assert len(chat.models) == 2
    assert chat.dialect == {"files": False}
    assert settings.providers["my-own"].preset == "deepseek"
    assert settings.routes.default is not None


def test_a_key_and_an_alias_are_a_text_or_a_table(tmp_path: Path) -> None:
    text = (
        CHAT + '[[server.keys]]\nkey = "env:CI"\nname = "ci"\nlosses = "strict"\n[[server.keys]]\nkey = "two"\n'
        '[aliases]\n"a" = "chat/x"\n"b" = { to = "chat/y", losses = "silent" }\n'
        '[routes.default]\nto = "chat/z"\nlosses = "strict"\n'
    )
    settings = read(tmp_path, text, {"CI": "one"})
    assert settings.server.keys == (Key(key=Secret("one"), name="ci", losses="strict"), Key(key=Secret("two")))
    assert settings.aliases == {"a": "chat/x", "b": Route(to="chat/y", losses="silent")}
    assert settings.routes.default == Route(to="chat/z", losses="strict")
    inline = read(tmp_path, '[server]\nkeys = ["two", { key = "one", name = "ci" }]\n')
    assert inline.server.keys == (Key(key=Secret("two")), Key(key=Secret("one"), name="ci"))


def test_a_variable_reaches_the_provider_of_that_name_in_the_file(tmp_path: Path) -> None:
    text = CHAT.replace("chat]", "my_Chat]")
    settings = read(tmp_path, text, {"DRAGOMAN_PROVIDERS_MY_CHAT_BASE_URL": "http://other/v1"})
    assert settings.providers["my_Chat"].base_url == "http://other/v1"
    assert len(settings.providers) == 1


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    here, home, named = tmp_path / "here", tmp_path / "home", tmp_path / "named.toml"
    (home / "dragoman").mkdir(parents=True)
    here.mkdir()
    environ = {"XDG_CONFIG_HOME": str(home)}
    (home / "dragoman/dragoman.toml").write_text("[server]\nport = 1\n")
    assert load(None, environ, here=here).server.port == 1
    (here / "dragoman.toml").write_text("[server]\nport = 2\n")
    assert load(None, environ, here=here).server.port == 2
    named.write_text("[server]\nport = 3\n")
    assert load(None, environ | {"DRAGOMAN_CONFIG": str(named)}, here=here).server.port == 3
    assert load(str(here / "dragoman.toml"), environ | {"DRAGOMAN_CONFIG": str(named)}).server.port == 2


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(str(tmp_path / "nowhere.toml"), {})


def test_the_mark_that_windows_editors_put_in_front_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 4748\r\n")
    assert load(None, {}, here=tmp_path).server.port == 4748


def test_a_file_that_a_variable_names_is_told_with_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: .*\nhint: .*`DRAGOMAN_CONFIG` names"):
        load(None, {"DRAGOMAN_CONFIG": str(tmp_path / "nowhere.toml")})


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("DRAGOMAN_PORT", "did you mean `DRAGOMAN_SERVER_PORT`?"),
        ("DRAGOMAN_LOG_LEVEL", "did you mean `DRAGOMAN_SERVER_LOG_LEVEL`?"),
        ("DRAGOMAN_SEVER_HOST", "did you mean `DRAGOMAN_SERVER_HOST`?"),
        ("DRAGOMAN_CONFIGURATION", "did you mean `DRAGOMAN_CONFIG`?"),
        (
            "DRAGOMAN_X",
            (
                "settings are `DRAGOMAN_SERVER_...`, `DRAGOMAN_PROVIDERS_...`, `DRAGOMAN_ROUTES_...`, "
                "`DRAGOMAN_CLAUDE_...`, `DRAGOMAN_OPENCODE_...`, `DRAGOMAN_ALIASES_PRESET`"
            ),
        ),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(variable: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {variable: "1"})
    assert str(caught.value) == f"{variable}: there is no setting for this variable\nhint: {hint}"


def test_what_kubernetes_says_of_a_service_with_our_name_is_no_setting() -> None:
    address = "tcp://10.0.0.1:4747"
    names = ("DRAGOMAN_PORT", "DRAGOMAN_PORT_4747_TCP", "DRAGOMAN_SERVICE_PORT", "DRAGOMAN_SERVICE_PORT_HTTP")
    assert load(None, dict.fromkeys(names, address)).server.port == 4747


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("x y", "x y"),
        ("htp://host/v1?key=secret", "htp://host/v1"),
        ("http://user:secret@host/v1", "http://...@host/v1"),
        ("http://user:se/cret//?#x@host/v1#secret", "http://...@host/v1"),
        ("user:secret@host", "...@host"),
    ],
)
def test_a_wrong_url_is_repeated_without_what_may_be_secret(tmp_path: Path, url: str, shown: str) -> None:
    told = complaint(tmp_path, f'[providers.chat]\nprotocol = "openai-chat"\nbase_url = "{url}"\n')
    assert f"`base_url` is `{shown}`, " in told


def test_secrets_do_not_show(tmp_path: Path) -> None:
    text = '[server]\nkeys = ["hidden-1"]\n' + CHAT + 'api_key = "hidden-2"\nheaders = {"X-Key" = "hidden-3"}\n'
    settings = read(tmp_path, text)
    assert "hidden" not in f"{settings!r} {settings} {settings.server.keys[0]} {settings.origin!r}"
    assert settings.providers["chat"].headers["x-key"].reveal() == "hidden-3"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1\n", "FILE:2: there is no setting `server.prot`\nhint: did you mean `port`?"),
        (
            '[server]\nport = "x"\n',
            (
                'FILE:2: `server.port` is `"x"`: expected `int`, got `str`\n'
                "hint: The port to listen on; 0 takes a free one."
            ),
        ),
        ('losses = "strict"\n', "FILE:1: there is no setting `losses`\nhint: did you mean `server.losses`?"),
        (
            'api_key = "x"\n',
            "FILE:1: there is no setting `api_key`\nhint: did you mean `providers.NAME.api_key`?",
        ),
        (
            "[server]\nport = 70000\n",
            "FILE:2: `server.port` is `70000`: it must be 0 to 65535\nhint: The port to listen on; 0 takes a free one.",
        ),
        ("[servr]\n", "FILE:1: there is no setting `servr`\nhint: did you mean `server`?"),
        ("[servr.more]\nx = 1\n", "FILE:1: there is no setting `servr`\nhint: did you mean `server`?"),
        ("[server\n", f"FILE:1: not TOML: Expected ']' at the end of a table declaration\n{TOML_HINT}"),
        ("a = 1\na = 2\n", f"FILE:2: not TOML: Cannot overwrite a value\n{TOML_HINT}"),
        (
            "[server]\nidle_timeout_s = 0\n",
            f"FILE:2: `server.idle_timeout_s` is `0`: it must be more than 0{IDLE_HINT}",
        ),
        ("server = 3\n", "FILE:1: `server` is no table\nhint: write it as [server]"),
        ("[providers]\nchat = 3\n", "FILE:2: `providers.chat` is no table\nhint: write it as [providers.chat]"),
        (
            CHAT.replace("openai-chat", "openai-chatt"),
            "FILE:2: `providers.chat.protocol` cannot be `openai-chatt`\nhint: did you mean `openai-chat`?",
        ),
        (
            CHAT + 'models = [\n  "a",\n  {id = "b", contxt = 3},\n]\n',
            "FILE:6: there is no setting `providers.chat.models[1].contxt`\nhint: did you mean `context`?",
        ),
        (
            CHAT + '[[providers.chat.models]]\nid = "a"\n[[providers.chat.models]]\nid = "b"\nvision = 3\n',
            "FILE:8: `providers.chat.models[1].vision` is `3`: expected `bool | null`, got `int`",
        ),
        (
            CHAT + "models = [{context = 3}]\n",
            "FILE:4: `providers.chat.models[0]`: object missing required field `id`",
        ),
        (
            '[providers.chat]\nprotocol = "openai-chat"\n',
            "FILE:1: `providers.chat` needs `base_url`\nhint: or a `preset` to start from",
        ),
        (
            '[providers.chat]\nbase_url = "http://x"\n',
            "FILE:1: `providers.chat` needs `protocol`\nhint: or a `preset` to start from",
        ),
        (
            '[providers."a/b"]\n',
            "FILE:1: `a/b` cannot be a provider's name\nhint: letters, digits, `-`, `_` and `.`; it is part of paths",
        ),
        (
            CHAT.replace("http://", "http://user:pass@"),
            (
                "FILE:3: `base_url` is `http://...@127.0.0.1:9101/v1`, which is no URL of an upstream\n"
                "hint: write it as `https://host/v1`, without user and password"
            ),
        ),
        (
            CHAT + 'api_key = "env:NOT_THERE"\n',
            (
                "FILE:4: provider `chat` takes `api_key` from the environment variable `NOT_THERE`, which is not set\n"
                "hint: export NOT_THERE=..., or write the value itself"
            ),
        ),
        (
            CHAT + 'api_key = "env:"\n',
            "FILE:4: provider `chat` takes `api_key` from a variable without a name\nhint: write `env:NAME`",
        ),
        (
            CHAT + "api_key = 12345\n",
            f"FILE:4: `providers.chat.api_key`: expected `str`, got `int`{API_KEY_HINT}",
        ),
        ("[routes.visoin]\n", "FILE:1: there is no setting `routes.visoin`\nhint: did you mean `vision`?"),
        (
            '[routes.agents]\nagent = "title"\n',
            "FILE:1: `routes.agents` is no list of tables\nhint: write each as [[routes.agents]]",
        ),
        ('[[routes.agents]]\nagent = "title"\n', "FILE:1: `routes.agents[0]`: object missing required field `to`"),
        (
            '[[routes.agents]]\nto = "chat/m1"\n',
            "FILE:1: `routes.agents[0]` fits every agent\nhint: give it an `agent`, a `mode`, or both",
        ),
        (
            '[[routes.agents]]\nmode = "sub"\nto = "chat/m1"\n',
            "FILE:2: `routes.agents[0].mode` cannot be `sub`\nhint: one of `primary`, `subagent`",
        ),
        ("[routes.vision]\n", "FILE:1: `routes.vision`: object missing required field `to`"),
        (
            '[aliases]\n"a" = 3\n',
            'FILE:2: the alias `a` stands for no model\'s name\nhint: write "name" = "provider/model"',
        ),
        (
            '[server]\nallow_upstream_urls = ["http://host/v1"]\n',
            "FILE:2: `http://host/v1` is no origin\nhint: write it as `https://host` or `http://host:port`",
        ),
        (
            '[aliases]\n"a" = { to = "x", loses = "warn" }\n',
            "FILE:2: there is no setting `aliases.a.loses`\nhint: did you mean `losses`?",
        ),
        ("[server]\nkeys = [1]\n", "FILE:2: `server.keys[0]`: expected `object`, got `int`"),
        (
            '[[server.keys]]\nname = "x"\n',
            "FILE:1: `server.keys[0]`: object missing required field `key`",
        ),
        (
            '[[server.keys]]\nkey = "x"\nlosses = "loud"\n',
            "FILE:3: `server.keys[0].losses` cannot be `loud`\nhint: one of `warn`, `strict`, `silent`",
        ),
        ('[server]\nkeys = ["hidden", { key = "hidden" }]\n', "FILE:2: `server.keys[1]` is there already"),
        (
            '[server]\nlosses = "loud"\n',
            "FILE:2: `server.losses` cannot be `loud`\nhint: one of `warn`, `strict`, `silent`",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_name(tmp_path: Path, text: str, told: str) -> None:
    assert complaint(tmp_path, text) == told


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DRAGOMAN_SERVER_PORT", "abc", "DRAGOMAN_SERVER_PORT: `abc`: expected `int`, got `str`"),
        (
            "DRAGOMAN_SERVER_PROT",
            "1",
            "DRAGOMAN_SERVER_PROT: there is no setting `prot` for this variable\nhint: did you mean `port`?",
        ),
        (
            "DRAGOMAN_SERVER_PORT",
            "70000",
            (
                "DRAGOMAN_SERVER_PORT: `server.port` is `70000`: it must be 0 to 65535\n"
                "hint: The port to listen on; 0 takes a free one."
            ),
        ),
        (
            "DRAGOMAN_ROUTES_VISOIN_TO",
            "x",
            "DRAGOMAN_ROUTES_VISOIN_TO: there is no route `visoin`\nhint: did you mean `vision`?",
        ),
        (
            "DRAGOMAN_PROVIDERS_CHAT_DIALECT",
            "{",
            "DRAGOMAN_PROVIDERS_CHAT_DIALECT: `{`: input data was truncated",
        ),
        (
            "DRAGOMAN_PROVIDERS_CHAT_DIALECT",
            "{files: false}",
            (
                "DRAGOMAN_PROVIDERS_CHAT_DIALECT: `{files: false}`: "
                "JSON is malformed: object keys must be strings (byte 1)"
            ),
        ),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_its_name(tmp_path: Path, variable: str, value: str, told: str) -> None:
    assert complaint(tmp_path, "", {variable: value}) == told


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DRAGOMAN_PROVIDERS_CHAT_HEADERS", "{'authorization': 'Bearer sk-hidden'}"),
        ("DRAGOMAN_PROVIDERS_CHAT_HEADERS", '"sk-hidden"'),
        ("DRAGOMAN_SERVER_KEYS", '["sk-hidden'),
        ("DRAGOMAN_SERVER_KEYS", '[["sk-hidden"]]'),
        ("DRAGOMAN_CLAUDE_ENVIRONMENT", "TOKEN=sk-hidden"),
        ("DRAGOMAN_OPENCODE_ENVIRONMENT", "{TOKEN: sk-hidden}"),
    ],
)
def test_a_mistake_in_a_variable_with_secrets_does_not_show_them(tmp_path: Path, variable: str, value: str) -> None:
    told = complaint(tmp_path, "", {variable: value})
    assert told.startswith(f"{variable}: ")
    assert "hidden" not in told


def test_a_variable_for_no_setting_of_a_provider_is_told_the_settings(tmp_path: Path) -> None:
    assert "`_BASE_URL`" in complaint(tmp_path, "", {"DRAGOMAN_PROVIDERS_CHAT_URI": "x"})


def test_a_mistake_in_a_flag_is_told_as_the_flag(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--port: `server\.port` is `-1`"):
        read(tmp_path, "", server__port=-1)


@pytest.mark.parametrize("key", ["", "  ", "\\t\\n\u2003"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[server]\nport = 1\nkeys = ["good", "KEY"]\n', "FILE:3: the server has an empty `key`"),
        ('[server]\nkeys = [{ key = "KEY" }]\n', "FILE:2: the server has an empty `key`"),
        ('[[server.keys]]\nname = "ci"\nkey = "KEY"\n', "FILE:3: the server has an empty `key`"),
        (CHAT + 'api_key = "KEY"\n', "FILE:4: provider `chat` has an empty `api_key`"),
        ('[claude]\noauth_token = "KEY"\n', "FILE:2: the Claude back end has an empty `oauth_token`"),
    ],
)
def test_an_empty_key_is_no_key(tmp_path: Path, text: str, told: str, key: str) -> None:
    hint = "\nhint: write the key itself, or `env:NAME`, or leave it out"
    assert complaint(tmp_path, text.replace("KEY", key)) == told + hint


@pytest.mark.parametrize("keys", ['[""]', '["good", " "]', '[{"key": ""}]'])
def test_an_empty_key_in_a_variable_is_no_key(tmp_path: Path, keys: str) -> None:
    told = complaint(tmp_path, "", {"DRAGOMAN_SERVER_KEYS": keys})
    assert told.startswith("DRAGOMAN_SERVER_KEYS: the server has an empty `key`\nhint: ")


def test_an_empty_key_in_a_flag_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--key: the server has an empty `key`\n"):
        read(tmp_path, "", server__keys=[""])


@pytest.mark.parametrize("blank", [" ", ",", " , "])
def test_a_variable_that_names_nothing_does_not_take_the_files_keys_away(tmp_path: Path, blank: str) -> None:
    told = complaint(tmp_path, '[server]\nkeys = ["good"]\n', {"DRAGOMAN_SERVER_KEYS": blank})
    assert told == "DRAGOMAN_SERVER_KEYS: is set, and names nothing\nhint: unset it; an empty list is `[]`"
    assert read(tmp_path, '[server]\nkeys = ["good"]\n', {"DRAGOMAN_SERVER_KEYS": ""}).server.keys


@pytest.mark.parametrize(
    ("protocol", "given", "base"),
    [
        ("openai-chat", "https://host/v1/chat/completions", "https://host/v1"),
        ("anthropic-messages", "https://host/v1/messages", "https://host"),
    ],
)
def test_an_endpoint_in_place_of_its_base_is_told_with_the_base(
    tmp_path: Path, protocol: str, given: str, base: str
) -> None:
    """Each request would be answered 404."""
    told = complaint(tmp_path, f'[providers.chat]\nprotocol = "{protocol}"\nbase_url = "{given}"\n')
    hint = f'hint: the endpoint is put behind it: base_url = "{base}"'
    assert told == f"FILE:3: `base_url` is `{given}`, which is an endpoint\n{hint}"
