"""The image that `make image` built, by the engine that built it, and a Kafka on this machine that its processes reach.

Apart from `tests/deploy`, since it needs a container engine: `make image-check`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import local_broker

ENGINE = os.environ.get("ENGINE", "docker")
IMAGE = os.environ.get("IMAGE", "stripeline")


def engine(*arguments: str, check: bool = True) -> str:
    command = [ENGINE, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Installation:
    """A Kafka with topics, and the files that its processes get."""

    bootstrap_servers: str
    folder: Path

    def arguments(self, *more: str, user: str = "65532:65532") -> list[str]:
        """How each container runs: with nothing that it does not need. /mnt is there, so that no folder is made."""
        return [
            "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--user={user}",
            f"--group-add={os.getgid()}",
            f"--volume={self.folder}:/mnt:ro",
            f"--env=KAFKA_BOOTSTRAP_SERVERS={self.bootstrap_servers}",
            "--env=STRIPELINE_MASTER_KEY_FILE=/mnt/master_key",
            "--env=STRIPELINE_PARTITIONS=2", "--env=STRIPELINE_ADMIN_HOST=127.0.0.1",
            "--env=STRIPELINE_CONSOLE_HOST=127.0.0.1", *more, IMAGE,
        ]  # fmt: skip

    def run(self, *command: str) -> str:
        return engine("run", "--rm", *self.arguments(), *command)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "master_key").write_text(new_master_key() + "\n")
    make = [sys.executable, "-m", "stripeline.deploy", "console-token", "ada", "--role=operator"]
    subprocess.run([*make, f"--file={folder / 'console_tokens'}"], check=True, capture_output=True, cwd=folder)
    for file in folder.iterdir():
        file.chmod(0o640)  # to this user's group alone, which the container is given
    folder.chmod(0o755)
    folder.parent.chmod(0o755)  # pytest's folder is its user's alone
    folder.parent.parent.chmod(0o755)
    with local_broker(tmp_path_factory.mktemp("kafka"), print) as kafka:
        made = Installation(kafka.bootstrap_servers, folder)
        made.run("topics", "apply")
        yield made


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a figure beside the test that measured it."""

    def shown(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return shown
