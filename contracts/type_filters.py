"""Which event types a workflow asks for: a type, a prefix with `.*`, or `*`. Pure."""

import re
from typing import Final

TYPE_FILTER: Final = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$|^\*$")


def matches(type_filter: str, event_type: str) -> bool:
    """Whether an event type passes a filter: exact, `prefix.*` (with the dot), or `*`."""
    if type_filter.endswith("*"):
        return event_type.startswith(type_filter[:-1])
    return type_filter == event_type
