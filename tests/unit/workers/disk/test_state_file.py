"""The file of a task's state is there whole or not at all, whoever dies or writes beside it."""

import os
import time
from pathlib import Path

import pytest

from stripeline.contracts.internal_records import LedgerCommand
from stripeline.workers.disk import state_file
from stripeline.workers.disk.state_file import DamagedFileError, delete_old, opened_state, write_state
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.packed.state_image import StateImage, load_pieces
from stripeline.workers.packed.state_proof import StateFileHeader

HEADER = StateFileHeader(format=1, topic="stripe.action-ledger", topic_id="id", partition=0, upto=9, at_ms=7)


def ledger(*names: str) -> Ledger:
    made = Ledger()
    for name in names:
        made.apply(f"command/{name}", LedgerCommand(status="succeeded", digest="d", revision=0, at_ms=7))
    return made


def read(path: Path) -> tuple[StateFileHeader, Ledger]:
    header, file = opened_state(path)
    made = Ledger()
    with file:
        load_pieces(made, file.read)
    return header, made


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "states" / "stripe.action-ledger-0.state"


def test_what_was_written_is_read_by_its_owner_alone(path: Path):
    size = write_state(path, HEADER, ledger("a", "b").image())
    header, found = read(path)
    assert (header, found.sizes["commands"], found.known("a") is not None) == (HEADER, 2, True)
    assert (path.stat().st_size, path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        size,
        0o600,
        0o700,
    )
    assert names(path) == [path.name]


def test_a_file_that_is_cut_or_changed_anywhere_is_refused(path: Path):
    write_state(path, HEADER, ledger("a", "b").image())
    whole = path.read_bytes()
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(DamagedFileError):
                opened_state(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DamagedFileError):
        opened_state(path)


def test_a_header_of_another_form_is_refused(path: Path):
    path.parent.mkdir()
    body = b'{"format": 9}\n'
    path.write_bytes(state_file.blake2b(body).digest() + body)
    with pytest.raises(DamagedFileError, match="another form"):
        opened_state(path)


def test_a_write_that_fails_leaves_the_former_file(path: Path):
    write_state(path, HEADER, ledger("a").image())

    def blocks():
        yield from ledger("b").image().blocks
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_state(path, HEADER, StateImage(blocks()))
    assert read(path)[1].known("a") is not None
    assert names(path) == [path.name]


def test_what_a_killed_process_left_is_deleted_at_the_start(path: Path):
    write_state(path, HEADER, ledger("a").image())
    (path.parent / f"{path.name}.x7.part").write_bytes(b"half")
    (path.parent / "stripe.action-ledger-01.state.x7.part").write_bytes(b"another's")
    opened_state(path)[1].close()
    assert names(path) == [path.name, "stripe.action-ledger-01.state.x7.part"]


def test_files_that_nobody_would_use_any_more_are_deleted(path: Path):
    write_state(path, HEADER, ledger("a").image())
    others = [path.parent / name for name in ("x.state", "x.state.7.part", "console.db")]
    for other in others:
        other.touch()
        os.utime(other, (0, time.time() - 3_601))
    delete_old(path.parent, 3_600)
    assert names(path) == ["console.db", path.name]
