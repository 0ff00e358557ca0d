"""`stripeline apply` without a Kafka: what is wrong with a file, and what an event would do."""

import json
from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.cli import main
from stripeline.deploy.local.example_events import example_event
from stripeline.workers.secrets.vault import new_master_key

CONNECTIONS = """\
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
triggers:
  pay: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
  people: {kind: stripe/customer-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  flow:
"""
MIRROR = "      - {id: mirror, action: stripe/create-customer, input: {email: a@example.com}}\n"
CHARGE = (
    "      - {id: charge, action: stripe/create-payment-intent, input: {amount: 100, currency: eur, customer: %s}}\n"
)


def flow(*, trigger: str = "people", types: str = "[customer.created]", where: str = "", steps: str = MIRROR) -> str:
    """A file whose workflow has its trigger in line 8, its types in line 9, and its first step in line 11."""
    condition = f"    where: {where}\n" if where else ""
    return f"{CONNECTIONS}    trigger: {trigger}\n    types: {types}\n{condition}    steps:\n{steps}"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def refused(text: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    Path("acme.yaml").write_text(text)
    assert call("apply", "acme.yaml", *options) == 1
    said = capsys.readouterr()
    assert "nothing listens" not in said.err
    assert said.out == ""
    return said.err


PAY = "      - {id: a, action: stripe/create-payment-intent, input: {amount: data.balance, currency: eur}}"
EMAIL = "      - {id: mirror, action: stripe/create-customer, input: {email: '%s'}}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (flow(steps=EMAIL % "=dta.email"), "acme.yaml:11: workflows.flow.steps[0].input.email: there is no"),
        (flow(steps=EMAIL % "=dta.email"), "'dta': did you mean data?"),
        (flow(steps=EMAIL % "=email"), "there is no variable 'email': write data.email"),
        (flow(steps=EMAIL % "=data.emial"), "has data.emial: did you mean data.email?"),
        (flow(where="data.email"), "acme.yaml:10: workflows.flow.where: 'data.email' must be true or false"),  # O4
        (flow(where="data.metadata.vip"), "'data.metadata.vip' must be true or false, and is a text"),
        (flow(where="\"=data.email == 'x'\""), "it is always an expression: leave the = out"),
        (flow(where="data.emial == 'x'"), "acme.yaml:10: workflows.flow.where: no event of these types has data.emial"),
        (flow(where="data.balance > '5'"), "acme.yaml:10: workflows.flow.where: \"data.balance > '5'\""),
        (flow(types="[customer.craeted]"), "acme.yaml:9: workflows.flow.types[0]: Stripe has no such type as"),  # O5
        (flow(types="[customer.craeted]"), "did you mean customer.created?"),
        (flow(types="[customer.subscripton.*]"), "did you mean customer.subscription.*?"),
        (flow(types="[custmer.created]"), "whose types start with customer.; did you mean customer.created?"),
        (flow(types="[charge.failed]"), "a trigger of the kind stripe/charge-event has that type"),
        (flow(types="customer.created"), "acme.yaml:9: workflows.flow.types: write a list: [customer.created]"),
        (flow(steps=MIRROR + CHARGE % "=steps.miror.id"), "did you mean steps.mirror?"),
        (flow(steps=MIRROR + CHARGE % "=steps.mirror.idd"), "stripe/create-customer gives id, object, email, name"),
        (flow(steps=MIRROR + CHARGE % "=steps.mirror.created"), "gives a whole number, and a text is wanted"),
        (
            flow(steps=PAY),
            'a whole number is wanted here; as an expression: "=data.balance"',
        ),
    ],
)  # fmt: skip
def test_what_will_fail_is_refused_before_kafka(text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in refused(text, capsys)


def test_all_problems_come_at_once_in_the_files_order(capsys: pytest.CaptureFixture[str]) -> None:
    broken = flow(types="[customer.craeted]", where="dta.x", steps=EMAIL % "=dta.email")
    lines = [line.split(":")[1] for line in refused(broken, capsys).splitlines()]
    assert lines == ["9", "10", "12"] or lines[1:] == ["10", "12"]


def test_problems_go_to_a_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    Path("acme.yaml").write_text(flow(types="[customer.craeted]"))
    assert call("apply", "acme.yaml", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["applied"], found["changes"]) == (False, [])
    assert [(one["line"], one["place"]) for one in found["problems"]] == [(9, "workflows.flow.types[0]")]


def test_a_type_that_is_new_at_stripe_can_be_allowed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    Path("acme.yaml").write_text(flow(types="[customer.craeted]"))
    assert call("apply", "acme.yaml", "--allow-type", "customer.craeted") == 1
    assert "nothing listens at" in capsys.readouterr().err  # the file is good, and Kafka is asked


def test_an_owner_that_no_process_could_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("acme.yaml").write_text(flow())
    for name in ("Team A", "", "a" * 41, "-a"):
        assert call("apply", "acme.yaml", "--owner", name) == 2
        assert "is no owner" in " ".join(capsys.readouterr().err.replace("│", " ").split())


# --try


def tried(event: dict[str, Any], text: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    Path("event.json").write_text(json.dumps(event))
    Path("acme.yaml").write_text(text)
    code = call("apply", "acme.yaml", "--try", "event.json", *options)
    said = capsys.readouterr()
    return code, said.out, said.err


def created(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(example_event("customer.created", {"id": "cus_1", **fields}, event_id="evt_1"))
    return event


def test_an_event_is_tried_step_by_step(capsys: pytest.CaptureFixture[str]) -> None:
    steps = EMAIL % "=data.email" + CHARGE % "=steps.mirror.id"
    code, out, _ = tried(created(), flow(steps=steps), capsys)
    assert code == 0
    assert out.splitlines()[1:] == [
        "trigger people (stripe/customer-event): to customer-event, key cus_1",
        "  workflow flow: starts a run",
        "    run evt_1:flow",
        "    1. mirror: stripe/create-customer on acme",
        "         email: …masked",
        "         its result is an example from here on",
        "    2. charge: stripe/create-payment-intent on acme",
        "         amount: 100",
        "         currency: eur",
        "         customer: cus_Example1",
    ]


def test_an_event_that_stops_a_run_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = tried(created(), flow(steps=EMAIL % "=data.metadata.mail"), capsys)
    assert code == 1
    assert "stops at step 1: 'data.metadata.mail': the event has no data.metadata.mail" in out
    assert "nothing was sent" in err
    code, out, _ = tried(created(), flow(steps=EMAIL % "=data.metadata.mail"), capsys, "--json")
    found = json.loads(out)
    assert (code, found["triggers"][0]["workflows"][0]["outcome"]) == (1, "stops")


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({}, "data.metadata.vip == 'yes'", "the event has no data.metadata.vip"),
        ({"metadata": {"vip": "no"}}, "data.metadata.vip == 'yes'", "not started: `where` is false\n"),
    ],
)  # fmt: skip
def test_a_where_that_is_false_says_why(
    fields: dict[str, Any], where: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:  # case O4
    code, out, _ = tried(created(**fields), flow(where=f'"{where}"'), capsys)
    assert (code, says in out) == (0, True), out


def test_an_event_topics_record_and_a_webhook_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    event = created()
    record = {**event, "data": event["data"]["object"], "object": None}
    assert tried(event, flow(), capsys)[1] == tried(record, flow(), capsys)[1]


def test_an_event_of_no_trigger_and_an_old_one_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = tried({**created(), "type": "invoice.paid"}, flow(), capsys)
    assert (code, "no trigger of this file takes it" in out) == (0, True)
    _, out, _ = tried({**created(), "created": 1_000_000_000}, flow(), capsys)
    assert "no POST is sent (dead letter: event_too_old)" in out


def test_what_is_no_event_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = tried({"id": "evt_1"}, flow(), capsys)
    assert (code, "event.json can't be tried" in err) == (1, True)
    Path("event.json").write_text("no")
    assert call("apply", "acme.yaml", "--try", "event.json") == 1
    assert "it is not JSON" in capsys.readouterr().err
