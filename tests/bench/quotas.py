"""Equal shares of a core for processes under measurement, by the kernel's control groups. Linux, as root.

https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu, or version 1 where the machine has that.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_V2: Final = Path("/sys/fs/cgroup")
_V1: Final = _V2 / "cpu"
_PERIOD_US: Final = 20_000


@contextlib.contextmanager
def quota(pid: int, share: float) -> Iterator[None]:
    """A process, with what it starts from now on, gets at most this share of a core. Raises OSError where it can't."""
    root = _V1 if (_V1 / "cpu.cfs_quota_us").exists() else _V2
    group = root / f"stripeline-bench-{os.getpid()}-{pid}"
    if root == _V2:
        (root / "cgroup.subtree_control").write_text("+cpu")
    group.mkdir()
    try:
        allowed_us = int(_PERIOD_US * share)
        # A group counts as one process of normal priority, whatever that of its own is: it must not wait for others.
        settings = (
            {"cpu.weight": "10000", "cpu.max": f"{allowed_us} {_PERIOD_US}"}
            if root == _V2
            else {
                "cpu.shares": "262144", "cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(allowed_us),
            }
        )  # fmt: skip
        for name, value in {**settings, "cgroup.procs": str(pid)}.items():
            (group / name).write_text(value)
        yield
    finally:
        with contextlib.suppress(OSError):  # it has ended, or ends now
            (root / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()


def children(pid: int) -> list[int]:
    """The processes that a process has started, in that order."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
