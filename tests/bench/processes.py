"""Processes of a benchmark: started, waited for, and asked for the CPU they have used. Linux only, by /proc."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
READY_S = 30.0
END_S = 10.0


def cpu_s(pid: int) -> float:
    """User and system seconds of a process with all its threads, to a hundredth.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    # The name in parentheses may hold blanks: count behind it.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A receiver under measurement."""

    port: int
    pid: int


def python(module: str, *arguments: str, log: Path) -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
    """`python -m module …` as a process of its own while the block runs."""
    return program(sys.executable, "-m", module, *arguments, log=log)


def listener(port: int) -> int | None:
    """The process that listens at a port of this host; None where it is another user's, or on another host.

    https://docs.kernel.org/networking/proc_net_tcp.html
    """
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    inodes = {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if handle.readlink().name in inodes:
                return int(handle.parts[2])
    return None


@asynccontextmanager
async def program(*command: str | Path, log: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process of its own while the block runs; killed when it does not end on SIGTERM."""
    with log.open("ab") as out:
        # Not asyncio's: whoever measures wants the process id, and no pipe to be read.
        child = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(child.wait, END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def listening(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the process accepts connections. Raises RuntimeError when it ends before."""
    async with asyncio.timeout(READY_S):
        while True:
            if child.poll() is not None:
                raise RuntimeError(f"the contender ended with {child.returncode}: read {log}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return


async def output(module: str, *arguments: str) -> bytes:
    """What `python -m module …` prints. Raises RuntimeError when it fails."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    if child.returncode != 0:
        raise RuntimeError(f"python -m {module} {' '.join(arguments)} ended with {child.returncode}")
    return out
