"""What a check is, and how it asks the gateway: over HTTP, as a client does, for the built-in model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2

MODEL: Final = "demo/assistant"
"""The built-in model: it needs neither a key nor a network, and does what it is told."""
CALL: Final = 'call look_up with {"word": "q"}'
WORDS: Final = "Hello, doctor"
SCHEMA: Final = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}


class UnfitError(Exception):
    """The gateway did not do what a client needs; its text says what it did."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON. Raises UnfitError."""
        try:
            return json.loads(self.text)
        except ValueError:
            raise UnfitError(f"it answered {self.status} with something that is no JSON") from None

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of each server-sent event that is JSON, in order. Raises UnfitError when there is none."""
        data = [line[5:].strip() for line in self.text.splitlines() if line.startswith("data:")]
        found = [json.loads(one) for one in data if one.startswith("{")]
        if not found:
            raise UnfitError(f"it answered {self.status} without events: {self.text[:200]}")
        return found


class Asker:
    """Asks a gateway as clients of one protocol do. `sign_in` makes the headers of a key."""

    def __init__(self, http: httpx2.Client, key: str, sign_in: Callable[[str], Mapping[str, str]]) -> None:
        self._http = http
        self._key = key
        self._sign_in = sign_in

    def get(self, path: str, headers: Mapping[str, str] = {}, *, method: str = "GET", key: str | None = None) -> Answer:
        """Ask for a page; `key` in place of the right one."""
        return self._ask(method, path, None, headers, key)

    def post(self, path: str, body: Any, headers: Mapping[str, str] = {}, *, expects: int = 200) -> Answer:  # noqa: ANN401 - JSON
        """Post a body. Raises UnfitError when the answer has another status than `expects`."""
        answer = self._ask("POST", path, body, headers, None)
        if answer.status != expects:
            raise UnfitError(f"`POST {path}` was answered {answer.status}: {answer.text[:300]}")
        return answer

    def _ask(self, method: str, path: str, body: object, headers: Mapping[str, str], key: str | None) -> Answer:
        signed = {**self._sign_in(self._key if key is None else key), **headers}
        try:
            reply = self._http.request(method, path, json=body, headers=signed)
        except httpx2.HTTPError as error:
            raise UnfitError(f"`{method} {path}` was not answered: {error}") from None
        return Answer(reply.status_code, reply.headers, reply.text)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that clients need. `run` raises UnfitError where it does not hold; `hint` says what to do then."""

    what: str
    run: Callable[[Asker], None]
    hint: str


@dataclass(frozen=True, slots=True)
class Contract:
    """What the clients of a protocol need: `sign_in` makes the headers in which they present a key."""

    title: str
    sign_in: Callable[[str], Mapping[str, str]]
    checks: Sequence[Check]


def require(holds: object, problem: str) -> None:
    """Raise UnfitError with `problem` unless something holds."""
    if not holds:
        raise UnfitError(problem)


def bearer(key: str) -> Mapping[str, str]:
    """Return the headers of a key as most clients send it."""
    return {"authorization": f"Bearer {key}"}


OURS: Final = "this is the gateway's fault: please report it, with `dragoman --version`"
BETWEEN: Final = (
    "does a proxy stand between you and the gateway? It must pass the request on unchanged, and buffer nothing"
)
