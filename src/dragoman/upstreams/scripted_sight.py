"""What the scripted model says about what it was given: pictures, files, results, and a whole request."""

from collections.abc import Iterable, Iterator, Sequence

from dragoman.ir.request import (
    Audio,
    Base64Data,
    Block,
    BlockContent,
    Document,
    FileId,
    Foreign,
    Image,
    Message,
    PlainText,
    Request,
    Text,
    ToolCall,
    ToolResult,
    UrlData,
)


def sights(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield a sentence for each picture, file and sound, also inside results and documents."""
    for block in blocks:
        match block:
            case Image(source=source):
                yield f"I see {_described(source, 'an image')}."
            case Document():
                name = f" `{block.title}`" if block.title else ""
                yield f"I see a document{name}: {_described(block.source, 'a file')}."
                if isinstance(block.source, BlockContent):
                    yield from sights(block.source.blocks)
            case Audio(data=data, format=form):
                yield f"I hear {form} audio of {_size(data)} bytes."
            case ToolResult(blocks=inner):
                yield from sights(inner)
            case _:
                pass


def result_lines(results: Sequence[ToolResult], messages: Sequence[Message]) -> Iterator[str]:
    """Yield a line for each result: what the tool said, and the name of the tool that its call gives."""
    names = {block.id: block.name for message in messages for block in message.blocks if isinstance(block, ToolCall)}
    for result in results:
        verb = "failed" if result.is_error else "said"
        name = names.get(result.call_id, "a tool that was not called")
        yield f"The tool {verb}: {_words(result.blocks) or 'nothing'} ({name})"


def describe(request: Request) -> str:
    """Return a list of what the request holds."""
    return "\n".join(_description(request))


def _description(request: Request) -> Iterator[str]:
    system = _words(request.system)
    yield f"system: {len(system)} characters"
    for message in request.messages:
        kinds = ", ".join(_kind(block) for block in message.blocks)
        yield f"{message.role.value}: {kinds or 'nothing'}"
    yield f"tools: {', '.join(tool.name for tool in request.tools) or 'none'}"
    settings = {
        "tool_choice": request.tool_choice and request.tool_choice.mode,
        "parallel_tools": request.parallel_tools,
        "max_tokens": request.max_tokens,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "top_k": request.sampling.top_k,
        "stop": request.sampling.stop or None,
        "thinking": request.reasoning.mode,
        "budget": request.reasoning.budget,
        "effort": request.reasoning.effort,
        "user": request.user,
        "cache_key": request.cache_key,
    }
    for name, value in settings.items():
        if value is not None:
            yield f"{name}: {value}"


def _kind(block: Block) -> str:
    match block:
        case Text(text=text):
            return f"text of {len(text)} characters"
        case ToolCall(name=name):
            return f"call of {name}"
        case Foreign(type=type_):
            return type_
        case _:
            return type(block).__name__.lower().replace("toolresult", "tool result")


def _words(blocks: Iterable[Block]) -> str:
    texts = (block.text for block in blocks if isinstance(block, Text | Foreign))
    return "\n".join(text for text in texts if text)


def _described(source: Base64Data | UrlData | FileId | PlainText | BlockContent, what: str) -> str:
    match source:
        case Base64Data(media_type=media_type, data=data):
            article = "an" if media_type[:1] in "aeiou" else "a"
            return f"{article} {media_type} of {_size(data)} bytes"
        case UrlData(url=url):
            return f"{what} at {url}"
        case FileId(id=id):
            return f"{what} called {id}"
        case PlainText(text=text):
            return f"{len(text)} characters of text"
        case BlockContent(blocks=blocks):
            return f"{len(blocks)} blocks of text and images"


def _size(data: str) -> int:
    """Return how many bytes a base64 text stands for."""
    return len(data) * 3 // 4 - data[-2:].count("=")
