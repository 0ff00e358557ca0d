"""Which groups of a proxy have which role: `operator=ops,reader=support,viewer=*`. Pure.

A user has the highest role of all groups; `*` is every user whom the proxy has signed in. Who has none is not let in.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.deploy.console.auth.identity import ConsoleRole

EVERYBODY: Final = "*"
_EXAMPLE: Final = "operator=ops,reader=support,viewer=*"


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role for a group."""

    role: ConsoleRole
    group: str

    def __str__(self) -> str:
        return f"{self.role.word}={self.group}"


def parse_role_grants(value: Any) -> Any:
    """The grants of a setting. Raises ValueError."""
    if not isinstance(value, str):
        return value
    return tuple(_grant(part.strip()) for part in value.split(",") if part.strip())


def role_of(grants: Sequence[RoleGrant], groups: Collection[str]) -> ConsoleRole | None:
    """The role of a user of these groups."""
    return max((one.role for one in grants if one.group == EVERYBODY or one.group in groups), default=None)


def _grant(text: str) -> RoleGrant:
    word, equals, group = (part.strip() for part in text.partition("="))
    role = next((role for role in ConsoleRole if role.word == word), None)
    if role is None or not equals or not group:
        words = ", ".join(role.word for role in ConsoleRole)
        raise ValueError(f"{text!r} is no role=group: write roles ({words}) and groups like {_EXAMPLE}")
    return RoleGrant(role, group)
