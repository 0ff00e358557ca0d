"""`stripeline settings`: list the settings, and create a master key. Shows no secret."""

from pathlib import Path
from typing import Any

import typer

from stripeline.contracts.retry_tiers import Tier
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import option
from stripeline.deploy.cli.terminal.options import settings as current
from stripeline.deploy.settings.parsing import duration_text, size_text
from stripeline.deploy.settings.secret_files import file_variable
from stripeline.deploy.settings.settings import SECRETS, Settings, unknown_variables, variable
from stripeline.workers.secrets.vault import new_master_key

_COLUMNS = (
    Column("name", 0),
    Column("value", 1, Fit.WRAPPED),
    Column("default", 3, Fit.SHORTENED),
    Column("meaning", 2, Fit.WRAPPED),
)
app = typer.Typer(invoke_without_command=True)


@app.callback()
def settings(ctx: typer.Context, *, as_json: output.Json = False) -> None:
    """List every setting: its name, value, default and meaning.

    A setting is read from an option (--topic-prefix test.), else from the environment
    (STRIPELINE_TOPIC_PREFIX=test.), else from `.env` in the current folder; otherwise its default applies.

    Secrets are masked and can't be options. Each may be in a file instead, which the variable with _FILE names:
    STRIPELINE_MASTER_KEY_FILE=/run/secrets/master_key. Blanks and line breaks around it are left out.
    """
    if ctx.invoked_subcommand is not None:
        return
    values = current()
    found = [row(field, getattr(values, field)) for field in Settings.model_fields]
    output.rows(found, _COLUMNS, as_json=as_json, empty="")
    for name in unknown_variables():
        output.note(f"{name} is set, but there is no such setting: look for a typing mistake.")


@app.command("new-master-key")
def new_key() -> None:
    """Print a new master key for STRIPELINE_MASTER_KEY.

    It encrypts the secrets on the control topic. Anyone who has it can decrypt them; without it nobody can.
    To rotate it, put the new one first (STRIPELINE_MASTER_KEY=new,old), restart, and apply your files again.
    """
    output.say(new_master_key())


def row(field: str, value: Any) -> dict[str, Any]:
    """One setting as a row for display."""
    info = Settings.model_fields[field]
    return {
        "name": variable(field),
        "value": ("set, masked" if value else None) if field in SECRETS else shown(field, value),
        "default": shown(field, info.default),
        "option": None if field in SECRETS else option(field),
        "file": file_variable(variable(field)) if field in SECRETS else None,
        "meaning": info.description,
    }


def shown(field: str, value: Any) -> Any:
    """A value in the form in which it is set."""
    match value:
        case int() if field.endswith("_ms"):
            return duration_text(value)
        case int() if field.endswith("_bytes"):
            return size_text(value)
        case tuple():
            return ",".join(one.name if isinstance(one, Tier) else str(one) for one in value)
        case Path():
            return str(value)
        case _:
            return value


COMMANDS = (Entry(name="settings", does=app, panel=Panel.SET_UP, place=1),)
