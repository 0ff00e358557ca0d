"""Who is signed in, and what they may. Pure."""

from dataclasses import dataclass
from enum import IntEnum


class ConsoleRole(IntEnum):
    """What a person may; each may all that the former may."""

    VIEWER = 1  # sees what happens, and no payload
    READER = 2  # sees payloads, masked
    OPERATOR = 3  # acts

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person who is signed in. user: recorded with each act."""

    user: str
    role: ConsoleRole

    def may(self, needed: ConsoleRole) -> bool:
        return self.role >= needed
