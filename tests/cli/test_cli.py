"""The command as a user meets it: what it prints, where, and how it ends."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from dragoman import __version__

COMMAND = Path(sysconfig.get_path("scripts")) / "dragoman"
ASK = {
    "model": "m",
    "max_tokens": 9,
    "top_k": 3,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "hi"}],
}
CHAT_ASK = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]}


def run(
    *words: str | Path, stdin: bytes = b"", here: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in an empty environment, so that no setting of this machine has a say."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
        if name in os.environ
    }
    return subprocess.run(
        [COMMAND, *words],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=here,
        env={**kept, "HOME": "/nowhere", **environ},
    )


def refused(*words: str | Path, stdin: bytes = b"", here: Path | None = None, **environ: str) -> list[str]:
    """Run what has to fail; return the lines of its complaint, having checked that it is one for people."""
    done = run(*words, stdin=stdin, here=here, **environ)
    complaint = done.stderr.decode()
    assert done.returncode == 2, complaint
    assert done.stdout == b""
    assert "Traceback" not in complaint
    lines = complaint.splitlines()
    assert lines[0].startswith("dragoman: ")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), complaint
    return lines


# --- help -------------------------------------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in (
        "serve",
        "connect",
        "launch",
        "demo",
        "translate",
        "check-config",
        "models",
        "server-openai",
        "doctor",
    ):
        assert f"\n  {command} ".encode() in done.stdout
        own = run(command, "--help")
        assert own.returncode == 0
        assert own.stdout.startswith(b"Usage: dragoman " + command.encode())


def test_help_waits_for_no_library_that_only_commands_need() -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, check=True, timeout=60
    )
    modules = {line.rpartition(b"|")[2].strip() for line in loaded.stderr.splitlines()}
    assert not modules & {b"pydantic", b"uvicorn", b"uvloop", b"ssl.SSLContext", b"anthropic", b"openai", b"httpx2"}


def test_a_gateway_that_waits_holds_no_library_that_it_may_never_need() -> None:
    """Each of them costs a megabyte or more for as long as the process lives."""
    words = ("serve", "--host", "nowhere.invalid", "--port", "1", "--key", "a-key-of-20-letters-x")
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, *words], capture_output=True, check=False, timeout=60
    )
    modules = {line.rpartition(b"|")[2].strip() for line in loaded.stderr.splitlines()}
    assert b"dragoman.server.app" in modules
    assert not modules & {b"pydantic", b"rich", b"jsonschema", b"httpx2", b"csv", b"zoneinfo"}


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"dragoman {__version__}\n".encode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "nothing"),
        (("serve", "--prot", "1"), "--port"),
        (("serve", "--port", "x"), "--port"),
        (("translate", "-", "--to", "openai-chat"), "--from"),
        (("translate", "--from", "a", "--to", "b"), "file"),
    ],
)
def test_wrong_words_are_explained(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr.decode().lower()
    assert "--help" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("serve", "--port", "abc"), ["--port: `abc` is no whole number", "`dragoman serve --help`"]),
        (("serve", "--host"), ["Option '--host' requires an argument", "`dragoman --help`"]),
        (("translate", "-", "--to", "x"), ["Missing option '--from'", "`dragoman translate --help`"]),
        (
            ("servee",),
            [
                "No such command 'servee'. (Did you mean one of: 'serve', 'server-openai', 'service'?)",
                "`dragoman --help`",
            ],
        ),
        (("--nope",), ["No such option '--nope'", "`dragoman --help`"]),
    ],
)
def test_wrong_words_are_told_as_any_other_mistake(words: tuple[str, ...], lines: list[str]) -> None:
    assert refused(*words) == [f"dragoman: {lines[0]}", f"hint: {lines[1]} tells what there is"]


def test_no_words_at_all_show_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr == run("--help").stdout
    commands = re.findall(r"^  ([a-z-]+)  ", done.stderr.decode().partition("Commands:")[2], re.MULTILINE)
    first = [
        "serve",
        "connect",
        "launch",
        "demo",
        "translate",
        "check-config",
        "models",
        "server-openai",
        "doctor",
        "service",
    ]
    assert commands == first, "what most want comes first"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(shell: str) -> None:
    script = run("--show-completion", shell).stdout.decode()
    assert f"_DRAGOMAN_COMPLETE={shell}_complete" in script
    asked: dict[str, Any] = {"COMP_WORDS": "dragoman ser", "COMP_CWORD": "ser" if shell == "fish" else "1"}
    said = run(_DRAGOMAN_COMPLETE=f"{shell}_complete", **asked).stdout.decode()
    assert "serve" in re.split(r"[,\s]", said)
    assert "translate" not in said


# --- configurations ---------------------------------------------------------------------------------------------------


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    return file


BAD: dict[str, tuple[str, int, str, str]] = {
    "a name that does not exist": ("[server]\nprot = 1\n", 2, "server.prot", "did you mean `port`?"),
    "a section that does not exist": ("\n[sever]\nport = 1\n", 2, "sever", "did you mean `server`?"),
    "a wrong type": ('[server]\n\nport = "x"\n', 3, "server.port", ""),
    "a number out of range": ("[server]\nport = 70000\n", 2, "server.port", ""),
    "no TOML": ("[server]\nport = \n", 2, "not TOML", ""),
    "an unknown preset": ('[providers.a]\npreset = "opencode-goo"\n', 2, "opencode-goo", "did you mean `opencode-go`?"),
    "an unknown protocol": (
        '[providers.a]\nbase_url = "http://x"\nprotocol = "openai-chta"\n',
        3,
        "openai-chta",
        "did you mean `openai-chat`?",
    ),
    "a provider without a place": ('[providers.a]\nprotocol = "openai-chat"\n', 1, "base_url", "preset"),
    "a URL that is none": (
        '[providers.a]\nprotocol = "openai-chat"\nbase_url = "x y"\n',
        3,
        "base_url",
        "https://host/v1",
    ),
    "a missing key": (
        '[providers.a]\npreset = "openai"\napi_key = "env:NOT_THERE"\n',
        3,
        "NOT_THERE",
        "export NOT_THERE=",
    ),
    "an alias for nobody": ('[aliases]\n"x" = "opencode-go/glm-5.33"\n', 2, "glm-5.33", "glm-5.3"),
    "a route to nobody": ('[routes.vision]\nto = "nobody/x"\n', 2, "nobody", ""),
    "an unknown quirk": (
        '[providers.a]\npreset = "openai"\n[providers.a.dialect]\ndeveloper_rol = true\n',
        4,
        "developer_rol",
        "did you mean `developer_role`?",
    ),
}


@pytest.mark.parametrize("command", ["check-config", "serve", "models"])
@pytest.mark.parametrize(("text", "line", "said", "hint"), BAD.values(), ids=BAD)
def test_a_bad_configuration_is_told_with_file_line_and_nearest_name(
    tmp_path: Path, command: str, text: str, line: int, said: str, hint: str
) -> None:
    if command != "check-config" and hint:
        return  # each mistake once is enough for the commands that read the same file
    file = written(tmp_path, text)
    lines = refused(command, "--config", file)
    assert lines[0].startswith(f"dragoman: {file}:{line}: ")
    assert said in lines[0]
    assert not hint or hint in lines[1]


def test_a_missing_file_and_a_wrong_variable_are_told() -> None:
    assert "/nowhere.toml" in refused("check-config", "--config", "/nowhere.toml")[0]
    lines = refused("check-config", DRAGOMAN_SERVER_PROT="1")
    assert lines == [
        "dragoman: DRAGOMAN_SERVER_PROT: there is no setting `prot` for this variable",
        "hint: did you mean `port`?",
    ]


def test_a_good_configuration_is_summed_up(tmp_path: Path) -> None:
    text = """
        [providers.mine]
        preset = "openai"
        api_key = "env:KEY"
        [aliases]
        "fast" = "mine/gpt-5.5"
        [routes.vision]
        to = "mine/gpt-5.5"
    """
    file = written(tmp_path, text)
    for done in (run("check-config", "-c", file, KEY="sk-123"), run("check-config", here=tmp_path, KEY="sk-123")):
        assert done.returncode == 0
        said = done.stdout.decode()
        assert "dragoman.toml" in said
        for part in (
            "provider mine: openai-chat",
            "its key is configured",
            "alias fast -> mine/gpt-5.5",
            "route vision -> mine/gpt-5.5",
        ):
            assert part in said
        assert said.endswith("\nok\n")
        assert "sk-123" not in said


# --- models -----------------------------------------------------------------------------------------------------------


def listed(*words: str | Path, data: Path | None = None) -> list[str]:
    """Return the names in the table that `dragoman models` prints; `data` is the user's data directory."""
    done = run("models", *words, XDG_DATA_HOME=str(data or ""))
    assert done.returncode == 0, done.stderr.decode()
    head, *lines = done.stdout.decode().splitlines()
    assert head.split() == ["model", "context", "output", "takes", "tools", "thinks", "$", "in", "$", "out", "name"]
    return [line.split()[0] for line in lines]


def test_models_are_listed_and_searched() -> None:
    names = listed()
    assert {"glm-5.3", "opencode-zen/claude-opus-4-8", "demo/assistant"} <= set(names)
    assert len(names) == len(set(names))
    zen = listed("--provider", "zen")
    assert "zen/claude-opus-4-8" in zen
    assert all(name.startswith("zen/") for name in zen)
    found = listed("--provider", "zen", "--search", "OPUS")
    assert 0 < len(found) < len(zen)
    assert all("opus" in name for name in found)


def test_a_line_says_what_a_model_takes_and_costs() -> None:
    (line,) = run("models", "--search", "qwen3.6-plus").stdout.decode().splitlines()[1:2]
    assert line.split()[1:8] == ["1M", "65.5k", "text,image,video", "yes", "yes", "0.5", "3"]


def test_models_are_written_as_json_with_all_their_figures() -> None:
    rows = json.loads(run("models", "--search", "claude-opus-4-8", "--json").stdout)
    assert rows == [
        {
            "name": "opencode-zen/claude-opus-4-8",
            "provider": "opencode-zen",
            "model": "claude-opus-4-8",
            "title": "Claude Opus 4.8",
            "protocol": "anthropic-messages",
            "context": 1_000_000,
            "max_output": 128_000,
            "inputs": ["text", "image", "pdf"],
            "tools": True,
            "reasoning": True,
            "cost": {"input": 5.0, "output": 25.0, "cache_read": 0.5, "cache_write": 6.25},
        }
    ]


def test_configuration_overrides_any_figure(tmp_path: Path) -> None:
    text = """
        [providers.mine]
        preset = "groq"
        [[providers.mine.models]]
        id = "llama-3.3-70b-versatile"
        context = 5
        max_output = 6
        vision = true
        tools = false
        reasoning = true
        cost = {input = 7.5}
    """
    done = run("models", "-c", written(tmp_path, text), "--search", "70b", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["context"], row["max_output"], row["inputs"]) == (5, 6, ["text", "image"])
    assert (row["tools"], row["reasoning"]) == (False, True)
    assert (row["cost"]["input"], row["cost"]["output"]) == (7.5, 0.79)


def test_a_provider_that_is_not_configured_is_shown_with_how_to_reach_it() -> None:
    done = run("models", "--provider", "mistral", "--search", "mistral-large-latest")
    assert done.stdout.decode().splitlines()[1].startswith("mistral/mistral-large-latest ")
    assert b'to reach it: [providers.mistral] with preset = "mistral"' in done.stderr
    done = run("models", "--provider", "fireworks-ai", "--search", "glm-5p3")
    assert b"fireworks-ai/accounts/fireworks/models/glm-5p3 " in done.stdout
    assert b'base_url = "https://api.fireworks.ai/inference/v1/", catalog = "fireworks-ai"' in done.stderr


def test_an_id_that_begins_like_its_provider_is_written_in_full() -> None:
    assert "groq/groq/compound" in listed("--provider", "groq")


def test_the_whole_catalogue_is_searched() -> None:
    assert {"moonshotai/kimi-k3", "openrouter/moonshotai/kimi-k3"} <= set(listed("--all", "--search", "kimi-k3"))
    assert len(listed("--all")) == 8261
    assert set(listed("--all", "--provider", "groq")) >= {"groq/whisper-large-v3"}


def test_the_catalogue_is_refreshed_from_a_file(tmp_path: Path) -> None:
    api = {"groq": {"name": "Groq", "models": {"new-one": {"id": "new-one", "temperature": True}}}}
    file, data = tmp_path / "api.json", tmp_path / "data"
    file.write_text(json.dumps(api))
    done = run("models", "--refresh", file, XDG_DATA_HOME=str(data))
    assert done.stdout.decode() == f"{data}/dragoman/models.jsonl: 1 provider, 1 model\n"
    assert listed("--provider", "groq", data=data) == ["groq/new-one"]
    assert "xai/grok-4.7" in listed("--all", data=data), "the rest is the shipped one's"
    assert f"catalogue {data}/dragoman/models.jsonl: 1 models, from https://models.dev/api.json" in (
        run("check-config", XDG_DATA_HOME=str(data)).stdout.decode()
    )
    (data / "dragoman" / "models.jsonl").write_bytes(b"{nonsense")
    assert "groq/groq/compound" in listed("--provider", "groq", data=data)
    lines = run("check-config", XDG_DATA_HOME=str(data)).stderr.decode().splitlines()
    assert lines[0].startswith(f"dragoman: {data}/dragoman/models.jsonl: is damaged: ")


def test_a_file_that_is_no_catalogue_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("<html>")
    lines = refused("models", "--refresh", file, XDG_DATA_HOME=str(tmp_path))
    assert lines[0].startswith(f"dragoman: {file}: is no catalogue of https://models.dev: ")
    assert "cannot be read" in refused("models", "--refresh", "/nowhere.json")[0]
    file.write_text('{"a": {"models": {"m": {"id": "m"}}}}')
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder")
    assert "cannot be written" in refused("models", "--refresh", file, XDG_DATA_HOME=str(blocked))[0]
    assert not (tmp_path / "dragoman").exists()


def test_no_model_is_hidden_for_its_protocol() -> None:
    done = run("models", "--provider", "zen")
    assert "gemini-3" in done.stdout.decode()
    assert done.stderr == b""


def test_the_summary_counts_models_and_tells_keys() -> None:
    said = run("check-config").stdout.decode()
    assert re.search(
        r"provider opencode-zen: .*; \d+ models \(\d+ more can be asked for, and are not offered any longer\); ", said
    )
    assert re.search(r"provider demo: scripted; 4 models; needs no key", said)
    assert ", no client keys" in said
    open_to_all = run("check-config", DRAGOMAN_SERVER_HOST="0.0.0.0").stdout.decode()
    assert ", a client key is made at the start" in open_to_all
    assert "no key configured, and this gateway's own keys are never passed on" in open_to_all


def test_nobody_and_nothing_found_are_told() -> None:
    assert "`zem`" in refused("models", "--provider", "zem")[0]
    assert "did you mean `zen`" in refused("models", "--provider", "zem")[1]
    assert "`zzz`" in refused("models", "--search", "zzz")[0]


# --- translate --------------------------------------------------------------------------------------------------------


def translated(direction: str, body: bytes, *words: str) -> tuple[str, list[str]]:
    source, target = (
        ("anthropic-messages", "openai-chat") if direction == "to chat" else ("openai-chat", "anthropic-messages")
    )
    done = run("translate", "--from", source, "--to", target, *words, "-", stdin=body)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode().splitlines()


def test_a_request_is_translated_and_its_losses_are_told() -> None:
    result, losses = translated("to chat", json.dumps(ASK).encode())
    body = json.loads(result)
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert (body["model"], body["max_tokens"]) == ("m", 9)
    assert len(losses) == 1
    assert re.fullmatch(r"dropped: top_k: .* \[top_k\]", losses[0])
    result, losses = translated("to messages", json.dumps(CHAT_ASK).encode(), "--model", "other")
    body = json.loads(result)
    assert body["model"] == "other"
    assert body["system"][0]["text"] == "Be brief."
    assert body["messages"][0]["role"] == "user"
    assert losses == []


def test_a_translation_is_read_from_a_file_and_always_the_same(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(ASK))
    results = {run("translate", "--from", "anthropic-messages", "--to", "openai-chat", file).stdout for _ in range(2)}
    assert len(results) == 1
    assert json.loads(results.pop())["messages"]


MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "It is 18 degrees."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 6},
}


def test_a_reply_is_translated_there_and_back() -> None:
    completion, losses = translated("to chat", json.dumps(MESSAGE).encode(), "--reply")
    body = json.loads(completion)
    assert body["choices"][0]["message"]["content"] == "It is 18 degrees."
    assert body["choices"][0]["finish_reason"] == "stop"
    assert losses == []
    message = json.loads(translated("to messages", completion.encode(), "--reply")[0])
    assert message["content"] == MESSAGE["content"]
    assert message["stop_reason"] == "end_turn"


def test_a_stream_is_translated_there_and_back() -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": "It is"}, None),
        ({"content": " 18."}, None),
        ({}, "stop"),
    ]
    chunks = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in deltas]
    stream = "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"
    events, _ = translated("to messages", stream.encode(), "--stream")
    names = re.findall(r"^event: (\w+)$", events, re.MULTILINE)
    assert (names[0], names[-1]) == ("message_start", "message_stop")
    assert "".join(re.findall(r'"text_delta","text":"([^"]*)"', events)) == "It is 18."
    back, _ = translated("to chat", events.encode(), "--stream")
    assert "".join(re.findall(r'"content":"([^"]*)"', back)) == "It is 18."
    assert back.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("words", "stdin", "said", "hint"),
    [
        (
            ("--from", "anthropic-massages", "--to", "openai-chat", "-"),
            b"{}",
            "anthropic-massages",
            "did you mean `anthropic-messages`?",
        ),
        (("--from", "anthropic-messages", "--to", "openai", "-"), b"{}", "`openai`", "openai-chat"),
        (
            ("--from", "anthropic-messages", "--to", "openai-chat", "/nowhere.json"),
            b"",
            "/nowhere.json",
            "standard input",
        ),
        (("--from", "anthropic-messages", "--to", "openai-chat", "/"), b"", "`/`", "standard input"),
        (("--from", "anthropic-messages", "--to", "openai-chat", "-"), b"{", "not valid JSON", ""),
        (("--from", "anthropic-messages", "--to", "openai-chat", "-"), b'{"model": "m"}', "`messages`", ""),
        (("--from", "openai-chat", "--to", "anthropic-messages", "--reply", "-"), b"[]", "", ""),
        (
            ("--from", "openai-chat", "--to", "anthropic-messages", "--reply", "--stream", "-"),
            b"",
            "not both",
            "--reply",
        ),
    ],
)
def test_what_cannot_be_translated_is_told(words: tuple[str, ...], stdin: bytes, said: str, hint: str) -> None:
    lines = refused("translate", *words, stdin=stdin)
    assert said in lines[0]
    assert not hint or hint in lines[1]


@pytest.mark.parametrize(
    ("source", "words", "stdin", "hint"),
    [
        ("openai-chat", (), b'{"choices": []}', "add `--reply`"),
        ("anthropic-messages", (), json.dumps(MESSAGE).encode(), "add `--reply`"),
        ("openai-chat", (), b"data: {}\n\n", "add `--stream`"),
        ("anthropic-messages", ("--reply",), b"event: ping\ndata: {}\n\n", "add `--stream`"),
        ("openai-chat", ("--reply",), json.dumps(MESSAGE).encode(), "try `--from anthropic-messages`"),
        ("anthropic-messages", ("--reply",), b'{"choices": []}', "try `--from openai-chat`"),
        (
            "anthropic-messages",
            (),
            b'{"model": "m", "messages": [{"role": "developer", "content": "x"}]}',
            "try `--from openai-chat`",
        ),
    ],
)
def test_a_body_of_another_kind_is_recognised(source: str, words: tuple[str, ...], stdin: bytes, hint: str) -> None:
    target = "anthropic-messages" if source == "openai-chat" else "openai-chat"
    lines = refused("translate", "--from", source, "--to", target, *words, "-", stdin=stdin)
    assert lines[1].endswith(hint)
    assert "`body`" not in lines[0]


@pytest.mark.parametrize(
    ("stdin", "hint"), [(b"hello", ""), (json.dumps(MESSAGE).encode(), "hint: this looks like a reply: add `--reply`")]
)
def test_a_file_that_is_no_stream_is_refused(stdin: bytes, hint: str) -> None:
    words = ("--from", "anthropic-messages", "--to", "openai-chat", "--stream", "-")
    lines = refused("translate", *words, stdin=stdin)
    assert lines[0].startswith("dragoman: `standard input` is no stream of `anthropic-messages`: ")
    assert lines[1:] == ([hint] if hint else [])


def test_a_request_of_another_protocol_that_passes_is_told() -> None:
    done = run("translate", "--from", "openai-chat", "--to", "anthropic-messages", "-", stdin=json.dumps(ASK).encode())
    assert b"hint: this looks like `anthropic-messages`: try `--from anthropic-messages`\n" in done.stderr


def test_a_file_that_cannot_be_translated_is_named(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text("{")
    assert str(file) in refused("translate", "--from", "openai-chat", "--to", "anthropic-messages", file)[0]


# --- demo -------------------------------------------------------------------------------------------------------------


def test_the_demo_ends_well() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stdout.decode()
    assert done.stdout.decode().splitlines()[-1] == "demo: ok"
    assert b"losses per turn" in done.stdout


def test_the_doctor_examines_the_claude_cli(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(
        '[providers.claude]\nkind = "claude-agent"\n'
        f'[claude]\nmode = "internal"\nworkdir = "{tmp_path}"\n[claude.environment]\nHOME = "{tmp_path}"\n'
    )
    done = run("doctor", "claude", "--config", str(file))
    assert done.returncode == 0, done.stdout.decode()
    assert "login: none" in done.stdout.decode()
    assert "ok     parallel-calls" in done.stdout.decode()
    assert "ok     internal-tools" in done.stdout.decode()
    assert "history: told message by message" in done.stdout.decode()
    file.write_text('[providers.claude]\nkind = "claude-agent"\n[claude]\ncli = "/nowhere"\n')
    missing = run("doctor", "claude", "--config", str(file))
    assert missing.returncode == 2
    assert "/nowhere" in missing.stderr.decode()


def test_check_config_knows_the_claude_agent(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text('[providers.claude]\nkind = "claude-agent"\n')
    done = run("check-config", "--config", str(file))
    assert "provider claude: claude-agent; any model; signed in by the CLI's own login" in done.stdout.decode()
    models = 'models = ["claude-x", {id = "claude-y", context = 9000, cost = {input = 3}}]'
    file.write_text(f'[providers.claude]\nkind = "claude-agent"\n{models}\n')
    done = run("check-config", "--config", str(file))
    assert "provider claude: claude-agent; 2 models" in done.stdout.decode(), done.stderr.decode()
    file.write_text('[providers.claude]\nkind = "claude-agent"\n[providers.other]\nkind = "claude-agent"\n')
    assert "there can be one only" in run("check-config", "--config", str(file)).stderr.decode()
    file.write_text('[providers.claude]\nkind = "claude-agent"\npreset = "anthropic"\n')
    assert "means nothing" in run("check-config", "--config", str(file)).stderr.decode()
