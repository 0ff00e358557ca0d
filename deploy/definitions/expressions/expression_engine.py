"""The router's expressions, loaded when one is looked at: the CEL engine is of no use to most commands."""

import importlib
from types import ModuleType

_MODULE = "stripeline.workers.router.expressions"


def engine() -> ModuleType:
    """`stripeline.workers.router.expressions`."""
    return importlib.import_module(_MODULE)


def compile_error(expression: str) -> str | None:
    """Why an expression does not compile; None when it does."""
    wrong: str | None = engine().compile_error(expression)
    return wrong


def variables(expression: str) -> frozenset[str]:
    """The names that an expression uses; none of one that does not compile."""
    if compile_error(expression) is not None:
        return frozenset()
    return frozenset(engine().compiled(expression).program.variables())
