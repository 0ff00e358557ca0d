"""Writes and reads the file of a task's state: it is there whole, or not at all.

It is written beside its place and moved there once it is on the disk, so processes that share a folder, or die at any
moment, replace a whole file by a whole one. It holds what the changelog holds, and only its owner may read it.
"""

import contextlib
import glob
import os
import tempfile
import time
from hashlib import blake2b, file_digest
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from stripeline.workers.packed.state_image import StateImage, pieces
from stripeline.workers.packed.state_proof import StateFileHeader

SUFFIX: Final = ".state"
_DIGEST_BYTES: Final = blake2b().digest_size
_UNFINISHED: Final = ".part"


class DamagedFileError(Exception):
    """A file that is not as it was written."""


def write_state(path: Path, header: StateFileHeader, image: StateImage) -> int:
    """Replace the file. Returns its size in bytes. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=_UNFINISHED, dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            digest = blake2b()
            file.write(bytes(_DIGEST_BYTES))
            for piece in chain((msgspec.json.encode(header) + b"\n",), pieces(image)):
                digest.update(piece)
                file.write(piece)
            size = file.tell()
            file.seek(0)
            file.write(digest.digest())
            file.flush()
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return size


def opened_state(path: Path) -> tuple[StateFileHeader, BufferedReader]:
    """The header of a file that is whole, and the file where its pieces begin. Raises OSError, DamagedFileError."""
    _delete_unfinished(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        header = _proved_header(file)
        stack.pop_all()
        return header, file


def _proved_header(file: BufferedReader) -> StateFileHeader:
    digest = file.read(_DIGEST_BYTES)
    if file_digest(file, blake2b).digest() != digest:
        raise DamagedFileError("its checksum is wrong")
    file.seek(_DIGEST_BYTES)
    try:
        return msgspec.json.decode(file.readline(), type=StateFileHeader)
    except msgspec.DecodeError:
        raise DamagedFileError("its header is of another form") from None


def delete_old(folder: Path, age_s: float) -> None:
    """Delete files that nobody would use any more: of tasks that have moved to another host."""
    for path in folder.glob(f"*{SUFFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > age_s:
                path.unlink()


def _delete_unfinished(path: Path) -> None:
    """Delete what a process left that died while it wrote this file. One that still writes it tries again."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*{_UNFINISHED}"):
        left.unlink(missing_ok=True)
