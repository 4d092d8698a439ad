"""Who may ask: the client's key, the Host it asked for and the web page it asked from."""

import hmac
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Final, get_args
from urllib.parse import urlsplit

from dragoman.ir.failures import DragomanError, Failure, FailureKind, RequestError
from dragoman.settings import Key, LossPolicy

LOSSES_HEADER: Final = "x-dragoman-losses"
"""Where a request may choose its loss policy."""
_POLICIES: Final[Mapping[str, LossPolicy]] = {policy: policy for policy in get_args(LossPolicy)}
_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost", "host.docker.internal"})


def client_key(headers: Mapping[str, str]) -> str | None:
    """Return the key that a request presents, in whichever header its client puts it; None when there is none."""
    key = (headers.get("x-api-key") or headers.get("x-goog-api-key") or "").strip()
    if key:
        return key
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def check_key(key: str | None, accepted: Sequence[Key]) -> Key | None:
    """Return which of the gateway's keys `key` is; every one is compared, in constant time. None: it has none.

    Raises DragomanError (401) for another one.
    """
    if not accepted:
        return None
    given = (key or "").encode()
    matches = [one for one in accepted if hmac.compare_digest(given, one.key.reveal().encode())]
    if not matches:
        raise unauthorized(
            "the key is not one of this gateway's" if key else "a key is needed",
            "send the key that was printed at the start, or one of `server.keys`, as `x-api-key` or as `Authorization: Bearer`",
        )
    return matches[0]


def losses_for(headers: Mapping[str, str], key: Key | None) -> LossPolicy | None:
    """Return the loss policy that a request asks for by its header, or else that its key has; None: neither.

    Raises RequestError for a policy that there is not.
    """
    asked = headers.get(LOSSES_HEADER)
    if asked is None:
        return key.losses if key else None
    policy = _POLICIES.get(asked.strip().lower())
    if policy is None:
        raise RequestError(
            f"`{LOSSES_HEADER}` is `{asked}`",
            param=LOSSES_HEADER,
            hint="one of " + ", ".join(map("`{}`".format, _POLICIES)),
        )
    return policy


def unauthorized(message: str, hint: str) -> DragomanError:
    """Return a 401 that tells SDKs not to try again (Claude Code would, for over a minute)."""
    return DragomanError(Failure(FailureKind.AUTHENTICATION, message, hint=hint, should_retry=False))


class OriginCheck:
    """Keeps web pages out (DNS rebinding, cross-site requests): checks the Host and the Origin of every request.

    A Host may be an IP address (a page cannot rebind one), a loopback name, the host the gateway is bound to, or configured.
    An Origin may be a loopback page, one of the configured origins, or no web page at all (an app's own scheme). A browser's
    extensions are no apps: whoever gets one installed would get the models, too.
    """

    def __init__(self, bound_host: str, allowed_hosts: Collection[str], cors_origins: Collection[str]) -> None:
        self._hosts = {host.lower() for host in allowed_hosts} | {bound_host.lower()}
        self._any_host = "*" in self._hosts
        self._origins = {origin.lower().rstrip("/") for origin in cors_origins}
        self._good_hosts: set[str] = set()

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise DragomanError (403) for a request that a foreign web page may have sent."""
        host = headers.get("host", "")
        if host not in self._good_hosts:
            self._check_host(host)
        origin = headers.get("origin")
        if origin is not None and not self.allows(origin):
            who = "browser extension" if _is_extension(origin) else "web page"
            raise _forbidden(
                f"requests from the {who} `{origin}` are not allowed", "add it to `server.cors_origins` if you trust it"
            )

    def allows(self, origin: str) -> bool:
        """Tell whether pages of `origin` may talk to the gateway."""
        origin = origin.lower()
        if origin in self._origins or "*" in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme in ("http", "https"):
            return _is_loopback(parts.hostname or "")
        return bool(parts.scheme) and origin != "null" and not _is_extension(origin)

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if not (self._any_host or name in self._hosts or _is_loopback(name) or _is_address(name)):
            raise _forbidden(
                f"requests for the host `{host}` are not allowed",
                "add its name to `server.allowed_hosts` if it is yours",
            )
        if len(self._good_hosts) < 100:
            self._good_hosts.add(host)


def _is_extension(origin: str) -> bool:
    """Tell whether `origin` is a browser extension's: `chrome-extension://`, `moz-extension://`, `safari-web-extension://`."""
    return origin.partition(":")[0].lower().endswith("-extension")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    return _is_loopback(host.lower()) or _is_loopback(_host_name(host))


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _forbidden(message: str, hint: str) -> DragomanError:
    return DragomanError(Failure(FailureKind.PERMISSION, message, hint=hint))
