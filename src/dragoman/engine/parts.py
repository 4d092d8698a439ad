"""What all exchanges of a process share: made once, in the composition root."""

from collections.abc import Callable, Mapping

import msgspec

from dragoman.codec import Codec
from dragoman.engine.client import Arrival
from dragoman.engine.ports import Calibration, Clock, Ids, ModelUpstream, Store, Timeouts, Uncalibrated, Upstream
from dragoman.engine.record import RecordSink, log_record
from dragoman.routing.plan import Plan


class Limits(msgspec.Struct, frozen=True):
    """What the engine holds every exchange to."""

    timeouts: Timeouts = Timeouts()
    heartbeat: float = 15.0
    retries: int = 2


class Parts(msgspec.Struct, frozen=True):
    """What all exchanges of a process share."""

    plan: Callable[[str, Arrival], Plan]
    """(model that was asked for, arrival) -> whom to ask. Raises DragomanError."""
    codecs: Mapping[str, Codec]
    upstream: Upstream
    models: Mapping[str, ModelUpstream]
    """Upstreams that speak the IR, by the name of their kind (`scripted`)."""
    clock: Clock
    ids: Ids
    store: Store
    """What clients may have left out of a conversation when they ask again."""
    replies: Store
    """Replies that clients may refer to later."""
    limits: Limits = Limits()
    calibration: Calibration = Uncalibrated()
    sink: RecordSink = log_record
