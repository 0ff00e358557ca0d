"""Reads a configuration file into definitions, or says all that is wrong with it.

Publishes nothing, and shows no secret.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stripeline.contracts.definition_fields import Mode
from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Endpoint, Trigger
from stripeline.contracts.operator.definitions_by_key import chained
from stripeline.deploy.definitions.checks import KnownNames, check_workflow, unknown
from stripeline.deploy.definitions.configuration_file import ConfigurationFile, read_file
from stripeline.deploy.definitions.endpoint_checks import check_endpoint, check_endpoints
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.sealed_secrets import Sealing
from stripeline.deploy.definitions.secrets import Environment, SecretError, Source, UnsetError, find
from stripeline.deploy.definitions.shape import Written
from stripeline.workers.secrets.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The definitions of a file by their control keys, in the order in which they must be published.

    warnings: what is doubtful, with its line. kept: places of secrets that stay as they are stored, and their variable.
    """

    definitions: Mapping[str, AnyDefinition]
    warnings: Sequence[Problem] = ()
    kept: Mapping[Place, str] = field(default_factory=dict)


def problems_alone(file: ConfigurationFile, environment: Environment, allowed: Collection[str] = ()) -> list[Problem]:
    """What is wrong with a file, or doubtful, whatever is stored. Needs neither Kafka nor a master key."""
    source = Source(environment=environment, folder=file.path.parent)
    around = KnownNames(triggers=triggers_of(file.written), allowed=allowed, complete=False)
    found = [
        problem
        for name, workflow in file.written.workflows.items()
        for problem in check_workflow(("workflows", name), workflow, around)
    ]
    for name, endpoint in file.written.endpoints.items():
        found += check_endpoint(("endpoints", name), endpoint)
    for place, text, kind in file.written.secrets():
        try:
            find(text, kind, source)
        except UnsetError:
            pass  # it may be stored
        except SecretError as error:
            found.append(Problem(place=place, reason=str(error)))
    return found


def triggers_of(written: Written) -> dict[str, Trigger]:
    """The triggers of a file, without their secrets."""
    return {
        name: Trigger(kind=one.kind, connection=one.connection, payload=one.payload)
        for name, one in written.triggers.items()
    }


def load(
    file: Path, vault: Vault, stored: Definitions, environment: Environment, *, prune: bool = False
) -> Mapping[str, AnyDefinition]:
    """The definitions of a file. Raises ConfigurationError with every problem, each with its line."""
    return loaded(read_file(file), vault, stored, environment, known=Definitions() if prune else stored).definitions


def loaded(
    file: ConfigurationFile, vault: Vault, stored: Definitions, environment: Environment, *, known: Definitions,
    allowed: Collection[str] = (),
) -> Loaded:  # fmt: skip
    """The definitions of a file that was read. Raises ConfigurationError.

    stored: what is on the control topic. known: what of it the file may refer to, that is, what is not pruned.
    """
    source = Source(environment=environment, folder=file.path.parent)
    sealing = Sealing(source=source, vault=vault, stored=stored)
    connections = dict(_connections(sealing, file.written))
    # Looked up by name, and not put together: of ten thousand connections a file is about a few.
    there = chained(connections, known.connections)
    # A connection with a fault of its own is there, all the same: one fault, one line.
    named: Mapping[str, Any] = chained(file.written.connections, there)
    modes = {name: there[name].mode for name in _used(file.written) if name in there}
    triggers = dict(_triggers(sealing, file.written, modes, named))
    endpoints = dict(_endpoints(sealing, file.written, modes))
    sealing.problems += check_endpoints(file.written, known, triggers, named)
    around = KnownNames(triggers=chained(triggers, known.triggers), connections=named, allowed=allowed)
    for name, workflow in file.written.workflows.items():
        sealing.problems += check_workflow(("workflows", name), workflow, around)
    found = Definitions(
        connections=connections, triggers=triggers, endpoints=endpoints, workflows=file.written.workflows
    ).by_key()
    return Loaded(definitions=found, warnings=file.require(sealing.problems), kept=sealing.kept)


def _used(written: Written) -> Iterator[str]:
    """The connections that triggers and endpoints of a file name."""
    yield from (one.connection for one in written.triggers.values())
    yield from (one.connection for one in written.endpoints.values())


def _connections(sealing: Sealing, written: Written) -> Iterator[tuple[str, Connection]]:
    for name, given in written.connections.items():
        key = sealing.key(name, given.secret_key)
        if key is not None:
            beside = given.model_dump(exclude={"secret_key"})
            yield name, Connection.model_validate({**beside, **asdict(key)})


def _triggers(
    sealing: Sealing, written: Written, modes: Mapping[str, Mode], named: Mapping[str, Any]
) -> Iterator[tuple[str, Trigger]]:
    for name, given in written.triggers.items():
        if given.connection not in named:
            reason = unknown("connection", given.connection, named)
            sealing.problems.append(Problem(place=("triggers", name, "connection"), reason=reason))
        yield (
            name,
            Trigger(
                kind=given.kind,
                connection=given.connection,
                mode=modes.get(given.connection),
                signing_secrets=sealing.trigger_ring(name, given.signing_secrets),
                payload=given.payload,
            ),
        )


def _endpoints(sealing: Sealing, written: Written, modes: Mapping[str, Mode]) -> Iterator[tuple[str, Endpoint]]:
    for name, given in written.endpoints.items():
        wrong = list(check_endpoint(("endpoints", name), given))
        sealing.problems += wrong
        ring = sealing.endpoint_ring(name, given.signing_secrets)
        if not any(not one.warning for one in wrong):
            beside = given.model_dump(exclude={"signing_secrets"})
            mode = modes.get(given.connection)
            yield name, Endpoint.model_validate({**beside, "mode": mode, "signing_secrets": ring})
