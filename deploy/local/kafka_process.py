"""Runs `java`: the command lines of Kafka's two programs, and a child process that does not outlive its parent.

The broker's settings are decided in `kafka_config`.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from stripeline.deploy.local.kafka_jars import KafkaHome

_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.02
_LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.levelInBrackets=true",
)
FORMAT: Final = "kafka.tools.StorageTool"
BROKER: Final = "kafka.Kafka"


def java_command(
    home: KafkaHome, *, heap_mb: int, main: str, arguments: list[str], options: tuple[str, ...] = ()
) -> list[str]:
    """Return the command line. Measured on two cores, from data directory to answering broker.

    G1 3.7 s, serial 3.2 s, serial with the ahead-of-time cache 1.5 s; at 1 KiB records serial took 77,000 a second
    where G1 took 59,000, and stopping at the first compiler, quicker still to start, 61,000.
    """
    initial_mb = min(256, heap_mb)
    # https://openjdk.org/jeps/514: a cache that is not there or does not fit is passed over with a warning.
    cache = [f"-XX:AOTCache={home.archive}"] if home.archive.exists() else []
    fixed = [f"-Xmx{heap_mb}m", f"-Xms{initial_mb}m", "-XX:+UseSerialGC", *cache, *_LOGGING]
    return [str(home.java), *fixed, *options, "-cp", home.classpath, main, *arguments]


def spawn(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start in a session of its own: Ctrl-C at the terminal reaches us, and we stop Kafka after we have drained.

    Not asyncio's subprocess: closing the loop would kill the child, and the tests' broker outlives many loops.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  one system call, bound before the fork
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Bind Linux's wish to be killed with the parent, or rather with the thread that forked: call it in the main one.

    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


async def ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for the end of a child, up to a deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while process.poll() is None:  # noqa: ASYNC110  a process sets no event
                await asyncio.sleep(_POLL_S)
    return process.poll() is not None


async def terminate(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    if process.poll() is None:
        process.terminate()
        if not await ended(process, timeout_s):
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def last_lines(path: Path, count: int) -> str:
    with contextlib.suppress(FileNotFoundError):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    return ""
