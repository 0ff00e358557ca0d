"""Who acts at the command line, why, and when: the same on every record of an act."""

import getpass
import time

from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed


def signed(why: str) -> Signed:
    return Signed(by=getpass.getuser(), why=why, at_ms=int(time.time() * 1000))


def require_reason(why: str, refused: str) -> None:
    """Raise FailureError, with these words, for an act without a reason."""
    if not why.strip():
        raise FailureError(refused)
