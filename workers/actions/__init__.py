"""The actions. One module each, with a constant `ACTION`; a fourth action is a fourth file and nothing else."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from stripeline.contracts.action import Action


@cache
def actions() -> Mapping[str, Action]:
    """Every action of this folder by its key."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").ACTION for name in names]
    return {action.key: action for action in found}
