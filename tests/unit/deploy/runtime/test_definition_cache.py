"""Triggers as ingest uses them, and what it says of signing secrets that it can't open."""

from types import SimpleNamespace

from pydantic import SecretStr

from stripeline.contracts.definitions import Trigger
from stripeline.deploy.runtime.definition_cache import TriggerViews
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import Vault, new_master_key, signing_secret

MINE, THEIRS = Vault.from_ring([SecretStr(new_master_key())]), Vault.from_ring([SecretStr(new_master_key())])


def trigger(name: str, *vaults: Vault) -> Trigger:
    sealed = tuple(vault.seal(signing_secret(name), SecretStr("whsec_x")) for vault in vaults)
    return Trigger(kind="stripe/payment-event", connection="acme", mode="test", signing_secrets=sealed)


def views(**triggers: Trigger) -> TriggerViews:
    return TriggerViews(SimpleNamespace(triggers=triggers), Secrets(MINE))


def test_a_trigger_whose_secrets_open_is_complete():
    found = views(pay=trigger("pay", MINE, MINE))
    view = found.of("pay")
    assert view is not None
    assert (view.secrets, view.places, view.sealed, view.livemode) == ((b"whsec_x",) * 2, (0, 1), 0, False)
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
    assert (view.secrets, view.places, view.sealed) == ((b"whsec_x",), (1,), 1)
    assert (found.missing(), "pay (sealed with master key" in str(found.warnings())) == (None, True)


def test_a_damaged_secret_says_to_apply_again():
    there = trigger("pay", MINE)
    moved = views(other=there)  # bound to the name of the former trigger
    assert "other (damaged) can't be opened: apply them again" in str(moved.missing())
