"""Whether a provider is there and takes its key: asked for its list of models, which costs nothing, as the gateway asks it."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import uvloop

from dragoman.cli.findings import Finding
from dragoman.connect.contracts import contract_of
from dragoman.engine.ports import Call, Timeouts
from dragoman.ir.failures import DragomanError
from dragoman.routing.specs import MODEL_KINDS, ModelSpec, ProviderSpec
from dragoman.upstreams.http import HttpUpstream

_PATIENCE: Final = Timeouts(connect=5.0, first_byte=5.0, idle=5.0)
_MOST_BYTES: Final = 16 * 1024 * 1024
_OK: Final = 200
_REFUSED: Final = (401, 403)
_GOOGLES_REFUSAL: Final = b"API_KEY_INVALID"
"""It comes with status 400. https://ai.google.dev/gemini-api/docs/troubleshooting."""
_BROKEN: Final = 500


class Answer(msgspec.Struct, frozen=True):
    """What a provider said when it was asked for its models."""

    status: int
    body: bytes

    @property
    def is_list(self) -> bool:
        """Whether it is what was asked for: any web server has a page to answer with."""
        return self.status == _OK and self.body.lstrip()[:1] in (b"{", b"[")

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the key is wrong, or that there is none."""
        return self.status in _REFUSED or _GOOGLES_REFUSAL in self.body


def reached(spec: ProviderSpec) -> Iterator[Finding]:
    """Yield what there is to say of a provider; nothing of one that is not reached over HTTP."""
    card = next(iter(spec.models.values()), spec.pattern)
    if card is None or card.protocol in MODEL_KINDS or not card.base_url:
        return
    where = f"provider {spec.name}"
    try:
        answer = uvloop.run(_ask(card, _headers(spec, card)))
        yield _judged(spec, card, answer, where)
    except DragomanError as error:
        failure = error.failure
        yield Finding(where, "is reached", failure.message, failure.hint or f"is `base_url` of `{spec.name}` right?")


def _judged(spec: ProviderSpec, card: ModelSpec, answer: Answer, where: str) -> Finding:
    """Say of an answer what it shows, and no more. Raises DragomanError when a second question gets no answer."""
    if spec.api_key and answer.is_refusal:
        what, problem = "takes its key", f"it refuses the key with {answer.status}"
        return Finding(where, what, problem, f"correct `api_key` of `{spec.name}`")
    if answer.status >= _BROKEN:
        hint = "it is not the gateway's fault: see to the provider"
        return Finding(where, "is reached", f"it answers {answer.status} at {_list_of(card)}", hint)
    if not answer.is_list:
        told = str(answer.status) if answer.status != _OK else "no JSON"
        unknown = "whether it takes its key" if spec.api_key else "whether it has models"
        return Finding(where, f"is reached; {unknown} cannot be told: {told} at {_list_of(card)}; is `base_url` right?")
    if spec.api_key is None:
        return Finding(where, "is reached")
    if uvloop.run(_ask(card, _own_headers(spec))).is_list:
        return Finding(
            where, "is reached; whether it takes its key cannot be told: it lists its models without one, too"
        )
    return Finding(where, "is reached, and takes its key")


async def _ask(card: ModelSpec, headers: Mapping[str, str]) -> Answer:
    """Raises DragomanError, with the words that a request would be answered with: it is the gateway's own way, and its loop."""
    upstream = HttpUpstream()
    try:
        reply = await upstream.send(Call("GET", _list_of(card), tuple(headers.items()), b""), _PATIENCE)
        body = b""
        while len(body) < _MOST_BYTES and (part := await reply.read()) is not None:
            body += part
        return Answer(reply.status, body)
    finally:
        await upstream.aclose()


def _list_of(card: ModelSpec) -> str:
    return f"{card.base_url}/v1/models" if card.protocol == "anthropic-messages" else f"{card.base_url}/models"


def _own_headers(spec: ProviderSpec) -> dict[str, str]:
    return {name: value.reveal() for name, value in spec.headers}


def _headers(spec: ProviderSpec, card: ModelSpec) -> Mapping[str, str]:
    own = _own_headers(spec)
    if spec.api_key is None:
        return own
    key = spec.api_key.reveal()
    headers = dict(contract_of(card.protocol).sign_in(key))
    return (
        own | headers | ({"x-api-key": key, "anthropic-version": "2023-06-01"} if "anthropic" in card.protocol else {})
    )
