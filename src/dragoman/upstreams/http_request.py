"""Where a call goes, and the bytes of its request head."""

from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import msgspec

from dragoman.engine.ports import Call, CallHeaders

DEFAULT_PORTS = {"http": 80, "https": 443}
TRANSPORT_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "connection",
        "transfer-encoding",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "te",
        "trailer",
    }
)
"""Set by the transport or forbidden between hops (RFC 9110 7.6.1); a caller's own are left out."""
METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Target(msgspec.Struct, frozen=True, gc=False):
    """Where a URL leads.

    `origin` names scheme, host and port and is the pool's key; `authority` is the `host` header; the query is
    part of `path`.
    """

    origin: str
    host: str
    port: int
    is_tls: bool
    authority: str
    path: str


@lru_cache(maxsize=1024)
def split_url(url: str) -> Target:
    """Return where `url` leads.

    Raises ValueError for what cannot be called: another scheme than http(s), no host, user-info, blanks or control
    characters. The words never show user-info or the query, either of which may be a secret.
    """
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("the upstream's URL holds a blank, control or non-ASCII character\nhint: percent-encode it")
    parts = urlsplit(url)
    host = _checked_host(parts)
    default_port = DEFAULT_PORTS[parts.scheme]
    port = parts.port or default_port
    bracketed = f"[{host}]" if ":" in host else host
    return Target(
        origin=f"{parts.scheme}://{bracketed}:{port}",
        host=host,
        port=port,
        is_tls=parts.scheme == "https",
        authority=bracketed if port == default_port else f"{bracketed}:{port}",
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _checked_host(parts: SplitResult) -> str:
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"the upstream's URL has the scheme `{parts.scheme}`\nhint: use http:// or https://")
    if "@" in parts.netloc:
        raise ValueError(f"the URL for `{parts.hostname}` holds a user name or password\nhint: send it as a header")
    if not parts.hostname:
        raise ValueError("the upstream's URL names no host\nhint: it must look like https://host/path")
    return parts.hostname


def encode_head(call: Call, target: Target) -> bytes:
    """Return the request line and the headers of `call`, up to and with the empty line.

    Raises ValueError, naming the header but not its value, when one could break out of its line.
    """
    lines = _lines(call.method, target, call.headers)
    if call.body or call.method in METHODS_WITH_BODY:
        return b"%bcontent-length: %d\r\n\r\n" % (lines, len(call.body))
    return lines + b"\r\n"


def _lines(method: str, target: Target, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return the lines of a head that do not depend on the body. A conversation's next call has the same ones.

    They are kept for as long as the headers are, and no longer: there are keys in them.
    """
    if not isinstance(headers, CallHeaders):
        return _encode_lines(method, target, headers)
    known = headers.encoded
    if not known or known[0] is not target or known[1] != method:
        known = headers.encoded = (target, method, _encode_lines(method, target, headers))
    lines: bytes = known[2]
    return lines


def _encode_lines(method: str, target: Target, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"{method} {target.path} HTTP/1.1", f"host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers if name not in TRANSPORT_HEADERS]
    text = "\r\n".join(lines)
    # One count over the whole head is cheaper than a look at every value: more breaks than joins means a smuggled one.
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError(_why_refused(method, headers))
    try:
        return f"{text}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        # Without its cause: that one quotes the whole head, keys and all.
        raise ValueError(_why_refused(method, headers)) from None


def _why_refused(method: str, headers: tuple[tuple[str, str], ...]) -> str:
    for name, value in headers:
        if not _fits_a_line(name + value):
            return f"the request header {name!a} holds a line break, a NUL or a character outside latin-1"
    return f"the method {method!a} holds a line break, a NUL or a character outside latin-1"


def _fits_a_line(text: str) -> bool:
    return not any(character in "\r\n\0" or character > "\xff" for character in text)
