"""Topics whose records are of a format that this version does not know: every command and process refuses them."""

import asyncio
from pathlib import Path

import pytest

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import Installation
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.operations import topics as admin
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import Broker
from tests.support.cluster import Process, free_port

REFUSED = "have format 2"
COMMANDS = (
    "topics apply", "topics check", "topics list", "topics skip CONTROL 0 0 --why x", "get connections",
    "get triggers", "get workflows", "delete connection acme --yes", "pause connection acme --why x",
    "resume connection acme --why x", "pause workflow w --why x", "resume workflow w --why x",
    "command stripe/retrieve-charge --connection acme --input id=ch_1", "commands show c1", "runs list",
    "runs list --follow", "runs show r1", "runs retry r1", "runs cancel r1", "runs start w --event evt_1",
    "runs erase --event evt_1", "events list", "events show evt_1", "events tail", "dead-letters list",
    "dead-letters list --follow", "dead-letters show c1", "dead-letters replay", "dead-letters dismiss", "keys status",
    "keys rotate", "status",
)  # fmt: skip
PROCESSES = ("ingest", "router", "executor", "worker")


@pytest.fixture
async def foreign(broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Topics that another version made."""
    topics, client = Topics(prefix=prefix), {"bootstrap_servers": broker.bootstrap_servers}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "1")
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    monkeypatch.setenv("STRIPELINE_ADMIN_PORT", "0")
    await admin.apply(topics, 1, client)
    await publish(topics.control, client, {"installation": encode(Installation(id="k3v9x2", format=2))})
    return topics


async def test_commands_refuse_another_format(foreign: Topics, capfd: pytest.CaptureFixture[str]) -> None:
    def said(command: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as caught:
            main(command.replace("CONTROL", foreign.event("payment-event")).split())
        out = capfd.readouterr()
        return caught.value.code, out.err + out.out

    answers = {command: await asyncio.to_thread(said, command) for command in COMMANDS}
    assert {command: said for command, said in answers.items() if said[0] != 1 or REFUSED not in said[1]} == {}


async def test_processes_refuse_another_format(foreign: Topics, tmp_path: Path) -> None:
    auth = {"STRIPELINE_CONSOLE_AUTH": "token", "STRIPELINE_CONSOLE_TOKENS_FILE": str(tmp_path / "tokens.json")}
    console = [("console-token", "ada", "--role", "viewer"), ("console",)]
    (made, *_), started = console, []
    token = Process("token", made, auth, tmp_path)
    token.start()
    assert token.child is not None
    await asyncio.to_thread(token.child.wait, 20)
    for role in (*PROCESSES, "console"):
        ports = {f"STRIPELINE_{name}_PORT": str(free_port()) for name in ("ADMIN", "INGEST", "CONSOLE")}
        process = Process(role, (role,), {**auth, **ports}, tmp_path)
        process.start()
        started.append(process)
    for process in started:
        assert process.child is not None
        code = await asyncio.to_thread(process.child.wait, 30)
        assert (code, REFUSED in process.tail()) == (1, True), f"{process.name}: {code}\n{process.tail()}"
