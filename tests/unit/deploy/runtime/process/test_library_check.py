"""A process starts on tested versions of aiohttp and aiokafka only, and says what to install otherwise."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from stripeline.deploy.runtime.process import library_check
from stripeline.deploy.runtime.process.library_check import INTERNALS, TESTED, LibraryError, require_tested_libraries

ROOT = Path(__file__).parents[5]


def test_the_installed_libraries_are_as_needed() -> None:
    require_tested_libraries()


@pytest.mark.parametrize(("library", "found"), [("aiohttp", "3.14.3"), ("aiokafka", "0.15.0"), ("aiohttp", None)])
def test_an_untested_version_is_refused(monkeypatch: pytest.MonkeyPatch, library: str, found: str | None) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name != library:
            return real(name)
        if found is None:
            raise metadata.PackageNotFoundError
        return found

    monkeypatch.setattr(library_check, "version", version)
    with pytest.raises(LibraryError) as caught:
        require_tested_libraries()
    said = str(caught.value)
    assert f"{library} {found or '(none)'} is installed" in said
    assert f"tested with {TESTED[library][0]}" in said
    assert f"pip install '{library}=={TESTED[library][-1]}'" in said


SHAPES = {
    "aiokafka.AIOKafkaClient._get_conn": "(self, node_id)",
    "aiokafka.AIOKafkaProducer._gone": "(self)",
    "aiokafka.gone.Gone": "(self)",
    "aiokafka.AIOKafkaProducer.__init__": ("_sender", "_gone"),
    "aiokafka.AIOKafkaClient.close": "property",
}
DIFFERENCES = (
    "_get_conn is (self, node_id, *, group, no_hint), not (self, node_id)",
    "AIOKafkaProducer._gone does not exist",
    "aiokafka.gone.Gone does not exist",
    "__init__ does not set _gone",
    "AIOKafkaClient.close is (self), not property",
)


@pytest.mark.parametrize(("shape", "difference"), [*zip(SHAPES, DIFFERENCES, strict=True)])
def test_a_changed_private_part_is_refused(monkeypatch: pytest.MonkeyPatch, shape: str, difference: str) -> None:
    monkeypatch.setattr("stripeline.ingest.kafka.aiokafka_internals.SHAPES", {shape: SHAPES[shape]})
    with pytest.raises(LibraryError, match=re.escape(difference)):
        require_tested_libraries()


def test_the_declared_ranges_admit_the_tested_versions_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for library, tested in TESTED.items():
        [declared] = [one for one in project["dependencies"] if re.match(rf"{library}\b", one)]
        admitted = Requirement(declared).specifier
        major, minor, patch = (int(part) for part in tested[-1].split("."))
        patches = [f"{major}.{minor}.{number}" for number in range(patch + 20)]
        around = [*patches, f"{major}.{minor - 1}.99", f"{major}.{minor + 1}.0", f"{major + 1}.0.0"]
        assert tuple(admitted.filter(around)) == tested


def test_every_internals_file_of_aiohttp_or_aiokafka_is_checked() -> None:
    files = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for package in ("contracts", "ingest", "workers", "deploy")
        for path in (ROOT / package).rglob("ai*_internals.py")
    ]
    assert {f"stripeline.{name}" for name in files} == set(INTERNALS)
