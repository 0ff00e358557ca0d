"""A command costs one file, and stands where its file says."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stripeline.deploy.cli.app import assembled, entries
from stripeline.deploy.cli.registry import Panel

PRODUCT = Path(assembled.__code__.co_filename).parent
FILES = {
    "events": """
import typer
from stripeline.deploy.cli.registry import Entry, Panel
app = typer.Typer(help="Look at events.")
@app.command("list")
def list_events() -> None:
    print("no events")
COMMANDS = (Entry(name="events", does=app, panel=Panel.LOOK, place=2),)
""",
    "status": """
from stripeline.deploy.cli.registry import Entry, Panel
def status() -> None:
    \"\"\"Say how everything is.\"\"\"
    print("all is well")
def serve() -> None:
    print("serving")
COMMANDS = (
    Entry(name="status", does=status, panel=Panel.LOOK, place=1),
    Entry(name="serve", does=serve, panel=Panel.RUN, place=9),
)
""",
    "output": "def rows(): ...",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "extra_cli"
    made.mkdir()
    for name, source in {**FILES, "__init__": ""}.items():
        (made / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return made


def test_a_new_file_is_a_new_command(folder):
    found = entries(folder, "extra_cli")
    assert [entry.name for entry in found] == ["serve", "status", "events"]
    runner, app = CliRunner(), assembled(found)
    assert runner.invoke(app, ["status"]).output == "all is well\n"
    assert runner.invoke(app, ["events", "list"]).output == "no events\n"
    said = runner.invoke(app, ["--help"]).output
    headings = [Panel.RUN.value, "serve", Panel.LOOK.value, "status", "events"]
    assert [said.index(text) for text in headings] == sorted(said.index(text) for text in headings)


def test_a_command_that_is_named_imports_its_module_alone(folder):
    (folder / "broken.py").write_text("raise ImportError")
    assert [entry.name for entry in entries(folder, "extra_cli", "serve")] == ["serve"]
    with pytest.raises(ImportError):
        entries(folder, "extra_cli", "stop")


def test_no_command_is_there_twice():
    names = [entry.name for entry in entries(PRODUCT, "stripeline.deploy.cli")]
    assert len(names) == len(set(names)) > 15


@pytest.mark.parametrize("entry", entries(PRODUCT, "stripeline.deploy.cli"), ids=lambda entry: entry.name)
def test_every_command_is_found_by_its_name(entry):
    assert entries(PRODUCT, "stripeline.deploy.cli", entry.name) == [entry]
