"""Reads what is there at the end: topics, the sandbox's ledger, and the logs of all processes."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stripeline.deploy.local.reconciliation import EndState, Sent
from tests.faults.accounts import ACME
from tests.faults.deliveries import Deliveries
from tests.faults.orders import Orders
from tests.support.cluster import KEY, SECRET, Cluster
from tests.support.end_state import end_state, find
from tests.support.invariants import STEPS

SECRETS = re.compile(r"sk_test_\w+|whsec_\w+|_secret_\w+")
FORBIDDEN: Mapping[str, re.Pattern[str]] = {
    "a secret": SECRETS,
    # Those of aiokafka's own lines are of a broker that is away, and are said once in ten seconds.
    "a traceback": re.compile(r'^(?!.*"logger":"aiokafka).*(Traceback \(most recent|was never (retrieved|awaited))'),
}
KAFKAS_OWN = re.compile(
    "these partitions are likely deleted already and hence can be skipped"  # the end of a transaction is not written
    "|is out of sync with the underlying log"  # a coordinator that was loaded twice at a time forgot offsets
)
# A pattern that finds nothing would hold nothing.
assert SECRETS.search(SECRET)
assert SECRETS.search(KEY)


def sent(deliveries: Deliveries, orders: Orders) -> Sent:
    """What the generators sent, as the comparison takes it."""
    return Sent(
        events=dict.fromkeys(deliveries.sent, STEPS),
        events_acknowledged=frozenset(deliveries.acknowledged),
        steps=STEPS,
        commands=frozenset(orders.sent),
        commands_acknowledged=frozenset(orders.acknowledged),
        rubbish=frozenset(orders.rubbish),
        reused=frozenset(orders.reused),
        perhaps=frozenset(orders.perhaps),
        accounts=orders.accounts,
        account_of_runs=ACME,
    )


async def collect(found: Cluster, not_commands: frozenset[bytes]) -> EndState:
    return end_state(await find(found), not_commands)


def forbidden(logs: Iterable[Path]) -> dict[str, list[str]]:
    """The lines of logs that hold what must be in none, by what it is."""
    found: dict[str, list[str]] = {what: [] for what in FORBIDDEN}
    for log in logs:
        with log.open(errors="replace") as lines:
            for line in lines:
                for what, pattern in FORBIDDEN.items():
                    if pattern.search(line):
                        found[what].append(f"{log.name}: {line.strip()[:300]}")
    return found


def kafkas_own_faults(logs: Iterable[Path]) -> list[str]:
    """What Kafka itself did to transactions or offsets: after this it promises nothing, and neither can we."""
    found: list[str] = []
    for log in logs:
        with log.open(errors="replace") as lines:
            found += [line.strip()[:500] for line in lines if KAFKAS_OWN.search(line)]
    return found
