"""A configuration file is read into definitions, or every fault in it is named with its line. No secret shows."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import (
    AnyDefinition,
    Connection,
    Definitions,
    Trigger,
    encode_definition,
    parse_definition,
)
from stripeline.deploy.definitions.diff import diff, publication
from stripeline.deploy.definitions.load import load
from stripeline.deploy.definitions.problems import ConfigurationError
from stripeline.workers.secrets.vault import Vault, connection_secret, key_id_of, new_master_key, signing_secret

KEY = "sk_test_1234567890abcdef"
ENVIRONMENT = {
    "KEY": KEY,
    "LIVE_KEY": "rk_live_1234567890abcdef",
    "WHSEC": "whsec_abc",
    "WHSEC2": "whsec_def",
    "PK": "pk_test_123",
    "JUNK": "nothing",
}
GOOD = """\
connections:
  acme: {secret_key: "${env:KEY}", rate: {account: 100, endpoint: 25}}
triggers:
  pay: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:WHSEC}"]}
workflows:
  thank:
    trigger: pay
    types: [payment_intent.succeeded]
    where: "data.amount >= 5000"
    steps:
      - {id: customer, action: stripe/create-customer, input: {email: "=data.receipt_email", description: "big"}}
      - id: deposit
        action: stripe/create-payment-intent
        input: {amount: 100, currency: "=data.currency", customer: "=steps.customer.id"}
"""
VAULT = Vault.from_ring([SecretStr(new_master_key())])


def read(
    text: str, folder: Path, *, stored: Definitions | None = None, vault: Vault = VAULT, prune: bool = False
) -> dict[str, AnyDefinition]:
    file = folder / "stripeline.yaml"
    file.write_text(text, encoding="utf-8")
    return dict(load(file, vault, stored or Definitions(), ENVIRONMENT.get, prune=prune))


def refusal(text: str, folder: Path, stored: Definitions | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text, folder, stored=stored)
    for secret in ENVIRONMENT.values():
        assert secret not in str(caught.value)
    return str(caught.value)


def kept(definitions: dict[str, AnyDefinition]) -> Definitions:
    """The definitions as they come back from the topic."""
    return Definitions.of({key: parse_definition(key, encode_definition(one)) for key, one in definitions.items()})


def test_a_good_file_becomes_sealed_definitions(tmp_path: Path) -> None:
    found = read(GOOD, tmp_path)
    assert list(found) == ["connection/acme", "trigger/pay", "workflow/thank"]
    connection, trigger = found["connection/acme"], found["trigger/pay"]
    assert isinstance(connection, Connection)
    assert isinstance(trigger, Trigger)
    assert (connection.mode, connection.hint, trigger.mode) == ("test", "sk_test_…cdef", "test")
    assert VAULT.open(connection_secret("acme"), connection.secret_key) == SecretStr(KEY)
    assert VAULT.open(signing_secret("pay"), trigger.signing_secrets[0]) == SecretStr("whsec_abc")
    assert all(KEY.encode() not in encode_definition(one) for one in found.values())


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    stored = kept(read(GOOD, tmp_path))
    again = read(GOOD, tmp_path, stored=stored)
    changes = diff(stored.by_key(), again, removed=())
    assert {change.what for change in changes} == {"unchanged"}
    assert publication(changes, again) == {}


def test_a_secret_comes_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    found = read('connections:\n  a: {secret_key: "${file:key}"}\n', tmp_path)["connection/a"]
    assert isinstance(found, Connection)
    assert VAULT.open(connection_secret("a"), found.secret_key) == SecretStr(KEY)


def test_of_a_short_key_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "SHORT", "sk_test_123456")
    found = read('connections:\n  a: {secret_key: "${env:SHORT}"}\n', tmp_path)["connection/a"]
    assert isinstance(found, Connection)
    assert found.hint == "sk_test_…"


def test_an_empty_file_and_empty_sections_define_nothing(tmp_path: Path) -> None:
    assert read("", tmp_path) == {}
    assert read("connections:\ntriggers:\n", tmp_path) == {}


def test_a_file_may_refer_to_what_is_stored_unless_pruned(tmp_path: Path) -> None:
    stored = kept(read(GOOD, tmp_path))
    rest = "workflows:\n" + GOOD.split("workflows:\n")[1]
    assert list(read(rest, tmp_path, stored=stored)) == ["workflow/thank"]
    with pytest.raises(ConfigurationError, match="there is no trigger 'pay'"):
        read(rest, tmp_path, stored=stored, prune=True)


def test_a_connection_keeps_its_mode(tmp_path: Path) -> None:  # case O7
    stored = kept(read(GOOD, tmp_path))
    message = refusal('connections:\n  acme: {secret_key: "${env:LIVE_KEY}"}\n', tmp_path, stored)
    assert (
        ":2: connections.acme.secret_key: this is a live key, and connection 'acme' is stored in test mode" in message
    )
    assert "a new name, such as acme-live, and let triggers and workflows use that" in message


CONNECTION = 'connections:\n  acme: {secret_key: "${env:KEY}"}\n'
TRIGGER = CONNECTION + "triggers:\n  pay: {kind: stripe/payment-event, connection: acme}\n"


PAY = "stripe/create-payment-intent"


def workflow(**lines: str) -> str:
    """A file whose workflow begins in line 6, with one step in line 11."""
    fields = {"trigger": "pay", "types": "['*']", "where": "'true'", "action": "stripe/create-customer", "input": "{}"}
    fields |= lines
    return TRIGGER + (
        "workflows:\n"
        "  flow:\n"
        f"    trigger: {fields['trigger']}\n"
        f"    types: {fields['types']}\n"
        f"    where: {fields['where']}\n"
        "    steps:\n"
        f"      - {{id: first, action: {fields['action']}, input: {fields['input']}}}\n"
        f"{fields.get('more', '')}"
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("connections: [", 1, "this is not YAML"),
        ("a: \x01", None, "characters that YAML does not allow"),
        ("connections:\n  a: {}\n  a: {}\n", 3, "it stands here twice, first in line 2"),
        ("connections:\n  <<: {}\n", 2, "`<<` is not read here"),
        ("connections:\n  1: {}\n", 2, "a name must be a text"),
        ("connections: &a\n  b: *a\n", 1, "an alias that contains itself"),
        ("connections:\n  a: 2026-01-01\n", 2, "put it in quotes"),
        ("connections:\n  a: 2026-99-99\n", 2, "this value can't be read"),
        ("connections:\n  a: .nan\n", 2, "put it in quotes"),
        ("connections:\n  a: 99999999999999999999\n", 2, "put it in quotes"),
        (workflow(where="'true'\n    owner: me"), 10, "workflows.flow.owner: there is no such field"),
        (
            workflow(more="    owner: me\n    owner2: 1\n").replace("    owner: me\n", ""),
            12,
            "owner2: there is no such",
        ),
        ("conections: {}\n", 1, "conections: there is no such field"),
        ("- a\n", 1, "fields are wanted here"),
        ("connections:\n  Acme: {secret_key: '${env:KEY}'}\n", 2, "a name is lower-case letters"),
        ("connections:\n  a: {}\n", 2, "connections.a.secret_key: it is missing"),
        ("connections:\n  a: {secret_key: '${env:KEY}', rate: {account: 0}}\n", 2, "rate.account"),
        ("connections:\n  a: {secret_key: '${env:KEY}', limits: {amount: {EUR: 5}}}\n", 2, "'EUR' is no currency"),
        ("connections:\n  a: {secret_key: '${env:KEY}', commands: some}\n", 2, "commands"),
        (CONNECTION.replace("${env:KEY}", KEY), 2, 'must not stand in the file: write "${env:ACME_STRIPE_KEY}"'),
        (
            CONNECTION.replace("${env:KEY}", "whsec_xyz"),
            2,
            "it is a signing secret (whsec_…), but a secret key is wanted",
        ),
        (CONNECTION.replace("KEY", "WHSEC"), 2, "${env:WHSEC} is not it: it is a signing secret (whsec_…)"),
        (CONNECTION.replace("KEY", "PK"), 2, "it is a publishable key (pk_…)"),
        (CONNECTION.replace("KEY", "JUNK"), 2, "a secret key starts with sk_live_"),
        (CONNECTION.replace("KEY", "ABSENT"), 2, "the variable ABSENT is not set"),
        (CONNECTION.replace("env:KEY", "file:absent"), 2, "can't be read: No such file"),
        (TRIGGER.replace("payment-event", "payout-event"), 4, "'stripe/payout-event' is no trigger: choose one of"),
        (TRIGGER.replace("connection: acme", "connection: acne"), 4, "there is no connection 'acne'"),
        (
            TRIGGER.replace("connection: acme}", "connection: acme, signing_secrets: ['${env:KEY}']}"),
            4,
            "triggers.pay.signing_secrets[0]: ${env:KEY} is not it: it is a secret key",
        ),
        (
            TRIGGER.replace("connection: acme}", "connection: acme, signing_secrets: [whsec_inline]}"),
            4,
            'write "${env:ACME_WHSEC}"',
        ),
        (
            TRIGGER.replace("connection: acme}", "connection: acme, signing_secrets: ['${env:JUNK}']}"),
            4,
            "a signing secret starts with whsec_",
        ),
        (workflow(where="'true'\n    late: later"), 10, "'run', 'skip' or 'hold'"),
        (workflow(trigger="other"), 7, "there is no trigger 'other'"),
        (workflow(types="[charge.failed]"), 8, "'charge.failed' never fires"),
        (workflow(types="['charge*']"), 8, "no type filter"),
        (workflow(where="'data.amount >='"), 9, "the expression can't be read"),
        (workflow(where="\"steps.first.id == ''\""), 9, "it can't use `steps`"),
        (workflow(action="stripe/refund"), 11, "'stripe/refund' is no action: choose one of stripe/create-customer"),
        (workflow(action="stripe/create-customer, connection: other"), 11, "there is no connection 'other'"),
        (workflow(input="{mail: a}"), 11, "stripe/create-customer has no input 'mail': it has email, name"),
        (workflow(input="{name: 5}"), 11, "input.name: a text is wanted here: put it in quotes"),
        (workflow(action="stripe/retrieve-charge"), 11, "stripe/retrieve-charge needs the input 'id'"),
        (workflow(input="{name: [a, 5]}"), 11, "input.name: a text is wanted here: put it in quotes"),
        (
            workflow(action=PAY, input="{currency: eur, amount: '=data.metadata.fee'}"),
            11,
            (
                "data.metadata.fee is a text, as every value of Stripe's metadata is: write int(data.metadata.fee),"
                ' as in "=int(data.metadata.fee)"'
            ),
        ),
        (
            workflow(action=PAY, input="{currency: eur, amount: '=data.amount * 0.1'}"),
            11,
            "data.amount is a whole number and 0.1 is none, which CEL does not mix: write data.amount * 10 / 100",
        ),
        (workflow(where="'0.5 * data.amount > 5.0'"), 9, "write data.amount * 50 / 100, which is exact"),
        (workflow(input="{name: '=data.'}"), 11, "input.name: the expression can't be read"),
        (workflow(input="{name: '${env:KEY}'}"), 11, "only secrets are"),
        (workflow(input="{name: '=steps.first.id'}"), 11, "it uses steps.first, which has not run"),
        (workflow(input="{name: '=steps[\"later\"].id'}"), 11, "it uses steps.later, which has not run"),
        (
            workflow(more="      - {id: second, action: stripe/create-customer, input: {name: =steps.first.phone}}\n"),
            12,
            "steps.first has no field 'phone'",
        ),
        (workflow(more="      - {id: first, action: stripe/create-customer}\n"), 6, "each step needs an id of its own"),
    ],
)
def test_a_fault_is_named_with_its_line_and_its_mend(text: str, line: int | None, words: str, tmp_path: Path) -> None:
    message = refusal(text, tmp_path)
    assert words in message
    assert len(message.splitlines()) == 1, "one fault, one line"
    assert message.startswith(f"{tmp_path / 'stripeline.yaml'}:{f'{line}:' if line else ''} ")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    message = refusal(workflow(trigger="other", where="'1 +'", input="{mail: a, name: 5}"), tmp_path)
    assert [part.split(":")[1] for part in message.splitlines()] == ["7", "9", "11", "11"]


@pytest.mark.parametrize(
    "text",
    [
        *(workflow(where=f"'true'\n    late: {late}") for late in ("run", "skip", "hold")),
        workflow(input="{name: \"='steps.first.id'\"}"),
        workflow(input="{name: '=data.steps.first'}"),
        workflow(more="      - {id: second, action: stripe/create-customer, input: {name: '=steps[\"first\"].id'}}\n"),
        workflow(action="stripe/retrieve-charge", input="{id: '=data.latest_charge'}"),
        workflow(types="[payment_intent.*, '*']"),
        workflow(action=PAY, input="{currency: eur, amount: '=int(data.metadata.fee)'}"),
        workflow(action=PAY, input="{currency: eur, amount: '=data.amount * 10 / 100'}"),
        workflow(action=PAY, input="{currency: eur, amount: '=data.application_fee_percent * 0.5'}"),
        workflow(where="null"),
    ],
)
def test_what_is_right_is_not_refused(text: str, tmp_path: Path) -> None:
    assert "workflow/flow" in read(text, tmp_path)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can't be read: No such file"):
        load(tmp_path / "no.yaml", VAULT, Definitions(), ENVIRONMENT.get)
    (tmp_path / "no.yaml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(tmp_path / "no.yaml", VAULT, Definitions(), ENVIRONMENT.get)


@pytest.mark.parametrize(("content", "words"), [(b"\xff", "it is not text"), (b" \n", "is empty")])
def test_a_secret_file_that_holds_no_secret_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    assert words in refusal('connections:\n  a: {secret_key: "${file:key}"}\n', tmp_path)


def test_a_new_first_master_key_seals_anew_and_says_so(tmp_path: Path) -> None:
    old, new = SecretStr(new_master_key()), SecretStr(new_master_key())
    stored = kept(read(GOOD, tmp_path, vault=Vault.from_ring([old])))
    ring = Vault.from_ring([new, old])
    wanted = read(GOOD, tmp_path, stored=stored, vault=ring)
    changes = {change.key: change for change in diff(stored.by_key(), wanted)}
    again = f"sealed with master key {ring.key_ids[0]}"
    assert [str(one) for one in changes["connection/acme"].fields] == [f"secret_key: {again}"]
    assert [str(one) for one in changes["trigger/pay"].fields] == [f"signing_secrets: {again}"]
    sealed = wanted["connection/acme"]
    assert isinstance(sealed, Connection)
    assert key_id_of(sealed.secret_key) == ring.key_ids[0]


def test_a_stored_text_that_does_not_open_is_replaced(tmp_path: Path) -> None:
    stored = kept(read(GOOD, tmp_path))
    moved = Definitions(connections={"other": stored.connections["acme"]})
    wanted = read('connections:\n  other: {secret_key: "${env:KEY}"}\n', tmp_path, stored=moved)
    (change,) = diff(moved.by_key(), wanted)
    assert "secret_key: replaced" in map(str, change.fields)
