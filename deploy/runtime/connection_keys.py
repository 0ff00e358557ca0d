"""What the executor asks of a connection: its key, the name of that key, whether Stripe refused it, and its limits."""

from collections.abc import Callable

import structlog
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.operator.control_keys import PAUSE, name_of, refusal_key
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.derived.derived_values import DerivedValues
from stripeline.deploy.runtime.unopened_secrets import unopened
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.key_owner import MAX_AGE_MS, KeyOwner, owner_of, same
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import VaultError
from stripeline.workers.thin.thin_fetch import Fetch

log = structlog.get_logger(__name__)
STRIPES_OWN = "https://api.stripe.com"

# https://docs.stripe.com/rate-limits: calls per second of an account, and of each endpoint of it.
_NO_LIMITS = Rate()
_PUBLISHED = {"live": Rate(account=100, endpoint=25), "test": Rate(account=25, endpoint=25)}


def limits_of(table: ControlTable, *, stripes_own: bool) -> Callable[[str], Rate]:
    """The limits of connections by name: asked for on every call, and worked out when a connection has changed."""
    known: dict[str, tuple[Connection, Rate]] = {}

    def of(name: str) -> Rate:
        connection = table.connections.get(name)
        if connection is None:
            return _NO_LIMITS
        found = known.get(name)
        if found is None or found[0] is not connection:
            found = known[name] = (connection, connection_limits(connection, stripes_own=stripes_own))
        return found[1]

    return of


def connection_limits(connection: Connection, *, stripes_own: bool) -> Rate:
    """A connection's limits: its own, else Stripe's published ones at Stripe's own address, else none."""
    preset = _PUBLISHED[connection.mode] if stripes_own else _NO_LIMITS
    given = connection.rate
    return preset.model_copy(update=given.model_dump(exclude_none=True)) if given else preset


class Owners:
    """Whose key each connection has. Worked out when a connection or an account has changed, and not for every call."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table
        self._seen = Definitions()
        self._known: dict[str, KeyOwner | None] = {}

    def of(self, name: str) -> KeyOwner | None:
        definitions, seen = self._table.definitions, self._seen
        if definitions is not seen:
            if definitions.connections is not seen.connections or definitions.accounts is not seen.accounts:
                self._known = {}
            self._seen = definitions
        if name not in definitions.connections:  # a name of another team's, which must not be kept
            return None
        if name not in self._known:
            self._known[name] = owner_of(definitions, name)
        owner = self._known[name]
        if owner is None or self._table.age_s() * 1000 <= MAX_AGE_MS:
            return owner
        return replace(owner, held="waits until this process knows the connections again: its definitions are old")


def key_for(owners: Owners, keys: "Keys") -> Callable[[Call | Fetch], SecretStr | None]:
    """The key for a call when it is sent, and only if its owner is still the one that was decided on."""

    def of(call: Call | Fetch) -> SecretStr | None:
        name = call.connection
        owner = owners.of(name)
        return keys.of(name) if same(call.owner, owner) and owner is not None and owner.held is None else None

    return of


def quiet_since(table: ControlTable, name: str) -> int | None:
    """Since when no command of a connection has been sent: a person paused it, or Stripe refuses its key."""
    definitions = table.definitions
    place = definitions.places.get(f"{PAUSE}/connection/{name}")
    if place is not None:
        return place.appended_ms
    refusal = definitions.key_refusals.get(name)
    if refusal is None or refusal.key_name != key_name(table, name):
        return None
    place = definitions.places.get(refusal_key(name))
    return None if place is None else place.appended_ms


def key_name(table: ControlTable, name: str) -> str | None:
    connection = table.connections.get(name)
    return None if connection is None else connection.key_name


def refused_key(table: ControlTable, name: str, account: str | None = None) -> tuple[str, int] | None:
    """The name of the key that Stripe refused, at all or for an account, and since when."""
    refusal = table.definitions.key_refusals.get(name_of(refusal_key(name, account)))
    return None if refusal is None else (refusal.key_name, refusal.since_ms)


def paused_since(table: ControlTable, name: str) -> int | None:
    """Since when a person has paused a connection."""
    pause = table.definitions.pauses.get(f"connection/{name}")
    return None if pause is None else pause.at_ms


class Keys:
    """The connections' keys in clear. One that can't be opened is held like one that Stripe refused: nothing is burnt.

    A process with the wrong master key would else end every command that it meets, and a person could not undo it.
    """

    def __init__(self, table: ControlTable, secrets: Secrets, now_ms: Callable[[], int]) -> None:
        self._table, self._secrets, self._now_ms = table, secrets, now_ms
        self._unopened: dict[str, tuple[Connection, int, VaultError]] = {}
        self._closed = DerivedValues[Connection, VaultError](self._why_closed)

    def of(self, name: str) -> SecretStr | None:
        connection = self._table.connections.get(name)
        if connection is None:
            return None
        known = self._unopened.get(name)
        if known is not None and known[0].secret_key == connection.secret_key:
            return None
        try:
            key = self._secrets.secret_key(name, connection)
        except VaultError as error:
            log.error(LogEvent.CONNECTION_KEY_UNREADABLE, connection=name, reason=str(error))  # noqa: TRY400
            self._unopened[name] = (connection, self._now_ms(), error)
            return None
        self._unopened.pop(name, None)
        return key

    def held(self, name: str, account: str | None = None) -> tuple[str, int] | None:
        """The name of a key that must not be used, or not for this account, and since when."""
        if account is not None:
            return refused_key(self._table, name, account)
        refused = refused_key(self._table, name)
        if refused is not None or self.of(name) is not None or name not in self._unopened:
            return refused
        connection, since_ms, _ = self._unopened[name]
        return connection.key_name, since_ms

    def missing(self) -> str | None:
        """Why no command can be carried out: this process can open the key of no connection."""
        closed = self._closed.of(self._table.connections)
        return unopened("keys", closed) if closed and len(closed) == len(self._table.connections) else None

    def warnings(self) -> str | None:
        """Which connections' keys can't be opened, while others can. Their commands wait."""
        closed = self._closed.of(self._table.connections)
        return unopened("keys", closed) if closed and len(closed) < len(self._table.connections) else None

    def _why_closed(self, name: str, _: Connection) -> VaultError | None:
        return self._unopened[name][2] if self.of(name) is None else None
