"""Says why a port can't be listened on: who has it, and what to do.

Linux says who listens in `/proc`, of this user's processes; elsewhere, and of others, the sentence names nobody.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stripeline.contracts.shown_text import shown
from stripeline.deploy.failure import FailureError

_LISTENS: Final = "0A"
_PROC: Final = Path("/proc")
_ADDRESS, _STATE, _INODE = 1, 3, 9


@contextlib.contextmanager
def named_ports(host: str, port: int, setting: str) -> Iterator[None]:
    """Turns an OSError of listening on this port, which STRIPELINE_{setting}_PORT names, into a FailureError."""
    try:
        yield
    except OSError as error:
        raise FailureError(why(error, host, port, setting, owner_of(port))) from None


def why(error: OSError, host: str, port: int, setting: str, owner: str | None) -> str:
    """What happened, why, and what to do."""
    variable = f"STRIPELINE_{setting}_PORT"
    if error.errno == errno.EADDRINUSE:
        share = (
            "To use several cores, run one `stripeline ingest --processes 2`, or more: its processes share the port."
        )
        more = f" {share}" if setting == "INGEST" else " Each process of a host needs an admin port of its own."
        by = owner or "a process of another user"
        return f"Port {port} of {host} is in use by {by}. End that process, or set {variable} to another port.{more}"
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port} of {host}: set {variable} to a port from 1024 on."
    reason = error.strerror or str(error)
    return f"Can't listen on port {port} of {host}: {reason}. Correct STRIPELINE_{setting}_HOST or {variable}."


def owner_of(port: int) -> str | None:
    """`pid 4711 (nginx)` for the process that listens on a port; None where it can't be seen."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(_PROC / "net" / table, port)}
    if not sockets:
        return None
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in sockets for link in (folder / "fd").iterdir()):
                return f"pid {folder.name} ({shown((folder / 'comm').read_text().strip(), 30)})"
    return None


def _listening(table: Path, port: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[_STATE] == _LISTENS and int(fields[_ADDRESS].rpartition(":")[2], 16) == port:
                yield fields[_INODE]
