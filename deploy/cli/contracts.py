"""`stripeline contracts`: export, check and release the published schemas; validate a topic against them."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.times import moment_ms

_CHANGES = (
    Column("record", 0),
    Column("field", 1),
    Column("rule", 2),
    Column("detail", 3, Fit.WRAPPED),
    Column("breaks", 2, Fit.WRAPPED),
)
_INVALID = (
    Column("partition", 0),
    Column("offset", 0),
    Column("at", 3),
    Column("record", 2),
    Column("reason", 1, Fit.WRAPPED),
)
app = typer.Typer(help="The published contract: JSON Schemas, examples and AsyncAPI.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(file_okay=False, help="The folder with asyncapi.json, schemas/ and released/.")]
_HERE = Path("contracts")
_BEGINNING = "beginning"


@app.command("export")
def export(
    *,
    folder: Folder = _HERE,
    built_in: Annotated[bool, typer.Option("--built-in", help="Without the actions of installed packages.")] = False,
) -> None:
    """Write the JSON Schema and the examples of every record, and the AsyncAPI document, from the models.

    The actions of installed packages are among them. `check` compares with the actions that the folder has.
    """
    from stripeline.deploy.contract.files import export as write  # noqa: PLC0415  (imports every model: a developer's command)

    changed = write(folder, built_in=built_in)
    for path in changed:
        output.say(f"{'wrote  ' if (folder / path).exists() else 'removed'} {folder / path}")
    if not changed:
        output.say("Nothing to do: the files are what the models say.")


@app.command("check")
def check(*, folder: Folder = _HERE) -> None:
    """Report files that differ from the models, and changes since the last release that break other teams.

    Exits with 1 if it finds any.
    """
    from stripeline.deploy.contract.files import check as compare  # noqa: PLC0415  (as above)

    problems = compare(folder)
    for problem in problems:
        output.say(problem)
    if problems:
        raise typer.Exit(1)
    output.say("The files are what the models say, and nothing that others rely on has changed since the last release.")


@app.command("changes")
def changes(*, folder: Folder = _HERE, as_json: output.Json = False) -> None:
    """List every change since the last release, compatible or breaking, with the rule that applies."""
    from stripeline.deploy.contract.files import gate  # noqa: PLC0415  (as above)

    found = [
        {"record": one.record, "field": one.where, "rule": one.kind.value, "detail": one.detail, "breaks": one.reason}
        for one in gate(folder)
    ]
    output.rows(found, _CHANGES, as_json=as_json, empty="Nothing has changed.")


@app.command("release")
def release(*, folder: Folder = _HERE) -> None:
    """Store the current schemas as the last release, which `check` compares with. Refused while `check` fails."""
    from stripeline.deploy.contract.files import release as keep  # noqa: PLC0415  (as above)

    output.say(f"kept the schemas in {keep(folder)}")


@app.command("verify")
def verify(
    *,
    topic: Annotated[str, typer.Option(help="The full topic name, such as stripe.payment-event.")],
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="MOMENT", help="Where to start: beginning, 2026-01-31T12:00:00Z, or 2h for two hours ago."
        ),
    ] = _BEGINNING,
    limit: Annotated[int | None, typer.Option(min=1, help="The maximum number of records. Default: all.")] = None,
    as_json: output.Json = False,
) -> None:
    """Validate the key, value and headers of every record of a topic against the published contract.

    Reads the records that are there now, without a consumer group, and lists each invalid one with a reason, which
    never shows a value. Exits with 1 if it finds one.
    """
    from stripeline.deploy.contract.channels import channel_by_topic  # noqa: PLC0415  (as above)
    from stripeline.deploy.contract.judge import Contract  # noqa: PLC0415
    from stripeline.deploy.contract.verify import Span  # noqa: PLC0415
    from stripeline.deploy.contract.verify import verify as judge_all  # noqa: PLC0415

    channels = channel_by_topic(settings().topics)
    if topic not in channels:
        choice = f"choose one of {', '.join(channels)}, or another prefix with --topic-prefix"
        raise typer.BadParameter(f"the contract knows no topic {topic!r}: {choice}", param_hint="--topic")
    since_ms = None if start == _BEGINNING else moment_ms(start, int(time.time() * 1000), "--from")
    span = Span(topic=topic, since_ms=since_ms, limit=limit)
    report = output.run(judge_all(span, Contract(channels[topic]), kafka()))
    found = [{"topic": topic, **asdict(one)} for one in report.outside]
    if found or as_json:
        output.rows(found, _INVALID, as_json=as_json, empty="")
    for words in report.hidden:
        output.note(words)
    output.note(f"{topic}: {report.judged} records judged, {len(found)} outside the contract.")
    if found:
        raise typer.Exit(1)


COMMANDS = (Entry(name="contracts", does=app, panel=Panel.DEVELOP, place=1),)
