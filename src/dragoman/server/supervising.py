"""Several processes on one port: a supervisor that starts them, replaces a dead one, and ends them in good order.

All accept from one listening socket. What waits there belongs to none of them, so that one that dies takes along only the
requests that it had begun.
"""

import asyncio
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from dragoman.server.app import App
from dragoman.server.reloading import LOOK_SECONDS, Configuration

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_SETTLED_SECONDS: Final = 5.0
"""Who dies younger is started again after a pause, which doubles each time."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_GRACE_SECONDS: Final = 5.0
"""What workers get beyond `drain_s` before they are killed."""
_LOG: Final = logging.getLogger("dragoman.server")


def supervise(app: App, count: int, configuration: Configuration, listener: socket.socket) -> None:
    """Run `count` processes. Return in each of them, where `app` is to be served; the supervisor never returns, it exits.

    To be called before there is a loop or a thread.
    """
    _Supervisor(app, count, configuration, listener).run()


class _Worker:
    """One place in the crew: who has it, since when, and when it is to be filled again."""

    def __init__(self) -> None:
        self.pid = 0
        self.started = 0.0
        self.due = 0.0
        self.pause = _FIRST_PAUSE


class _Supervisor:
    def __init__(self, app: App, count: int, configuration: Configuration, listener: socket.socket) -> None:
        self._app = app
        self._configuration = configuration
        self._listener = listener
        self._workers = [_Worker() for _ in range(count)]
        # Whoever holds the writing end is alive: workers leave when its last holder, the supervisor, is gone.
        self._lifeline = os.pipe()
        self._wakes = socket.socketpair()
        for end in self._wakes:
            end.setblocking(False)  # noqa: FBT003 - a socket's own method

    def run(self) -> None:
        """Run the crew; return in a worker."""
        for kind in _SIGNALS:
            signal.signal(kind, _note)
        signal.set_wakeup_fd(self._wakes[1].fileno())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        while True:
            now = time.monotonic()
            for worker in self._workers:
                if not worker.pid and now >= worker.due and self._starts(worker):
                    return
            for number in self._wait(LOOK_SECONDS):
                match number:
                    case signal.SIGTERM | signal.SIGINT:
                        self._stop()
                    case signal.SIGHUP:
                        self._reload(self._configuration.hang_up)
                    case _:
                        self._reap()
            if self._configuration.has_changed():
                self._reload(self._configuration.reload)

    def _starts(self, worker: _Worker) -> bool:
        """Fill a place; return True in the process that fills it."""
        # What comes meanwhile waits: until the child's handlers are no longer ours, and SIGHUP until its loop runs.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._become_worker()
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        worker.pid, worker.started = pid, time.monotonic()
        return False

    def _become_worker(self) -> None:
        signal.set_wakeup_fd(-1)
        for kind in _SIGNALS:
            signal.signal(kind, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_SIGNALS} - {signal.SIGHUP})
        os.setpgid(0, 0)  # Ctrl-C is the supervisor's to hear
        for end in self._wakes:
            end.close()
        reading, writing = self._lifeline
        os.close(writing)
        self._app.on_start += [self._configuration.obey, _leaving_with(reading)]

    def _wait(self, seconds: float) -> list[int]:
        """Return the signals that came, when one has, or an empty list after `seconds`."""
        readable, _, _ = select.select([self._wakes[0]], [], [], seconds)
        return list(self._wakes[0].recv(4096)) if readable else []

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for worker in self._workers:
                if worker.pid == pid:
                    self._mourn(worker, os.waitstatus_to_exitcode(status))

    @staticmethod
    def _mourn(worker: _Worker, code: int) -> None:
        now = time.monotonic()
        is_settled = now - worker.started >= _SETTLED_SECONDS
        cause = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        pause = 0.0 if is_settled or worker.pause == _FIRST_PAUSE else worker.pause
        _LOG.error("worker %d %s; another one starts%s", worker.pid, cause, f" in {pause:g} s" if pause else "")
        worker.pid, worker.due = 0, now + pause
        worker.pause = _FIRST_PAUSE if is_settled else min(worker.pause * 2, _LONGEST_PAUSE)

    def _reload(self, reload: Callable[[], bool]) -> None:
        """Try the new settings here first; those that are served from then on are also what a later worker begins with."""
        if reload():
            self._tell(signal.SIGHUP)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, number)

    def _stop(self) -> None:
        """Let the workers finish what runs, and exit: with 0, or 1 if one had to be killed."""
        self._listener.close()
        self._tell(signal.SIGTERM)
        deadline = time.monotonic() + self._configuration.drain_s + _GRACE_SECONDS
        code = 0
        while self._is_anybody_left():
            left = deadline - time.monotonic()
            if signal.SIGINT in self._wait(min(max(left, 0), LOOK_SECONDS)) or left <= 0:
                self._tell(signal.SIGKILL)
                code = 1
        sys.exit(code)

    def _is_anybody_left(self) -> bool:
        for worker in self._workers:
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                worker.pid = 0
        return any(worker.pid for worker in self._workers)


def _note(_number: int, _frame: object) -> None:
    """Take a signal; its number comes through the wake-up socket."""


def _leaving_with(reading: int) -> Callable[[], None]:
    """Return what a worker calls in its loop to be told to stop when the supervisor is gone."""

    def leave() -> None:
        asyncio.get_running_loop().remove_reader(reading)
        os.kill(os.getpid(), signal.SIGTERM)

    return lambda: asyncio.get_running_loop().add_reader(reading, leave)
