"""`stripeline console-token`: a token is printed once, its hash is kept, and nothing else of the file changes."""

import os
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stripeline.deploy.cli.console_token import console_token
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.token_file import TokenFileError, read_token_file, sound_token_file

app = typer.Typer()
app.command()(console_token)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "tokens"


def run(file: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--file", str(file)])
    return done.exit_code, done.stdout.strip()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_printed_and_its_hash_is_kept(file: Path) -> None:
    code, token = run(file, "ada@example.com", "--role", "operator")
    line = sound_token_file(file).lines["ada@example.com"]
    assert code == 0
    assert line.hash.matches(token)
    assert line.role is ConsoleRole.OPERATOR
    assert token not in file.read_text()
    assert mode(file) == 0o600


def test_two_tokens_of_a_name_differ_and_the_last_holds(file: Path) -> None:
    _, first = run(file, "ada", "--role", "viewer")
    assert run(file, "ADA", "--role", "viewer") == (1, "")  # the same name: the file would refuse it
    code, second = run(file, "ada", "--role", "viewer", "--replace")
    hashed = sound_token_file(file).lines["ada"].hash
    assert (code, hashed.matches(first), hashed.matches(second)) == (0, False, True)


def test_what_else_is_in_the_file_stays(file: Path) -> None:
    run(file, "ada", "--role", "viewer")
    kept = "# of the team\n\nbroken line\n" + file.read_text().rstrip("\n")
    file.write_text(kept)
    run(file, "grace", "--role", "reader")
    assert file.read_text().startswith(f"{kept}\ngrace reader scrypt$")
    assert run(file, "grace", "--remove")[0] == 0
    assert file.read_text() == f"{kept}\n"
    assert run(file, "grace", "--remove")[0] == 1


def test_a_group_that_may_read_the_file_still_may(file: Path) -> None:
    run(file, "ada", "--role", "viewer")
    file.chmod(0o664)
    run(file, "grace", "--role", "viewer")
    assert mode(file) == 0o640


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    run(file, "ada", "--role", "viewer")
    link = tmp_path / "link"
    link.symlink_to(file)
    run(link, "grace", "--role", "viewer")
    assert link.is_symlink()
    assert set(sound_token_file(file).lines) == {"ada", "grace"}


@pytest.mark.parametrize(
    "words", [["a b", "--role", "viewer"], ["-", "--role", "viewer"], ["ada"], ["ada", "--role", "boss"],
              ["ada", "--role", "viewer", "--remove"], ["#ada", "--role", "viewer"], ["", "--role", "viewer"]],
)  # fmt: skip
def test_a_command_that_can_not_be_meant_writes_nothing(file: Path, words: list[str]) -> None:
    assert run(file, *words) == (2, "")
    assert not file.exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "No such file or directory; create it with `stripeline console-token NAME"),
        (lambda path: path.chmod(0o604), "others may read or change it; run `chmod 600 "),
        (lambda path: path.chmod(0o620), "others may read or change it; run `chmod 600 "),
        (lambda path: path.write_bytes(b"\xff"), "it is not UTF-8; save it as UTF-8"),
        (lambda path: path.write_bytes(b"#" * 1_100_000), "it is larger than 1 MiB"),
        (lambda path: path.write_text("# nobody\n"), "it has no token, so nobody could sign in"),
        (lambda path: path.write_text(path.read_text() * 2), "line 2: ada has a token in line 1 too."),
        (lambda path: path.write_text("slc_ada_0123\n"), "line 1: it must have three words: a name, a role and a"),
        (lambda path: path.write_text("ada boss x\n"), "line 1: its role must be viewer, reader, operator."),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_used_is_refused_in_words(file: Path, spoil, words) -> None:
    run(file, "ada", "--role", "viewer")
    spoil(file)
    with pytest.raises(TokenFileError) as raised:
        sound_token_file(file)
    assert f"The tokens file {file} can't be used: " in str(raised.value)
    assert words in str(raised.value)
    assert "slc_ada_0123" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_writes_the_file_for_its_owner(file: Path) -> None:
    run(file, "ada", "--role", "viewer")
    os.chown(file, 12_345, 23_456)
    run(file, "grace", "--role", "viewer")
    assert (file.stat().st_uid, file.stat().st_gid) == (12_345, 23_456)


def test_a_line_of_another_cost_is_bounded(file: Path) -> None:
    run(file, "ada", "--role", "viewer")
    text = file.read_text()
    for bad in ("scrypt$1024$8$1", "scrypt$1048576$8$1", "scrypt$16384$16$1", "scrypt$16384$8$9", "scrypt$16385$8$1"):
        file.write_text(text.replace("scrypt$16384$8$1", bad))
        assert read_token_file(file).lines == {}
    file.write_text(text.replace("scrypt$16384$8$1", "scrypt$131072$8$1"))
    assert read_token_file(file).lines["ada"].hash.matches("slc_ada_0") is False
