"""Definitions as a list shows them; what a connection's row says of its pause is in `acts/test_pauses.py`."""

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.operator.control_records import KeyRefusal
from stripeline.deploy.definitions.definition_rows import connection_rows

NAMES = [f"tenant-{number}" for number in range(50)]


class Refusals(dict[str, KeyRefusal]):
    """Counts how often all of them are gone through."""

    times = 0

    def items(self):
        self.times += 1
        return super().items()


def test_all_refusals_are_gone_through_once_for_all_connections():
    key = Connection(secret_key="sealed:x", mode="test", hint="sk_test_…")
    refused = KeyRefusal(key_name=key.key_name, since_ms=1_000)
    refusals = Refusals({f"{name}/{account}": refused for name in NAMES[1:] for account in ("acct_2", "acct_1")})
    rows = connection_rows(Definitions(connections=dict.fromkeys(NAMES, key), key_refusals=refusals), None)
    accounts = {row["name"]: row["paused_accounts"] for row in rows}
    assert accounts == {NAMES[0]: [], **{name: ["acct_1", "acct_2"] for name in NAMES[1:]}}
    assert refusals.times == 1
