"""The actions. One module each, with a constant `ACTION`; a fourth action is a fourth file and nothing else.

Another package adds its own by an entry point: `workers/installed_actions.py`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from stripeline.contracts.action import Action, whole_number_fields
from stripeline.workers.installed_actions import GROUP, installed_actions


@cache
def built_in_actions() -> Mapping[str, Action]:
    """Every action of this folder by its key."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").ACTION for name in names]
    return {action.key: action for action in found}


def whole_numbers_of(action: str) -> frozenset[str]:
    """The fields of an action's input that are whole numbers; none of an action that there is not."""
    known = actions().get(action)
    return frozenset() if known is None else whole_number_fields(known.input)


@cache
def objects_made() -> frozenset[str]:
    """The kinds of objects that actions make at Stripe."""
    return frozenset(action.makes for action in actions().values() if action.method == "POST")


@cache
def actions() -> Mapping[str, Action]:
    """Every action by its key: those of this folder, then those of installed packages.

    Raises ActionsError when one of the latter can't be used.
    """
    own = built_in_actions()
    return {**own, **installed_actions(own, entry_points(group=GROUP))}
