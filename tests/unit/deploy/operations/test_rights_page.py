"""docs/operations.md: its rights and ACL commands are those of the table."""

from pathlib import Path

import pytest

from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.operations.rights_page import BEGIN, END, main, with_rights

OPERATIONS = Path(__file__).parents[4] / "docs" / "operations.md"
PAGE = OPERATIONS.read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert with_rights(PAGE) == PAGE, "run `make docs`"


def test_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    main(page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text


def test_a_page_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        with_rights("nothing")


@pytest.mark.parametrize("purpose", Purpose)
def test_each_role_has_its_user_in_the_commands(purpose: Purpose) -> None:
    assert f"--allow-principal User:stripeline-{purpose} " in PAGE
