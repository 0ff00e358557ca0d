"""Who acts at the command line, why, and when: the same on every record of an act."""

import getpass
import os
import time

from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed


def signed(why: str) -> Signed:
    return Signed(by=acting_user(), why=why, at_ms=int(time.time() * 1000))


def acting_user() -> str:
    """The user's name; its number where no name belongs to it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def require_reason(why: str, refused: str) -> None:
    """Raise FailureError, with these words, for an act without a reason."""
    if not why.strip():
        raise FailureError(refused)
