"""Webhook paths as ingest uses them, and what it says of signing secrets that it can't open."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions, Endpoint, Trigger
from stripeline.contracts.operator.stripe_side_records import Destination, Destinations
from stripeline.deploy.runtime.definition_cache import PathViews
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import Vault, endpoint_secret, new_master_key, signing_secret

MINE, THEIRS = Vault.from_ring([SecretStr(new_master_key())]), Vault.from_ring([SecretStr(new_master_key())])


def trigger(name: str, *vaults: Vault) -> Trigger:
    sealed = tuple(vault.seal(signing_secret(name), SecretStr("whsec_x")) for vault in vaults)
    return Trigger(kind="stripe/payment-event", connection="acme", mode="test", signing_secrets=sealed)


def views(**triggers: Trigger) -> PathViews:
    return PathViews(SimpleNamespace(definitions=Definitions(triggers=triggers)), Secrets(MINE))


def test_a_trigger_whose_secrets_open_is_complete():
    found = views(pay=trigger("pay", MINE, MINE))
    view = found.of("pay")
    assert view is not None
    assert (view.secrets, view.places, view.sealed, view.livemode) == ((b"whsec_x",) * 2, ("0", "1"), 0, False)
    assert found.of("pay") is view
    assert (found.of("gone"), found.missing(), found.warnings()) == (None, None, None)


def test_a_process_that_opens_no_trigger_is_not_ready():
    found = views(pay=trigger("pay", THEIRS), silent=trigger("silent"))
    view = found.of("pay")
    assert view is not None
    assert (view.secrets, view.sealed, found.warnings()) == ((), 1, None)
    key = THEIRS.key_ids[0]
    assert str(found.missing()) == (
        f"the signing secrets of pay (sealed with master key {key}) can't be opened: add master key {key} to"
        " STRIPELINE_MASTER_KEY here, and restart this process"
    )


def test_one_sealed_secret_of_many_is_a_warning():
    found = views(pay=trigger("pay", THEIRS, MINE), cards=trigger("cards", MINE))
    view = found.of("pay")
    assert view is not None
    assert (view.secrets, view.places, view.sealed) == ((b"whsec_x",), ("1",), 1)
    assert (found.missing(), "pay (sealed with master key" in str(found.warnings())) == (None, True)


def test_a_damaged_secret_says_to_apply_again():
    there = trigger("pay", MINE)
    moved = views(other=there)  # bound to the name of the former trigger
    assert "other (damaged) can't be opened: apply them again" in str(moved.missing())


def endpoint(*triggers: str, own: tuple[Vault, ...] = ()) -> Endpoint:
    sealed = tuple(vault.seal(endpoint_secret("acme"), SecretStr("whsec_own")) for vault in own)
    return Endpoint(
        connection="acme", triggers=triggers, url="https://hooks.example.com", mode="live", signing_secrets=sealed
    )


def made(*ids: str, by: Vault = MINE) -> Destinations:
    sealed = {one: by.seal(endpoint_secret("acme"), SecretStr(f"whsec_of_{one}")) for one in ids}
    return Destinations(
        destinations=tuple(
            Destination(id=one, payload="snapshot", connection="acme", signing_secret=text, made_ms=1)
            for one, text in sealed.items()
        )
    )


PAY, CARDS = trigger("pay"), trigger("cards").model_copy(update={"kind": "stripe/charge-event"})
BOTH = {"pay": PAY, "cards": CARDS}


class Changing:
    """A control table that is changed."""

    def __init__(self, **definitions: Any) -> None:
        self.definitions = Definitions(**definitions)
        self.views = PathViews(self, Secrets(MINE))

    def change(self, **changes: Any) -> None:
        self.definitions = replace(self.definitions, **changes)


def test_an_endpoint_has_its_own_secrets_and_its_destinations():
    table = Changing(triggers=BOTH, endpoints={"acme": endpoint("pay", "cards", own=(MINE,))})
    table.change(destinations={"acme": made("we_1", "we_2")})
    view = table.views.of("acme")
    assert view is not None
    assert (view.secrets, view.places, view.livemode) == (
        (b"whsec_own", b"whsec_of_we_1", b"whsec_of_we_2"), ("0", "we_1", "we_2"), True,
    )  # fmt: skip
    assert [(one.name, one.family_kind) for one in view.triggers] == [
        ("pay", "stripe/payment-event"), ("cards", "stripe/charge-event"),
    ]  # fmt: skip
    assert not view.missing


def test_a_view_follows_destinations_and_triggers():
    table = Changing(triggers=BOTH, endpoints={"acme": endpoint("pay", "cards")})
    before = table.views.of("acme")
    table.change(destinations={"acme": made("we_1")})
    after = table.views.of("acme")
    assert before is not None
    assert after is not None
    assert (before.secrets, after.secrets) == ((), (b"whsec_of_we_1",))
    table.change(pauses={})
    assert table.views.of("acme") is after
    table.change(endpoints={})
    assert table.views.of("acme") is None


def test_an_endpoint_that_lacks_a_trigger_says_so():
    others = CARDS.model_copy(update={"connection": "globex"})
    for triggers in ({"pay": PAY}, {"pay": PAY, "cards": others}):
        view = Changing(triggers=triggers, endpoints={"acme": endpoint("pay", "cards")}).views.of("acme")
        assert view is not None
        assert ([one.name for one in view.triggers], view.missing) == (["pay"], True)


def test_a_sealed_secret_of_a_destination_is_a_warning():
    table = Changing(triggers=BOTH, endpoints={"acme": endpoint("pay", own=(MINE,))})
    table.change(destinations={"acme": made("we_1", by=THEIRS)})
    view = table.views.of("acme")
    assert view is not None
    assert (view.places, view.sealed) == (("0",), 1)
    assert "acme (sealed with master key" in str(table.views.warnings())


def test_a_trigger_goes_before_an_endpoint_of_its_name():
    view = Changing(triggers={"acme": PAY}, endpoints={"acme": endpoint("acme")}).views.of("acme")
    assert view is not None
    assert view.livemode is False
