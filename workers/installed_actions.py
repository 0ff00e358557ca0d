"""Actions of other installed packages: found by entry point, and checked before anything runs with them.

A package names its `Action` in its pyproject.toml, and no fork is needed:

    [project.entry-points."stripeline.actions"]
    create-refund = "acme_actions.create_refund:ACTION"

Invariants: all of them or an error, so that no process runs without an action that was installed for it; a key has a
namespace of its own, never `stripe/`; no key is there twice. The error names the distribution and the entry point.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any, Final

from stripeline.contracts.action import Action, ActionInput, ActionOutput
from stripeline.contracts.errors import CARD

GROUP: Final = "stripeline.actions"
RESERVED: Final = "stripe"
KEY: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*/[a-z0-9]+(?:-[a-z0-9]+)+")
MAX_KEY: Final = 100  # of a command's `action`
_PATH: Final = re.compile(r"/v1(?:/(?:[a-z0-9_]+|\{id\}))+")


class ActionsError(Exception):
    """Installed actions that can't be used: which, why, and what to do."""


def installed_actions(own: Mapping[str, Action], entry_points: Iterable[EntryPoint]) -> Mapping[str, Action]:
    """The actions of these entry points by their keys, in the keys' order. Raises ActionsError for a faulty one."""
    found: dict[str, Action] = {}
    problems: list[str] = []
    for entry_point in sorted(entry_points, key=lambda one: (_distribution(one), one.name)):
        action = _loaded(entry_point)
        faults = [action] if isinstance(action, str) else list(_faults(action, {*own, *found}))
        if isinstance(action, Action) and not faults:
            found[action.key] = action
        problems += [f"{_named(entry_point)} {fault}." for fault in faults]
    if problems:
        mend = "Nothing runs without them: upgrade these packages, or uninstall them."
        raise ActionsError(" ".join(["An installed action can't be used.", *problems, mend]))
    return dict(sorted(found.items()))


def _loaded(entry_point: EntryPoint) -> Action | str:
    """What an entry point names, or why there is no action."""
    try:
        found = entry_point.load()
    except Exception as error:  # noqa: BLE001  (another package's import may raise anything)
        return f"can't be imported: {type(error).__name__}: {error}"
    return found if isinstance(found, Action) else f"is of type {type(found).__name__}: it must be an Action"


def _faults(action: Any, taken: set[str]) -> Iterator[str]:
    """What is wrong with an action. Its types are promises that nobody has checked."""
    key = action.key
    if not isinstance(key, str) or not KEY.fullmatch(key) or len(key) > MAX_KEY:
        yield f"has the key {key!r}: it must be like acme/create-refund, of {MAX_KEY} characters at most"
    elif key.partition("/")[0] == RESERVED:
        yield f"has the key {key!r}: {RESERVED}/ is Stripeline's own namespace, choose one of yours"
    elif key in taken:
        yield f"has the key {key!r}, which another package has as well"
    yield from _shape(action)


def _shape(action: Any) -> Iterator[str]:
    if action.method not in {"GET", "POST"}:
        yield f"has the method {action.method!r}: it must be GET or POST"
    if not _PATH.fullmatch(action.path):
        yield f"has the path {action.path!r}: it must be one of Stripe's, like /v1/refunds or /v1/refunds/{{id}}"
    if action.method == "POST" and "{id}" in action.path:
        yield f"has the path {action.path!r}: a POST must create an object, or nobody could look up what became of it"
    for name, model, base in (("input", action.input, ActionInput), ("output", action.output, ActionOutput)):
        if not (isinstance(model, type) and issubclass(model, base)):
            yield f"has an {name} that is not a class derived from {base.__name__}"
        elif name == "input" and "{id}" in action.path and "id" not in model.model_fields:
            yield "has {id} in its path, and no input of that name"
    if unknown := sorted(set(action.statuses) - set(CARD)):
        yield f"lists the statuses {unknown}: the error table has {sorted(CARD)}"


def _named(entry_point: EntryPoint) -> str:
    return f"{_distribution(entry_point)}: {entry_point.name} = {entry_point.value}"


def _distribution(entry_point: EntryPoint) -> str:
    found = entry_point.dist
    return "an unknown package" if found is None else f"{found.name} {found.version}"
