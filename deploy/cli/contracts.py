"""`stripeline contracts`: the published JSON Schemas, their examples and the AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import output

app = typer.Typer(help="The published contract: JSON Schemas, examples and AsyncAPI.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(file_okay=False, help="The folder of asyncapi.json, schemas/ and released/.")]
_HERE = Path("contracts")


@app.command("export")
def export(*, folder: Folder = _HERE) -> None:
    """Write the JSON Schema and the examples of every record, and the AsyncAPI document, from the models."""
    from deploy.contract_files import export as write  # noqa: PLC0415  (imports every model: a developer's command)

    changed = write(folder)
    for path in changed:
        print(f"{'wrote  ' if (folder / path).exists() else 'removed'} {folder / path}")
    if not changed:
        print("Nothing to do: the files are what the models say.")


@app.command("check")
def check(*, folder: Folder = _HERE) -> None:
    """Say which files differ from the models, and what breaks other teams since the last release.

    Ends with 1 when there is either.
    """
    from deploy.contract_files import check as compare  # noqa: PLC0415  (as above)

    problems = compare(folder)
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    print("The files are what the models say, and nothing that others rely on has changed since the last release.")


@app.command("changes")
def changes(*, folder: Folder = _HERE, as_json: output.Json = False) -> None:
    """List every change since the last release, compatible or breaking, with the rule that says so."""
    from deploy.contract_files import gate  # noqa: PLC0415  (as above)

    found = [
        {"record": one.record, "field": one.where, "rule": one.kind.value, "detail": one.detail, "breaks": one.reason}
        for one in gate(folder)
    ]
    output.rows(found, ("record", "field", "rule", "detail", "breaks"), as_json=as_json, empty="Nothing has changed.")


@app.command("release")
def release(*, folder: Folder = _HERE) -> None:
    """Keep the present schemas as those of the last release, which `check` compares with. Refused while it fails."""
    from deploy.contract_files import release as keep  # noqa: PLC0415  (as above)

    print(f"kept the schemas in {keep(folder)}")
