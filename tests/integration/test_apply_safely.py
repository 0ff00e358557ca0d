"""`stripeline apply` can't destroy by accident: it asks, and keeps what others own and the secrets that are stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import AuditRecord, encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.reading.audit_reader import acts
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import Broker
from tests.support.terminal import Shown, on_terminal

CLIENT = """\
connections:
  {name}: {{secret_key: "${{env:{upper}_KEY}}", account: acct_1{name}}}
triggers:
  {name}-pay: {{kind: stripe/payment-event, connection: {name}, signing_secrets: ["${{env:{upper}_WHSEC}}"]}}
workflows:
  {name}-thank:
    trigger: {name}-pay
    steps: [{{id: customer, action: stripe/create-customer, input: {{name: Ada}}}}]
"""
ACME, BETA = (CLIENT.format(name=name, upper=name.upper()) for name in ("acme", "beta"))
SECRETS = {
    "ACME_KEY": "sk_test_acmehidden1234", "ACME_WHSEC": "whsec_acmehidden",
    "BETA_KEY": "sk_test_betahidden1234", "BETA_WHSEC": "whsec_betahidden",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operator:
    """A person in a folder of configuration files."""

    folder: Path
    env: Mapping[str, str]
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def writes(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text)

    def in_a_pipe(self, *arguments: str, unset: tuple[str, ...] = ()) -> tuple[int, str, str]:
        self.capfd.readouterr()
        with self.monkeypatch.context() as patch:
            for name in unset:
                patch.delenv(name)
            with pytest.raises(SystemExit) as caught:
                main(arguments)
        out, err = self.capfd.readouterr()
        assert "hidden" not in out + err
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    def at_a_terminal(self, *arguments: str, answer: str) -> Shown:
        shown = on_terminal(arguments, answers=[("Go on?", f"{answer}\n")], cwd=self.folder, env=self.env)
        assert "hidden" not in shown.text
        return shown

    def stored(self) -> Definitions:
        client = {"bootstrap_servers": self.env["KAFKA_BOOTSTRAP_SERVERS"]}
        return output.run(read_all(Topics(prefix=self.env["STRIPELINE_TOPIC_PREFIX"]).control, client))

    def audited(self) -> list[AuditRecord]:
        client = {"bootstrap_servers": self.env["KAFKA_BOOTSTRAP_SERVERS"]}
        found = output.run(acts(Topics(prefix=self.env["STRIPELINE_TOPIC_PREFIX"]), client))
        assert not any(b"hidden" in encode(one.record) for one in found)
        return [one.record for one in found]

    def keys(self) -> list[str]:
        return sorted(self.stored().by_key())


@pytest.fixture
def operator(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Operator:
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "STRIPELINE_TOPIC_PREFIX": prefix,
        "STRIPELINE_PARTITIONS": "1", "STRIPELINE_MASTER_KEY": new_master_key(),
        "STRIPELINE_STRIPE_API_BASE": "http://127.0.0.1:1", **SECRETS,
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    output.run(admin.apply(Topics(prefix=prefix), 1, {"bootstrap_servers": broker.bootstrap_servers}))
    return Operator(tmp_path, env, capfd, monkeypatch)


ACME_KEYS = ["connection/acme", "trigger/acme-pay", "workflow/acme-thank"]
BETA_KEYS = ["connection/beta", "trigger/beta-pay", "workflow/beta-thank"]


def test_an_empty_file_removes_nothing(operator: Operator) -> None:  # case O6
    operator.writes(acme=ACME, empty="# nothing\n")
    assert operator.in_a_pipe("apply", "acme.yaml")[0] == 0
    code, _, err = operator.in_a_pipe("apply", "empty.yaml", "--prune", "--yes")
    assert (code, "--prune removes nothing for an empty file" in err) == (1, True)
    assert operator.keys() == ACME_KEYS


def test_pruning_keeps_what_others_own_and_asks(operator: Operator) -> None:  # case O6
    operator.writes(acme=ACME, beta=BETA)
    assert operator.in_a_pipe("apply", "acme.yaml", "--owner", "team-a")[0] == 0
    assert operator.in_a_pipe("apply", "beta.yaml", "--owner", "team-b")[0] == 0
    operator.writes(acme=ACME.replace("acme-thank", "acme-greet"))

    code, out, err = operator.in_a_pipe("apply", "acme.yaml", "--owner", "team-a", "--prune")
    assert (code, "Say --yes where nobody can be asked" in err) == (1, True)
    assert "- workflow/acme-thank" in out
    assert operator.keys() == sorted([*ACME_KEYS, *BETA_KEYS])

    refused = operator.at_a_terminal("apply", "acme.yaml", "--owner", "team-a", "--prune", answer="n")
    assert (refused.code, "its events start no more runs" in refused.text) == (1, True)
    assert operator.keys() == sorted([*ACME_KEYS, *BETA_KEYS])

    done = operator.at_a_terminal("apply", "acme.yaml", "--owner", "team-a", "--prune", answer="y")
    assert done.code == 0
    assert "connection/beta (team-b)" in done.text.replace("\n", "")
    assert operator.keys() == sorted(["connection/acme", "trigger/acme-pay", "workflow/acme-greet", *BETA_KEYS])


def test_another_owners_definition_is_not_changed(operator: Operator) -> None:
    operator.writes(acme=ACME)
    assert operator.in_a_pipe("apply", "acme.yaml", "--owner", "team-a")[0] == 0
    for options in (("--owner", "team-b"), ()):
        code, _, err = operator.in_a_pipe("apply", "acme.yaml", *options)
        assert (code, err.count("'team-a' applied it")) == (1, 3)
    code, out, _ = operator.in_a_pipe("apply", "acme.yaml", "--owner", "team-b", "--take-over")
    assert (code, out.count("owner: team-a → team-b")) == (0, 3)
    assert {one.owner for one in operator.stored().by_key().values()} == {"team-b"}


def test_what_others_use_is_not_pruned(operator: Operator) -> None:
    operator.writes(
        acme=ACME.partition("workflows:")[0],
        flow="workflows:" + ACME.partition("workflows:")[2],
        beta=BETA,
    )
    assert operator.in_a_pipe("apply", "acme.yaml", "--owner", "team-a")[0] == 0
    assert operator.in_a_pipe("apply", "flow.yaml", "--owner", "team-b")[0] == 0
    code, _, err = operator.in_a_pipe("apply", "beta.yaml", "--owner", "team-a", "--prune", "--yes")
    assert (code, "trigger/acme-pay is in use by workflow acme-thank, which stay" in err) == (1, True)
    assert operator.keys() == ACME_KEYS


def test_deleting_asks_and_says_what_it_means(operator: Operator) -> None:
    operator.writes(acme=ACME.partition("workflows:")[0])
    assert operator.in_a_pipe("apply", "acme.yaml")[0] == 0
    code, _, err = operator.in_a_pipe("delete", "trigger", "acme-pay")
    assert (code, "/webhooks/acme-pay will be answered 404" in err, "Say --yes" in err) == (1, True, True)
    refused = operator.at_a_terminal("delete", "trigger", "acme-pay", answer="n")
    assert (refused.code, operator.keys()) == (1, ACME_KEYS[:2])
    done = operator.at_a_terminal("delete", "trigger", "acme-pay", answer="y")
    assert (done.code, operator.keys()) == (0, ACME_KEYS[:1])


def test_a_key_of_the_other_mode_is_refused(operator: Operator) -> None:  # case O7
    operator.writes(acme=ACME)
    assert operator.in_a_pipe("apply", "acme.yaml")[0] == 0
    operator.monkeypatch.setenv("ACME_KEY", "sk_live_acmehidden1234")
    code, _, err = operator.in_a_pipe("apply", "acme.yaml", "--yes")
    assert (code, "acme.yaml:2: connections.acme.secret_key: this is a live key" in err) == (1, True)
    assert "a new name, such as acme-live" in err
    assert operator.stored().connections["acme"].mode == "test"


def test_stored_secrets_are_kept(operator: Operator) -> None:  # case O18
    operator.writes(acme=ACME)
    assert operator.in_a_pipe("apply", "acme.yaml")[0] == 0
    before = operator.stored()
    operator.writes(acme=ACME.replace("name: Ada", "name: Eve"))
    code, out, _ = operator.in_a_pipe("apply", "acme.yaml", unset=("ACME_KEY", "ACME_WHSEC"))
    assert code == 0
    assert out.splitlines() == [
        "= connection/acme (acme.yaml:2)",
        "    secret_key: kept as it is stored, since ACME_KEY is not set",
        "= trigger/acme-pay (acme.yaml:4)",
        "    signing_secrets[0]: kept as it is stored, since ACME_WHSEC is not set",
        "~ workflow/acme-thank (acme.yaml:6)",
        "    steps.customer.input.name: Ada → Eve (line 8)",
    ]
    assert operator.stored().connections == before.connections
    assert operator.stored().triggers == before.triggers

    operator.writes(beta=BETA)
    code, _, err = operator.in_a_pipe("apply", "beta.yaml", unset=("BETA_KEY",))
    assert (code, "the variable BETA_KEY is not set" in err) == (1, True)


def test_what_is_applied_and_deleted_is_audited(operator: Operator) -> None:
    operator.writes(acme=ACME, later=ACME.replace("name: Ada", "name: Eve"))
    assert operator.in_a_pipe("apply", "acme.yaml", "--dry-run")[0] == 0
    assert operator.audited() == []
    assert operator.in_a_pipe("apply", "acme.yaml", "--why", "a new client")[0] == 0
    first = operator.audited()
    assert [(one.act, one.about, one.why) for one in first] == [
        ("apply", "connection acme", "a new client"), ("apply", "trigger acme-pay", "a new client"),
        ("apply", "workflow acme-thank", "a new client"),
    ]  # fmt: skip
    assert operator.in_a_pipe("apply", "later.yaml")[0] == 0
    (changed,) = operator.audited()[3:]  # what did not change is not applied
    assert changed.former == first[2].definition
    assert "Eve" in str(changed.definition)
    assert operator.in_a_pipe("delete", "workflow", "acme-thank", "--yes", "--why", "the client left")[0] == 0
    (*_, last) = operator.audited()
    assert (last.act, last.why, last.definition, last.former) == (
        "delete", "the client left", None, changed.definition
    )  # fmt: skip


def test_a_renamed_trigger_keeps_its_url_and_says_so(operator: Operator) -> None:
    operator.writes(acme=ACME, new=ACME.replace("acme-pay", "acme-payments"))
    assert operator.in_a_pipe("apply", "acme.yaml")[0] == 0
    code, _, err = operator.in_a_pipe("apply", "new.yaml")
    assert code == 0
    assert "deliveries to /webhooks/acme-pay are taken as before" in err
    advice = err.partition("`stripeline ")[2].partition("`")[0].split()
    assert operator.in_a_pipe(*advice, "--yes")[0] == 0
    assert operator.keys() == ["connection/acme", "trigger/acme-payments", "workflow/acme-thank"]


def test_a_pipeline_gets_the_same_as_an_object(operator: Operator) -> None:
    literal = ACME.replace("name: Ada", "name: data.email")
    operator.writes(acme=literal)
    code, out, _ = operator.in_a_pipe("apply", "acme.yaml", "--dry-run", "--json")
    found: dict[str, Any] = json.loads(out)
    assert (code, found["applied"], operator.keys()) == (0, False, [])
    assert [(row["change"], row["kind"], row["line"]) for row in found["changes"]] == [
        ("added", "connection", 2), ("added", "trigger", 4), ("added", "workflow", 6),
    ]  # fmt: skip
    (warning,) = found["warnings"]  # case O3
    assert (warning["line"], 'write "=data.email"' in warning["message"]) == (8, True)
    assert found["trials"] == [{"workflow": "acme-thank", "examples": 8, "matches": 8, "where_missing": 0, "fails": 0}]
