"""Decides what becomes of a process of a group that has ended, or says nothing any more. Pure.

One that was never ready and says itself that it can't start (a wrong setting, a missing right) would say so for ever:
the group ends with it. One that worked before, or was killed, is started again, after a pause that grows.
"""

from typing import Final

LONGEST_S: Final = 30.0
SETTLED_S: Final = 60.0
"""A process that was up for so long has not failed at its start: the next pause is the shortest again."""
SILENT_S: Final = 90.0
"""As systemd's watchdog has it: a process whose event loop is blocked has ended itself by then, with a traceback."""


def restart_in_s(code: int, *, was_ready: bool, failures: int) -> float | None:
    """Seconds until it is started again; None where it can't start.

    code: its exit code, negative after a signal. was_ready: it, or a former one of its number, was ready.
    failures: how many ended one after the other, this one included.
    """
    if code > 0 and not was_ready:
        return None
    return min(LONGEST_S, 2.0 ** min(failures - 1, 10))


def failures_now(failures: int, up_s: float) -> int:
    """The failures in a row, with one that was up for `up_s`."""
    return 1 if up_s >= SETTLED_S else failures + 1


def is_silent(silent_s: float) -> bool:
    """Whether a process that has not answered for so long is frozen: it is killed, and started again."""
    return silent_s >= SILENT_S
