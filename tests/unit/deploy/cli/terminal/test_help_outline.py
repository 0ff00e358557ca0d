"""`stripeline --help` says of each command what its module says, without importing it."""

from typer.testing import CliRunner

from stripeline.deploy.cli.app import assembled, entries, outlines
from stripeline.deploy.cli.terminal.help_outline import outline
from tests.support.product_sources import ROOT

PRODUCT = ROOT / "deploy" / "cli"


def test_the_outline_shows_what_the_commands_show():
    runner, wide = CliRunner(), {"COLUMNS": "300"}
    found, listed = entries(PRODUCT, "stripeline.deploy.cli"), outlines(PRODUCT)
    assert [(one.name, one.panel, one.place) for one in listed] == [(one.name, one.panel, one.place) for one in found]
    shown = runner.invoke(assembled(listed), ["--help"], env=wide).output
    assert shown == runner.invoke(assembled(found), ["--help"], env=wide).output


def test_a_command_that_says_nothing_is_listed():
    [entry] = outline('def f() -> None: ...\n\nCOMMANDS = (Entry(name="x", does=f, panel=Panel.RUN, place=1),)')
    assert entry.does.__doc__ == ""
    assert entry.does() is None
