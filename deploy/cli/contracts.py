"""`stripeline contracts`: the published JSON Schemas and the AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import output

app = typer.Typer(help="The published contract: JSON Schemas and AsyncAPI.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(file_okay=False, help="The folder of schemas/ and asyncapi.json.")]


@app.command("export")
def export(folder: Folder = Path("contracts")) -> None:
    """Write the JSON Schema of every record and the AsyncAPI document, generated from the models."""
    from deploy.contract_files import export as write  # noqa: PLC0415  (a developer's command)

    for path in write(folder):
        print(f"wrote {path}")


@app.command("check")
def check(folder: Folder = Path("contracts")) -> None:
    """Say where the files differ from the models, or break what other teams rely on. Ends with 1 when they do."""
    from deploy.contract_files import check as compare  # noqa: PLC0415  (a developer's command)

    problems = compare(folder)
    for problem in problems:
        output.note(problem)
    if problems:
        raise typer.Exit(1)
    print("The files are what the models say, and nothing that others rely on has changed.")
