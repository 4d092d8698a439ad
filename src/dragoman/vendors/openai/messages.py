"""What a conversation must hold to be sent at all."""

from dragoman.ir.failures import RequestError
from dragoman.ir.request import Request


def require_messages(request: Request) -> None:
    """Raise RequestError when there is no message in `request`."""
    if not request.messages:
        raise RequestError("`messages` must hold at least one message", param="messages")


def nothing_to_send(request: Request) -> RequestError:
    """Return the error for messages of which nothing can be written: OpenAI would say that there are none."""
    path = "messages[0].content[0]" if request.messages[0].blocks else "messages[0]"
    return RequestError(f"`{path}` has no place in a message of its role, and nothing else is said", param=path)
