"""A release: one version in every file, and the changelog's section as its note."""

import pytest

from stripeline.deploy.failure import FailureError
from stripeline.deploy.release import disagreements, release_note, version_of
from tests.support.product_sources import ROOT

CHANGELOG = "# Changelog\n\n## [0.3.0] - 2026-12-01\n\n### Added\n- A.\n\n## [0.2.0] - 2026-11-30\n\nThe first.\n"


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_file_that_spells_the_version_agrees() -> None:
    assert list(disagreements(version_of(read("pyproject.toml")), read)) == []


def test_a_file_of_another_version_is_named() -> None:
    found = list(disagreements("9.9.9", read))
    assert f"deploy/compose/compose.yaml says {version_of(read('pyproject.toml'))}" in found
    emptied = list(disagreements("9.9.9", lambda _: ""))
    assert len(emptied) == len(found)
    assert all(one.endswith("names no version") for one in emptied)


def test_the_note_is_the_section_of_the_version() -> None:
    assert release_note(CHANGELOG, "0.3.0") == "### Added\n- A.\n"
    assert release_note(CHANGELOG, "0.2.0") == "The first.\n"


@pytest.mark.parametrize(
    ("changelog", "words"),
    [
        (CHANGELOG, "no section '## [0.4.0] - DATE'"),
        ("## [Unreleased]\n- A.\n" + CHANGELOG, "has a section Unreleased"),
        ("## [0.4.0] - 2026-12-01\n", "no section"),
        ("## [0.4.0]\n- A.\n", "no section"),
    ],
)
def test_no_release_without_its_note(changelog: str, words: str) -> None:
    with pytest.raises(FailureError, match=words.replace("[", r"\[").replace("]", r"\]")):
        release_note(changelog, "0.4.0")
