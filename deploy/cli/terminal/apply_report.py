"""What `stripeline apply` says: the difference line by line, warnings with their lines, and the same for a pipeline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.definitions.diff import Change, place_of
from stripeline.deploy.definitions.nearest import listed
from stripeline.deploy.definitions.problems import ConfigurationError, Place, Problem, dotted, sentence

_MARKS: Final[Mapping[str, str]] = {"added": "+", "changed": "~", "removed": "-", "unchanged": "="}
_WARNINGS: Final = 50
"""As many are shown; `--json` has all."""


class TrialOutcome(Protocol):
    """What became of a workflow's example events."""

    @property
    def workflow(self) -> str: ...
    def row(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    """One application of a file.

    kept: places of secrets that stay as they are stored, and their variables.
    others: who owns what the file leaves out.
    unknown: connections whose account nobody knows, and why. tries: control keys of refused keys that are tried again.
    renamed: the new triggers of old ones.
    """

    file: Path
    changes: Sequence[Change]
    warnings: Sequence[Problem]
    trials: Sequence[TrialOutcome]
    kept: Mapping[Place, str]
    others: Mapping[str, str | None]
    accounts: Mapping[str, ConnectionAccount]
    unknown: Mapping[str, str]
    tries: Sequence[str]
    renamed: Mapping[str, str]
    dry_run: bool

    def show_difference(self, *, as_json: bool) -> None:
        for problem in self.warnings[:_WARNINGS]:
            output.note(f"warning: {sentence(self.file, problem)}")
        if len(self.warnings) > _WARNINGS:
            output.note(f"and {len(self.warnings) - _WARNINGS} more warnings: --json has them all")
        for name, words in self.unknown.items():
            output.note(f"warning: connection {name}: {words}")
        if not as_json:
            for line in self._difference():
                output.say(line)

    def show_end(self, *, as_json: bool) -> None:
        if as_json:
            output.print_json(self._row())
            return
        output.note(self._summary())
        for line in self._notes():
            output.note(line)

    def _difference(self) -> Iterator[str]:
        for change in self.changes:
            kept = [
                (dotted(place[2:]), variable)
                for place, variable in self.kept.items()
                if change.what != "removed" and place[:2] == place_of(change.key)
            ]
            if change.what == "unchanged" and not kept:
                continue
            at = f" ({self.file.name}:{change.line})" if change.line else ""
            yield f"{_MARKS[change.what]} {change.key}{at}"
            for field in change.fields:
                yield f"    {field}{f' (line {field.line})' if field.line else ''}"
            for name, variable in kept:
                yield f"    {name}: kept as it is stored, since {variable} is not set"

    def _summary(self) -> str:
        counts = {what: sum(change.what == what for change in self.changes) for what in _MARKS}
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing in the file"
        return f"{words}{'; nothing was published (--dry-run)' if self.dry_run else ''}"

    def _notes(self) -> Iterator[str]:
        changed = {change.key for change in self.changes if change.what in {"added", "changed"}}
        for trial in self.trials:
            if f"workflow/{trial.workflow}" in changed:
                yield str(trial)
        for name, record in self.accounts.items():
            yield f"connection {name} is account {record.account} in {record.mode} mode"
        for key in self.tries:
            yield f"Stripe refused the key of {key.partition('/')[2]}; an executor tries it again now"
        gone = {change.key for change in self.changes if change.what == "removed"}
        for before, new in self.renamed.items():
            if f"trigger/{before}" not in gone:
                yield (
                    f"trigger {before} is not in the file, and stays: deliveries to /webhooks/{before} are taken as"
                    f" before. If {new} replaces it, give Stripe the URL of /webhooks/{new}, and then run `stripeline"
                    f" delete trigger {before}`"
                )
        if self.others:
            names = listed(f"{key} ({owner or 'no owner'})" for key, owner in sorted(self.others.items()))
            yield f"not pruned, since this owner did not apply them: {names}"

    def _row(self) -> dict[str, Any]:
        return {
            "changes": [change.row() for change in self.changes],
            "problems": [],
            "warnings": [one.row() for one in self.warnings]
            + [{"line": None, "place": f"connections.{name}", "message": why} for name, why in self.unknown.items()],
            "kept_secrets": [{"place": dotted(place), "variable": name} for place, name in self.kept.items()],
            "not_pruned": [{"key": key, "owner": owner} for key, owner in sorted(self.others.items())],
            "trials": [trial.row() for trial in self.trials],
            "applied": not self.dry_run,
        }


def show_problems(error: ConfigurationError) -> None:
    """The same object for a file that was refused."""
    none: dict[str, Any] = {"kept_secrets": [], "not_pruned": [], "trials": [], "applied": False}
    output.print_json({"changes": [], "problems": [one.row() for one in error.problems], "warnings": [], **none})
