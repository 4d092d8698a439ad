"""Which endpoint a path is: read from the protocols, under no prefix or under a provider's."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

import msgspec

from dragoman.codec import Codec, Endpoint, Operation

_REMEMBERED: Final = 1024
_NEAR: Final = 0.8
"""How like an endpoint's a path has to be to speak its protocol: `/v1/mesages` is, `/v1/embeddings` is not."""


class Match(msgspec.Struct, frozen=True):
    """An endpoint: what is asked, in which protocols it may be answered, below which prefix, about which model (or reply).

    `streams`: whether the reply does, where the path says so.
    """

    operation: Operation
    codecs: tuple[Codec, ...]
    prefix: str | None = None
    model: str | None = None
    streams: bool | None = None


class Router:
    """Finds the endpoint for a method and a path."""

    def __init__(self, codecs: Iterable[Codec], prefixes: Collection[str]) -> None:
        self._prefixes = frozenset(prefixes)
        self._exact: dict[str, dict[str, Match]] = {}
        self._with_model: list[tuple[str, str, str, Match]] = []
        self._names: dict[tuple[str, str], str] = {}
        self._known: dict[tuple[str, str], Match | None] = {}
        for codec in codecs:
            for endpoint in codec.endpoints:
                self._add(codec, endpoint)

    @property
    def paths(self) -> dict[str, dict[str, Match]]:
        """Every path without a prefix, with its methods; `{model}` stands in for a model's id, `{id}` for a reply's."""
        paths = {path: dict(methods) for path, methods in self._exact.items()}
        for method, before, after, match in self._with_model:
            paths.setdefault(f"{before}{{{self._names[before, after]}}}{after}", {})[method] = match
        return paths

    def find(self, method: str, path: str) -> Match | None:
        """Return the endpoint; None for an unknown path or a method that it does not take.

        `path` is as ASGI gives it: percent-decoded. What takes GET takes HEAD too.
        """
        key = ("GET" if method == "HEAD" else method, path)
        if key in self._known:
            return self._known[key]
        match = self._look_up(*key)
        if match is not None and match.model is None and len(self._known) < _REMEMBERED:
            self._known[key] = match
        return match

    def methods(self, path: str) -> list[str]:
        """Return the methods that `path` takes, for the `allow` header."""
        return [method for method in ("GET", "HEAD", "POST", "DELETE") if self.find(method, path)]

    def speakers(self, path: str) -> tuple[Codec, ...]:
        """Return the protocols whose endpoints `path` looks like, below whatever prefix and by whichever method.

        What looks like none may be a mistyped one.
        """
        path = path.rstrip("/")
        speakers = self._speakers(path)
        near = () if speakers else get_close_matches(self.without_prefix(path), self._exact, n=1, cutoff=_NEAR)
        return self._speakers(near[0]) if near else speakers

    def _speakers(self, path: str) -> tuple[Codec, ...]:
        rows = [
            (len(known), match)
            for known, methods in self._exact.items()
            if path.endswith(known)
            for match in methods.values()
        ]
        rows += [
            (len(before) + len(after), match)
            for _, before, after, match in self._with_model
            if before in path and path.endswith(after)
        ]
        likeness = max((length for length, _ in rows), default=0)
        codecs = (codec for length, match in rows if length == likeness for codec in match.codecs)
        return tuple({codec.name: codec for codec in codecs}.values())

    def verbs(self, path: str) -> list[str]:
        """Return the verbs that are served behind a model's id and could be the end of `path`: `:generateContent`."""
        bare = self.without_prefix(path)
        verbs = (
            after[1:]
            for _, before, after, match in self._with_model
            if after.startswith(":") and bare.startswith(before) and match.operation is not Operation.UNSERVED
        )
        return list(dict.fromkeys(verbs))

    def without_prefix(self, path: str) -> str:
        """Return `path` without the provider's name in front, if one is there: `/go/ping` and `/go` are `/ping` and `/`."""
        prefix, _, rest = path.removeprefix("/").partition("/")
        return f"/{rest}" if prefix in self._prefixes else path

    def _add(self, codec: Codec, endpoint: Endpoint) -> None:
        method, path = endpoint.method, endpoint.path
        before, brace, rest = path.partition("{")
        if not brace:
            methods = self._exact.setdefault(path, {})
            methods[method] = _joined(methods.get(method), endpoint, codec)
            return
        name, _, after = rest.partition("}")
        self._names[before, after] = name
        for index, (known_method, known_before, known_after, match) in enumerate(self._with_model):
            if (known_method, known_before, known_after) == (method, before, after):
                self._with_model[index] = (method, before, after, _joined(match, endpoint, codec))
                return
        self._with_model.append((method, before, after, _joined(None, endpoint, codec)))

    def _look_up(self, method: str, path: str) -> Match | None:
        match = self._look_up_bare(method, path)
        if match is not None:
            return match
        bare = self.without_prefix(path)
        match = self._look_up_bare(method, bare) if bare != path else None
        return msgspec.structs.replace(match, prefix=path[1:].partition("/")[0]) if match else None

    def _look_up_bare(self, method: str, path: str) -> Match | None:
        match = self._exact.get(path, {}).get(method)
        if match is not None:
            return match
        for known_method, before, after, found in self._with_model:
            if known_method != method or not path.startswith(before) or not path.endswith(after):
                continue
            model = path[len(before) : len(path) - len(after)]
            # A collection without an id is no model, and the verb that a POST has is no part of one.
            if model and not model.endswith("/") and (after or not self._has_verb(path)):
                return msgspec.structs.replace(found, model=model)
        return None

    def _has_verb(self, path: str) -> bool:
        return any(
            after and path.startswith(before) and path.endswith(after) for _, before, after, _ in self._with_model
        )


def _joined(match: Match | None, endpoint: Endpoint, codec: Codec) -> Match:
    codecs = (*match.codecs, codec) if match else (codec,)
    return Match(endpoint.operation, codecs, streams=endpoint.streams)
