"""The `stripeline` command, one module per group. Parses arguments, calls the operations, and explains failures."""

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.failures import EXPECTED, explain_failure
from stripeline.deploy.cli.terminal.options import overruling, take_overrides


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""
    from stripeline.deploy.cli.app import app_for  # noqa: PLC0415  (after the arguments, whose mistakes are said at once)

    # A command says itself what failed; a process configures its logs, and then this one has a place to go.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    rest, overrides = take_overrides(sys.argv[1:] if argv is None else argv)
    with overruling(overrides):
        try:
            app_for(rest)(args=rest, prog_name="stripeline")
        except EXPECTED as error:
            output.note(f"stripeline: {explain_failure(error, rest)}")
            sys.exit(1)
    sys.exit(0)
