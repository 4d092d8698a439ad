"""What OpenCode's server says, of which only what is needed is read. Keys of providers are not among it.

Recorded with version 1.18.33: its routes are not documented to stay as they are.
"""

from typing import Final

import msgspec
from msgspec import Raw

VERSION: Final = "1.18.33"
"""The version that all this was measured with."""

# Events -----------------------------------------------------------------------------------------------------------------


class CacheTokens(msgspec.Struct, gc=False):
    """Tokens that the model's provider read from its cache, and wrote to it."""

    read: int = 0
    write: int = 0


class Tokens(msgspec.Struct):
    """What a step has cost. `input` leaves the cache out, `output` the reasoning."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache: CacheTokens = msgspec.field(default_factory=CacheTokens)


class ToolState(msgspec.Struct):
    """How far a tool call is. `input` are its arguments, whole once it is `running`."""

    status: str = ""
    input: Raw = Raw(b"{}")


class Span(msgspec.Struct, gc=False):
    """When a part ended; None: it is still being said."""

    end: float | None = None


class Part(msgspec.Struct, rename="camel"):
    """A part of a message, as far as it has come. `metadata` is what the model's provider wants to see again."""

    id: str
    type: str
    message_id: str = msgspec.field(default="", name="messageID")
    text: str = ""
    tool: str = ""
    call_id: str = msgspec.field(default="", name="callID")
    state: ToolState = msgspec.field(default_factory=ToolState)
    metadata: Raw = Raw(b"")
    time: Span = msgspec.field(default_factory=Span)
    reason: str = ""
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    cost: float = 0.0


class ErrorData(msgspec.Struct, rename="camel"):
    """What is known of an error. The headers of the answer may hold what our plugin has seen."""

    message: str = ""
    status_code: int | None = None
    response_headers: dict[str, str] = {}
    response_body: str = ""


class ErrorInfo(msgspec.Struct):
    """Why a message failed: `APIError`, `ContextOverflowError`, ..."""

    name: str = ""
    data: ErrorData = msgspec.field(default_factory=ErrorData)


class Status(msgspec.Struct):
    """What a session does: `busy`, `idle`, or `retry` with the reason."""

    type: str = ""
    message: str = ""


class Properties(msgspec.Struct):
    """What an event tells, whichever it is."""

    session: str = msgspec.field(default="", name="sessionID")
    id: str = ""
    part: Part | None = None
    part_id: str = msgspec.field(default="", name="partID")
    field: str = ""
    delta: str = ""
    status: Status | None = None
    error: ErrorInfo | None = None


class News(msgspec.Struct):
    """One event."""

    type: str
    properties: Properties = msgspec.field(default_factory=Properties)


class _Line(msgspec.Struct):
    payload: News


_line: Final = msgspec.json.Decoder(_Line).decode
_OF_INTEREST: Final = (
    b'"type":"message.part.delta"',
    b'"type":"message.part.updated"',
    b'"type":"permission.asked"',
    b'"type":"session.status"',
    b'"type":"session.error"',
    b'"type":"session.idle"',
)
_AGAIN: Final = b'"payload":{"type":"sync"'
"""How the copies of events begin that are meant for other servers."""
_HEAD: Final = 512


def read_news(data: bytes) -> News | None:
    """Return an event of a session; None for one of no interest. Raises DecodeError when one that matters cannot be read."""
    head = data[:_HEAD]
    if _AGAIN in head or not any(word in head for word in _OF_INTEREST):
        return None
    return _line(data).payload


# Models -----------------------------------------------------------------------------------------------------------------


class Api(msgspec.Struct):
    """How OpenCode speaks to a model: its id there, and the npm package that is used."""

    id: str = ""
    npm: str = ""


class Modalities(msgspec.Struct, gc=False):
    """What a model can be shown."""

    image: bool = False
    pdf: bool = False
    audio: bool = False


class Abilities(msgspec.Struct):
    """What a model can do."""

    temperature: bool = False
    reasoning: bool = False
    toolcall: bool = False
    input: Modalities = msgspec.field(default_factory=Modalities)


class Limit(msgspec.Struct, gc=False):
    """How much it takes and writes, in tokens; 0: not known."""

    context: float = 0
    output: float = 0


class Model(msgspec.Struct):
    """A model as OpenCode knows it. `variants` are its ways to think harder or less, by their names."""

    id: str
    name: str = ""
    api: Api = msgspec.field(default_factory=Api)
    capabilities: Abilities = msgspec.field(default_factory=Abilities)
    limit: Limit = msgspec.field(default_factory=Limit)
    variants: dict[str, Raw] = {}
    status: str = "active"


class Provider(msgspec.Struct):
    """A provider that OpenCode has configured. Its `options`, with the key, are not read."""

    id: str
    name: str = ""
    models: dict[str, Model] = {}


class Providers(msgspec.Struct):
    """The answer of `/config/providers`."""

    providers: list[Provider] = []


class Health(msgspec.Struct):
    """The answer of `/global/health`."""

    healthy: bool = False
    version: str = ""


class Session(msgspec.Struct):
    """The answer to making a session."""

    id: str


read_providers: Final = msgspec.json.Decoder(Providers).decode
read_health: Final = msgspec.json.Decoder(Health).decode
read_session: Final = msgspec.json.Decoder(Session).decode
