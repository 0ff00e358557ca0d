"""What is vendored is what its versions file says, and nothing else."""

import hashlib
import tomllib
from pathlib import Path

from stripeline.deploy.console.console_app import STATIC

VENDOR = STATIC / "vendor"
VERSIONS = tomllib.loads((VENDOR / "versions.toml").read_text(encoding="utf-8"))


def test_each_vendored_file_is_as_it_was_published():
    for name, one in VERSIONS.items():
        assert hashlib.sha256((VENDOR / one["file"]).read_bytes()).hexdigest() == one["sha256"], name


def test_each_vendored_file_has_its_licence():
    known = {"versions.toml", *(one["file"] for one in VERSIONS.values()), *(f"{name}.LICENSE" for name in VERSIONS)}
    assert {path.name for path in VENDOR.iterdir()} == known


def test_the_script_stays_small():
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in Path(STATIC).glob("*.js"))
    assert lines <= 200
