"""The command on a real Kafka: apply, get, delete, and looking at runs and dead letters; no secret in any output."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stripeline.contracts import headers
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import Broker

KEY, WHSEC = "sk_test_1234567890hidden", "whsec_hiddentoo"
FILE = """\
connections:
  acme: {secret_key: "${env:ACME_KEY}", account: acct_1Acme}
triggers:
  pay: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  thank:
    trigger: pay
    steps: [{id: customer, action: stripe/create-customer, input: {name: Ada}}]
"""
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Run the command and give its exit code, standard output and standard error; no secret may be in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "2")
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    monkeypatch.setenv("STRIPELINE_STRIPE_API_BASE", "http://127.0.0.1:1")  # nobody to ask: the file declares it
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("ACME_WHSEC", WHSEC)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "stripeline.yaml").write_text(FILE)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capfd.readouterr()
        assert "hidden" not in out + err
        assert "Traceback" not in err
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


def listed(call: Call, *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = call(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert isinstance(found, list)
    return found


def changes(call: Call, *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = call("apply", *arguments, "--json")
    found = json.loads(out)
    assert (code, found["applied"], found["problems"]) == (0, True, [])
    return list(found["changes"])


def test_a_connection_with_waiting_commands_is_not_removed(call: Call, tmp_path: Path) -> None:
    call("topics", "apply")
    (tmp_path / "one.yaml").write_text(FILE.partition("triggers:")[0])
    (tmp_path / "other.yaml").write_text(FILE.partition("triggers:")[0].replace("  acme:", "  other:"))
    call("apply", "one.yaml")
    for number in range(3):
        options = ("--connection", "acme", "--account", "acct_1Conn01", "--id", f"c{number}")
        assert call("command", "stripe/create-customer", *options)[0] == 0
    for asked in (("delete", "connection", "acme"), ("apply", "other.yaml", "--prune")):
        code, _, err = call(*asked, "--yes")
        assert (code, "acme was not removed: 3 of its commands wait" in err) == (1, True), err
    assert [row["name"] for row in listed(call, "get", "connections")] == ["acme"]


def test_a_connection_is_paused_and_resumed(call: Call, tmp_path: Path) -> None:
    call("topics", "apply")
    (tmp_path / "one.yaml").write_text(FILE.partition("triggers:")[0])
    call("apply", "one.yaml")
    code, _, err = call("pause", "connection", "acme", "--why", " ")
    assert (code, "needs a reason" in err) == (1, True)
    assert call("pause", "connection", "acme", "--why", "the client asked")[0] == 0
    (row,) = listed(call, "get", "connections")
    assert ("paused by" in row["state"], "the client asked" in row["state"]) == (True, True)
    assert "paused already" in call("pause", "connection", "acme", "--why", "again")[2]
    assert call("resume", "connection", "acme")[0] == 0
    assert listed(call, "get", "connections")[0]["state"] == "ready"
    assert "is not paused" in call("resume", "connection", "acme")[2]
    assert call("delete", "connection", "acme", "--yes")[0] == 0


def test_topics_apply_check_and_list(call: Call) -> None:
    assert call("topics", "check")[0] == 1
    code, out, _ = call("topics", "apply")
    assert (code, out.count("created ")) == (0, 20)
    code, out, err = call("topics", "check")
    assert (code, out) == (0, "All topics are as they must be.\n")
    assert "has one replica and min.insync.replicas=1" in err  # advice: this Kafka has one broker
    assert listed(call, "topics", "check") == []
    rows = {row["topic"].partition(".")[2]: row for row in listed(call, "topics", "list")}
    assert set(rows["run"]) == {"topic", "partitions", "cleanup", "retention", "exists", "problems"}
    assert (rows["run"]["cleanup"], rows["run"]["retention"], rows["payment-event"]["retention"]) == (
        "compact",
        None,
        "7d",
    )
    code, _, err = call("topics", "apply", "--partitions", "5")
    assert code == 1
    assert "set STRIPELINE_PARTITIONS=2" in err


def test_apply_get_and_delete(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stripeline topics apply" in call("apply", "stripeline.yaml")[2]
    call("topics", "apply")
    code, out, err = call("apply", "stripeline.yaml", "--dry-run")
    assert (code, out.splitlines()[0], "nothing was published" in err) == (
        0,
        "+ connection/acme (stripeline.yaml:2)",
        True,
    )
    assert listed(call, "get", "connections") == []
    assert {row["change"] for row in changes(call, "stripeline.yaml")} == {"added"}
    assert {row["change"] for row in changes(call, "stripeline.yaml")} == {"unchanged"}
    assert listed(call, "get", "connections") == [
        {"name": "acme", "mode": "test", "account": "acct_1Acme", "key": "sk_test_…dden", "state": "ready"}
        | {"paused_accounts": [], "rate": None, "limits": None, "commands": "all"}
    ]
    assert listed(call, "get", "triggers")[0]["path"] == "/webhooks/pay"
    assert listed(call, "get", "workflows")[0]["steps"][0]["action"] == "stripe/create-customer"
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    assert listed(call, "get", "connections")[0]["state"] == "unreadable"
    code, _, err = call("delete", "connection", "acme")
    assert (code, "in use by trigger pay" in err) == (1, True)
    assert call("delete", "trigger", "none")[0] == 1
    assert call("delete", "workflow", "thank", "--yes")[:2] == (0, "deleted workflow/thank\n")
    assert call("delete", "trigger", "pay", "--yes")[0] == 0
    assert listed(call, "get", "triggers") == []


def test_a_refused_file_publishes_nothing(call: Call, tmp_path: Path) -> None:
    call("topics", "apply")
    (tmp_path / "bad.yaml").write_text(FILE.replace("name: Ada", "mail: Ada"))
    code, out, err = call("apply", "bad.yaml")
    assert (code, out) == (1, "")
    assert "bad.yaml:8: workflows.thank.steps[0].input.mail: stripe/create-customer has no input 'mail'" in err
    assert listed(call, "get", "connections") == []


def test_a_command_is_produced_and_waited_for(call: Call) -> None:
    call("topics", "apply")
    call("apply", "stripeline.yaml")
    arguments = ["command", "stripe/create-customer", "--connection", "acme", "--input", "name=Ada", "--key", "k"]
    (placed,) = listed(call, *arguments, "--id", "c1")
    assert (placed["command_id"], placed["offset"]) == ("c1", 0)
    code, _, err = call(*arguments, "--wait", "--timeout", "0.5")
    assert (code, "has no result after 0.5 s" in err) == (1, True)
    code, _, err = call("command", "stripe/create-customer", "--connection", "other")
    assert (code, "There is no connection 'other'. There is acme." in err) == (1, True)


def write(broker: Broker, topic: str, *records: tuple[bytes, bytes, Mapping[str, bytes]]) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
        await producer.start()
        try:
            for key, value, given in records:
                await producer.send_and_wait(topic, value, key=key, partition=0, headers=list(given.items()))
        finally:
            await producer.stop()

    asyncio.run(send())


def run_record(number: int, status: str) -> bytes:
    step = {
        "id": "one",
        "action": "stripe/create-payment-intent",
        "command_id": f"evt_{number}:thank:one",
        "revision": 0,
        "status": "succeeded",
        "output": {"client_secret": "pi_1_secret_hidden"},
        "error": None,
        "started_at": 1_000,
        "finished_at": 1_500,
    }
    record = {
        "run": f"evt_{number}:thank",
        "workflow": "thank",
        "trigger": "pay",
        "event": f"evt_{number}",
        "event_type": "payment_intent.succeeded",
        "status": status,
        "step": "one",
        "error": None,
        "steps": [step],
        "started_at": 1_000 + number,
        "finished_at": None,
        "definition": [],
        "context": {},
    }
    return orjson.dumps(record)


def test_runs_are_listed_and_shown(call: Call, broker: Broker, prefix: str) -> None:
    call("topics", "apply")
    records = [(b"evt_%d:thank" % number, run_record(number, "running"), {}) for number in range(3)]
    done = (b"evt_1:thank", run_record(1, "succeeded"), {})
    write(broker, Topics(prefix=prefix).run, *records, done)
    assert [run["event"] for run in listed(call, "runs", "list")] == ["evt_2", "evt_1", "evt_0"]
    assert [run["event"] for run in listed(call, "runs", "list", "--status", "succeeded")] == ["evt_1"]
    assert [run["event"] for run in listed(call, "runs", "list", "--event", "evt_0")] == ["evt_0"]
    code, out, err = call("runs", "list", "--limit", "2", "--json")
    assert (code, len(json.loads(out)), "more than the newest 2" in err) == (0, 2, True)
    (shown,) = listed(call, "runs", "show", "evt_1:thank")
    assert (shown["status"], shown["steps"][0]["output"]) == ("succeeded", {"client_secret": "…masked"})
    assert call("runs", "list")[0] == 0
    assert call("runs", "show", "evt_1:thank")[0] == 0
    assert "There is no run 'none'" in call("runs", "show", "none")[2]


def test_dead_letters_are_listed_filtered_and_shown(call: Call, broker: Broker, prefix: str) -> None:
    call("topics", "apply")
    command = {"command_id": "c1", "action": "stripe/create-customer", "connection": "acme", "input": {}}
    exhausted = {headers.REASON: b"exhausted", headers.CODE: b"RATE_LIMITED", headers.ATTEMPTS: b"6"}
    unreadable = {headers.REASON: b"unreadable", headers.LAST_ERROR: b"sk_live_hidden"}
    topic = Topics(prefix=prefix).dead_letter
    write(broker, topic, (b"k", orjson.dumps(command), exhausted), (b"", b"not json whsec_hidden", unreadable))
    newest, oldest = listed(call, "dead-letters", "list")
    assert (newest["reason"], newest["command_id"], oldest["command_id"]) == ("unreadable", None, "c1")
    for option, value in [("--code", "RATE_LIMITED"), ("--id", "c1"), ("--key", "k"), ("--connection", "acme")]:
        assert [row["offset"] for row in listed(call, "dead-letters", "list", option, value)] == [0]
    assert listed(call, "dead-letters", "list", "--until", "1h") == []
    assert len(listed(call, "dead-letters", "list", "--since", "1h")) == 2
    assert listed(call, "dead-letters", "show", "c1")[0]["value"] == command
    assert listed(call, "dead-letters", "show", "0/1")[0]["last_error"] == "sk_live_…masked"
    assert call("dead-letters", "list")[0] == 0
    assert {row["state"] for row in listed(call, "dead-letters", "list")} == {"open"}
    settled = {"act": "settled", "by": "executor", "why": "w", "at": 1, "records": [], "about": "command c1"}
    write(broker, Topics(prefix=prefix).audit, (b"", orjson.dumps(settled), {}), (b"", b"of a later version", {}))
    assert [row["command_id"] for row in listed(call, "dead-letters", "list")] == [None]
    assert [row["state"] for row in listed(call, "dead-letters", "list", "--all")] == ["open", "settled"]
    assert [row["command_id"] for row in listed(call, "dead-letters", "list", "--state", "settled")] == ["c1"]
    assert listed(call, "dead-letters", "show", "c1")[0]["state"] == "settled"
    assert "There is no dead letter 'c2'" in call("dead-letters", "show", "c2")[2]
