"""Definitions of many tenants in memory, as `tenants` has them on the control topic, and an endpoint of each."""

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from tests.support.status_facts import NOW_MS, SEALED
from tests.support.tenants import FAMILIES, account_of, name_of, workflow_of


def many_definitions(count: int, now_ms: int = NOW_MS) -> Definitions:
    """Of each tenant a connection, three triggers, an endpoint and a workflow; all are swept."""
    names = [name_of(number) for number in range(count)]
    connection = Connection(secret_key=SEALED, mode="test", hint="sk_test_…wxyz")
    return Definitions(
        connections={name: connection.model_copy(update={"owner": name}) for name in names},
        accounts={
            name: ConnectionAccount(account=account_of(number), mode="test") for number, name in enumerate(names)
        },
        triggers={
            f"{name}-{family}": Trigger(kind=kind, connection=name, mode="test", signing_secrets=(SEALED,))
            for name in names
            for family, kind in FAMILIES.items()
        },
        endpoints={
            name: Endpoint(
                connection=name, triggers=tuple(f"{name}-{family}" for family in FAMILIES),
                url="https://hooks.example.com",
            )
            for name in names
        },
        workflows={name: workflow_of(number) for number, name in enumerate(names)},
        sweeps={name: _sweep(name, now_ms) for name in names},
    )  # fmt: skip


def _sweep(name: str, now_ms: int) -> Sweep:
    swept = SweptSince(
        trigger=f"{name}-payments", kind="stripe/payment-event", payload="snapshot", types=("*",), since_s=0
    )
    return Sweep(
        mode="test", triggers=(swept,), settled_upto_s=now_ms // 1000 - 900, closed_upto_s=now_ms // 1000 - 259_200,
        at_ms=now_ms,
    )  # fmt: skip
