"""What a lane refuses, whatever upstream it is for, before it asks."""

from collections.abc import Iterable
from typing import Final

from dragoman.ir.failures import RequestError, UnsupportedError
from dragoman.ir.losses import Loss
from dragoman.ir.request import Request
from dragoman.routing.plan import Attempt
from dragoman.transforms.vision import first_unseen

REFUSED: Final = (RequestError, UnsupportedError)
"""What says that a request cannot be had, and which part of it is why."""


def refuse_losses(losses: Iterable[Loss]) -> None:
    """Raise UnsupportedError for the first loss that changes the meaning: the policy `strict`."""
    for loss in losses:
        if loss.changes_meaning:
            raise UnsupportedError(
                f"`{loss.path}`: {loss.reason}",
                param=loss.path,
                hint='the loss policy is `strict`; with `losses = "warn"` the request would be sent without this',
            )


def refuse_several(request: Request) -> None:
    """Raise UnsupportedError when `request` asks for several answers at once: a reply in the IR is one."""
    if request.sampling.candidates > 1:
        raise UnsupportedError("`n` is more than 1, and a translated reply holds one answer", param="n")


class UnseenError(UnsupportedError):
    """The request shows something to a model that cannot see it; another model may."""


def refuse_unseen(request: Request, attempt: Attempt) -> None:
    """Raise UnseenError when `request` shows something that the model cannot see."""
    path = first_unseen(request, attempt.capabilities.vision, attempt.capabilities.documents)
    if path is not None:
        raise UnseenError(
            f"`{path}`: the model `{attempt.model}` of `{attempt.provider}` cannot see this",
            param=path,
            hint='choose a model with vision, or configure one: [routes.vision] to = "provider/model"',
        )
