"""A whole reply as a client reads it. https://platform.openai.com/docs/api-reference/responses/object."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dragoman.codec import Audience
from dragoman.ir.reply import Finish, Reply
from dragoman.ir.request import Block, Extra, Foreign, Refusal
from dragoman.protocols.openai_responses.endings import encode_usage, incomplete_reason
from dragoman.protocols.openai_responses.output import Envelope, ItemWriter, found_pages, open_search, with_pages
from dragoman.protocols.openai_responses.wire import ORIGIN

_json: Final = msgspec.json.encode


def encode_reply(reply: Reply, audience: Audience) -> bytes:
    """Return the response object."""
    envelope = Envelope(reply.id, audience)
    writer = ItemWriter(envelope, audience)
    output: list[bytes] = []
    for block in _joined(reply.blocks):
        output += map(_json, writer.items(block, len(output)))
    note_ending(writer, reply.finish, reply.stop_sequence, reply.extras)
    has_refusal = any(isinstance(block, Refusal) for block in reply.blocks)
    reason = incomplete_reason(reply.finish, has_refusal=has_refusal)
    status = "incomplete" if reason else "completed"
    return envelope.write(status, output, usage=encode_usage(reply.usage), reason=reason)


def _joined(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks, a search and what it found as one."""
    waiting: Foreign | None = None
    for block in blocks:
        if waiting is not None:
            pages = found_pages(block)
            yield with_pages(waiting, pages or ())
            waiting = None
            if pages is not None:
                continue
        if isinstance(block, Foreign) and open_search(block):
            waiting = block
        else:
            yield block
    if waiting is not None:
        yield waiting


def note_ending(writer: ItemWriter, finish: Finish, stop_sequence: str | None, extras: Sequence[Extra]) -> None:
    """Record what a response does not tell of its end."""
    if stop_sequence is not None:
        writer.note("reply_stop_sequence")
    if finish is Finish.PAUSED:
        writer.note("reply_paused")
    for extra in extras:
        if extra.origin != ORIGIN:
            writer.note("reply_field", f"`{extra.name}`")
