"""The suite's accounts at Stripe: two with keys of their own, and one that is connected to the first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka.errors import KafkaError

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.deploy.failure import FailureError
from stripeline.workers.kafka.control_table import publish
from tests.support.cluster import KEY, TWO_STEPS, Cluster, configure
from tests.support.scripted_workers import until

ACME, BETA, SHOP = "acct_1FaultsAcme", "acct_1FaultsBeta", "acct_1FaultsShop"
FIRST_KEYS: Final = {"acme": KEY, "beta": "sk_test_e2ebeta"}
OWN: Final = {"acme": ACME, "beta": BETA}
APPLIED_S: Final = 120.0
PLACES: Final = (("acme", None), ("beta", None), ("acme", SHOP))
"""Whom the other team's commands are for: a connection, and perhaps an account that is connected to it."""

CONFIG = (
    """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
  beta: {secret_key: "${env:BETA_KEY}"}
"""
    + TWO_STEPS
)


def account_of(connection: str, account: str | None) -> str:
    """Where the effects of a command belong."""
    return OWN[connection] if account is None else account


@dataclass
class Keys:
    """The present key of each connection. A key that is rolled works for a while beside the next one, as at Stripe."""

    found: Cluster
    present: dict[str, str] = field(default_factory=lambda: dict(FIRST_KEYS))
    rolled: int = 0

    async def open(self) -> None:
        """Stripe's side, and what `apply` learns of it."""
        for name, account in OWN.items():
            await self.found.sandbox("/keys", {"key": self.present[name], "account": account})
        await self.found.sandbox("/connected", {"key": self.present["acme"], "account": SHOP})
        learned = {
            f"account/{name}": encode(ConnectionAccount(account=account, mode="test")) for name, account in OWN.items()
        }
        await publish(self.found.settings.topics.control, self.found.client, learned)

    async def roll(self, name: str, keep_s: float) -> None:
        self.rolled += 1
        new = f"{FIRST_KEYS[name]}rolled{self.rolled}"
        await self.found.sandbox("/keys/roll", {"key": self.present[name], "new_key": new, "keep_s": keep_s})
        self.present[name] = new
        await until(self._applied, f"the next key of {name} is applied", APPLIED_S)

    async def _applied(self) -> bool:
        """Another fault may have the broker: who rolls a key applies again then."""
        try:
            await configure(self.found, CONFIG, secrets_of(self.present))
        except (KafkaError, OSError, TimeoutError, FailureError):
            return False
        return True


def secrets_of(keys: Mapping[str, str]) -> Mapping[str, str]:
    return {"ACME_KEY": keys["acme"], "BETA_KEY": keys["beta"]}
