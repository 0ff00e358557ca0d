"""Which definitions of a kind are others than before. Pure."""

from collections.abc import Mapping


def changed_names(before: Mapping[str, object], now: Mapping[str, object]) -> set[str]:
    """The names that are new, gone, or of another definition.

    By identity: the control table keeps the very object of what did not change, so this takes no comparison of fields.
    """
    if before is now:
        return set()
    found = {name for name, one in now.items() if before.get(name) is not one}
    return found | (before.keys() - now.keys())
