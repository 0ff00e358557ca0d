"""What a release is made of: one version everywhere, a clean tree, and the changelog's section as its note.

`make release` calls `check` before it builds, and `finish` behind it. No process imports this, and no wheel has it.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from stripeline.deploy.failure import FailureError

_HERE: Final = Path(__file__).resolve().parents[1]
_PROJECT: Final = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
_SPELLED: Final[Mapping[str, re.Pattern[str]]] = {
    "deploy/kubernetes/chart/Chart.yaml": re.compile(r"^(?:version|appVersion): (\S+)$", re.MULTILINE),
    "deploy/compose/compose.yaml": re.compile(r"stripeline:([0-9][^}\s]*)"),
    "deploy/compose/README.md": re.compile(r"stripeline:([0-9]\S*)"),
    "deploy/image/README.md": re.compile(r"stripeline:([0-9]\S*)"),
    "contracts/asyncapi.json": re.compile(r'^    "version": "([^"]+)"', re.MULTILINE),
}
"""Where the version is spelled a second time."""
_SUFFIXES: Final = (".whl", ".tar.gz", ".tgz", ".json", ".md")


def version_of(pyproject: str) -> str:
    """The version, which is written in `pyproject.toml` alone."""
    [version] = _PROJECT.findall(pyproject)
    return str(version)


def release_note(changelog: str, version: str) -> str:
    """The changelog's section of a version, without its heading. Raises FailureError."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    named = {section.partition("\n")[0].strip(): section.partition("\n")[2].strip() for section in sections}
    if "[Unreleased]" in named:
        raise FailureError(f"CHANGELOG.md has a section Unreleased: move it into the section of {version}.")
    found = next((note for title, note in named.items() if re.match(rf"\[{re.escape(version)}\] - \d", title)), "")
    if not found:
        raise FailureError(f"CHANGELOG.md has no section '## [{version}] - DATE': write what users will notice.")
    return found + "\n"


def disagreements(version: str, read: Callable[[str], str]) -> Iterator[str]:
    """Files that spell another version, or none any more."""
    for path, spelled in _SPELLED.items():
        others = sorted(set(spelled.findall(read(path))) - {version})
        if others:
            yield f"{path} says {', '.join(others)}"
        elif not spelled.search(read(path)):
            yield f"{path} names no version"


def _read(path: str) -> str:
    return (_HERE / path).read_text(encoding="utf-8")


def _checked() -> str:
    """The version, of a tree that may be released. Raises FailureError."""
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=_HERE, check=True, capture_output=True, text=True)  # noqa: S607
    if changed.stdout:
        raise FailureError(f"A release is of a commit, and these files are not as it has them:\n{changed.stdout}")
    version = version_of(_read("pyproject.toml"))
    release_note(_read("CHANGELOG.md"), version)
    if wrong := list(disagreements(version, _read)):
        raise FailureError(f"The version is {version}, but {'; '.join(wrong)}. Run `make docs`, and correct the rest.")
    if not (_HERE / "contracts" / "released" / version).is_dir():
        raise FailureError(
            f"contracts/released/{version} is missing: copy contracts/schemas/*.schema.json to it, since the next"
            " version is compared with them."
        )
    return version


def _finish(version: str, dist: Path) -> None:
    """The chart, the release note, and the checksums of all."""
    import helm_python  # noqa: PLC0415  (only whoever makes a release has it)

    helm_python.package(str(_HERE / "deploy/kubernetes/chart"), destination=str(dist))
    (dist / f"stripeline-{version}-release-note.md").write_text(
        release_note(_read("CHANGELOG.md"), version), encoding="utf-8"
    )
    files = sorted(path for path in dist.iterdir() if path.name.endswith(_SUFFIXES))
    unnamed = [path.name for path in files if version not in path.name]
    if unnamed:
        raise FailureError(f"{dist} has files of no release, or of another one: {', '.join(unnamed)}. Remove it.")
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (dist / "SHA256SUMS").write_text(sums, encoding="utf-8")
    for path in files:
        print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.name}")


def main(step: str, dist: str = "dist") -> None:
    version = _checked()
    if step == "finish":
        _finish(version, _HERE / dist)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FailureError as error:
        sys.exit(str(error))
