"""What people are shown of a change: the diff, with every secret in it cut short."""

import re
from collections.abc import Collection, Iterator
from difflib import unified_diff
from typing import Final

_SHOWN: Final = 4
_LONG: Final = 16
_NAMED: Final = re.compile(
    r"""(?ix) (?P<ahead> ["']? [\w.-]* (?: key | token | secret | password | authorization | credential s? ) ["']?
        \s* [:=] \s* ) (?P<quote> ["']? ) (?P<secret> [^"'\s,}\]#] [^"'\n]*? ) (?= (?P=quote) [\s,}\]]* (?: [#/] .* )? $
        | ["'] )"""
)
_KEYS: Final = re.compile(r"\b(?:sk|pk|rk|dgm|ghp|gho|xai|gsk|AIza|Bearer )[-_A-Za-z0-9 .]{12,}")


def shortened(secret: str) -> str:
    """Return what may be shown of a secret: that it is there, and of a long one its beginning."""
    return f"{secret[:_SHOWN]}..." if len(secret) >= _LONG else "..."


def diff(name: str, before: str, after: str, secrets: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of a unified diff, without line ends; `secrets` are those that are known beside what looks like one."""
    known = sorted((secret for secret in secrets if secret), key=len, reverse=True)
    old, new = f"{name}" if before else "/dev/null", name if after else "/dev/null"
    for line in unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm=""):
        yield without_secrets(line, known)


def without_secrets(line: str, known: Collection[str] = ()) -> str:
    """Return a line in which every secret is cut short: those that are known, those behind a telling name, keys by their shape."""
    for secret in known:
        line = line.replace(secret, shortened(secret))
    line = _NAMED.sub(lambda found: found["ahead"] + found["quote"] + _once(found["secret"]), line)
    return _KEYS.sub(lambda found: shortened(found[0]), line)


def _once(secret: str) -> str:
    return secret if secret.endswith("...") else shortened(secret)
