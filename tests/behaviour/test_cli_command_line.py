"""The command without a Kafka: help, exit codes, pure JSON, no traceback and no secret."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from stripeline.deploy import cli
from stripeline.deploy.cli import main
from stripeline.deploy.cli.app import app_for
from stripeline.deploy.runtime.process import library_check
from stripeline.workers.secrets.vault import new_master_key

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder and an environment without settings, and no Kafka."""
    for name in [name for name in os.environ if name.startswith("STRIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", NOWHERE)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def test_a_group_is_whole_in_its_own_module() -> None:
    """A command that is called by name imports its group's module alone: what others add to the group is not there."""
    modules = {path.name: path.read_text(encoding="utf-8") for path in Path(cli.__file__).parent.glob("*.py")}
    assert [name for name, text in modules.items() if "@app." in text and "\napp = typer.Typer(" not in text] == []


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def leaves(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", {})
    return [path, *(leaf for name, child in children.items() for leaf in leaves(child, (*path, name)))]


COMMANDS = leaves(typer.main.get_command(app_for(())))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*path, "--help") == 0
    captured = capsys.readouterr()
    assert f"Usage: stripeline {' '.join(path)}".strip() in captured.out
    assert captured.err == ""


@pytest.mark.timeout(30)  # a process that starts all the same waits for Kafka
@pytest.mark.parametrize("process", ["ingest", "router", "executor", "worker", "console", "up", "demo"])
def test_no_process_starts_on_an_untested_library(
    process: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library_check, "TESTED", {"aiohttp": ("3.13.0",)})
    assert call(process) == 1
    assert "Run `pip install 'aiohttp==3.13.0'`." in capsys.readouterr().err


def test_all_promised_commands_are_there() -> None:
    promised = (
        "demo|up|kafka run|sandbox run|topics apply|topics check|topics list|apply|get connections|get triggers"
        "|get workflows|delete|ingest|router|executor|worker|console|trigger|command|runs list|runs show|runs start"
        "|runs erase|dead-letters list"
        "|dead-letters show|dead-letters replay|dead-letters dismiss|settings|contracts export|contracts check"
        "|contracts verify"
    )
    assert set(promised.split("|")) <= {" ".join(path) for path in COMMANDS}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["topics", "nope"],
        ["topics", "list", "--nope"],
        ["trigger"],
        ["delete", "thing", "acme"],
        ["dead-letters", "list", "--since", "yesterday"],
        ["runs", "list", "--limit", "0"],
        ["command", "stripe/create-customer", "--connection", "a", "--input", "novalue"],
        ["settings", "--partitions"],
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["topics", "list", "--json"],
        ["topics", "check"],
        ["topics", "apply"],
        ["get", "connections", "--json"],
        ["runs", "list", "--json"],
        ["dead-letters", "list"],
        ["delete", "connection", "acme"],
    ],
)
def test_no_kafka_is_one_clear_paragraph(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"stripeline: Can't reach Kafka: nothing listens at {NOWHERE} (connection refused). Start Kafka there"
        " (`stripeline kafka run` starts one on this machine), or correct KAFKA_BOOTSTRAP_SERVERS.\n"
    )


def test_settings_are_listed_as_pure_json_and_the_key_is_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_master_key()
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", key)
    monkeypatch.setenv("STRIPELINE_PARTITION", "4")
    assert call("settings", "--json", "--topic-prefix", "mine.") == 0
    captured = capsys.readouterr()
    found = {row["name"]: row for row in json.loads(captured.out)}
    assert found["STRIPELINE_TOPIC_PREFIX"]["value"] == "mine."
    assert found["STRIPELINE_MASTER_KEY"]["value"] == "set, masked"
    assert key not in captured.out + captured.err
    assert "STRIPELINE_PARTITION is set, but there is no such setting" in captured.err


def test_a_wrong_setting_ends_with_1_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("settings", "--partitions", "many") == 1
    assert "STRIPELINE_PARTITIONS: Input should be a valid integer" in capsys.readouterr().err


def test_a_new_master_key_is_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("settings", "new-master-key") == 0
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", capsys.readouterr().out.strip())
    Path("one.yaml").touch()
    assert call("apply", "one.yaml") == 1
    assert "nothing listens at" in capsys.readouterr().err


def test_apply_without_a_master_key_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.yaml").touch()
    assert call("apply", "one.yaml") == 1
    assert "stripeline settings new-master-key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("sk_test_inclear", "it is a secret key"),
        ("${env:ABSENT}", "the variable ABSENT is not set"),
        ("whsec_inclear", "had no answer"),
    ],
)
def test_trigger_says_what_is_wrong_and_shows_no_secret(
    secret: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("trigger", "charge.failed", "--url", f"http://{NOWHERE}/webhooks/pay", "--secret", secret) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert "inclear" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("content", "words"), [("[]", "one JSON object"), ("{", "it is not JSON"), (None, "No such file")]
)
def test_trigger_refuses_an_object_that_is_none(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "object.json").write_text(content)
    arguments = ["--url", f"http://{NOWHERE}/webhooks/pay", "--secret", "whsec_a", "--object", "object.json"]
    assert call("trigger", "charge.failed", *arguments) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stripe/refund", "--connection", "a"], "is no action: choose one of"),
        (["stripe/create-customer", "--connection", "a", "--input", "mail=x"], "refuses this input: mail"),
        (["stripe/retrieve-charge", "--connection", "a", "--input", "id=ch_1", "--id", "a b"], "--id must be"),
    ],
)
def test_command_refuses_what_can_not_work(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("command", *arguments) == 1
    assert words in capsys.readouterr().err


def test_runs_as_a_module_from_anywhere(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "stripeline.deploy", "settings", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"stripeline {version('stripeline')}\n"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("stripeline ev", "events"),
        ("stripeline pause ", "connection"),
        ("stripeline get tr", "triggers"),
        ("stripeline events tail --uns", ""),
        ("stripeline events tail --unm", "--unmask"),
        ("stripeline command stripe/create-c", "stripe/create-customer"),
    ],
)
def test_the_tab_key_completes_commands_and_kinds(words: str, completed: str) -> None:
    place = len(words.split()) - (not words.endswith(" "))
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(place), "_STRIPELINE_COMPLETE": "complete_bash"}
    program = "from stripeline.deploy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert (completed in done.stdout.split(), done.stderr) == (bool(completed), "")
