"""Environment variables of the Claude proxies that came before: they set what ours set, and ours win over them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dragoman.settings.faults import SettingsError

Found = tuple[str, tuple[str, ...], object]
"""(variable, path, value)."""

_PREFIX: Final = "CLAUDE_PROXY_"
_PASSTHROUGH: Final = "CLAUDE_PROXY_PASSTHROUGH"
_OFF: Final = frozenset({"0", "false", "off", "no"})
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "CLAUDE_PROXY_HOST": ("server", "host"),
    "CLAUDE_PROXY_WORKDIR": ("claude", "workdir"),
}
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "CLAUDE_PROXY_PORT": ("server", "port"),
    "CLAUDE_PROXY_MAX_CONCURRENT": ("claude", "max_live"),
    "CLAUDE_PROXY_IDLE_TIMEOUT_SECONDS": ("claude", "idle_s"),
}
OLDER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    _PASSTHROUGH: ("claude", "mode"),
    **_TEXTS,
    **_NUMBERS,
    "PROXY_API_KEY": ("server", "keys"),
}
"""Every such variable, and the setting that it sets."""


def from_older_names(environ: Mapping[str, str], providers: Mapping[str, Any]) -> Iterator[Found]:
    """Yield what the older variables set; an empty one, and `0` for a number, sets nothing.

    With one of them in the environment and no provider of the kind in `providers`, there is a provider `claude` of the kind
    `claude-agent`: whoever comes from such a proxy needs no file. Raises SettingsError for what cannot be had.
    """
    given = {name: environ[name].strip() for name in OLDER_NAMES if environ.get(name, "").strip()}
    if _PASSTHROUGH in given:
        yield _PASSTHROUGH, ("claude", "mode"), "internal" if given[_PASSTHROUGH].lower() in _OFF else "passthrough"
    for name, path in _TEXTS.items():
        if name in given:
            yield name, path, given[name]
    for name, path in _NUMBERS.items():
        if name in given and given[name].lower() not in _OFF:
            yield name, path, _number(name, given[name])
    if "PROXY_API_KEY" in given:
        yield "PROXY_API_KEY", ("server", "keys"), [given["PROXY_API_KEY"]]
    ours = [name for name in given if name.startswith(_PREFIX)]
    if ours and "claude" not in providers and not any(one.get("kind") == "claude-agent" for one in providers.values()):
        yield ours[0], ("providers", "claude", "kind"), "claude-agent"


def _number(name: str, text: str) -> int:
    try:
        return msgspec.convert(text, int, strict=False)
    except msgspec.ValidationError:
        raise SettingsError(f"`{text}` is no whole number", where=name) from None
