"""`stripeline keys`: which master key seals what and who holds it, and how it is rotated. Never shows a key."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.master_keys.holders import ALL, SealedRecord, lacked, lacking, opens
from stripeline.deploy.operations.master_keys.key_table import MasterKeyRow, key_table, problems
from stripeline.deploy.operations.master_keys.resealing import former_keys, resealed
from stripeline.deploy.operations.master_keys.rotation import seal_again
from stripeline.deploy.operations.status.workers import Instance, read_workers
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import Vault

app = typer.Typer(help="Show and rotate the master keys that seal the stored secrets.", no_args_is_help=True)
_COLUMNS = (
    Column("key", 0),
    Column("in_this_ring", 1),
    Column("connections", 3, Fit.SHORTENED),
    Column("triggers", 4, Fit.SHORTENED),
    Column("endpoints", 6, Fit.SHORTENED),
    Column("held_by", 5, Fit.WRAPPED),
    Column("missing_at", 2, Fit.WRAPPED),
)
_NEXT = """\
To rotate it:
  1. Make a new key with `stripeline settings new-master-key`.
  2. Set STRIPELINE_MASTER_KEY=new,old on every ingest, executor and worker, and restart them one after the other.
  3. Run `stripeline keys rotate` with the same STRIPELINE_MASTER_KEY=new,old."""


@app.command("status")
def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show which master key seals which secrets, and which running process holds which key.

    A master key is shown by its id, eight characters that do not reveal it. Its place in the STRIPELINE_MASTER_KEY of
    this command is `in_this_ring`: 1 seals, the others open. Exits with 1 when a process lacks a key that it needs, or
    a secret is sealed with a key that is nowhere.

    ```
    stripeline keys status
    stripeline keys status --json | jq '.problems'
    ```
    """
    ring = _ring()
    stored, live = _seen()
    table = key_table(stored, ring, live)
    found = list(problems(table, live))
    if as_json:
        output.print_json({"keys": [_row(one) for one in table], "processes": _processes(live), "problems": found})
    else:
        output.rows(
            [_row(one) for one in table], _COLUMNS, as_json=False, empty="There is no master key, and no secret."
        )
        for words in found:
            output.note(words)
        if not live:
            output.note("No process reports itself: none runs, or none of this version.")
    raise typer.Exit(1 if found else 0)


@app.command("rotate")
def rotate(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only show what would be done.")] = False,
    why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")] = "",
) -> None:
    """Seal every stored secret with the first key of STRIPELINE_MASTER_KEY, in steps that no process is lost by.

    Run it with STRIPELINE_MASTER_KEY=new,old. It asks the running processes first: while one of them does not hold the
    new key, nothing is sealed with it. At the end it says when the old key may be taken away.

    ```
    STRIPELINE_MASTER_KEY=$NEW,$OLD stripeline keys rotate
    STRIPELINE_MASTER_KEY=$NEW,$OLD stripeline keys rotate --yes --why "yearly rotation"
    ```
    """
    values = settings()
    vault = Vault.from_ring(values.master_keys)
    first = vault.key_ids[0]
    stored, live = _seen()
    _say_holders(live, first)
    changed = resealed(stored, vault)
    _say_changes(stored, changed, first, done=yes)
    if changed and yes:
        output.run(seal_again(values.topics, kafka(), stored, changed, first, signed(why)))
        stored, live = _seen()
    _say_old(stored, vault.key_ids, live, rotated=bool(changed), dry=bool(changed) and not yes)


def _ring() -> tuple[str, ...]:
    keys = settings().master_keys
    return Vault.from_ring(keys).key_ids if keys else ()


def _seen() -> tuple[Definitions, Sequence[Instance]]:
    """What is stored, and the processes that report themselves."""
    topics = settings().topics
    return output.run(read_all(topics.control, kafka())), output.run(read_workers(topics, kafka())).live


def _say_holders(live: Sequence[Instance], first: str) -> None:
    """The first step. Raises FailureError."""
    output.say(f"1. Every process holds master key {first}, the first of STRIPELINE_MASTER_KEY")
    without = lacking(live, first, ALL)
    for one in live:
        if opens(one):
            output.say(f"   {'does not' if one in without else 'holds it':9} {one.name}")
    if not any(map(opens, live)):
        output.say("   no ingest, executor or worker runs")
    if without:
        raise FailureError(f"{lacked(without, first)} Nothing was sealed; then run `stripeline keys rotate` again.")


def _say_changes(stored: Definitions, changed: Mapping[str, SealedRecord], first: str, *, done: bool) -> None:
    output.say(f"2. Every stored secret is sealed with {first}")
    for key, former in former_keys(stored, changed, first).items():
        output.say(f"   {key}: {', '.join(former)} → {first}")
    if not changed:
        output.say("   all of them are")
    elif not done:
        output.say("   Nothing was changed: run it again with --yes.")


def _say_old(stored: Definitions, ring: Sequence[str], live: Sequence[Instance], *, rotated: bool, dry: bool) -> None:
    """The last step: whether the other keys may go. Raises FailureError where a secret is still sealed with one."""
    first, *others = ring
    table = {row.key: row for row in key_table(stored, ring, live)}
    old = [table[key] for key in others] + [row for row in table.values() if row.place is None]
    output.say("3. The old key is taken away")
    if dry:
        output.say("   not yet: step 2 comes first")
        return
    if still := [row.key for row in old if row.seals]:
        raise FailureError(
            f"Master key {', '.join(still)} seals secrets again: somebody applied them with it. Run it again."
        )
    held = sorted({name for row in old for name in row.held_by})
    for row in old:
        output.say(f"   {row.key} seals nothing any more")
    if old:
        output.say(f"   Set STRIPELINE_MASTER_KEY to {first} alone, for this command and on every process, and restart")
        output.say(f"   them one after the other{': ' + ', '.join(held) if held else ''}.")
    elif not rotated:
        output.say(f"   there is none but {first}")
        output.note(_NEXT)


def _row(one: MasterKeyRow) -> dict[str, Any]:
    return {
        "key": one.key, "in_this_ring": one.place, "connections": list(one.connections), "triggers": list(one.triggers),
        "endpoints": list(one.endpoints), "held_by": list(one.held_by), "missing_at": list(one.missing_at),
    }  # fmt: skip


def _processes(live: Sequence[Instance]) -> list[dict[str, Any]]:
    return [
        {"instance": one.name, "role": one.report.role, "opens": sorted(opens(one)),
         "master_keys": None if one.report.master_keys is None else list(one.report.master_keys)}
        for one in live
    ]  # fmt: skip


COMMANDS = (Entry(name="keys", does=app, panel=Panel.LOOK, place=10),)
