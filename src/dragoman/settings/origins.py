"""URLs of upstreams, in the one form in which they may be compared."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import urlsplit

_SAFE: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_ENDPOINT: Final = re.compile(
    r"(?:/chat/completions|/responses|(?:/v1)?/messages|/models/[^/]+:(?:stream)?generateContent)/*(?:[?#].*)?$",
    re.IGNORECASE,
)
"""What protocols put behind a `base_url`; of Anthropic's, `/v1` is a part of it."""
_PORTS: Final = {"http": 80, "https": 443}


def without_user(url: str) -> str:
    """Return what somebody wrote as a URL, fit to be shown: without what may be a user, a password or a key."""
    _, at, rest = url.rpartition("@")
    plain = re.split(r"[?#]", rest, maxsplit=1)[0]
    scheme = re.match(r"[a-z]+://", url) if at else None
    return f"{scheme[0] if scheme else ''}...@{plain}" if at else plain


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of `url` (`https://api.example.com:443`); None when it is no plain http(s) URL.

    Refused are user names, spaces and other invisible characters, backslashes, and hosts that are neither a plain
    ASCII name nor an IP address. Nothing is looked up and no form of a number is turned into another, so two URLs
    have one origin only if their hosts are the same text (or the same IPv6 address).
    """
    if not _SAFE.fullmatch(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or set("@%") & set(parts.netloc) or not host or port == 0:
        return None
    if parts.netloc.startswith("["):
        try:
            host = f"[{IPv6Address(host).compressed}]"
        except AddressValueError:
            return None
    elif not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}"


def without_endpoint(url: str) -> str | None:
    """Return the base of a URL that leads to one of the protocols' endpoints; None when it does not."""
    base = _ENDPOINT.sub("", url)
    return base if base != url else None
