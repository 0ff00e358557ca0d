"""Who holds which master key, what it seals, and which step is refused."""

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.stripe_side_records import Destination, Destinations
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.master_keys.holders import newly_sealed, opens, require_held, sealed_kinds
from stripeline.deploy.operations.master_keys.key_table import key_table, problems
from stripeline.deploy.operations.master_keys.resealing import former_keys, name_to_keep, resealed
from stripeline.deploy.operations.status.workers import Instance
from stripeline.workers.secrets.vault import (
    KeyNotHeldError,
    Vault,
    connection_secret,
    endpoint_secret,
    key_id_of,
    new_master_key,
    signing_secret,
)

OLD_KEY, NEW_KEY = SecretStr(new_master_key()), SecretStr(new_master_key())
OLD, NEW, BOTH = Vault.from_ring([OLD_KEY]), Vault.from_ring([NEW_KEY]), Vault.from_ring([NEW_KEY, OLD_KEY])
OLD_ID, NEW_ID = OLD.key_ids[0], NEW.key_ids[0]
SECRET = SecretStr("sk_test_secret1")


def connection(vault: Vault, name: str = "acme", **fields) -> Connection:
    sealed = vault.seal(connection_secret(name), SECRET)
    return Connection(secret_key=sealed, mode="test", hint="sk_test_…", **fields)


def trigger(*vaults: Vault, name: str = "pay") -> Trigger:
    sealed = tuple(vault.seal(signing_secret(name), SecretStr("whsec_secret2")) for vault in vaults)
    return Trigger(kind="stripe/payment-event", connection="acme", mode="test", signing_secrets=sealed)


def running(role: str, *held: str, says: bool = True) -> Instance:
    report = WorkerReport(
        role=role, version="0.1.0", host="h", started_ms=0, at_ms=0, master_keys=held if says else None
    )
    return Instance(name=f"{role}/0", report=report, age_ms=0)


WORKFLOW = Workflow(trigger="pay", steps=({"id": "a", "action": "stripe/create-customer", "input": {}},))
STORED = Definitions(
    connections={"acme": connection(OLD)}, triggers={"pay": trigger(OLD, NEW)}, workflows={"w": WORKFLOW}
)


def test_the_ring_comes_first_then_what_seals_or_is_held():
    live = [running("ingest", OLD_ID, "0" * 8), running("executor", OLD_ID, NEW_ID), running("router", says=False)]
    table = key_table(STORED, [NEW_ID], live)
    assert [(row.key, row.place) for row in table] == [
        (NEW_ID, 1), *((key, None) for key in sorted([OLD_ID, "0" * 8])),
    ]  # fmt: skip
    by_key = {row.key: row for row in table}
    assert (by_key[OLD_ID].connections, by_key[OLD_ID].triggers) == (("acme",), ("pay",))
    assert (by_key[NEW_ID].connections, by_key[NEW_ID].triggers) == ((), ("pay",))
    assert by_key[NEW_ID].missing_at == ("ingest/0",)
    assert by_key[OLD_ID].held_by == ("ingest/0", "executor/0")
    assert not by_key["0" * 8].seals


@pytest.mark.parametrize(
    ("live", "words"),
    [
        ([running("ingest", OLD_ID, NEW_ID), running("executor", OLD_ID)], []),
        ([running("ingest", OLD_ID)], [f"ingest/0 does not hold master key {NEW_ID} yet (it holds {OLD_ID})"]),
        ([running("executor")], [f"executor/0 does not hold master key {OLD_ID} yet: set STRIPELINE_MASTER_KEY"]),
        ([], [f"not this command holds master key {OLD_ID}, which seals the secrets of acme, pay"]),
        (
            [running("executor", says=False)],
            [f"executor/0 does not hold master key {OLD_ID}", "does not say which master keys it holds"],
        ),
    ],
)
def test_what_is_missing_is_a_sentence(live: list[Instance], words: list[str]):
    found = list(problems(key_table(STORED, [NEW_ID], live), live))
    assert [any(text in one for one in found) for text in words] == [True] * len(words)
    assert len(found) == len(words)


@pytest.mark.parametrize(
    ("instance", "kinds"),
    [
        (running("ingest", OLD_ID), {"trigger", "endpoint"}),
        (running("executor", OLD_ID), {"connection"}),
        (running("worker", says=False), {"connection"}),
        (running("router", OLD_ID), set()),
        (running("up", OLD_ID), {"trigger", "connection", "endpoint"}),
        (running("console", says=False), set()),
    ],
)
def test_a_process_opens_what_its_role_needs(instance: Instance, kinds: set[str]):
    assert opens(instance) == kinds


def test_nothing_is_sealed_with_a_key_that_a_process_lacks():
    live = [running("ingest", OLD_ID), running("executor", OLD_ID, NEW_ID)]
    require_held(live, NEW_ID, ["connection"])
    require_held([], NEW_ID, ["connection", "trigger"])
    with pytest.raises(FailureError, match=f"ingest/0 does not hold master key {NEW_ID} yet"):
        require_held(live, NEW_ID, ["connection", "trigger"])
    many = [running("ingest", OLD_ID)] * 5
    with pytest.raises(FailureError, match=r"ingest/0 and 2 more do not hold .*\(they hold .* on each of them"):
        require_held(many, NEW_ID, ["trigger"])


def test_only_what_is_sealed_by_this_change_counts():
    wanted = {"connection/acme": STORED.connections["acme"], "trigger/pay": trigger(NEW), "workflow/w": WORKFLOW}
    assert newly_sealed(STORED, wanted) == {NEW_ID: {"trigger"}}
    assert newly_sealed(STORED, {"connection/acme": connection(NEW)}) == {NEW_ID: {"connection"}}
    assert newly_sealed(STORED, STORED.by_key()) == {}


def test_sealing_again_leaves_secret_order_and_name_as_they_are():
    changed = resealed(STORED, BOTH)
    assert set(changed) == {"connection/acme", "trigger/pay"}
    acme, pay = changed["connection/acme"], changed["trigger/pay"]
    assert isinstance(acme, Connection)
    assert isinstance(pay, Trigger)
    assert NEW.open(connection_secret("acme"), acme.secret_key) == SECRET
    assert acme.key_name == STORED.connections["acme"].key_name
    assert pay.signing_secrets[1] == STORED.triggers["pay"].signing_secrets[1]
    assert {key_id_of(text) for text in pay.signing_secrets} == {NEW_ID}
    assert former_keys(STORED, changed, NEW_ID) == {"connection/acme": [OLD_ID], "trigger/pay": [OLD_ID]}
    again = Definitions(connections={"acme": acme}, triggers={"pay": pay}, workflows=STORED.workflows)
    assert resealed(again, BOTH) == {}


def test_a_secret_that_cant_be_opened_stops_the_step():
    with pytest.raises(KeyNotHeldError, match=OLD_ID):
        resealed(STORED, NEW)


def test_a_key_keeps_its_name_while_it_is_the_same_key():
    stored = connection(OLD)
    sealed = NEW.seal(connection_secret("acme"), SECRET)
    assert name_to_keep("acme", None, sealed, SECRET, BOTH) is None
    assert name_to_keep("acme", stored, stored.secret_key, SECRET, BOTH) is None
    assert name_to_keep("acme", stored, sealed, SECRET, BOTH) == stored.key_name
    assert name_to_keep("acme", stored, sealed, SecretStr("sk_test_other"), BOTH) is None
    assert name_to_keep("acme", stored, sealed, SECRET, NEW) is None  # it can't be told
    kept = connection(NEW, key_name_kept="0123456789ab")
    assert name_to_keep("acme", kept, kept.secret_key, SECRET, BOTH) == kept.key_name == "0123456789ab"


def sealed_for_endpoint(vault: Vault) -> str:
    return vault.seal(endpoint_secret("shop"), SecretStr("whsec_secret3"))


ENDPOINT = Endpoint(
    connection="acme", triggers=("pay",), url="https://hooks.example.com", signing_secrets=(sealed_for_endpoint(OLD),)
)
MADE = Destinations(
    destinations=tuple(
        Destination(id=one, payload="snapshot", connection="acme", signing_secret=sealed_for_endpoint(vault), made_ms=1)
        for one, vault in (("we_1", OLD), ("we_2", NEW))
    )
)
WITH_ENDPOINT = Definitions(endpoints={"shop": ENDPOINT}, destinations={"shop": MADE})


def test_secrets_of_endpoints_and_destinations_count():
    live = [running("ingest", OLD_ID), running("executor", NEW_ID)]
    by_key = {row.key: row for row in key_table(WITH_ENDPOINT, [NEW_ID, OLD_ID], live)}
    assert (by_key[OLD_ID].endpoints, by_key[NEW_ID].endpoints) == (("shop",), ("shop",))
    assert by_key[NEW_ID].missing_at == ("ingest/0",)
    assert by_key[OLD_ID].missing_at == ()
    assert newly_sealed(Definitions(), {"destination/shop": MADE}) == {OLD_ID: {"endpoint"}, NEW_ID: {"endpoint"}}
    assert newly_sealed(WITH_ENDPOINT, {"destination/shop": MADE, "endpoint/shop": ENDPOINT}) == {}


def test_the_kinds_that_a_key_seals_are_those_of_the_table() -> None:
    for stored in (STORED, WITH_ENDPOINT):
        table = {row.key: row for row in key_table(stored, (), ())}
        kinds = {
            key: {kind for kind in ("connection", "trigger", "endpoint") if getattr(row, f"{kind}s")}
            for key, row in table.items()
        }
        assert sealed_kinds(stored) == kinds


def test_rotating_seals_endpoints_and_destinations_again():
    changed = resealed(WITH_ENDPOINT, BOTH)
    assert set(changed) == {"endpoint/shop", "destination/shop"}
    made, shop = changed["destination/shop"], changed["endpoint/shop"]
    assert isinstance(made, Destinations)
    assert isinstance(shop, Endpoint)
    assert [one.id for one in made.destinations] == ["we_1", "we_2"]
    texts = [*shop.signing_secrets, *(one.signing_secret for one in made.destinations)]
    assert {NEW.open(endpoint_secret("shop"), text) for text in texts} == {SecretStr("whsec_secret3")}
    assert made.destinations[1] == MADE.destinations[1]
    assert former_keys(WITH_ENDPOINT, changed, NEW_ID) == {"endpoint/shop": [OLD_ID], "destination/shop": [OLD_ID]}
