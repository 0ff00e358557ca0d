"""Finds the pages: every module of `pages/` says in `PAGES` which addresses it serves."""

import importlib
import pkgutil
from collections.abc import Sequence

from stripeline.deploy.console import pages
from stripeline.deploy.console.console_page import ConsolePage


def all_pages() -> Sequence[ConsolePage]:
    """The pages of all modules, in the order of the modules' names."""
    found: list[ConsolePage] = []
    for module in sorted(one.name for one in pkgutil.iter_modules(pages.__path__)):
        found.extend(importlib.import_module(f"{pages.__name__}.{module}").PAGES)
    return found
