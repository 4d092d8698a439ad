"""Contents for an upstream. https://ai.google.dev/api/caching#Content."""

from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Block,
    Document,
    Foreign,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dragoman.ir.seals import Seal
from dragoman.protocols.gemini_generate import sealing
from dragoman.protocols.gemini_generate.history import Item, Turn, told
from dragoman.protocols.gemini_generate.media import encode_media
from dragoman.protocols.gemini_generate.wire import NAME
from dragoman.wire.arguments import as_object

Json = dict[str, Any]
Written = Json | Raw
_encode: Final = msgspec.json.encode
_NOTHING: Final[Json] = {"text": "(no content)"}


class ContentWriter:
    """Writes the turns of one request, in their order: a result is named after its call."""

    __slots__ = ("_carried", "_ledger", "_names", "_noted", "_target")

    def __init__(self, target: Target, ledger: Ledger) -> None:
        self._target = target
        self._ledger = ledger
        self._names: dict[str, str] = {}
        self._noted: set[str] = set()
        self._carried: Seal | None = None

    def write(self, turn: Turn) -> Json:
        """Return the content for one turn."""
        parts = self._said(turn) if turn.role == "model" else self._told(turn)
        return {"role": turn.role, "parts": parts or [_NOTHING]}

    def _once(self, code: str, path: str, reason: str) -> None:
        """Record as left out what is the same throughout a conversation."""
        if code not in self._noted:
            self._noted.add(code)
            self._ledger.dropped(code, path, reason)

    # --- the model's turns ---

    def _said(self, turn: Turn) -> list[Written]:
        parts: list[Written] = []
        self._carried = None
        is_first_call = True
        for item in turn.items:
            match item.block:
                case ToolCall() as call if call.kind is not ToolKind.HOSTED:
                    parts.append(self._call(call, item, is_first=is_first_call))
                    is_first_call = False
                case Reasoning() as thought:
                    parts += self._thought(thought, item)
                case _:
                    parts += self._block(item.block, item.path)
        return parts

    def _thought(self, thought: Reasoning, item: Item) -> list[Written]:
        seal = thought.seal
        if seal is None or (seal.protocol == NAME and not seal.data):
            self._once("unsigned_thought", item.path, "the model does not need it back")
            return []
        if not sealing.returnable(seal, self._target):
            self._ledger.dropped("foreign_reasoning", item.path, "this model has not made it")
            return []
        if seal.form == sealing.CALL:
            # Of the call behind it: not every client's calls have a field for it.
            self._carried = seal
            return []
        return [{"text": thought.text, "thought": True, "thoughtSignature": seal.data}]

    def _call(self, call: ToolCall, item: Item, *, is_first: bool) -> Written:
        self._names[call.id] = call.name
        seal, self._carried = call.seal or self._carried, None
        if call.namespace is not None:
            self._ledger.dropped("tool_namespace", item.path, "functions have no namespaces")
        if call.cache is not None:
            self._note_cache(item.path)
        if call.kind is ToolKind.CUSTOM:
            arguments, is_wrapped = Raw(_encode({"input": call.arguments})), False
        else:
            arguments, is_wrapped = as_object(call.arguments)
        if is_wrapped:
            self._ledger.repaired("broken_arguments", item.path, "no JSON object: wrapped in `_raw`")
        ids = {"id": call.id} if self._target.dialect.call_ids else {}
        part: Json = {"functionCall": {**ids, "name": call.name, "args": arguments}}
        if seal is not None and sealing.returnable(seal, self._target):
            return {**part, "thoughtSignature": seal.data}
        if seal is not None:
            self._ledger.dropped("foreign_reasoning", item.path, "this model has not signed it")
        if is_first and self._target.dialect.placeholder_signatures:
            # Of calls that were made at once Google's models sign the first, and miss it only there.
            if "signature_placeholder" not in self._noted:
                self._noted.add("signature_placeholder")
                self._ledger.emulated(
                    "signature_placeholder", item.path, "the model wants each step's first call signed"
                )
            return {**part, "thoughtSignature": sealing.PLACEHOLDER}
        return part

    # --- the user's turns ---

    def _told(self, turn: Turn) -> list[Written]:
        parts: list[Written] = []
        for item in turn.items:
            match item.block:
                case ToolResult() as result if result.kind is not ToolKind.HOSTED:
                    parts += self._result(result, item)
                case Reasoning():
                    self._ledger.dropped("misplaced_block", item.path, "the user has no thoughts")
                case _:
                    parts += self._block(item.block, item.path)
        return parts

    def _result(self, result: ToolResult, item: Item) -> list[Written]:
        if result.cache is not None:
            self._note_cache(item.path)
        texts: list[str] = []
        media: list[Json] = []
        for place, block in enumerate(result.blocks):
            for part in self._block(block, f"{item.path}.content[{place}]"):
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    texts.append(part["text"])
                elif isinstance(part, dict):
                    media.append(part)
                else:
                    texts.append(str(part, "utf-8"))
        answer: Json = {
            "name": self._names.get(result.call_id, result.call_id),
            "response": {"error" if result.is_error else "output": "\n".join(texts)},
        }
        if self._target.dialect.call_ids:
            answer["id"] = result.call_id
        if media and self._target.dialect.media_in_tool_results:
            answer["parts"], media = media, []
        if media:
            self._ledger.emulated("tool_result_media", item.path, "it stands behind the result")
        return [{"functionResponse": answer}, *media]

    # --- everything else ---

    def _block(self, block: Block, path: str) -> list[Written]:
        match block:
            case Text():
                return self._text(block, path)
            case Image() | Document() | Audio():
                if not isinstance(block, Audio) and block.cache is not None:
                    self._note_cache(path)
                if isinstance(block, Image) and block.detail is not None:
                    self._once("image_detail", path, "there is no such setting")
                return [*encode_media(block, path, self._target)]
            case Refusal(text):
                return [{"text": text}] if text else []
            case Foreign(origin=origin, raw=raw) if origin == NAME:
                return [raw]
            case Foreign():
                words = told(block, path, self._ledger)
                return [] if words is None else [{"text": words}]
            case ToolCall() | ToolResult() | Reasoning():
                self._ledger.dropped("misplaced_block", path, "a message of this role cannot hold it")
                return []
            case _:
                assert_never(block)

    def _text(self, block: Text, path: str) -> list[Written]:
        if block.citations:
            self._once("citations", path, "a history has none")
        if block.cache is not None:
            self._note_cache(path)
        seal = block.seal
        if seal is not None and sealing.returnable(seal, self._target):
            return [{"text": block.text, "thoughtSignature": seal.data}]
        if seal is not None:
            self._ledger.dropped("foreign_reasoning", path, "this model has not signed it")
        return [{"text": block.text}] if block.text else []

    def _note_cache(self, path: str) -> None:
        self._once("cache_breakpoint", path, "Google's servers cache prefixes by themselves")
