"""The previous release, built from its commit: its wheel in a folder that PYTHONPATH puts before this checkout.

`previous_release.txt` names the commit. It runs with the dependencies of the lock file of today.
"""

import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.product_sources import ROOT

COMMIT: Final = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").strip()
_WITHIN_S: Final = 120


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed in a folder. commit: None for this checkout, which needs no folder."""

    version: str
    path: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": self.path}


def previous_release(folder: Path) -> Release:
    """Build it and install it below a folder (5 s)."""
    sources, wheels, site = folder / "sources", folder / "wheels", folder / "site"
    require_commit(COMMIT)
    archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, check=True, capture_output=True, timeout=_WITHIN_S)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(sources, filter="data")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(sources))
    [wheel] = wheels.glob("*.whl")
    _pip("install", "--no-deps", "--no-index", "--no-compile", "--target", str(site), str(wheel))
    return Release(wheel.name.split("-")[1], str(site))


def require_commit(commit: str) -> None:
    """Fetch it where the checkout is a shallow clone. Raises AssertionError, with what to do, where it can't be had."""
    if _git("cat-file", "-e", f"{commit}^{{commit}}"):
        return
    _git("fetch", "--quiet", "--unshallow") or _git("fetch", "--quiet", "origin", commit)
    assert _git("cat-file", "-e", f"{commit}^{{commit}}"), (
        f"The commit {commit} of the previous release is not in this checkout, and can't be fetched. Run `git fetch"
        " --unshallow`, or let CI check out the whole history."
    )


def _git(*arguments: str) -> bool:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, timeout=_WITHIN_S)
    return done.returncode == 0


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_WITHIN_S)
    assert done.returncode == 0, done.stderr[-2_000:]
