"""What was said, in the shapes in which OpenCode keeps its own conversations. The results of tools stand with their calls there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from msgspec import Raw

from dragoman.codec import Target
from dragoman.ir.failures import UnsupportedError
from dragoman.ir.losses import Ledger
from dragoman.ir.request import (
    Audio,
    Base64Data,
    BlockContent,
    Document,
    FileId,
    Foreign,
    Image,
    PlainText,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlData,
)
from dragoman.ir.seals import Seal, may_return
from dragoman.protocols.anthropic_messages.history import Item, Turn, arrange
from dragoman.upstreams.opencode_server.models import Place
from dragoman.upstreams.opencode_server.turn import ORIGIN
from dragoman.vendors.openai.files import data_url, file_name
from dragoman.wire.arguments import as_object
from dragoman.wire.free_text import wrapped
from dragoman.wire.media import plain_text

Json = dict[str, Any]
_ERROR: Final = "Error: "


def write_history(request: Request, place: Place, target: Target, ledger: Ledger) -> tuple[list[str], list[Json]]:
    """Return the system prompt, text by text, and the messages. Raises UnsupportedError for what a model cannot be shown."""
    system, turns = arrange(request, target.dialect, ledger)
    writer = _Writer(place, target, ledger)
    texts = [block.text for block in system if block.text]
    return texts, list(writer.messages(turns))


class _Writer:
    def __init__(self, place: Place, target: Target, ledger: Ledger) -> None:
        self._place = place
        self._target = target
        self._ledger = ledger
        self._calls: dict[str, Json] = {}
        """The calls of the last turn that have no result yet."""

    def messages(self, turns: Iterable[Turn]) -> Iterator[Json]:
        for number, turn in enumerate(turns):
            if turn.role == "assistant":
                parts = [part for item in turn.items for part in self._answered(item)]
                info = {"providerID": self._place.provider, "modelID": self._place.model.id, "role": "assistant"}
            else:
                parts = [part for item in turn.items for part in self._asked(item)]
                info = {"role": "user"}
            if parts:
                yield {"info": {"id": f"msg_{number}", **info}, "parts": parts}

    # --- the model's turns ---

    def _answered(self, item: Item) -> Iterator[Json]:
        match item.block:
            case Text() as block:
                self._note(block, item.path)
                yield _text(block.text)
            case Refusal(text):
                yield _text(text)
            case Reasoning() as block:
                yield from self._reasoning(block, item.path)
            case ToolCall(kind=ToolKind.HOSTED):
                self._ledger.dropped("foreign_block", item.path, "a call of a tool that its vendor has run")
            case ToolCall() as call:
                self._calls[call.id] = made = self._call(call)
                yield made
            case Foreign() as block:
                yield from self._foreign(block, item.path)
            case Image() | Document() | Audio() | ToolResult():
                self._ledger.dropped("foreign_block", item.path, "a message of the model's holds words and calls only")
            case _:
                assert_never(item.block)

    def _reasoning(self, block: Reasoning, path: str) -> Iterator[Json]:
        metadata = self._metadata(block.seal)
        if metadata is None and not (block.text and self._place.package.passes_fields):
            # Servers of Chat take words of thought from anybody; the others only what they have sealed.
            self._ledger.dropped("foreign_reasoning", path, "this model takes no thought but what it has sealed itself")
            return
        part: Json = {"type": "reasoning", "text": block.text, "time": {"start": 0, "end": 0}}
        yield part if metadata is None else {**part, "metadata": metadata}

    def _metadata(self, seal: Seal | None) -> Raw | None:
        """Return what the model's package wants to see again, if this model has sealed it."""
        if seal is None or not may_return(seal, ORIGIN, self._target.provider, self._target.model):
            return None
        return Raw(seal.data.encode())

    def _call(self, call: ToolCall) -> Json:
        arguments = wrapped(call.arguments) if call.kind is ToolKind.CUSTOM else call.arguments
        state = {"status": "pending", "input": as_object(arguments)[0]}
        made: Json = {"type": "tool", "tool": call.name, "callID": call.id, "state": state}
        metadata = self._metadata(call.seal)
        return made if metadata is None else {**made, "metadata": metadata}

    # --- the user's turns ---

    def _asked(self, item: Item) -> Iterator[Json]:
        match item.block:
            case ToolResult() as result:
                yield from self._result(result, item.path)
            case Text() | Image() | Document() | Audio() | Foreign() as block:
                yield from self._shown(block, item.path)
            case Refusal(text):
                yield _text(text)
            case Reasoning() | ToolCall():
                self._ledger.dropped("foreign_block", item.path, "only the model thinks and calls tools")
            case _:
                assert_never(item.block)

    def _result(self, result: ToolResult, path: str) -> Iterator[Json]:
        parts = [part for place, block in enumerate(result.blocks) for part in self._shown(block, f"{path}[{place}]")]
        call = self._calls.pop(result.call_id, None)
        if call is None:
            yield from parts
            return
        said = "\n".join(part["text"] for part in parts if part["type"] == "text")
        if result.is_error and not self._place.package.error_flag:
            self._ledger.degraded("tool_error_flag", path, "the server has no flag for it: words say it")
            said = _ERROR + said
        media = [part for part in parts if part["type"] != "text"]
        call["state"] = {
            "input": call["state"]["input"],
            "time": {"start": 0, "end": 0},
            **_outcome(result, said, media),
        }
        if media and not result.is_error and not self._place.package.shows_results:
            self._ledger.emulated("tool_media", path, "what a tool shows follows in a message of the user's")
        if media and result.is_error:
            self._ledger.dropped(
                "tool_error_media", path, "a result that is an error holds text only", changes_meaning=True
            )

    def _shown(self, block: Text | Image | Document | Audio | Foreign, path: str) -> Iterator[Json]:
        match block:
            case Text():
                self._note(block, path)
                yield _text(block.text)
            case Image():
                if block.detail not in (None, "auto"):
                    self._ledger.dropped("image_detail", path, "how closely to look cannot be told")
                self._note_cache(block, path)
                yield self._file(block.source, "image", path)
            case Document():
                self._note_cache(block, path)
                yield from self._document(block, path)
            case Audio(data, form):
                yield self._file(Base64Data(f"audio/{form}", data), f"sound.{form}", path)
            case Foreign():
                yield from self._foreign(block, path)
            case _:
                assert_never(block)

    def _document(self, document: Document, path: str) -> Iterator[Json]:
        if document.citations:
            self._ledger.dropped("citations", path, "where a text comes from cannot be told")
        head = "\n".join(filter(None, (document.title, document.context)))
        match document.source:
            case PlainText(text):
                yield _text(f"{head}\n{text}" if head else text)
            case BlockContent(blocks):
                yield from [_text(head)] if head else []
                for number, block in enumerate(blocks):
                    yield from self._shown(block, f"{path}.source.content[{number}]")
            case Base64Data() as source:
                words = plain_text(source)
                if words is not None:
                    yield _text(f"{head}\n{words}" if head else words)
                    return
                yield from [_text(document.context)] if document.context else []
                yield self._file(source, file_name(document.title, source.media_type), path)
            case UrlData() | FileId() as source:
                yield self._file(source, "document", path)
            case _:
                assert_never(document.source)

    def _file(self, source: Base64Data | UrlData | FileId, name: str, path: str) -> Json:
        match source:
            case Base64Data():
                self._check_sight(source.media_type, path)
                return {"type": "file", "mime": source.media_type, "filename": name, "url": data_url(source)}
            case UrlData() | FileId():
                raise UnsupportedError(
                    f"`{path}` is somewhere else, and nothing is fetched for OpenCode",
                    param=path,
                    hint="send its content",
                )
            case _:
                assert_never(source)

    def _check_sight(self, media_type: str, path: str) -> None:
        """Raise UnsupportedError for what the model cannot be shown: OpenCode would put words of its own in its place."""
        sees = self._place.model.capabilities.input
        kinds = (("image/", sees.image), ("audio/", sees.audio), ("application/pdf", sees.pdf))
        if not any(media_type.startswith(kind) and able for kind, able in kinds):
            raise UnsupportedError(
                f"`{path}`: OpenCode's model `{self._place.id}` takes no `{media_type}`",
                param=path,
                hint="choose another model; for one of your own set `modalities.input` in opencode.json",
            )

    def _foreign(self, block: Foreign, path: str) -> Iterator[Json]:
        if block.text:
            self._ledger.degraded("foreign_block", path, f"`{block.type}` becomes words")
            yield _text(block.text)
        else:
            self._ledger.dropped("foreign_block", path, f"`{block.type}` has no counterpart")

    def _note(self, block: Text, path: str) -> None:
        self._note_cache(block, path)
        if block.citations:
            self._ledger.dropped("citations", path, "where a text comes from cannot be told")

    def _note_cache(self, block: Text | Image | Document, path: str) -> None:
        if block.cache is not None:
            self._ledger.dropped("cache_breakpoint", path, "OpenCode sets its own breakpoints")


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _outcome(result: ToolResult, said: str, media: Sequence[Json]) -> Mapping[str, Any]:
    if result.is_error:
        return {"status": "error", "error": said}
    return (
        {"status": "completed", "output": said, "attachments": list(media)}
        if media
        else {
            "status": "completed",
            "output": said,
        }
    )
