"""Where words come from: what was found and what was recited, as citations.

https://ai.google.dev/gemini-api/docs/google-search and https://ai.google.dev/api/generate-content#citationmetadata. Their
places are in bytes of the whole answer: they are carried in `raw`, and not as places in the text.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from dragoman.ir.request import Citation
from dragoman.protocols.gemini_generate.wire import NAME, is_given
from dragoman.protocols.gemini_generate.wire_replies import (
    CitationMetadata,
    CitedSource,
    GroundingChunk,
    GroundingMetadata,
)
from dragoman.wire.arguments import squeezed

_grounding: Final = msgspec.json.Decoder(GroundingMetadata).decode
_grounding_chunk: Final = msgspec.json.Decoder(GroundingChunk).decode
_cited: Final = msgspec.json.Decoder(CitationMetadata).decode
_source: Final = msgspec.json.Decoder(CitedSource).decode


def grounding_pages(raw: Raw) -> Iterator[Citation]:
    """Yield a citation for each page that the answer rests on."""
    if not is_given(raw):
        return
    for item in _grounding(raw).grounding_chunks or ():
        chunk = _grounding_chunk(item)
        page = chunk.web or chunk.retrieved_context or chunk.maps
        if page is not None:
            yield Citation(NAME, Raw(squeezed(item)), page.uri, page.title)


def cited_sources(raw: Raw) -> Iterator[Citation]:
    """Yield a citation for each source that was recited."""
    if not is_given(raw):
        return
    metadata = _cited(raw)
    for item in metadata.citations or metadata.citation_sources or ():
        source = _source(item)
        yield Citation(NAME, Raw(squeezed(item)), source.uri, source.title)


def encode_citations(citations: Sequence[Citation]) -> list[dict[str, Any]]:
    """Return citations of other protocols, those with an address, as sources that were recited."""
    return [_encode(citation) for citation in citations if citation.origin != NAME and citation.url]


def _encode(citation: Citation) -> dict[str, Any]:
    written: dict[str, Any] = {"uri": citation.url}
    if citation.title is not None:
        written["title"] = citation.title
    if citation.start is not None and citation.end is not None:
        written |= {"startIndex": citation.start, "endIndex": citation.end}
    return written
