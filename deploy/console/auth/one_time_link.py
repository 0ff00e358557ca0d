"""Links that sign one person in, once, within ten minutes: how `up` and `demo` let their user in. Kept in memory.

    links = OneTimeLinks()
    sign_in = await sign_in_of(settings, index, links)
    print(links.new("http://127.0.0.1:8081", user="ada", now_s=time.monotonic()))

Opening a link changes nothing: it shows a button, and the button's POST spends the code. A chat or a mail program that
looks at a link before its reader does would spend it otherwise.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.sign_in_session import Holder

LINK_PATH: Final = "/sign-in/link"
LINK_LIFETIME_S: Final = 600
_MOST: Final = 100


@dataclass(slots=True)
class OneTimeLinks:
    """What was made and not spent, and who signed in by it. Only the newest hundred of each are known."""

    _unspent: dict[bytes, tuple[float, Holder]] = field(default_factory=dict, repr=False)
    _signed_in: dict[bytes, Holder] = field(default_factory=dict, repr=False)

    def new(self, address: str, *, user: str, now_s: float, role: ConsoleRole = ConsoleRole.OPERATOR) -> str:
        """A link for this user. address: of the console, such as `http://127.0.0.1:8081`. now_s: of a steady clock."""
        code = secrets.token_urlsafe(32)
        holder = Holder(name=user, role=role, proof=secrets.token_bytes(32))
        self._unspent[_digest(code)] = (now_s + LINK_LIFETIME_S, holder)
        _keep_newest(self._unspent)
        return f"{address.rstrip('/')}{LINK_PATH}?code={code}"

    def spend(self, code: str, now_s: float) -> Holder | None:
        """Whom the code signs in; None for one that was used, is too old, or never was."""
        until_s, holder = self._unspent.pop(_digest(code), (0.0, None))
        if holder is None or now_s >= until_s:
            return None
        self._signed_in[holder.proof] = holder
        _keep_newest(self._signed_in)
        return holder

    def holders(self, name: str) -> Iterator[Holder]:
        return (one for one in list(self._signed_in.values()) if one.name == name)


def _digest(code: str) -> bytes:
    """Looked up by its hash: how long a look-up takes says nothing of a code."""
    return hashlib.sha256(code.encode(errors="replace")).digest()


def _keep_newest(held: dict[bytes, Any]) -> None:
    while len(held) > _MOST:
        del held[next(iter(held))]
