"""A Chat upstream that answers exactly as a test says: calls of tools that nobody offered, refusals, streams that break off."""

import asyncio
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.clients.sockets import read_request


class ExactChat:
    """Runs while inside. `calls` are (id, name, arguments); `requests` counts what was asked since `forget`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server
        self.forget()

    def forget(self) -> None:
        self.calls: Sequence[tuple[str, str, str]] = ()
        self.breaks_off = False
        self.requests = 0
        self.left = threading.Event()
        self.waits = False
        self._refusal: tuple[int, Any] | None = None

    def refuses(self, status: int, body: Any) -> None:  # noqa: ANN401 - JSON
        self._refusal = (status, body)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader) is not None:
            self.requests += 1
            if self._refusal is not None:
                status, body = self._refusal
                data = json.dumps(body).encode()
                head = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
                writer.write(head.encode() + data)
                continue
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            if self.waits:
                self._write(writer, {"content": "Well, "})
                with suppress(ConnectionError):
                    await reader.read(1)
                self.left.set()
                return
            self._tell(writer)
            if self.breaks_off:
                return
            writer.write(b"0\r\n\r\n")

    def _tell(self, writer: asyncio.StreamWriter) -> None:
        self._write(writer, {"role": "assistant", "content": "Well, "})
        for index, (id_, name, arguments) in enumerate(self.calls):
            function = {"name": name, "arguments": arguments}
            call = {"index": index, "id": id_, "type": "function", "function": function}
            self._write(writer, {"tool_calls": [call]})
        if not self.breaks_off:
            self._write(writer, {}, "tool_calls" if self.calls else "stop")

    def _write(self, writer: asyncio.StreamWriter, delta: Any, finish: str | None = None) -> None:  # noqa: ANN401
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
