"""The built wheel, in an environment of its own that sees the locked dependencies and not this checkout."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.product_sources import PACKAGES, ROOT

INSTALLED_OTHERWISE = (
    *(f"deploy/{folder}/" for folder in ("compose", "grafana", "image", "kubernetes/chart", "prometheus", "systemd")),
    "deploy/release.py",
)
FOREIGN = PACKAGES  # somebody else's packages of these names
IMPORTS_ALL = """
import importlib, pkgutil, sys
here, *packages = sys.argv[1:]
for package in packages:
    found = importlib.import_module(f"stripeline.{package}")
    for module in pkgutil.walk_packages(found.__path__, f"stripeline.{package}."):
        if not module.name.endswith("__main__"):
            assert importlib.import_module(module.name).__file__.startswith(here), module.name
    other = importlib.import_module(package)
    assert (other.OF, found.__name__) == ("somebody else", f"stripeline.{package}")
print("all")
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment with the wheel."""

    wheel: Path
    folder: Path

    @property
    def site(self) -> Path:
        [site] = self.folder.glob("lib/python*/site-packages")
        return site

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
        command, here = [str(self.folder / "bin" / program), *arguments], self.folder
        return subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    dist, folder = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("environment")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = dist.glob("*.whl")
    venv.create(folder, with_pip=False)
    made = Installation(wheel, folder)
    # A path in a .pth file is searched, but the .pth files in it are not read: ours, of the editable install, is not.
    locked = [path for path in sys.path if path.endswith("site-packages")]
    (made.site / "locked.pth").write_text("\n".join(locked) + "\n")
    install = ["-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, capture_output=True)
    for name in FOREIGN:
        (made.site / name).mkdir()
        (made.site / name / "__init__.py").write_text("OF = 'somebody else'\n")
    return made


def product_files() -> Iterator[str]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and not name.startswith(INSTALLED_OTHERWISE):
                yield f"stripeline/{name}"


def test_the_wheel_holds_the_four_packages_and_nothing_else(installation):
    names = {name for name in ZipFile(installation.wheel).namelist() if ".dist-info/" not in name}
    assert names == set(product_files())


@pytest.mark.parametrize(
    "name",
    [
        *(f"{package}/py.typed" for package in PACKAGES),
        "contracts/asyncapi.json",
        "contracts/schemas/command.v1.schema.json",
        "contracts/schemas/examples/command/create-customer-1.json",
        "deploy/local/example.yaml",
    ],
)
def test_the_wheel_has_its_data(installation, name):
    assert (installation.site / "stripeline" / name).is_file()


def test_the_wheel_has_the_last_release(installation):
    assert list((installation.site / "stripeline/contracts/released").glob("*/command.v1.schema.json"))


def test_it_lives_beside_foreign_packages_of_the_same_names(installation):
    done = installation.run("python", "-c", IMPORTS_ALL, str(installation.site), *PACKAGES)
    assert (done.stdout, done.returncode) == ("all\n", 0), done.stderr


def test_the_command_runs_outside_the_checkout(installation):
    done = installation.run("stripeline", "--help")
    assert done.returncode == 0, done.stderr
    assert "Stripe webhooks into Kafka topics" in done.stdout
    done = installation.run("python", "-m", "stripeline.deploy", "settings", "--json")
    assert done.returncode == 0, done.stderr
    assert '"KAFKA_BOOTSTRAP_SERVERS"' in done.stdout


def test_the_installed_contract_is_what_its_models_say(installation):
    folder = installation.site / "stripeline/contracts"
    done = installation.run("stripeline", "contracts", "check", "--folder", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
