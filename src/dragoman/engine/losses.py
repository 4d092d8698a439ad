"""The loss codes that belong to no protocol and no transform, for docs/losses."""

from typing import Final

from dragoman.codec import LossNote

LOSES: Final = (
    LossNote("own_header", "A header that switches on features of the client's protocol: it stays behind."),
    LossNote("unknown_field", "A field of the request that the gateway does not know: no other protocol can carry it."),
)
