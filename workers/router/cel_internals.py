"""Loads the CEL engine without the rest of its package, read in common-expression-language 0.10.0.

The package imports its own command line, with a terminal interface, whenever it is imported: a fifth of a second of CPU
at each start of a process. Nothing public leaves it out. Where the package has no such module, nothing changes.
"""

import importlib
import sys
from types import ModuleType
from typing import Final

_COMMAND_LINE: Final = "cel.cli"


def engine() -> ModuleType:
    """The package `cel`."""
    sys.modules.setdefault(_COMMAND_LINE, ModuleType(_COMMAND_LINE))
    try:
        return importlib.import_module("cel")
    finally:
        sys.modules.pop(_COMMAND_LINE, None)
