"""The `stripeline` command, one module per group. Parses arguments, calls the operations, and explains failures."""

import gc
import logging
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from stripeline.deploy.cli.app import OF_ALL, app_for
from stripeline.deploy.cli.terminal import output

_CYCLES_AFTER: Final = 100_000
"""A command ends soon: what it imports and reads is not looked through for cycles again and again."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""
    gc.set_threshold(_CYCLES_AFTER)
    arguments = sys.argv[1:] if argv is None else argv
    if tuple(arguments[:1]) in {(option,) for option in OF_ALL}:  # settings change nothing, and take long to import
        app_for(arguments)(args=arguments, prog_name="stripeline")
    _run(arguments)
    sys.exit(0)


def _run(arguments: Sequence[str]) -> None:
    _import_structlog_alone()
    from stripeline.deploy.cli.terminal.options import overruling, take_overrides  # noqa: PLC0415  (as above)

    # A command says itself what failed; a process configures its logs, and then this one has a place to go.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    rest, overrides = take_overrides(arguments)
    with overruling(overrides):
        try:
            app_for(rest)(args=rest, prog_name="stripeline")
        except Exception as error:
            from stripeline.deploy.cli.terminal.failures import EXPECTED, explain_failure  # noqa: PLC0415  (as above)

            if not isinstance(error, EXPECTED):
                raise
            output.note(f"stripeline: {explain_failure(error, rest)}")
            sys.exit(1)


def _import_structlog_alone() -> None:
    """As where rich is not installed: structlog imports all of it, for tracebacks that our logs do not have."""
    former = sys.modules.pop("rich", None)
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]
        if former is not None:
            sys.modules["rich"] = former
