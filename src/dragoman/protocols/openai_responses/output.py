"""What a client gets of a reply: the items of its output, and the response object that repeats the request around them.

https://platform.openai.com/docs/api-reference/responses/object. The ids of items are made of the response's own and the item's
place: the same in all events, and no other reply's. Reasoning that an upstream of this protocol named keeps its name.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec

from dragoman.codec import Audience
from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    Citation,
    Document,
    Foreign,
    Image,
    Page,
    Reasoning,
    Refusal,
    Search,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.openai_responses.losses import Notes
from dragoman.protocols.openai_responses.native import encode_call, native_kinds
from dragoman.protocols.openai_responses.sealing import phase_of, shown
from dragoman.protocols.openai_responses.wire import ORIGIN

Wire = dict[str, Any]

_json: Final = msgspec.json.encode
_PREFIX: Final = "resp_"
_NOT_IN_IDS: Final = re.compile("[^a-zA-Z0-9]")
_ID_LENGTH: Final = 40
_DEFAULTS: Final[Wire] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of a request that did not say so."""


class Envelope:
    """The response object of one reply, as bytes round its status and what changes while it is made."""

    __slots__ = ("_head", "_suffix", "_tail", "id")

    def __init__(self, upstream_id: str, audience: Audience) -> None:
        self.id = upstream_id if upstream_id.startswith(_PREFIX) else audience.new_id(_PREFIX)
        self._suffix = _NOT_IN_IDS.sub("", self.id.removeprefix(_PREFIX))[-_ID_LENGTH:]
        echo = audience.request.echo if audience.request else ()
        repeated = _DEFAULTS | {extra.name: extra.value for extra in echo}
        self._head = b'{"id":%b,"object":"response","created_at":%d,"status":"' % (_json(self.id), audience.created)
        self._tail = b'","background":false,"model":%b,%b,' % (_json(audience.model), _json(repeated)[1:-1])

    def write(
        self,
        status: str,
        output: Sequence[bytes] = (),
        *,
        usage: Wire | None = None,
        error: Wire | None = None,
        reason: str | None = None,
    ) -> bytes:
        """Return the object; `reason` is why it is incomplete."""
        return b'%b%b%b"error":%b,"incomplete_details":%b,"output":[%b],"usage":%b}' % (
            self._head,
            status.encode(),
            self._tail,
            _json(error),
            _json({"reason": reason} if reason else None),
            b",".join(output),
            _json(usage),
        )

    def item_id(self, prefix: str, place: int) -> str:
        """Return the id of the item at `place`."""
        return f"{prefix}_{self._suffix}_{place}"


class ItemWriter:
    """Writes blocks as items of one response's output."""

    __slots__ = ("_envelope", "_native", "_notes")

    def __init__(self, envelope: Envelope, audience: Audience) -> None:
        self._envelope = envelope
        self._native = native_kinds(audience.request)
        self._notes = Notes(audience.ledger)

    def note(self, code: str, detail: str = "") -> None:
        """Record that the reply loses something."""
        self._notes.add(code, "output", detail)

    def native_kind(self, call: ToolCall) -> str | None:
        """Return the type of the client's own kind of tool that a call is of; None for a plain function."""
        return None if call.namespace else self._native.get(call.name)

    def items(self, block: Block, place: int) -> list[Wire | msgspec.Raw]:
        """Return the items that say `block`, of which the first stands at `place`: one mostly, none, two for a call with a seal."""
        match block:
            case Text():
                return [self.message(block, place)]
            case Refusal():
                return [self.refusal(block, place)]
            case Reasoning():
                return [self.reasoning(block, place)]
            case ToolCall(kind=ToolKind.HOSTED):
                self.note("reply_foreign", f"`{block.name}`")
                return []
            case ToolCall(seal=Seal() as seal):
                return [self.carrier(seal, place), self.call(block, place + 1)]
            case ToolCall():
                return [self.call(block, place)]
            case Foreign():
                return self.foreign(block, place)
            case Image():
                return [self.picture(block, place)]
            case Document() | Audio() | ToolResult():
                raise ValueError(f"a reply has no `{type(block).__name__}`")
            case _:
                assert_never(block)

    # Each kind

    def message(self, block: Text, place: int) -> Wire:
        """Return words of the model."""
        if block.seal and phase_of(block.seal) is None:
            self.note("reply_seal")
        part = {
            "type": "output_text",
            "annotations": list(self.annotations(block.citations)),
            "logprobs": [],
            "text": block.text,
        }
        return self._message([part], place, phase_of(block.seal))

    def refusal(self, block: Refusal, place: int) -> Wire:
        """Return the words with which the model declined."""
        return self._message([{"type": "refusal", "refusal": block.text}], place, None)

    def _message(self, content: list[Wire], place: int, phase: str | None) -> Wire:
        item: Wire = {
            "id": self._envelope.item_id("msg", place),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": content,
        }
        return {**item, "phase": phase} if phase else item

    def annotations(self, citations: Sequence[Citation]) -> Iterator[Any]:
        """Yield citations as annotations: this protocol's as they came, others' by the address of the page."""
        for citation in citations:
            if citation.origin == ORIGIN:
                yield citation.raw
            elif citation.url:
                yield {
                    "type": "url_citation",
                    "start_index": citation.start or 0,
                    "end_index": citation.end or 0,
                    "title": citation.title or "",
                    "url": citation.url,
                }
            else:
                self.note("reply_citation")

    def reasoning(self, block: Reasoning, place: int, id: str | None = None) -> Wire:
        """Return what the model thought: its words as summaries, its seal as what is encrypted."""
        seal = block.seal
        if id is None and seal and seal.protocol == ORIGIN and seal.data:
            id = seal.form
        return {
            "id": id or self._envelope.item_id("rs", place),
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": part} for part in block.parts],
            "encrypted_content": shown(seal) if seal else None,
        }

    def carrier(self, seal: Seal, place: int) -> Wire:
        """Return the empty thought that takes a call's seal to the client and back: calls have no field for it."""
        return self.reasoning(Reasoning(is_redacted=True, seal=seal), place)

    def call(self, block: ToolCall, place: int) -> Wire:
        """Return a call in the form of its tool."""
        kind = self.native_kind(block)
        if kind is not None:
            prefix = "lsh" if kind == "local_shell" else "tsc"
            item = encode_call(kind, block, self._envelope.item_id(prefix, place))
            if item is not None:
                return item
        if block.kind is ToolKind.CUSTOM:
            return {**self.call_head(block, place), "input": block.arguments}
        return {**self.call_head(block, place), "arguments": block.arguments or "{}"}

    def call_head(self, block: ToolCall, place: int) -> Wire:
        """Return all of a call but what it asks for."""
        is_custom = block.kind is ToolKind.CUSTOM
        head: Wire = {
            "id": self._envelope.item_id("ctc" if is_custom else "fc", place),
            "type": "custom_tool_call" if is_custom else "function_call",
            "status": "completed",
            "call_id": block.id or self._envelope.item_id("call", place),
            "name": block.name,
        }
        return {**head, "namespace": block.namespace} if block.namespace else head

    def foreign(self, block: Foreign, place: int) -> list[Wire | msgspec.Raw]:
        """Return this protocol's own item as it came, a search of the web as one, or what may be said instead."""
        if block.origin == ORIGIN:
            return [block.raw]
        if block.search is not None and block.search.query is not None:
            return [self.search(block.search, place)]
        self.note("reply_foreign", f"`{block.type}`")
        return [self.message(Text(block.text), place)] if block.text else []

    def search(self, search: Search, place: int) -> Wire:
        """Return a search of the web that another vendor ran."""
        sources = [{"type": "url", "url": page.url} for page in search.pages]
        return {
            "id": self._envelope.item_id("ws", place),
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": search.query or "", "sources": sources},
        }

    def picture(self, block: Image, place: int) -> Wire:
        """Return a picture that the model made."""
        item: Wire = {
            "id": self._envelope.item_id("ig", place),
            "type": "image_generation_call",
            "status": "completed",
            "result": None,
        }
        if isinstance(block.source, Base64Data):
            return {**item, "result": block.source.data, "output_format": block.source.media_type.rpartition("/")[2]}
        self.note("reply_foreign", "a picture that is not in the reply itself")
        return item


def open_search(block: Block | None) -> Search | None:
    """Return the search that a block of another vendor's begins, when what it finds is to come; None for any other block."""
    match block:
        case Foreign(origin=origin, search=Search(query=str(), pages=()) as search) if origin != ORIGIN:
            return search
        case _:
            return None


def found_pages(block: Block | None) -> tuple[Page, ...] | None:
    """Return what a block says that a search found; None when it says something else."""
    match block:
        case Foreign(search=Search(query=None, pages=pages)):
            return pages
        case _:
            return None


def with_pages(block: Foreign, pages: tuple[Page, ...]) -> Foreign:
    """Return a search together with what it found."""
    search = block.search or Search()
    return msgspec.structs.replace(block, search=msgspec.structs.replace(search, pages=pages))
