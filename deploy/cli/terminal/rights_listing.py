"""`stripeline topics check --rights`: what this Kafka user needs and has, and the commands that grant the rest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.rights import Purpose, Right, rights_of
from stripeline.deploy.operations.rights_check import HeldRight, held_rights
from stripeline.deploy.operations.topics_admin import principal_of
from stripeline.deploy.settings.settings import Settings

_COLUMNS = (Column("right", 0), Column("needed_by", 2, Fit.WRAPPED), Column("held", 1))


def list_rights(settings: Settings, client: Mapping[str, Any], purposes: Sequence[Purpose], *, as_json: bool) -> bool:
    """Print each right, and the commands for those that are missing. False if one that is needed is missing."""
    needed_by = _needed_by(settings, purposes)
    found = output.run(held_rights(needed_by, client))
    rows = [_row(one, needed_by[one.right]) for one in found]
    output.rows(rows, _COLUMNS, as_json=as_json, empty="")
    missing = [one.right for one in found if one.held is False]
    if not as_json:
        _explain(found, acl_commands(missing, principal_of(client), settings.kafka_bootstrap_servers))
    return all(right.optional for right in missing)


def _needed_by(settings: Settings, purposes: Iterable[Purpose]) -> dict[Right, list[str]]:
    needed: dict[Right, list[str]] = {}
    for purpose in purposes:
        for right in rights_of(purpose, settings.topics):
            needed.setdefault(right, []).append(purpose.value)
    return needed


def _row(one: HeldRight, needed_by: Sequence[str]) -> dict[str, Any]:
    right = one.right
    return {
        "right": right.text,
        "resource": right.resource.value,
        "name": right.name,
        "pattern": "prefixed" if right.prefixed else "literal",
        "operation": right.operation.value,
        "needed_by": list(needed_by),
        "needed": not right.optional,
        "held": one.held,
    }


def _explain(found: Sequence[HeldRight], commands: Sequence[str]) -> None:
    for text in sorted({f"{one.right.text}: {one.right.optional}" for one in found if one.right.optional}):
        output.note(f"Not always needed: {text}.")
    if any(one.held is None for one in found):
        output.note("Kafka does not say whether this user has the rights without a yes or a no.")
    if commands:
        output.note(
            "Grant what is missing with Kafka's own tool, where admin.properties is the login of an administrator:"
        )
        for command in commands:
            output.say(command)
    else:
        output.note("This user has every right that is needed.")
