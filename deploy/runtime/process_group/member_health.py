"""What a process of a group says of itself on its admin pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberHealth:
    """state: why it says nothing, such as `starts`."""

    ready: bool = False
    state: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
