"""Whose request it is: keys of one account, key rolls, restricted keys, connected accounts, `GET /v1/account`."""

from typing import Any

import orjson
import pytest

from stripeline.deploy.sandbox.accounts import own_account
from stripeline.deploy.sandbox.api.values import SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
KEY, ROLLED, LIVE, RESTRICTED = "sk_test_first1111", "sk_test_second2222", "sk_live_first3333", "rk_test_fourth4444"
SHOP, PLATFORM = "acct_1Shop", "acct_1Platform"


class Caller:
    def __init__(self) -> None:
        self.sandbox, self.now_ms = Sandbox(seed=7), NOW

    def __call__(self, method: str, path: str, key: str = KEY, **more: Any) -> SandboxReply:
        call = SandboxRequest(
            method=method,
            path=path,
            body=b"" if method == "GET" else b"name=Ada",
            content_type="application/x-www-form-urlencoded",
            authorization=f"Bearer {key}",
            **more,
        )
        ticket = self.sandbox.arrive(call, self.now_ms)
        reply = self.sandbox.execute(ticket, self.now_ms)
        self.sandbox.leave(ticket, reply, self.now_ms)
        return reply

    def set(self, path: str, **body: Any) -> tuple[int, Any]:
        call = SandboxRequest(method="POST", path="/_sandbox" + path, body=orjson.dumps(body))
        answer = control(self.sandbox, call, self.now_ms)
        return answer.status, orjson.loads(answer.body)

    def account(self, key: str = KEY, **more: Any) -> Any:
        return body(self("GET", "/v1/account", key, **more))["id"]


def body(reply: SandboxReply) -> Any:
    return orjson.loads(reply.answer.body)


def refusal(reply: SandboxReply) -> tuple[int, str | None]:
    return reply.answer.status, body(reply)["error"].get("code")


@pytest.fixture
def stripe() -> Caller:
    return Caller()


def test_a_key_that_nobody_named_has_an_account_of_its_own(stripe: Caller) -> None:
    assert stripe.account() == own_account(KEY)
    assert stripe.account(LIVE) == own_account(LIVE)
    assert body(stripe("GET", "/v1/account"))["object"] == "account"


def test_keys_of_one_account_share_it(stripe: Caller) -> None:
    stripe.set("/keys", key=KEY, account=PLATFORM)
    stripe.set("/keys", key=ROLLED, account=PLATFORM)
    assert stripe.account() == stripe.account(ROLLED) == PLATFORM
    made = body(stripe("POST", "/v1/customers"))["id"]
    assert stripe("GET", f"/v1/customers/{made}", ROLLED).answer.status == 200


def test_the_modes_of_an_account_never_meet(stripe: Caller) -> None:
    for key in (KEY, LIVE):
        stripe.set("/keys", key=key, account=PLATFORM)
    made = [body(stripe("POST", "/v1/customers", key, idempotency_key="k")) for key in (KEY, LIVE)]
    assert [one["livemode"] for one in made] == [False, True]
    assert refusal(stripe("GET", f"/v1/customers/{made[0]['id']}", LIVE)) == (404, "resource_missing")
    effects = stripe.sandbox.endpoints.ledger.effects
    assert [(effect.account, effect.livemode) for effect in effects] == [(PLATFORM, False), (PLATFORM, True)]


def test_a_rolled_key_is_of_the_same_account_and_ends(stripe: Caller) -> None:
    account = stripe.account()
    stripe("POST", "/v1/customers", idempotency_key="k")
    stripe.set("/keys/roll", key=KEY, new_key=ROLLED, keep_s=60)
    assert stripe.account() == stripe.account(ROLLED) == account
    assert stripe("POST", "/v1/customers", ROLLED, idempotency_key="k").replayed
    stripe.now_ms += 60_000
    assert refusal(stripe("GET", "/v1/account")) == (401, "api_key_expired")
    assert stripe.account(ROLLED) == account


def test_a_key_given_to_another_account_is_of_that_one(stripe: Caller) -> None:
    made = body(stripe("POST", "/v1/customers", idempotency_key="k"))["id"]
    stripe.set("/keys", key=KEY, account="acct_1Other")
    assert stripe.account() == "acct_1Other"
    assert not stripe("POST", "/v1/customers", idempotency_key="k").replayed
    assert refusal(stripe("GET", f"/v1/customers/{made}")) == (404, "resource_missing")


def test_a_restricted_key_may_not_ask_whose_it_is(stripe: Caller) -> None:
    reply = stripe("GET", "/v1/account", RESTRICTED)
    assert refusal(reply) == (403, None)
    assert "rak_accounts_kyc_basic_read" in body(reply)["error"]["message"]
    assert stripe("POST", "/v1/customers", RESTRICTED).answer.status == 200


@pytest.mark.parametrize(
    ("permissions", "statuses"),
    [
        ([], [403, 403, 403]),
        (["accounts_kyc_basic_read"], [200, 403, 403]),
        (["customer_write"], [403, 200, 403]),
        (["customer_read", "customer_write"], [403, 200, 200]),
    ],
)
def test_a_restricted_key_may_do_what_is_listed(stripe: Caller, permissions: list[str], statuses: list[int]) -> None:
    stripe.set("/keys", key=RESTRICTED, permissions=permissions)
    calls = (("GET", "/v1/account"), ("POST", "/v1/customers"), ("GET", "/v1/customers"))
    assert [stripe(*call, RESTRICTED).answer.status for call in calls] == statuses
    assert stripe.set("/keys", key=RESTRICTED)[1]["keys"][0]["permissions"] == sorted(permissions)


def test_permissions_are_for_restricted_keys_only(stripe: Caller) -> None:
    status, answer = stripe.set("/keys", key=KEY, permissions=[])
    assert status == 400
    assert "restricted keys" in answer["error"]


def test_an_account_that_is_not_connected_is_refused(stripe: Caller) -> None:
    reply = stripe("POST", "/v1/customers", stripe_account=SHOP)
    assert refusal(reply) == (403, "account_invalid")
    assert f"does not have access to account '{SHOP}'" in body(reply)["error"]["message"]
    assert refusal(stripe("GET", f"/v1/accounts/{SHOP}")) == (403, "account_invalid")
    stripe.set("/connected", key=KEY, account=SHOP)
    assert stripe("POST", "/v1/customers", stripe_account=SHOP).answer.status == 200
    assert refusal(stripe("POST", "/v1/customers", ROLLED, stripe_account=SHOP)) == (403, "account_invalid")
    stripe.set("/connected", key=KEY, account=SHOP, connected=False)
    assert refusal(stripe("POST", "/v1/customers", stripe_account=SHOP)) == (403, "account_invalid")


def test_a_connected_account_has_its_own_objects_and_limits(stripe: Caller) -> None:
    stripe.set("/connected", key=KEY, account=SHOP)
    ours = body(stripe("POST", "/v1/customers", idempotency_key="k"))["id"]
    theirs = stripe("POST", "/v1/customers", idempotency_key="k", stripe_account=SHOP)
    assert not theirs.replayed
    assert refusal(stripe("GET", f"/v1/customers/{ours}", stripe_account=SHOP)) == (404, "resource_missing")
    assert stripe("GET", f"/v1/customers/{body(theirs)['id']}", stripe_account=SHOP).answer.status == 200
    assert [effect.account for effect in stripe.sandbox.endpoints.ledger.effects] == [own_account(KEY), SHOP]
    stripe.set("/settings", account_per_s=1)
    replies = [stripe("GET", "/v1/customers"), stripe("GET", "/v1/customers")]
    replies += [stripe("GET", "/v1/customers", stripe_account=SHOP)]
    assert [reply.answer.status for reply in replies] == [200, 429, 200]


def test_a_platform_lists_its_connected_accounts_newest_first(stripe: Caller) -> None:
    for account, platform, created in ((SHOP, KEY, 10), ("acct_1New", KEY, 20), ("acct_1Theirs", ROLLED, 30)):
        stripe.set("/connected", key=platform, account=account, created=created)

    def listed(**more: Any) -> list[tuple[str, int]]:
        return [(one["id"], one["created"]) for one in body(stripe("GET", "/v1/accounts", **more))["data"]]

    assert listed() == [("acct_1New", 20), (SHOP, 10)]
    assert listed(stripe_account=SHOP) == []
    stripe.set("/connected", key=KEY, account="acct_1New", connected=False)
    assert listed() == [(SHOP, 10)]
    stripe.set("/connected", key=KEY, account=SHOP)
    assert listed() == [(SHOP, NOW // 1000)]
    stripe.set("/keys", key=RESTRICTED, permissions=["customer_read"])
    assert stripe("GET", "/v1/accounts", RESTRICTED).answer.status == 403


def test_the_own_account_may_be_named(stripe: Caller) -> None:
    stripe.set("/keys", key=KEY, account=PLATFORM)
    stripe.set("/connected", key=KEY, account=SHOP)
    assert stripe.account(stripe_account=PLATFORM) == PLATFORM
    assert stripe.account(stripe_account=SHOP) == SHOP
    assert body(stripe("GET", f"/v1/accounts/{SHOP}"))["id"] == SHOP
    assert stripe("POST", "/v1/account").answer.status == 404


def test_a_seed_is_of_a_connected_account_in_the_mode_of_the_key(stripe: Caller) -> None:
    stripe.set("/connected", key=LIVE, account=SHOP)
    assert stripe.set("/charges", id="ch_theirs", key=LIVE, account=SHOP)[1]["livemode"] is True
    assert stripe("GET", "/v1/charges/ch_theirs", LIVE, stripe_account=SHOP).answer.status == 200
    assert stripe("GET", "/v1/charges/ch_theirs", LIVE).answer.status == 404
    assert stripe.set("/charges", account=SHOP)[0] == 400
