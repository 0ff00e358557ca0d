"""How a second terminal runs this very `stripeline`, which need not be on its PATH."""

import shlex
import shutil
import sys
from pathlib import Path


def command_word() -> str:
    """What to type here for it: `stripeline` where the shell finds this one, else its path."""
    folder = folder_of_command()
    if folder is None:
        return f"{shlex.quote(sys.executable)} -m stripeline.deploy"
    found = shutil.which("stripeline")
    return "stripeline" if found and Path(found).parent == folder else shlex.quote(str(folder / "stripeline"))


def folder_of_command(program: str = sys.argv[0]) -> Path | None:
    """The folder to put on the PATH; None where no executable `stripeline` belongs to this process."""
    for beside in (program, sys.executable):
        # Not resolved: in a virtual environment the link itself is what knows the packages.
        folder = Path(beside).absolute().parent
        if (folder / "stripeline").is_file():
            return folder
    return None
