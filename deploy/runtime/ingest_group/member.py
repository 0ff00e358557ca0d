"""One ingest process of a group, as its parent has it: started, watched, started again, ended.

Its admin pages are on a loopback port that the parent opens, so that it is the same after a restart. Its standard input
is a pipe that ends with the parent: a process whose parent was killed ends as well.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Final

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.ingest_group.merged_pages import ProcessHealth
from stripeline.deploy.runtime.ingest_group.restarts import failures_now, restart_in_s

log = structlog.get_logger(__name__)
_END_S: Final = 28.5
"""A process ends itself within 28 s of SIGTERM: `deploy/runtime/process/shutdown.py`."""


class Member:
    """`health` is what it last said, and `restarts` how often it was started again."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.restarts = 0
        self.health = ProcessHealth(state="starts")
        self._command = command
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._process: Process | None = None
        self._was_ready = False
        self._failures = 0

    @property
    def url(self) -> str:
        """Of its admin pages."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def says(self, health: ProcessHealth) -> None:
        self.health = health
        self._was_ready = self._was_ready or health.ready

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until stopped. Raises FailureError where it can't start."""
        try:
            while not stop.is_set():
                began_s = time.monotonic()
                await self._start()
                code = await self._ended(stop)
                if code is None:
                    return
                self._failures = failures_now(self._failures, time.monotonic() - began_s)
                await self._pause(code, stop)
        finally:
            await self._end()
            self._listener.close()

    async def _start(self) -> None:
        fd = self._listener.fileno()
        member = f"{self.number}:{fd}"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stripeline.deploy", "ingest", "--member", member, *self._command, stdin=PIPE,
            pass_fds=(fd,),
        )  # fmt: skip

    async def _ended(self, stop: asyncio.Event) -> int | None:
        """Its exit code when it ended by itself; None when all are to end."""
        assert self._process is not None  # noqa: S101  it was just started
        waits = [asyncio.ensure_future(self._process.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return None if stop.is_set() else self._process.returncode

    async def _pause(self, code: int, stop: asyncio.Event) -> None:
        again_s = restart_in_s(code, was_ready=self._was_ready, failures=self._failures)
        if again_s is None:
            raise FailureError(
                f"Ingest process {self.number} could not start (exit code {code}), and says why above. All were ended."
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.health = ProcessHealth(state=f"ended with {how}, and is started again in {again_s:g} s at most")
        log.error(LogEvent.INGEST_PROCESS_ENDED, process=self.number, how=how, again_in_s=again_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), again_s)
        self.restarts += 1

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), _END_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
