"""Every setting: its type, its default, and what it does. The tables in the docs and `--help` are made from these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from dragoman.settings.faults import Origin, SettingsError
from dragoman.settings.secret import Secret

ProtocolName = Literal["anthropic-messages", "openai-chat", "openai-responses", "gemini-generate"]
ProviderKind = Literal["http", "claude-agent", "opencode-server"]
LossPolicy = Literal["warn", "strict", "silent"]
ToolMode = Literal["passthrough", "internal"]
InternalTool = Literal["read", "write", "edit", "bash", "glob", "grep"]
AgentMode = Literal["primary", "subagent"]
Tokens = Annotated[int, Meta(ge=1)]
PROTOCOLS: Final[tuple[str, ...]] = get_args(ProtocolName)
ROUTES: Final = ("vision", "default")
"""What `[routes]` has for one purpose each, and ..."""
AGENTS: Final = "agents"
"""... its list of routes beside them."""
ALIAS_PRESET: Final = "preset"
"""The one entry of `[aliases]` that is no alias."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables of settings have in common."""


class Key(Record, frozen=True):
    """An entry of `server.keys`: a key that clients present. One that is only text has the defaults."""

    key: Annotated[Secret, Meta(description="The key, a literal or `env:NAME`.")]
    name: Annotated[str | None, Meta(description="How the log calls whoever uses it.")] = None
    losses: Annotated[LossPolicy | None, Meta(description="As `server.losses`, for this key's requests.")] = None


class Server(Record, frozen=True):
    """`[server]`: the gateway itself."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="The port to listen on; 0 takes a free one.", ge=0, le=65535)] = 4747
    keys: Annotated[
        tuple[Key, ...],
        Meta(
            description="The client keys that are accepted, each a literal or `env:NAME`, or a table with the fields "
            "below. Empty: open on loopback; on any other host a random key is made and printed."
        ),
    ] = ()
    allow_upstream_urls: Annotated[
        tuple[str, ...],
        Meta(description="Origins (`https://host:port`) that requests may name in `x-upstream-url`. Empty: none may."),
    ] = ()
    losses: Annotated[
        LossPolicy,
        Meta(
            description="What to do when a translation cannot carry something: `warn` says so in a header and the log, "
            "`strict` refuses what would change the meaning, `silent` says so only in the log."
        ),
    ] = "warn"
    max_body_mib: Annotated[int, Meta(description="The largest request body, in MiB.", ge=1)] = 64
    heartbeat_s: Annotated[
        float, Meta(description="Seconds of silence in a stream after which the client gets a sign of life.", gt=0)
    ] = 15
    connect_timeout_s: Annotated[float, Meta(description="Seconds to wait for a connection to an upstream.", gt=0)] = 10
    first_byte_timeout_s: Annotated[
        float, Meta(description="Seconds to wait for the first byte of an upstream's reply.", gt=0)
    ] = 300
    idle_timeout_s: Annotated[
        float, Meta(description="Seconds that an upstream may be silent within a reply.", gt=0)
    ] = 300
    retries: Annotated[
        int, Meta(description="How often a failed request is tried again before its first content.", ge=0, le=10)
    ] = 2
    drain_s: Annotated[
        float, Meta(description="Seconds that running replies get to finish when the gateway is stopped.", ge=0)
    ] = 30
    workers: Annotated[
        int,
        Meta(
            description="How many processes serve the port; what is remembered between requests, each remembers for itself.",
            ge=1,
            le=64,
        ),
    ] = 1
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins of web pages and browser extensions that may call the gateway, beside pages on loopback; "
            "`*` is any."
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Names that requests may be addressed to (`Host`), beside loopback names, IP addresses "
            "and `host`; `*` is any."
        ),
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severity that is logged.")
    ] = "info"
    log_json: Annotated[bool, Meta(description="Write the log as JSON, one object a line.")] = False


Dialect = dict[str, object]
Price = Annotated[float, Meta(ge=0)]


class Cost(Record, frozen=True):
    """The table `cost` of a model: prices in US dollars per million tokens."""

    input: Annotated[Price | None, Meta(description="Of what is sent, in US dollars per million tokens.")] = None
    output: Annotated[Price | None, Meta(description="Of what is written, thought included.")] = None
    cache_read: Annotated[Price | None, Meta(description="Of what the provider had in its cache.")] = None
    cache_write: Annotated[Price | None, Meta(description="Of what goes into its cache.")] = None


class Model(Record, frozen=True):
    """A table in `models`: one model of a provider; what is not said comes from the preset or is not known."""

    id: Annotated[str, Meta(description="The model's id at the provider.", min_length=1)]
    name: Annotated[str | None, Meta(description="How people call it.")] = None
    protocol: Annotated[ProtocolName | None, Meta(description="The protocol it speaks; else the provider's.")] = None
    dialect: Annotated[Dialect, Meta(description="Its quirks, beside those of the provider.")] = {}
    context: Annotated[Tokens | None, Meta(description="Its context window, in tokens.")] = None
    max_output: Annotated[Tokens | None, Meta(description="The most tokens it writes in one reply.")] = None
    vision: Annotated[bool | None, Meta(description="Whether it sees images.")] = None
    documents: Annotated[bool | None, Meta(description="Whether it reads PDF documents.")] = None
    audio: Annotated[bool | None, Meta(description="Whether it listens to sound.")] = None
    video: Annotated[bool | None, Meta(description="Whether it watches videos.")] = None
    tools: Annotated[bool | None, Meta(description="Whether it calls tools.")] = None
    reasoning: Annotated[bool | None, Meta(description="Whether it thinks before it answers.")] = None
    cost: Annotated[Cost | None, Meta(description="Its prices, a table with the fields below.")] = None


class Provider(Record, frozen=True):
    """`[providers.NAME]`: an upstream. Its name is also a prefix of models (`NAME/model`) and paths (`/NAME/v1`)."""

    kind: Annotated[
        ProviderKind,
        Meta(
            description="How it is reached: over HTTP, through the Claude Agent SDK on this machine, which `[claude]` "
            "describes (see [Claude Agent SDK](claude-agent.md)), or through OpenCode, which `[opencode]` describes (see "
            "[OpenCode's models](opencode.md))."
        ),
    ] = "http"
    preset: Annotated[str | None, Meta(description="The shipped provider to start from.")] = None
    protocol: Annotated[
        ProtocolName | None, Meta(description="The protocol that its models speak; needed without a preset.")
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Where it is, as the protocol's own SDK takes it (Anthropic: without `/v1`); "
            "needed without a preset, optional for `claude-agent`. For `opencode-server` the address of a server that "
            "runs on this machine already; absent: the gateway starts one."
        ),
    ] = None
    api_key: Annotated[
        Secret | None,
        Meta(
            description="Its key, a literal or `env:NAME`. Absent: the client's own key is passed on. For `opencode-server` "
            "the password of the server at `base_url`."
        ),
    ] = None
    models: Annotated[
        tuple[str | Model, ...],
        Meta(description="Its models: ids, or tables with the fields below. Empty: the preset's, or any id at all."),
    ] = ()
    dialect: Annotated[Dialect, Meta(description="Quirks of its server, by the names of the dialect's fields.")] = {}
    headers: Annotated[
        dict[str, Secret],
        Meta(description="Headers that every request to it carries, each a literal or `env:NAME`."),
    ] = {}
    catalog: Annotated[
        str | None,
        Meta(
            description="The name that models.dev has for it: its models and their figures come from the catalogue. Absent: "
            "its preset's."
        ),
    ] = None
    session_header: Annotated[
        str | None, Meta(description="The header that tells it which conversation a request belongs to.")
    ] = None
    losses: Annotated[LossPolicy | None, Meta(description="As `server.losses`, for this provider alone.")] = None


class Aliases(Record, frozen=True):
    """`[aliases]`: beside `preset` any number of globs of names, each for one model."""

    preset: Annotated[
        str | None,
        Meta(
            description="Ready-made aliases behind your own: `openai-to-claude`. Instead of the table `aliases = "
            '"openai-to-claude"` may be written.'
        ),
    ] = None


class Route(Record, frozen=True):
    """`[routes.vision]`, `[routes.default]`, or what an alias stands for."""

    to: Annotated[str, Meta(description="The model that takes these requests, as `provider/model`.", min_length=1)]
    losses: Annotated[LossPolicy | None, Meta(description="As `server.losses`, for what goes this way.")] = None


class AgentRoute(Record, frozen=True):
    """`[[routes.agents]]`: an agent whose requests go to another model than the one it asks for; the first that fits."""

    to: Annotated[str, Meta(description="The model that takes its requests, as `provider/model`.", min_length=1)]
    agent: Annotated[
        str | None,
        Meta(description="The agent's name, or a glob: `explore`, `title`. Absent: whatever its name."),
    ] = None
    mode: Annotated[
        AgentMode | None,
        Meta(description="In which mode it works. Absent: in any; with neither name nor mode it is a fault."),
    ] = None
    losses: Annotated[LossPolicy | None, Meta(description="As `server.losses`, for what goes this way.")] = None


class Routes(Record, frozen=True):
    """`[routes]`: where requests go that their model cannot take, or is not to take."""

    vision: Annotated[Route | None, Meta(description="For images and documents that the chosen model cannot see.")] = (
        None
    )
    default: Annotated[Route | None, Meta(description="For model names that nobody knows.")] = None
    agents: Annotated[tuple[AgentRoute, ...], Meta(description="For agents of clients, the first that fits.")] = ()


class Claude(Record, frozen=True):
    """`[claude]`: how the provider of the kind `claude-agent` runs the CLI of the Claude Agent SDK."""

    mode: Annotated[
        ToolMode,
        Meta(
            description="Who runs the tools: `passthrough`, the client runs its own; `internal`, the gateway runs `tools` in "
            "`workdir` (only with a `server.host` on loopback)."
        ),
    ] = "passthrough"
    spares: Annotated[int, Meta(description="Processes that are started before they are needed.", ge=0, le=16)] = 1
    max_live: Annotated[
        int, Meta(description="The most conversations that have a process; the one idle longest gives way.", ge=1)
    ] = 16
    idle_s: Annotated[
        float, Meta(description="Seconds after which the process of an idle conversation ends.", gt=0)
    ] = 600
    max_spawning: Annotated[
        int, Meta(description="How many processes may be starting at the same time; 0: one for each core.", ge=0)
    ] = 0
    max_waiting: Annotated[
        int, Meta(description="How many requests may wait for a process; one more is answered with 429.", ge=0)
    ] = 32
    wait_s: Annotated[
        float, Meta(description="Seconds that a request waits for a process before it is answered with 429.", gt=0)
    ] = 30
    self_test: Annotated[
        bool,
        Meta(
            description="Whether the CLI is tested when the gateway starts; what fails is done in another way, and reported."
        ),
    ] = True
    workdir: Annotated[
        str | None,
        Meta(
            description="The folder in which the processes run, and the tools of the mode `internal`, which needs one. "
            "Absent: an empty one of their own."
        ),
    ] = None
    tools: Annotated[
        tuple[InternalTool, ...],
        Meta(
            description="The tools of the mode `internal`. `bash` runs what the model likes with the gateway's rights; the "
            "others stay in `workdir`."
        ),
    ] = ("read", "write", "edit", "bash", "glob", "grep")
    tool_timeout_s: Annotated[
        float, Meta(description="Seconds after which a tool of the mode `internal` is ended.", gt=0)
    ] = 120
    tool_output_kib: Annotated[
        int, Meta(description="The most output of such a tool, in KiB; what is cut says so.", ge=1, le=1024)
    ] = 64
    max_turns: Annotated[
        int,
        Meta(
            description="How often the model may go on after its tools within one reply of the mode `internal`.", ge=1
        ),
    ] = 100
    cli: Annotated[str | None, Meta(description="The CLI to run. Absent: the one that the SDK brings along.")] = None
    oauth_token: Annotated[
        Secret | None,
        Meta(description="A token from `claude setup-token`, a literal or `env:NAME`. Absent: the CLI's own login."),
    ] = None
    environment: Annotated[
        dict[str, Secret],
        Meta(
            description="Further environment variables for the CLI (`CLAUDE_CODE_USE_BEDROCK`), each a literal or "
            "`env:NAME`. Of the gateway's own it gets only what a program needs to run."
        ),
    ] = {}


class OpenCode(Record, frozen=True):
    """`[opencode]`: how the provider of the kind `opencode-server` runs OpenCode."""

    cli: Annotated[str | None, Meta(description="The program to run. Absent: `opencode` on the PATH.")] = None
    any_version: Annotated[
        bool, Meta(description="Whether another version of OpenCode will do than the one that this was made for.")
    ] = False
    config: Annotated[
        str | None,
        Meta(
            description="The `opencode.json` that its providers come from; empty: none. Absent: the one in "
            "`$XDG_CONFIG_HOME/opencode`."
        ),
    ] = None
    auth: Annotated[
        str | None,
        Meta(
            description="The file with the logins of `opencode auth login`; empty: none. Absent: `auth.json` in "
            "`$XDG_DATA_HOME/opencode`."
        ),
    ] = None
    environment: Annotated[
        dict[str, Secret],
        Meta(
            description="Further environment variables for it (`ANTHROPIC_API_KEY`), each a literal or `env:NAME`. Of the "
            "gateway's own it gets what a program needs to run, and those that `config` names (`{env:NAME}`)."
        ),
    ] = {}
    start_s: Annotated[float, Meta(description="Seconds that it may take to start.", gt=0)] = 60
    max_toolsets: Annotated[
        int, Meta(description="How many sets of tools it keeps ready; the one used longest ago gives way.", ge=1)
    ] = 16


class Settings(msgspec.Struct, frozen=True):
    """All settings.

    `aliases` maps globs to model names or routes in their order, `alias_preset` names the ready-made ones behind them,
    `origin` knows where each was written, `data` is the folder of the user's own data (None: there is none).
    """

    server: Server = Server()
    providers: Mapping[str, Provider] = {}
    aliases: Mapping[str, str | Route] = {}
    alias_preset: str | None = None
    routes: Routes = Routes()
    claude: Claude = Claude()
    opencode: OpenCode = OpenCode()
    origin: Origin = Origin()
    data: Path | None = None

    def fault(self, path: tuple[str | int, ...], problem: str, hint: str | None = None) -> SettingsError:
        """Return the error to raise about the setting at `path`, e.g. `("providers", "chat", "models", 0, "id")`."""
        return self.origin.fault(path, problem, hint)
