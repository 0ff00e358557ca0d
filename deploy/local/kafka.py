"""A node of a real Apache Kafka on this machine, from Python packages alone: no Docker, no system Java, no Maven.

It decides when the node is formatted, started, ready and stopped. For development and tests: it must never be
reachable from another machine, and never be what a deployment stores its records in.
"""

import asyncio
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from stripeline.deploy.local.folder_lock import only_one
from stripeline.deploy.local.kafka_config import (
    HOST,
    KafkaSpec,
    format_arguments,
    free_port,
    is_free,
    kafka_uuid,
    render_properties,
)
from stripeline.deploy.local.kafka_jars import KAFKA_VERSION, KafkaHome, LocalKafkaError, Progress, fetch, logged
from stripeline.deploy.local.kafka_process import (
    BROKER,
    FORMAT,
    ended,
    java_command,
    kill,
    last_lines,
    spawn,
    terminate,
)

__all__ = ["KafkaSpec", "LocalKafka", "LocalKafkaError", "free_port", "run_foreground"]

# One name for all: nodes of two clusters never meet.
_CLUSTER_ID: Final = kafka_uuid("stripeline-local")
_STARTED: Final = b"Kafka Server started"
_POLL_S: Final = 0.02
_WATCH_S: Final = 0.2
_LINES_SHOWN: Final = 20


class LocalKafka:
    """One node. Start it in the main thread: on Linux it is killed together with the thread that started it."""

    def __init__(self, spec: KafkaSpec, *, java_options: tuple[str, ...] = ()) -> None:
        self.spec = replace(spec, data_dir=spec.data_dir.absolute())
        self.bootstrap_servers = f"{HOST}:{spec.port}"
        self.log_file = self.spec.data_dir / "kafka.log"
        self._java_options = java_options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LocalKafkaError("The local Kafka has no process yet. Await start() first.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self, progress: Progress = logged) -> None:
        """Return when the broker answers; also after `stop` or `kill`, with the records it had."""
        if self.running:
            raise LocalKafkaError(f"The local Kafka runs already, as process {self.pid}. Stop it first.")
        home = await asyncio.to_thread(fetch, self.spec.cache_dir, progress)
        self._require_free(self.spec.port)
        properties = self._configure()
        await self._format(home, properties)
        progress(f"Starting Apache Kafka {KAFKA_VERSION} on {self.bootstrap_servers}")
        await self._launch(home, properties)

    async def stop(self) -> None:
        if self._process is not None:
            await terminate(self._process, self.spec.stop_timeout_s)

    def kill(self) -> None:
        """End it as a power cut would: no goodbye to clients, no flush."""
        if self._process is not None:
            kill(self._process)

    async def failed(self) -> None:
        """Wait for the node to end by itself, and raise."""
        while self.running:  # noqa: ASYNC110  a process sets no event
            await asyncio.sleep(_WATCH_S)
        raise self._died("ended by itself")

    def _require_free(self, port: int) -> None:
        if not is_free(port):
            raise LocalKafkaError(
                f"Port {port} of {HOST} is taken, so Kafka cannot listen there. Stop what listens, or choose another.",
            )

    def _configure(self) -> Path:
        self.spec.data_dir.mkdir(parents=True, exist_ok=True)
        properties = self.spec.data_dir / "server.properties"
        properties.write_text(render_properties(self.spec, self._quorum()), encoding="utf-8")
        return properties

    def _quorum(self) -> Mapping[int, int]:
        return self.spec.quorum or {self.spec.node_id: self._controller_port()}

    def _controller_port(self) -> int:
        # Formatting writes this address into the metadata log as the only voter's: it stays for the directory's life.
        file = self.spec.data_dir / "controller.port"
        if file.exists():
            port = int(file.read_text(encoding="utf-8"))
            self._require_free(port)
            return port
        port = free_port()
        file.write_text(str(port), encoding="utf-8")
        return port

    async def _format(self, home: KafkaHome, properties: Path) -> None:
        if (self.spec.data_dir / "topics" / "meta.properties").exists():
            return
        arguments = ["format", *format_arguments(self.spec), "--cluster-id", _CLUSTER_ID, "--config", str(properties)]
        command = java_command(home, heap_mb=128, main=FORMAT, arguments=arguments)
        with self.log_file.open("ab") as log:
            process = spawn(command, log)
        try:
            done = await ended(process, self.spec.start_timeout_s)
        finally:
            kill(process)
        if not done or process.returncode != 0:
            raise self._died("could not format its storage")

    async def _launch(self, home: KafkaHome, properties: Path) -> None:
        command = java_command(
            home, heap_mb=self.spec.heap_mb, main=BROKER, arguments=[str(properties)], options=self._java_options
        )
        with self.log_file.open("ab") as log:
            earlier_runs = log.tell()
            process = self._process = spawn(command, log)
        try:
            async with asyncio.timeout(self.spec.start_timeout_s):
                await self._ready(process, earlier_runs)
        except TimeoutError as error:
            self.kill()
            raise self._died(f"did not answer within {self.spec.start_timeout_s:g} s") from error
        except BaseException:  # cancelled, say by Ctrl-C: leave no process behind
            self.kill()
            raise

    async def _ready(self, process: subprocess.Popen[bytes], offset: int) -> None:
        # The line comes after the broker is registered, has caught up with the metadata and opened its listeners.
        with self.log_file.open("rb") as log:
            log.seek(offset)
            seen = b""
            while _STARTED not in seen:
                if process.poll() is not None:
                    raise self._died(f"ended with exit code {process.returncode} while starting")
                await asyncio.sleep(_POLL_S)
                seen = seen[-len(_STARTED) :] + log.read()

    def _died(self, what: str) -> LocalKafkaError:
        return LocalKafkaError(
            f"The local Kafka {what}. If its log below does not tell why, start it with a fresh data directory "
            f"(now {self.spec.data_dir}).\nThe end of {self.log_file}:\n{last_lines(self.log_file, _LINES_SHOWN)}",
        )


async def run_foreground(port: int, data_dir: Path, echo: Callable[[str], None]) -> None:
    """Run a node until SIGINT or SIGTERM; raise LocalKafkaError if it ends before."""
    with only_one(data_dir / "run.lock", "A Kafka", "choose another folder with --data-dir"):
        await _run_foreground(LocalKafka(KafkaSpec(port=port, data_dir=data_dir)), echo)


async def _run_foreground(kafka: LocalKafka, echo: Callable[[str], None]) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    await kafka.start(echo)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    echo(f"Apache Kafka {KAFKA_VERSION} answers on {kafka.bootstrap_servers}, data in {kafka.spec.data_dir}")
    tasks = {asyncio.create_task(asked_to_stop.wait()), asyncio.create_task(kafka.failed())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        echo("Stopping Apache Kafka")
    finally:
        for task in tasks:
            task.cancel()
        await kafka.stop()
