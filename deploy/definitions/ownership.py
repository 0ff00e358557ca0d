"""Who may change or remove which definitions: `apply --owner` is on each, and only the same owner changes it. Pure.

Without an owner a definition is anyone's to take, and `--prune` without one removes only those.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from stripeline.contracts.definitions import AnyDefinition, Definitions, Trigger
from stripeline.contracts.operator.control_keys import name_of
from stripeline.deploy.definitions.definition_rows import users_of
from stripeline.deploy.definitions.diff import place_of
from stripeline.deploy.definitions.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What a file leaves out. removed: the owner's. others: who owns what stays, by control key."""

    removed: tuple[str, ...] = ()
    others: Mapping[str, str | None] | None = None


def pruning(stored: Mapping[str, AnyDefinition], written: Collection[str], owner: str | None) -> Pruning:
    """What `--prune` removes. `written`: the control keys of the file; one that defines nothing removes nothing."""
    left_out = {key: one.owner for key, one in stored.items() if key not in written}
    removed = tuple(key for key, by in left_out.items() if by == owner) if written else ()
    return Pruning(removed=removed, others={key: by for key, by in left_out.items() if by != owner})


def without(stored: Definitions, removed: Collection[str]) -> Definitions:
    """What is left of the stored definitions."""
    if not removed:
        return stored
    return Definitions.of({key: one for key, one in stored.by_key().items() if key not in removed})


def claimed(
    stored: Mapping[str, AnyDefinition], wanted: Mapping[str, AnyDefinition], owner: str | None, *, take_over: bool
) -> Iterator[Problem]:
    """Definitions of the file that another owner applied."""
    for key in sorted(one for one in wanted if one in stored) if not take_over else ():
        other = stored[key].owner
        if other is not None and other != owner:
            mine = "say --owner {other}" if owner is None else f"{owner!r} may not change it"
            reason = (
                f"{other!r} applied it: {mine.format(other=other)}. Use another name, or take it from them with"
                " --take-over"
            )
            yield Problem(place=place_of(key), reason=reason)


def owned(wanted: Mapping[str, AnyDefinition], owner: str | None) -> dict[str, AnyDefinition]:
    """The definitions as they are published."""
    return {key: one.model_copy(update={"owner": owner}) for key, one in wanted.items()}


def still_used(stored: Definitions, wanted: Mapping[str, AnyDefinition], removed: Collection[str]) -> Iterator[str]:
    """Why a definition that is to be removed can't be: others, which stay, use it."""
    after = Definitions.of({**without(stored, removed).by_key(), **wanted})
    for key in sorted(removed):
        users = users_of(key.partition("/")[0], name_of(key), after)
        if users:
            yield f"{key} is in use by {', '.join(users)}, which stay"


def renamed(stored: Mapping[str, Trigger], triggers: Mapping[str, Trigger]) -> Iterator[tuple[str, str]]:
    """Triggers that a file leaves out, each with the new one that looks like it."""
    new = {name: trigger for name, trigger in triggers.items() if name not in stored}
    alike: dict[tuple[str, str], list[str]] = {}
    for before, known in stored.items() if new else ():
        if before not in triggers:
            alike.setdefault((known.kind, known.connection), []).append(before)
    for name, trigger in new.items():
        for before in alike.get((trigger.kind, trigger.connection), ()):
            yield before, name
