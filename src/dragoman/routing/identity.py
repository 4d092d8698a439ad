"""Which client, session and agent is asking, from what each client sends."""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from dragoman.ir.request import ATTRIBUTION

_SESSION_HEADERS: Final = ("session-id", "thread-id")
_PARENTS: Final = frozenset({"x-claude-code-parent-agent-id", "x-opencode-parent-session", "x-parent-session-id"})
SUBAGENT: Final = "subagent"
"""The mode of an agent that another one has called."""
_LATE_SESSION_HEADERS: Final = ("x-opencode-session", "x-session-id", "x-session-affinity")
_TELLING: Final = frozenset(
    {
        "originator",
        "x-claude-code-session-id",
        "x-claude-code-agent-id",
        "x-claude-code-parent-agent-id",
        "x-opencode-agent",
        "x-opencode-parent-session",
        "x-parent-session-id",
        *_SESSION_HEADERS,
        *_LATE_SESSION_HEADERS,
    }
)
"""The headers that are looked at, beside `user-agent`."""
_CLIENTS: Final[Mapping[str, str]] = {
    "claude-cli": "claude-code",
    "claude-code": "claude-code",
    "codex": "codex",
    "codex-tui": "codex",
    "codex_cli_rs": "codex",
    "codex_exec": "codex",
    "codex_vscode": "codex",
    "opencode": "opencode",
    "geminicli": "gemini-cli",
    "geminicli-tui": "gemini-cli",
    "anthropic": "anthropic-sdk",
    "asyncanthropic": "anthropic-sdk",
    "openai": "openai-sdk",
    "asyncopenai": "openai-sdk",
    "google-genai-sdk": "google-sdk",
    "ai-sdk": "ai-sdk",
    "ai": "ai-sdk",
    "litellm": "litellm",
    "aider": "aider",
    "cursor": "cursor",
}
"""By the product at the beginning of `user-agent`, in lower case."""
_ANYWHERE: Final = ("cursor", "aider")
_OPENCODE: Final = "opencode/"
_TITLE_WORDS: Final = b'"You are a title generator.'
_TITLE: Final = re.compile(rb'"(?:text|content)": ?' + re.escape(_TITLE_WORDS))
_TOOLS: Final = re.compile(rb'"tools": ?\[')
"""How OpenCode asks for a title, and what all its other agents have; neither can stand so inside of a string in JSON."""
_OLD_SESSION: Final = "_session_"
_LONGEST: Final = 128
_READ: Final = 8192


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who is asking: the kind of client (empty: not known), its session, which agent of it, and what called that.

    Sub-agents share their parent's session and run at the same time.
    """

    client: str = ""
    session: str | None = None
    agent: str | None = None
    parent_agent: str | None = None


class _UserId(msgspec.Struct, frozen=True):
    session_id: str | None = None


def identify(headers: Mapping[str, str], user_id: str | None = None, cache_key: str | None = None) -> Identity:
    """Return who is asking.

    `headers` have lower-case names; `user_id` is the body's `metadata.user_id` (or `user`), `cache_key` its
    `prompt_cache_key`.
    """
    if user_id is None and cache_key is None and _TELLING.isdisjoint(headers):
        return _anonymous(headers.get("user-agent", ""))
    return Identity(
        client_of(headers.get("user-agent", ""), headers.get("originator")),
        _session(headers, user_id, cache_key),
        _agent(headers),
        _first(headers, "x-claude-code-parent-agent-id", "x-opencode-parent-session", "x-parent-session-id"),
    )


def agent_of(headers: Mapping[str, str], body: bytes = b"") -> tuple[str | None, str | None]:
    """Return the agent that is asking, and its mode (`primary`, `subagent`, ...); None: not told.

    OpenCode tells both with our plugin. Without it its headers tell that a session has a parent, and `body` whether a title is
    wanted: by the first words of the prompt, and by being without tools. Claude Code and Codex tell who is a sub-agent, and of
    its name no more than an id.
    """
    agent = _agent(headers)
    if agent is None and headers.get("user-agent", "").startswith(_OPENCODE) and _wants_title(body):
        return "title", "primary"
    mode = headers.get("x-opencode-agent-mode")
    if not mode and (("x-opencode-agent" not in headers and agent is not None) or not _PARENTS.isdisjoint(headers)):
        mode = SUBAGENT
    return agent, mode or None


def _wants_title(body: bytes) -> bool:
    # The first tells nearly every body, ten times as fast as the second.
    return _TITLE_WORDS in body and _TITLE.search(body) is not None and _TOOLS.search(body) is None


@lru_cache(256)
def _anonymous(user_agent: str) -> Identity:
    """Return the identity of a client that tells nothing but its name, as the SDKs do."""
    return Identity(client_of(user_agent))


def client_of(user_agent: str, originator: str | None = None) -> str:
    """Return the kind of client that a `user-agent` (or Codex's `originator`) tells; empty when it is not known."""
    product = user_agent.partition("/")[0].lower()
    known = _CLIENTS.get(product)
    if known is not None:
        return known
    if originator is not None and originator.startswith("codex"):
        return "codex"
    lower = user_agent.lower()
    return next((word for word in _ANYWHERE if word in lower), "")


def fallback_session(system_text: str, first_user_text: str) -> str:
    """Return a stable session for a client that names none: a hash of the conversation's beginning.

    It is `h-` and 32 hex digits. Claude Code's attribution line, which changes from request to request, does not count.
    """
    if system_text.startswith(ATTRIBUTION):
        system_text = system_text.partition("\n")[2]
    digest = blake2b(digest_size=16)
    for text in (system_text, first_user_text):
        part = text[:_READ].encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return f"h-{digest.hexdigest()}"


def _session(headers: Mapping[str, str], user_id: str | None, cache_key: str | None) -> str | None:
    found = (
        headers.get("x-claude-code-session-id")
        or (_session_of(user_id) if user_id else None)
        or _first(headers, *_SESSION_HEADERS)
        or cache_key
        or _first(headers, *_LATE_SESSION_HEADERS)
    )
    return _clean(found) if found else None


def _agent(headers: Mapping[str, str]) -> str | None:
    agent = _first(headers, "x-claude-code-agent-id", "x-opencode-agent")
    if agent is not None:
        return agent
    thread = headers.get("thread-id")
    return thread if thread and thread != headers.get("session-id", thread) else None


def _session_of(user_id: str) -> str | None:
    """Return the session in Claude Code's `metadata.user_id`: JSON today, `user_..._session_UUID` before."""
    if user_id.startswith("{"):
        try:
            return msgspec.json.decode(user_id, type=_UserId).session_id
        except msgspec.DecodeError:
            return None
    return user_id.rpartition(_OLD_SESSION)[2] if user_id.startswith("user_") and _OLD_SESSION in user_id else None


def _first(headers: Mapping[str, str], *names: str) -> str | None:
    for name in names:
        value = headers.get(name)
        if value:
            return value
    return None


def _clean(session: str) -> str:
    """Return a session that can stand in a header: as it is when it is short and printable, its hash otherwise."""
    if len(session) <= _LONGEST and session.isascii() and session.isprintable():
        return session
    return f"h-{blake2b(session.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
