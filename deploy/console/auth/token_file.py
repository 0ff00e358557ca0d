"""The tokens file: read again when it changes, and written for `stripeline console-token`.

Invariants:
- A console starts only with a file without a problem.
- While it runs, what can't be read grants nothing: a broken line its person nothing, a missing or unprotected file
  nobody anything. The other lines hold.
- It is replaced as a whole. A new one is for its owner alone; a former one keeps its owner, and its group's right to
  read.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.sign_in_session import Holder
from stripeline.deploy.console.auth.token_lines import TokenLine, TokenLines, parse_token_lines
from stripeline.deploy.failure import FailureError

MAX_BYTES: Final = 1024 * 1024
_UNPROTECTED: Final = stat.S_IRWXO | stat.S_IWGRP  # Kubernetes gives a secret's file to a group, to read
log = structlog.get_logger(__name__)


class TokenFileError(FailureError):
    """A file that can't be used: which, why, and what to do."""


def read_token_file(path: Path) -> TokenLines:
    """What the file says. Raises TokenFileError where it can't be read, or others may read it."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or "unreadable", _CREATE) from None
    if found.st_mode & _UNPROTECTED:
        raise _unusable(path, "others may read or change it", f"run `chmod 600 {path}`")
    if len(raw) > MAX_BYTES:
        raise _unusable(path, "it is larger than 1 MiB", "it has one line a token")
    try:
        return parse_token_lines(raw.decode())
    except UnicodeDecodeError:
        raise _unusable(path, "it is not UTF-8", "save it as UTF-8") from None


def sound_token_file(path: Path) -> TokenLines:
    """The same. Raises TokenFileError also where a line can't be used, or none is there."""
    found = read_token_file(path)
    if found.problems:
        raise TokenFileError(f"The tokens file {path} can't be used: {' '.join(found.problems)}")
    if not found.lines:
        raise _unusable(path, "it has no token, so nobody could sign in", _CREATE)
    return found


class FollowedTokenFile:
    """The tokens as the file has them now. Raises TokenFileError at the start."""

    def __init__(self, path: Path) -> None:
        self._path, self._stamp = path, _stamp(path)
        self._lines = sound_token_file(path).lines
        self._problem: str | None = None

    def line(self, name: str) -> TokenLine | None:
        self._follow()
        return self._lines.get(name)

    def holders(self, name: str) -> Iterator[Holder]:
        line = self.line(name)
        return iter(()) if line is None else iter((line.holder,))

    def problem(self) -> str | None:
        """What is wrong with the file as it is now, in words."""
        self._follow()
        return self._problem

    def _follow(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._lines, self._problem = self._read()
        if self._problem is not None:
            log.error(LogEvent.TOKENS_FILE_UNUSABLE, reason=self._problem)
        else:
            log.info(LogEvent.TOKENS_FILE_RELOADED, tokens=len(self._lines))

    def _read(self) -> tuple[Mapping[str, TokenLine], str | None]:
        try:
            found = read_token_file(self._path)
        except TokenFileError as error:
            return {}, f"{error} Until then no token of it signs in, and their sessions have ended."
        return found.lines, f"{self._path}: {' '.join(found.problems)}" if found.problems else None


def change_token_file(path: Path, change: Callable[[str], str]) -> None:
    """Replace the file by what `change` makes of its text, one process at a time. Raises TokenFileError, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()  # a link keeps leading to the file
    with _locked(path.with_name(f"{path.name}.lock")):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        except UnicodeDecodeError:
            raise _unusable(path, "it is not UTF-8", "save it as UTF-8") from None
        _replace(path, change(text))


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # of a process that was killed, with whatever rights
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file, contextlib.suppress(FileNotFoundError):
        file.write(text)
        former = path.stat()  # root may write it for the user of the console, who must still read it
        os.fchmod(descriptor, 0o600 | former.st_mode & stat.S_IRGRP)
        if os.geteuid() == 0:
            os.fchown(descriptor, former.st_uid, former.st_gid)
    _write_through(new)
    new.replace(path)


def _write_through(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stamp(path: Path) -> tuple[int, int, int, int, int] | None:
    """What changes when the file is replaced or changed, or its rights are; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode


_CREATE: Final = "create it with `stripeline console-token NAME --role operator --file FILE`"


def _unusable(path: Path, reason: str, remedy: str) -> TokenFileError:
    return TokenFileError(f"The tokens file {path} can't be used: {reason}; {remedy}.")
