"""How a second terminal runs this very `stripeline`, which need not be on its PATH."""

import sys
from pathlib import Path


def folder_of_command(program: str = sys.argv[0]) -> Path | None:
    """The folder to put on the PATH; None where no executable `stripeline` belongs to this process."""
    for beside in (program, sys.executable):
        # Not resolved: in a virtual environment the link itself is what knows the packages.
        folder = Path(beside).absolute().parent
        if (folder / "stripeline").is_file():
            return folder
    return None
