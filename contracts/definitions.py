"""The records of `stripe.control` that the configuration file defines: connections, triggers, endpoints, workflows.

They contain no plain secret: a secret is a `Sealed` text that only a process with the master key can open.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from stripeline.contracts.action import explain
from stripeline.contracts.definition_fields import (
    API_VERSION,
    ENDPOINT_URL,
    MAX_DESTINATIONS,
    Definition,
    Mode,
    Name,
    Owner,
    Rate,
    Sealed,
    TriggerKind,
)
from stripeline.contracts.ids import ACCOUNT_ID, NAME, STEP
from stripeline.contracts.internal_records import read
from stripeline.contracts.limits import Commands, HourlyLimits, RunLimit
from stripeline.contracts.operator.control_keys import FACTS, INSTALLATION_KEY, Fact, name_of
from stripeline.contracts.operator.control_records import (
    BatchSkip,
    BrakeRelease,
    ConnectionAccount,
    ControlPlace,
    Installation,
    KeyRefusal,
    Pause,
    Probe,
)
from stripeline.contracts.operator.definitions_by_key import DefinitionsByKey
from stripeline.contracts.operator.stripe_side_records import Destinations, Sweep
from stripeline.contracts.type_filters import TYPE_FILTER, matches


class Connection(Definition):
    """One Stripe secret key. Only its `hint` is ever shown: `sk_test_…last4`."""

    secret_key: Sealed
    mode: Annotated[Mode, Field(description="the mode of the key: live or test")]
    hint: Annotated[str, Field(description="the visible part of the key: `sk_test_…last4`")]
    account: Annotated[
        Annotated[str, Field(pattern=ACCOUNT_ID.pattern)] | None,
        Field(description="the key's account, where the key may not ask Stripe for it"),
    ] = None
    rate: Annotated[
        Rate | None, Field(description="default: Stripe's published limits, if Stripe's own address is used")
    ] = None
    limits: Annotated[HourlyLimits | None, Field(description="at one of them the connection pauses by itself")] = None
    commands: Annotated[
        Commands | None,
        Field(description="`own`: only commands of runs on the run topic are done; default: `all`"),
    ] = None
    owner: Owner = None
    key_name_kept: Annotated[str | None, Field(description="the key's name, if it was sealed again")] = None

    @cached_property
    def key_name(self) -> str:
        """A name that identifies the key without revealing it. A new key has another, one sealed again the same."""
        return self.key_name_kept or hashlib.sha256(self.secret_key.encode()).hexdigest()[:12]


TriggerPayload = Literal["snapshot", "thin", "both"]
"""Which of Stripe's two kinds of events a trigger takes; of `both`, the one that comes first."""
LateEvents = Literal["run", "skip", "hold"]
"""What a workflow does with an event that was missed and found later."""


class Trigger(Definition):
    """One webhook URL with its signing secrets. `mode` is its connection's, and is checked on every event."""

    kind: Annotated[TriggerKind, Field(description="the object family, such as `stripe/payment-event`")]
    connection: Annotated[
        Name, Field(description="the connection whose events it receives, and whose account its steps use")
    ]
    mode: Annotated[Mode | None, Field(description="events of the other mode are refused")] = None
    signing_secrets: Annotated[
        tuple[Sealed, ...],
        Field(description="a delivery may be signed with any of them; without one, every delivery is answered 503"),
    ] = ()
    payload: Annotated[
        TriggerPayload | None,
        Field(description="events with their objects, thin events that name them, or both; default: `snapshot`"),
    ] = None
    owner: Owner = None


class Endpoint(Definition):
    """One webhook URL, and its destinations at Stripe, for several triggers: each takes the events of its family."""

    connection: Annotated[Name, Field(description="the connection whose account has the destinations")]
    triggers: Annotated[
        tuple[Name, ...],
        Field(min_length=1, max_length=MAX_DESTINATIONS, description="its triggers, at most one of a family"),
    ]
    url: Annotated[
        str,
        Field(
            pattern=ENDPOINT_URL.pattern,
            description="where Stripe reaches ingest; deliveries go to `/webhooks/NAME` below it",
        ),
    ]
    connect: Annotated[bool | None, Field(description="events of connected accounts, instead of the account's own")] = (
        None
    )
    api_version: Annotated[
        Annotated[str, Field(pattern=API_VERSION.pattern)] | None,
        Field(description="Stripe's API version of its events' objects; default: the one Stripeline is tested with"),
    ] = None
    mode: Annotated[Mode | None, Field(description="events of the other mode are refused")] = None
    signing_secrets: Annotated[
        tuple[Sealed, ...],
        Field(description="of destinations not made by Stripeline: a delivery may be signed with any of them"),
    ] = ()
    owner: Owner = None


class Step(Definition):
    """One step: an action and its input, in which `=` marks an expression."""

    id: Annotated[str, Field(pattern=STEP.pattern, description="expressions refer to it as `steps.<id>.<field>`")]
    action: Annotated[str, Field(description="the action, such as `stripe/create-customer`")]
    connection: Annotated[Name | None, Field(description="default: the trigger's")] = None
    account: Annotated[
        Annotated[str, Field(pattern=rf"^self$|{ACCOUNT_ID.pattern}")] | None,
        Field(
            description="the connected account to act for; `self`: the connection's own; default: on the trigger's"
            " connection the event's, else the connection's own"
        ),
    ] = None
    input: Annotated[Mapping[str, Any], Field(description="a string that starts with `=` is a CEL expression")] = {}


class Workflow(Definition):
    """Steps to run for each event of a trigger that matches `types` and `where`."""

    trigger: Annotated[Name, Field(description="the trigger whose events start it")]
    types: Annotated[tuple[str, ...], Field(min_length=1, description="event types, or a prefix with `.*`")] = ("*",)
    where: Annotated[str | None, Field(description="a CEL expression over the event; default: every event")] = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20, description="executed one after the other")]
    limit: Annotated[
        RunLimit | None,
        Field(description="runs started in an hour, like `1000/h`: there the workflow pauses by itself"),
    ] = None
    late: Annotated[
        LateEvents | None,
        Field(
            description="an event that was missed and found later starts a run (`run`, the default), none (`skip`), or"
            " one that waits for a person (`hold`)"
        ),
    ] = None
    owner: Owner = None

    @field_validator("types")
    @classmethod
    def _filters(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in types if not TYPE_FILTER.fullmatch(name)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no type filter: write a type, or a prefix and .*, like charge.dispute.*")
        return types

    @model_validator(mode="after")
    def _distinct(self) -> "Workflow":
        ids = [step.id for step in self.steps]
        if len(set(ids)) != len(ids):
            raise ValueError("each step needs an id of its own")
        return self

    def wants(self, event_type: str) -> bool:
        return any(matches(name, event_type) for name in self.types)


Kept = TypeVar("Kept")

AnyDefinition = Connection | Trigger | Endpoint | Workflow
ControlRecord = AnyDefinition | Fact
"""A record of `stripe.control`."""

KINDS: Mapping[str, type[AnyDefinition]] = {
    "connection": Connection,
    "trigger": Trigger,
    "endpoint": Endpoint,
    "workflow": Workflow,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """All definitions, by name. Immutable: a change yields another value.

    places: of the records, by control key.
    """

    connections: Mapping[str, Connection] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    key_refusals: Mapping[str, KeyRefusal] = field(default_factory=dict)
    skips: Mapping[str, BatchSkip] = field(default_factory=dict)
    accounts: Mapping[str, ConnectionAccount] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    releases: Mapping[str, BrakeRelease] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    destinations: Mapping[str, Destinations] = field(default_factory=dict)
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    installation: Installation | None = None
    places: Mapping[str, ControlPlace] = field(default_factory=dict)

    @classmethod
    def of(cls, by_key: Mapping[str, ControlRecord], places: Mapping[str, ControlPlace] | None = None) -> "Definitions":
        """Definitions from the records of the control topic, by key."""
        installation = by_key.get(INSTALLATION_KEY)
        return cls(
            connections=_named(by_key, Connection),
            triggers=_named(by_key, Trigger),
            endpoints=_named(by_key, Endpoint),
            workflows=_named(by_key, Workflow),
            key_refusals=_named(by_key, KeyRefusal),
            skips=_named(by_key, BatchSkip),
            accounts=_named(by_key, ConnectionAccount),
            pauses=_named(by_key, Pause),
            releases=_named(by_key, BrakeRelease),
            probes=_named(by_key, Probe),
            destinations=_named(by_key, Destinations),
            sweeps=_named(by_key, Sweep),
            installation=installation if isinstance(installation, Installation) else None,
            places=places or {},
        )

    def account_of(self, connection: str) -> str | None:
        """The account behind a connection's key: as it was learned, else as it is declared."""
        learned, known = self.accounts.get(connection), self.connections.get(connection)
        declared = None if known is None else known.account
        return declared if learned is None else learned.account

    def refusals(self) -> Mapping[str, KeyRefusal]:
        """What Stripe refuses of the keys that the connections have now, by `NAME` or `NAME/ACCOUNT`."""
        return {
            name: refusal
            for name, refusal in self.key_refusals.items()
            if (connection := self.connections.get(name.partition("/")[0])) is not None
            and connection.key_name == refusal.key_name
        }

    def refused(self, connection: str) -> list[str | None]:
        """What Stripe refuses of a connection's key: None for all of it, and accounts."""
        parts = (name.partition("/") for name in sorted(self.refusals()))
        return [account or None for name, _, account in parts if name == connection]

    def held(self) -> frozenset[str]:
        """The connections whose commands wait: they are paused, or Stripe refuses their keys altogether."""
        paused = (name.partition("/") for name in self.pauses)
        refused = (name for name in self.refusals() if "/" not in name)
        return frozenset((*refused, *(name for kind, _, name in paused if kind == "connection")))

    def by_key(self) -> Mapping[str, AnyDefinition]:
        """Control keys with their definitions: connections, triggers, endpoints, workflows, each by name."""
        kinds: Mapping[str, Mapping[str, AnyDefinition]] = {
            "connection": self.connections,
            "trigger": self.triggers,
            "endpoint": self.endpoints,
            "workflow": self.workflows,
        }
        return DefinitionsByKey(kinds)


def _named(by_key: Mapping[str, ControlRecord], kind: type[Kept]) -> Mapping[str, Kept]:
    return {name_of(key): value for key, value in by_key.items() if isinstance(value, kind)}


def parse_definition(key: str, value: bytes) -> ControlRecord:
    """Parse a record of `stripe.control`. Raises ValueError, which shows no value."""
    kind, slash, name = key.partition("/")
    if kind in FACTS and FACTS[kind][0].fullmatch(name) and bool(slash) is (kind != INSTALLATION_KEY):
        return read(FACTS[kind][1], value)
    if kind not in KINDS or not NAME.fullmatch(name):
        choice = ", ".join((*KINDS, *FACTS))
        raise ValueError(f"{key!r} is not a control key: it is KIND/NAME with one of {choice}")
    try:
        return KINDS[kind].model_validate_json(value)
    except ValidationError as error:
        raise ValueError(explain(error)) from None  # pydantic's message would show the value


def encode_definition(definition: AnyDefinition) -> bytes:
    """Encode a definition as the value of its record."""
    return definition.model_dump_json(exclude_none=True).encode()
