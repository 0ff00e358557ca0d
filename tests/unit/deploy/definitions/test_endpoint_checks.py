"""An endpoint of a file becomes a definition, or every fault in it is named with its line."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.cli.terminal.apply_report import show_problems
from stripeline.deploy.definitions.definition_rows import endpoint_rows, users_of
from stripeline.deploy.definitions.diff import diff, publication
from stripeline.deploy.definitions.load import load
from stripeline.deploy.definitions.problems import ConfigurationError
from stripeline.deploy.definitions.removal import consequences
from stripeline.workers.secrets.vault import Vault, endpoint_secret, new_master_key

VAULT = Vault.from_ring([SecretStr(new_master_key())])
ENVIRONMENT = {"KEY": "sk_test_1234567890abcdef", "KEY2": "sk_test_2234567890abcdef", "WHSEC": "whsec_abc"}
BASE = """\
connections:
  acme: {secret_key: "${env:KEY}"}
  globex: {secret_key: "${env:KEY2}"}
triggers:
  pay: {kind: stripe/payment-event, connection: acme}
  more: {kind: stripe/payment-event, connection: acme, payload: both}
  cards: {kind: stripe/charge-event, connection: acme, payload: thin}
  theirs: {kind: stripe/customer-event, connection: globex}
endpoints:
"""
LINE = BASE.count("\n") + 1
SHOP = 'shop: {connection: acme, triggers: [pay, cards], url: "https://hooks.example.com"}'


def read(text: str, folder: Path, stored: Definitions | None = None) -> Definitions:
    file = folder / "acme.yaml"
    file.write_text(text, encoding="utf-8")
    return Definitions.of(load(file, VAULT, stored or Definitions(), ENVIRONMENT.get))


def refusal(text: str, folder: Path, stored: Definitions | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text, folder, stored)
    return str(caught.value)


def test_an_endpoint_has_its_connections_mode_and_its_secrets(tmp_path: Path):
    found = read(f"{BASE}  {SHOP[:-1]}, connect: true, signing_secrets: ['${{env:WHSEC}}']}}", tmp_path)
    endpoint = found.endpoints["shop"]
    assert (endpoint.mode, endpoint.connect, endpoint.triggers) == ("test", True, ("pay", "cards"))
    assert VAULT.open(endpoint_secret("shop"), endpoint.signing_secrets[0]) == SecretStr("whsec_abc")
    assert found.triggers["cards"].payload == "thin"
    assert endpoint_rows(found) == [
        {
            "name": "shop", "connection": "acme", "mode": "test", "triggers": ["pay", "cards"], "connect": True,
            "url": "https://hooks.example.com/webhooks/shop", "api_version": None, "signing_secrets": 1,
            "destinations": [],
        }
    ]  # fmt: skip


def test_a_triggers_own_secret_may_be_left_out_at_an_endpoint(tmp_path: Path):
    found = read(f"{BASE}  {SHOP}", tmp_path)
    assert (found.triggers["pay"].signing_secrets, found.endpoints["shop"].signing_secrets) == ((), ())


@pytest.mark.parametrize(
    ("written", "place", "words"),
    [
        ('pay: {connection: acme, triggers: [cards], url: "https://h"}', "endpoints.pay", "can't be the path of both"),
        (
            SHOP.replace("cards", "more"),
            "endpoints.shop.triggers[1]",
            "has two triggers of the family",
        ),
        (SHOP.replace("cards", "pay"), "endpoints.shop.triggers[1]", "is here twice"),
        (SHOP.replace("cards", "theirs"), "endpoints.shop.triggers[1]", "is of connection globex"),
        (SHOP.replace("cards", "card"), "endpoints.shop.triggers[1]", "did you mean cards?"),
        (SHOP.replace(": acme", ": acne"), "endpoints.shop.connection", "did you mean acme?"),
        (SHOP.replace("https", "http"), "endpoints.shop.url", "write https://hooks.example.com"),
        (SHOP.replace("hooks.example.com", "h/?x=1"), "endpoints.shop.url", "without a query"),
        (SHOP.replace("hooks.example.com", "me:pw@h"), "endpoints.shop.url", "without a query and a password"),
        (SHOP.replace("example.com", "example.com:port"), "endpoints.shop.url", "its host or port can't be read"),
        (SHOP.replace("com", "com/webhooks/shop/"), "endpoints.shop.url", "leave that out"),
        (SHOP[:-1] + ", api_version: 2026}", "endpoints.shop.api_version", "a text is wanted here"),
        (SHOP[:-1] + ", api_version: latest}", "endpoints.shop.api_version", "write one like 2026-06-24.dahlia"),
        (SHOP.replace("[pay, cards]", "[]"), "endpoints.shop.triggers", "this list has at least 1 item"),
        (SHOP[:-1] + ", mode: live}", "endpoints.shop.mode", "there is no such field"),
        (SHOP[:-1] + ", signing_secrets: [whsec_abc]}", "endpoints.shop.signing_secrets[0]", "must not stand in"),
    ],
)
def test_what_is_wrong_with_an_endpoint_has_its_line(written: str, place: str, words: str, tmp_path: Path):
    found = refusal(f"{BASE}  {written}", tmp_path)
    assert f"acme.yaml:{LINE}: {place}: " in found
    assert words in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80"])
def test_plain_http_is_for_loopback(host: str, tmp_path: Path):
    written = SHOP.replace("https://hooks.example.com", f"http://{host}")
    assert read(f"{BASE}  {written}", tmp_path).endpoints["shop"].url == f"http://{host}"


def test_more_than_16_destinations_are_refused(tmp_path: Path):
    def text(count: int) -> str:
        return BASE + "".join(f"  {SHOP.replace('shop', f'shop-{number}')}\n" for number in range(count))

    assert len(read(text(8), tmp_path).endpoints) == 8  # each has two: of snapshot and of thin events
    found = refusal(text(9), tmp_path)
    assert "need 18 destinations, and Stripe allows 16 an account" in found
    assert len(found.splitlines()) == 9


def stored_shop(tmp_path: Path) -> Definitions:
    return read(f"{BASE}  {SHOP}", tmp_path)


@pytest.mark.parametrize(
    ("triggers", "words"),
    [
        ("pay: {kind: stripe/payment-event, connection: globex}", "triggers.pay.connection: trigger 'pay' is of"),
        ("pay: {kind: stripe/charge-event, connection: acme}", "triggers.pay.kind: endpoint 'shop' has two triggers"),
        ("shop: {kind: stripe/charge-event, connection: acme}", "triggers.shop: a trigger and an endpoint are named"),
    ],
)
def test_a_file_breaks_no_stored_endpoint(triggers: str, words: str, tmp_path: Path):
    assert words in refusal(f"triggers:\n  {triggers}\n", tmp_path, stored_shop(tmp_path))


def test_what_an_endpoint_uses_is_in_use(tmp_path: Path):
    stored = stored_shop(tmp_path)
    assert users_of("trigger", "cards", stored) == ["endpoint shop"]
    assert "endpoint shop" in users_of("connection", "acme", stored)
    assert users_of("endpoint", "shop", stored) == []


def test_a_changed_endpoint_shows_field_by_field(tmp_path: Path):
    stored = stored_shop(tmp_path)
    again = read(f"{BASE}  {SHOP}", tmp_path, stored)
    assert publication(diff(stored.by_key(), again.by_key()), again.by_key()) == {}
    changed = read(
        f"{BASE}  {SHOP[:-1]}, api_version: 2026-06-24.dahlia, signing_secrets: ['${{env:WHSEC}}']}}", tmp_path, stored
    )
    (change,) = [one for one in diff(stored.by_key(), changed.by_key()) if one.what != "unchanged"]
    assert (change.key, [str(one) for one in change.fields]) == (
        "endpoint/shop",
        ["signing_secrets: 1 added, 0 removed, 0 kept", "api_version: none → 2026-06-24.dahlia"],
    )


def test_an_endpoint_goes_before_its_triggers(tmp_path: Path):
    stored = stored_shop(tmp_path).by_key()
    gone = [one.key for one in diff(stored, {}, removed=list(stored))]
    assert gone.index("endpoint/shop") < gone.index("trigger/pay") < gone.index("connection/acme")


def test_deleting_an_endpoint_says_what_stays_at_stripe():
    (line,) = consequences(["endpoint/shop"], {}, {}, {})
    assert "stay at Stripe" in line


def test_a_refused_file_is_an_object_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ConfigurationError) as caught:
        read(f"{BASE}  {SHOP.replace('https', 'http')}", tmp_path)
    show_problems(caught.value)
    assert '"endpoints.shop.url"' in capsys.readouterr().out
