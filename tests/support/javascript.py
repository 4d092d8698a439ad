"""As much of a worker's JavaScript as the edge touches, for Pythons that have none around them.

`tests/deploy/test_cloudflare_edge.py` runs the same code in a real one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self

from dragoman.engine.javascript import JavaScript


class JsError(Exception):
    """What JavaScript throws."""

    @property
    def message(self) -> str:
        return str(self)


class Data(bytes):
    """A Uint8Array."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        return bytes(self)


class Headers:
    def __init__(self) -> None:
        self._rows: dict[str, str] = {}

    @classmethod
    def new(cls) -> Self:
        return cls()

    def append(self, name: str, value: str) -> None:
        self._rows[name] = f"{self._rows[name]}, {value}" if name in self._rows else value

    def set(self, name: str, value: str) -> None:
        self._rows[name] = value

    def has(self, name: str) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._rows.items())


class Signal:
    """An AbortSignal, and its controller in one."""

    def __init__(self) -> None:
        self.is_aborted = False
        self._listeners: list[Callable[..., object]] = []

    @classmethod
    def new(cls) -> Self:
        return cls()

    @property
    def signal(self) -> Self:
        return self

    def abort(self) -> None:
        self.is_aborted = True
        for listener in tuple(self._listeners):
            listener("aborted")

    def addEventListener(self, _kind: str, listener: "Proxy") -> None:  # noqa: N802 - JavaScript's name
        self._listeners.append(listener)

    def removeEventListener(self, _kind: str, listener: "Proxy") -> None:  # noqa: N802 - JavaScript's name
        self._listeners.remove(listener)


class Proxy:
    """A Python function that JavaScript holds."""

    def __init__(self, call: Callable[..., object]) -> None:
        self._call: Callable[..., object] | None = call

    def __call__(self, *arguments: object) -> None:
        assert self._call is not None, "JavaScript calls what was destroyed"
        self._call(*arguments)

    def destroy(self) -> None:
        self._call = None


class Stream:
    """A TransformStream with both of its sides: a piece is written when it has been read."""

    def __init__(self) -> None:
        self.writable = self.readable = self
        self.closed = self
        self._pieces: asyncio.Queue[tuple[bytes, asyncio.Future[None]]] = asyncio.Queue()
        self._on_cancel: Callable[[object], object] | None = None
        self.is_cancelled = self.is_closed = False

    @classmethod
    def new(cls) -> Self:
        return cls()

    def getWriter(self) -> Self:  # noqa: N802 - JavaScript's name
        return self

    def then(self, _kept: object, broken: Callable[[object], object]) -> None:
        self._on_cancel = broken

    async def write(self, data: bytes) -> None:
        if self.is_cancelled:
            raise JsError("the reader has cancelled")
        taken = asyncio.get_running_loop().create_future()
        self._pieces.put_nowait((bytes(data), taken))
        await taken

    async def close(self) -> None:
        self.is_closed = True

    async def read(self) -> bytes:
        data, taken = await self._pieces.get()
        taken.set_result(None)
        return data

    def cancel(self) -> None:
        self.is_cancelled = True
        assert self._on_cancel is not None
        self._on_cancel("cancelled")


class Response:
    """What a worker answers."""

    def __init__(self, body: Any, status: int = 200, headers: Headers | None = None) -> None:  # noqa: ANN401
        self.body, self.status, self.headers = body, status, dict(headers or ())

    new = classmethod(lambda cls, *arguments, **named: cls(*arguments, **named))


class Body:
    """A body that `fetch` has begun to read: pieces, errors to throw, and waits in between."""

    def __init__(self, *steps: "bytes | Exception | Awaitable[object]") -> None:
        self._steps = iter(steps)

    def getReader(self) -> Self:  # noqa: N802 - JavaScript's name
        return self

    async def read(self) -> SimpleNamespace:
        for step in self._steps:
            if isinstance(step, bytes):
                return SimpleNamespace(done=False, value=Data(step))
            if isinstance(step, Exception):
                raise step
            await step
        return SimpleNamespace(done=True)


class Request:
    """What a worker is asked."""

    def __init__(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        self.method, self.url = method, f"https://dragoman.example.workers.dev{path}"
        self.headers = {"host": "dragoman.example.workers.dev", **headers}.items()
        self.signal = Signal()
        self._body = body

    async def arrayBuffer(self) -> Data:  # noqa: N802 - JavaScript's name
        return Data(self._body)


def javascript(fetch: Callable[..., Awaitable[object]] | None = None) -> JavaScript:
    """Return a JavaScript with this `fetch` in it."""
    scope = SimpleNamespace(
        AbortController=Signal, Headers=Headers, Response=Response, TransformStream=Stream, fetch=fetch
    )
    return JavaScript(scope, SimpleNamespace(JsException=JsError, create_proxy=Proxy, to_js=Data))
