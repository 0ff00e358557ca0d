"""An act is signed by the user's name, and where there is none, as in a container, by its number."""

import getpass
import os

import pytest

from stripeline.deploy.cli.terminal.acting_user import signed


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 31337"), OSError("No username set")])
def test_a_user_without_a_name_signs_with_its_number(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", refused)
    assert signed("why").by == f"uid {os.getuid()}"


def test_the_environment_names_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert signed("why").by == "ada"
