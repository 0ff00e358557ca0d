"""One process of a group, as its parent has it: started, watched, started again, ended.

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
from stripeline.deploy.runtime.process_group.member_health import MemberHealth
from stripeline.deploy.runtime.process_group.membership import LAST_S, GroupRole
from stripeline.deploy.runtime.process_group.restarts import failures_now, is_silent, restart_in_s
from stripeline.deploy.runtime.process_group.shared_port import SharedPort
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most

log = structlog.get_logger(__name__)
_END_S: Final = LAST_S + 0.5


class Member:
    """`health` is what it last said, `restarts` how often it was started again; `ends` asks it to end."""

    def __init__(self, number: int, role: GroupRole, options: Sequence[str], port: SharedPort | None) -> None:
        self.number, self.restarts = number, 0
        self.ends, self.gone = asyncio.Event(), asyncio.Event()
        self.health = MemberHealth(state="starts")
        self._role, self._options, self._port = role, options, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._process: Process | None = None
        self._was_ready = False
        self._failures = 0
        self._heard_s = time.monotonic()

    @property
    def url(self) -> str:
        """Of its admin pages."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def says(self, health: MemberHealth) -> None:
        self.health, self._heard_s = health, time.monotonic()
        self._was_ready = self._was_ready or health.ready

    def says_nothing(self) -> None:
        """It does not answer. After a while only a kill helps: it can't even end itself."""
        self.health = MemberHealth(state="does not answer")
        silent_s = time.monotonic() - self._heard_s
        if self.running and is_silent(silent_s):
            log.error(LogEvent.PROCESS_SILENT, process=self.number, silent_s=round(silent_s))
            self._heard_s = time.monotonic()
            self._signal(signal.SIGKILL)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until its end. Raises FailureError where it can't start. `stop`: the group ends."""
        try:
            while not (self.ends.is_set() or stop.is_set()):
                began_s = time.monotonic()
                await self._start()
                code = await self._ended()
                if code is None or stop.is_set():
                    return
                self._failures = failures_now(self._failures, time.monotonic() - began_s)
                await self._pause(code, stop)
        finally:
            await self._end()
            self._listener.close()
            self.gone.set()

    async def _start(self) -> None:
        channel = None if self._port is None else self._port.channel(self.number)
        sockets = [self._listener] if channel is None else [self._listener, channel]
        given = [one.fileno() for one in sockets]
        member = ":".join(map(str, (self.number, *given)))
        try:
            # In a session of its own, so that Ctrl-C reaches the parent alone, and the end is in turn.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "stripeline.deploy", self._role, "--member", member, *self._options,
                stdin=PIPE, pass_fds=given, start_new_session=True,
            )  # fmt: skip
        finally:
            if channel is not None:
                channel.close()  # its process has a copy
        self._heard_s = time.monotonic()

    async def _ended(self) -> int | None:
        """Its exit code when it ended by itself; None when it is to end."""
        assert self._process is not None  # noqa: S101  it was just started
        waits = [asyncio.ensure_future(self._process.wait()), asyncio.ensure_future(self.ends.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return None if self.ends.is_set() else self._process.returncode

    async def _pause(self, code: int, stop: asyncio.Event) -> None:
        again_s = restart_in_s(code, was_ready=self._was_ready, failures=self._failures)
        if again_s is None:
            raise FailureError(
                f"Process {self.number} of {self._role} could not start (exit code {code}), and says why above. All"
                " were ended."
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.health = MemberHealth(state=f"ended with {how}, and is started again in {again_s:g} s at most")
        log.error(LogEvent.PROCESS_ENDED, role=self._role, process=self.number, how=how, again_in_s=again_s)
        await wait_at_most(stop, again_s)
        self.restarts += 1

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            self._signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), _END_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _signal(self, number: int) -> None:
        assert self._process is not None  # noqa: S101  it runs
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            self._process.send_signal(number)
