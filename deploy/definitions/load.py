"""Reads a configuration file of connections, triggers and workflows into definitions, or says all that is wrong.

Sealing is random, so a secret that is already stored, under the first master key, keeps its sealed text: reading the
same file twice gives the same definitions. Publishes nothing, and shows no secret.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Mode, Trigger
from stripeline.deploy.definitions.checks import check_workflow, unknown
from stripeline.deploy.definitions.problems import ConfigurationError, Place, Problem
from stripeline.deploy.definitions.secrets import Environment, Kind, SecretError, Source, find, hint_of, mode_of
from stripeline.deploy.definitions.shape import Written, WrittenTrigger, shape
from stripeline.deploy.definitions.yaml_lines import Document, YamlError, read_yaml
from stripeline.deploy.operations.master_keys.resealing import name_to_keep
from stripeline.workers.secrets.vault import Vault, VaultError, connection_secret, key_id_of, signing_secret


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One file being read: what it may refer to, and what was found wrong so far."""

    source: Source
    vault: Vault
    stored: Definitions
    known: Definitions
    problems: list[Problem] = field(default_factory=list)

    def secret(self, place: Place, written: str, kind: Kind) -> SecretStr | None:
        try:
            return find(written, kind, self.source)
        except SecretError as error:
            self.problems.append(Problem(place=place, reason=str(error)))
            return None

    def seal(self, name: str, secret: SecretStr, stored: tuple[str, ...]) -> str:
        """The stored sealed text of the same secret, or a new one."""
        return next((text for text in stored if self._holds(name, text, secret)), None) or self.vault.seal(name, secret)

    def _holds(self, name: str, sealed: str, secret: SecretStr) -> bool:
        if key_id_of(sealed) != self.vault.key_ids[0]:  # sealed with an older master key: seal it again
            return False
        try:
            return self.vault.open(name, sealed) == secret
        except VaultError:
            return False


def load(
    file: Path, vault: Vault, stored: Definitions, environment: Environment, *, prune: bool = False
) -> Mapping[str, AnyDefinition]:
    """The definitions of a file by their control keys, in the order in which they must be published.

    `stored` is what stands on the control topic: the file may refer to it, unless it is to be pruned.
    Raises ConfigurationError with every problem, each with its line.
    """
    document = _read(file)
    written = shape(document.value)
    if isinstance(written, list):
        raise ConfigurationError(file, [_placed(document, problem) for problem in written])
    source = Source(environment=environment, folder=file.parent)
    reading = _Reading(source=source, vault=vault, stored=stored, known=Definitions() if prune else stored)
    definitions = _definitions(reading, written)
    if reading.problems:
        raise ConfigurationError(file, [_placed(document, problem) for problem in reading.problems])
    return definitions


def _read(file: Path) -> Document:
    try:
        return read_yaml(file.read_text(encoding="utf-8"))
    except YamlError as error:
        raise ConfigurationError(file, [error.problem]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(file, [Problem(place=(), reason=f"the file can't be read: {reason}")]) from None


def _placed(document: Document, problem: Problem) -> Problem:
    return Problem(place=problem.place, reason=problem.reason, line=document.line(problem.place))


def _definitions(reading: _Reading, written: Written) -> dict[str, AnyDefinition]:
    connections = dict(_connections(reading, written))
    there = {**reading.known.connections, **connections}
    # A connection with a fault of its own is there, all the same: one fault, one line.
    named: Mapping[str, Any] = {**there, **written.connections}
    triggers = dict(_triggers(reading, written, {name: each.mode for name, each in there.items()}, named))
    triggers |= _followed(reading.known.triggers, connections, triggers)
    for name, workflow in written.workflows.items():
        place = ("workflows", name)
        reading.problems += check_workflow(place, workflow, {**reading.known.triggers, **triggers}, named)
    return Definitions(connections=connections, triggers=triggers, workflows=written.workflows).by_key()


def _connections(reading: _Reading, written: Written) -> Iterator[tuple[str, Connection]]:
    for name, given in written.connections.items():
        secret = reading.secret(("connections", name, "secret_key"), given.secret_key, "secret_key")
        if secret is not None:
            stored = reading.stored.connections.get(name)
            sealed = reading.seal(connection_secret(name), secret, (stored.secret_key,) if stored else ())
            connection = Connection(
                secret_key=sealed, mode=mode_of(secret), hint=hint_of(secret), account=given.account, rate=given.rate,
                limits=given.limits, commands=given.commands,
                key_name_kept=name_to_keep(name, stored, sealed, secret, reading.vault),
            )  # fmt: skip
            yield name, connection


def _triggers(
    reading: _Reading, written: Written, modes: Mapping[str, Mode], named: Mapping[str, Any]
) -> Iterator[tuple[str, Trigger]]:
    for name, given in written.triggers.items():
        place = ("triggers", name)
        if given.connection not in named:
            reason = unknown("connection", given.connection, named)
            reading.problems.append(Problem(place=(*place, "connection"), reason=reason))
        yield (
            name,
            Trigger(
                kind=given.kind,
                connection=given.connection,
                mode=modes.get(given.connection),
                signing_secrets=_ring(reading, name, given),
            ),
        )


def _ring(reading: _Reading, name: str, given: WrittenTrigger) -> tuple[str, ...]:
    stored = reading.stored.triggers.get(name)
    kept = stored.signing_secrets if stored else ()
    found = [
        reading.secret(("triggers", name, "signing_secrets", position), written, "signing_secret")
        for position, written in enumerate(given.signing_secrets)
    ]
    return tuple(reading.seal(signing_secret(name), secret, kept) for secret in found if secret is not None)


def _followed(
    stored: Mapping[str, Trigger], connections: Mapping[str, Connection], written: Mapping[str, Trigger]
) -> dict[str, Trigger]:
    """Stored triggers that the file leaves out, but whose connection it moves between test and live."""
    return {
        name: trigger.model_copy(update={"mode": connections[trigger.connection].mode})
        for name, trigger in stored.items()
        if name not in written
        and trigger.connection in connections
        and trigger.mode != connections[trigger.connection].mode
    }
