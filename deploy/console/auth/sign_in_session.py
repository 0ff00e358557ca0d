"""The session of a person who signed in with a token or a link: what its cookie says, and whether it holds. Pure.

The cookie is `version.name.issued.mac`. The MAC covers the proof of what the person signed in with, the line of the
tokens file above all, and the cookie does not show it. So a session ends when its line is removed or replaced, and who
can read the key in the index, but not the tokens file, can make none.

Invariants:
- A session lasts 12 hours from the sign-in, and using it does not prolong it.
- Any other text than a cookie that this console signed is refused, and raises nothing.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from stripeline.deploy.console.auth.identity import ConsoleRole

COOKIE: Final = "__Host-stripeline"
LIFETIME_S: Final = 12 * 3600
_CLOCKS_APART_S: Final = 60  # of two consoles that share their key
_VERSION: Final = "1"
_MAX_CHARS: Final = 1_000
_MAX_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who may have a session. proof: what the session was made from; another proof ends it."""

    name: str
    role: ConsoleRole
    proof: bytes = field(repr=False)


def session_text(key: bytes, holder: Holder, issued_s: int) -> str:
    """The value of the cookie."""
    said = f"{_VERSION}.{_encoded(holder.name.encode())}.{issued_s}"
    return f"{said}.{_encoded(_mac(key, said, holder.proof))}"


def session_holder(key: bytes, text: str, holders: Callable[[str], Iterable[Holder]], now_s: float) -> Holder | None:
    """Whose session a cookie is; None where it holds no more, or never did. holders: those of a name."""
    said, _, given = text.rpartition(".")
    parts = said.split(".")
    if len(text) > _MAX_CHARS or not text.isascii() or len(parts) != 3 or parts[0] != _VERSION:  # noqa: PLR2004
        return None
    name, mac = _decoded(parts[1]), _decoded(given)
    if name is None or mac is None or not parts[2].isdecimal() or len(parts[2]) > _MAX_DIGITS:
        return None
    if not -_CLOCKS_APART_S <= now_s - int(parts[2]) < LIFETIME_S:
        return None
    found = holders(name.decode(errors="replace"))
    return next((one for one in found if hmac.compare_digest(mac, _mac(key, said, one.proof))), None)


def _mac(key: bytes, said: str, proof: bytes) -> bytes:
    text = b"stripeline console session\0" + said.encode() + b"\0" + hashlib.sha256(proof).digest()
    return hmac.digest(key, text, "sha256")


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes | None:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
