"""What tokens cost."""

import msgspec


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Prices in US dollars per million tokens; None: not known, or no such price."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
