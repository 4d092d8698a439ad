"""What has to be true of the requests that an upstream saw, in whatever protocol. Each check tells the faults it finds."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest

import msgspec

from tests.clients.script import JSON, Fault
from tests.clients.sockets import Asked
from tests.clients.speech import Speech, Tool, differences, same_but
from tests.clients.story import Story
from tests.support.claude_words import said_by_client


def count(seen: Sequence[Asked], strays: Sequence[Asked], expected: int) -> Iterator[Fault]:
    """Exactly the expected calls are made."""
    if len(seen) != expected:
        yield f"the upstream was called {len(seen)} times, not {expected}"
    for stray in strays:
        yield f"the upstream was asked for `{stray.method} {stray.target}`"


def sign_in(asked: Asked, speech: Speech, client_key: str) -> Iterator[Fault]:
    """The upstream gets its own key and nobody else's."""
    shown = (asked.header(speech.key_header) or "").removeprefix("Bearer ")
    if shown != speech.key:
        yield f"the upstream's `{speech.key_header}` is `{shown}`, not its own key"
    if client_key.encode() in asked.raw:
        yield "the client's key reached the upstream"


def model(asked: Asked, speech: Speech) -> Iterator[Fault]:
    """The upstream is asked for its own model."""
    wanted = speech.wanted(asked)
    if wanted is None or wanted.model != speech.model:
        yield f"the upstream was asked for the model `{wanted and wanted.model}`, not `{speech.model}`"


def asked_again(seen: Sequence[Asked], speech: Speech, *, whole: bool) -> Iterator[Fault]:
    """The same request comes twice: first as a stream, then as one again, or `whole`."""
    streams = [wanted and wanted.streams for wanted in map(speech.wanted, seen)]
    if streams != [True, not whole]:
        yield f"that a stream is wanted was {streams}, not {[True, not whole]}"
    # The metadata name the process, which is another one now.
    process = () if speech.retells is None else ("metadata",)
    fields = (*process, *(("stream", "stream_options", "max_tokens", "thinking") if whole else ()))
    for one, other in pairwise(asked.json() for asked in seen):
        yield from same_but(fields, one, other)


def edited(seen: Sequence[Asked], speech: Speech, story: Story) -> Iterator[Fault]:
    """An edit is asked for as a stream, the message of its commit whole; what a test has found comes back to the model."""
    streams = [wanted and wanted.streams for wanted in map(speech.wanted, seen)]
    if streams != [True, False, True, False]:
        yield f"that a stream is wanted was {streams}"
    told = "\n\n".join(speech.texts(seen[2].json()))
    for words in (story.opening.text.strip(), *story.words):
        if words not in told:
            yield f"the model was not told `{words}` after its first edit"
    yield from written(story)


def one_conversation(seen: Sequence[Asked], speech: Speech) -> Iterator[Fault]:
    """What the gateway makes of a conversation has one and the same key for the upstream's cache, first and last.

    In between an agent may have asked something that begins otherwise, such as for a summary: that has its own.
    """
    if speech.cache_key is None or not seen:
        return
    keys = [asked.json().get(speech.cache_key) for asked in (seen[0], seen[-1])]
    if not keys[0] or keys[0] != keys[1]:
        yield f"`{speech.cache_key}` is not one and the same: {keys}"


def untouched(client: Asked, upstream: Asked, names: tuple[str, str], added: bytes) -> Iterator[Fault]:
    """On the raw lane a body arrives byte for byte, but for the model's `names`, and so do the protocol's headers.

    `added` is what the gateway puts behind the model's name.
    """
    old, new = (b'"model":' + msgspec.json.encode(name) for name in names)
    expected = client.body.replace(old, new + added, 1)
    if upstream.body != expected:
        place = next((at for at, (a, b) in enumerate(zip(expected, upstream.body, strict=False)) if a != b), -1)
        yield (
            f"the body was changed at byte {place}: from `{_around(expected, place)}` to `{_around(upstream.body, place)}`"
        )
    for name, value in client.headers:
        if name.startswith("anthropic-") and upstream.header(name) != value:
            yield f"the header `{name}: {value}` arrived as `{upstream.header(name)}`"


def _around(body: bytes, place: int) -> str:
    return body[max(0, place - 40) : place + 80].decode(errors="replace")


def carried(
    client: Asked, dialect: Speech, upstream: Asked, speech: Speech, private_marks: tuple[str, ...]
) -> Iterator[Fault]:
    """Every text of the client's request stands in the upstream's, in the same order; so does every tool."""
    request, translated = client.json(), upstream.json()
    whole = "\n\n".join(speech.texts(translated))
    place = 0
    for text in dialect.texts(request):
        if text.startswith(private_marks):
            continue
        found = whole.find(text, place)
        if found < 0:
            yield f"the text `{text[:120]}` is missing, or not in its place"
        else:
            place = found + len(text)
    for mark in private_marks:
        if mark.encode() in upstream.body:
            yield f"`{mark}` reached the upstream"
    tools = {tool.name: tool for tool in speech.tools(translated)}
    for wanted in dialect.tools(request):
        given = tools.get(wanted.name)
        if given is None and not wanted.is_deferred:
            yield f"the tool `{wanted.name}` is missing"
        if given is not None:
            expected = {"description": wanted.description, "schema": _bare(wanted.schema)}
            found_tool = {"description": _described(given, wanted.group), "schema": _bare(given.schema)}
            yield from differences(f"the tool `{wanted.name}`", expected, found_tool)


def _described(tool: Tool, group: str) -> str:
    """Give a tool's description without what stands in front of it about its group, which has to be there."""
    if not group:
        return tool.description
    _, there, own = tool.description.partition(f"{group}\n\n")
    return own if there else f"{tool.description} (without `{group}`)"


def retold(client: Asked, upstream: Asked) -> Iterator[Fault]:
    """Block by block, the upstream is told what the client said, and nothing else."""
    wanted, found = said_by_client(client.json()), said_by_client(upstream.json())
    for place, (one, other) in enumerate(zip_longest(wanted, found)):
        if one != other:
            yield f"`messages[{place}]` became `{other}` on the way, from `{one}`"


def one_process(answers: Sequence[bytearray]) -> Iterator[Fault]:
    """All answers of a conversation come from the same process."""
    heads = [bytes(answer).partition(b"\r\n\r\n")[0] for answer in answers]
    sessions = {line for head in heads for line in head.splitlines() if line.startswith(b"x-claude-session-id: ")}
    if len(sessions) != 1:
        yield f"not one process answered, but {len(sessions)}: {sorted(sessions)}"


def agents_told(asked: Sequence[Asked], modes: Mapping[str, str]) -> Iterator[Fault]:
    """Every agent tells its name, its mode and its session, and the sub-agent the session of whoever has called it."""
    told = {one.header("x-opencode-agent") or "": one for one in asked}
    if {name: one.header("x-opencode-agent-mode") for name, one in told.items()} != modes:
        yield f"the agents {sorted(told)} told others than {sorted(modes)}, or other modes"
    sessions = {name: one.header("x-opencode-session") for name, one in told.items()}
    callers = {sessions[name] for name, mode in modes.items() if mode == "primary" and name in sessions}
    for name, one in told.items():
        parent, is_called = one.header("x-opencode-parent-session"), modes.get(name) == "subagent"
        if not sessions[name] or (parent in callers) is not is_called:
            yield f"the agent `{name}` tells the session `{sessions[name]}` and the parent `{parent}`, its callers are {callers}"


def written(story: Story) -> Iterator[Fault]:
    """The word is in the file that the first call had to write."""
    found = story.file.read_text(encoding="utf-8") if story.file.exists() else ""
    if found != f"{story.words[0]}\n":
        yield f"`{story.file.name}` holds `{found}`, not the word `{story.words[0]}`"


def _bare(schema: JSON) -> JSON:
    return {key: value for key, value in schema.items() if key != "$schema"}
