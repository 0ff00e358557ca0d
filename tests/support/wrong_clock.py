"""A process whose host's clock is wrong: libfaketime between it and the C library. Its monotonic clock stays right.

The library is a wheel of the lock file, for x86-64 Linux; it is preloaded and never imported.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


def library() -> Path | None:
    """Where it is; None on a system that has none."""
    spec = find_spec("libfaketime")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).with_name("vendor") / "libfaketime/src/libfaketime.so.1"
    return found if found.exists() else None


def wrong_clock(ahead_s: float | Path) -> Mapping[str, str]:
    """The environment of a process whose clock is ahead by this, or by what a file says at each moment (`+7200`)."""
    found = library()
    assert found is not None, "libfaketime is not installed: it is in requirements.lock, for x86-64 Linux"
    offset = (
        {"FAKETIME_TIMESTAMP_FILE": str(ahead_s), "FAKETIME_NO_CACHE": "1"}
        if isinstance(ahead_s, Path)
        else {"FAKETIME": f"{ahead_s:+.0f}"}
    )
    return {"LD_PRELOAD": str(found), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", **offset}
