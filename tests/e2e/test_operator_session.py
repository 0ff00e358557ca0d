"""An operator on a real terminal, beside a real `stripeline up`: advice is pasted, ids are copied, Ctrl-C ends.

One stack for all tests of the module.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.local.kafka import free_port
from tests.support.console import Session, steps
from tests.support.terminal import CTRL_C, STRIPELINE, Shown, on_terminal

ROOT = Path(__file__).parents[2]
READY = "Everything runs"


@dataclass(frozen=True, slots=True)
class Up:
    """A `stripeline up`: its folder, the process, what it printed, and its ports."""

    folder: Path
    pid: int
    said: str
    ingest: int
    admin: int

    def shell(self, script: str, *, columns: int = 80, cwd: Path | None = None) -> Shown:
        """A script in a second terminal, whose PATH knows no `stripeline` until the advice was followed."""
        shell = ("bash", "--noprofile", "--norc", "-c")
        env = {"PATH": "/usr/bin:/bin"}
        return on_terminal([script], command=shell, env=env, columns=columns, cwd=cwd or self.folder)

    @property
    def advice(self) -> str:
        """The commands that it advises, as they would be pasted."""
        return "\n".join(line for line in self.said.partition("second terminal:")[2].splitlines() if line.strip())

    @property
    def enter(self) -> str:
        return self.advice.strip().splitlines()[0]

    def run(self, command: str, *, columns: int = 80) -> Shown:
        return self.shell(f"{self.enter}\n{command}", columns=columns)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Two that start at once would both choose the default ports."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("an operator's")
    ingest, admin = free_port(), free_port()
    command = [*STRIPELINE, "up", "--ingest-port", str(ingest), "--admin-port", str(admin)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("STRIPELINE_")}
    with ExitStack() as stack:
        with alone(tmp_path_factory.getbasetemp().parent / "up.lock"):
            process = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.communicate, timeout=60)
            stack.callback(process.send_signal, signal.SIGINT)
            said = until_ready(process)
        yield Up(folder, process.pid, said, ingest, admin)
    assert process.returncode == 0


def until_ready(process: subprocess.Popen[str]) -> str:
    """What it prints before a person may go on."""
    assert process.stderr is not None
    said = ""
    while READY not in said or not said.rstrip().endswith("get workflows"):
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def last_event(up: Up) -> dict[str, Any]:
    newest = "stripeline events list --type payment_intent.succeeded --json --limit 1 2>/dev/null"
    found: list[dict[str, Any]] = json.loads(up.run(newest).text)
    return found[0]


def trigger(up: Up) -> None:
    """An event, and the run that it starts."""
    up.run(f"stripeline trigger payment_intent.succeeded --url http://127.0.0.1:{up.ingest}/webhooks/acme-payments")
    listed = f"stripeline runs list --json --event {last_event(up)['event']} 2>/dev/null"
    ends_s = time.monotonic() + 60
    while not json.loads(up.run(listed).text):
        assert time.monotonic() < ends_s, "its run did not begin"


def test_its_advice_works_as_it_is_pasted_elsewhere(up: Up, tmp_path: Path) -> None:
    shown = up.shell(f"set -e\n{up.advice}", cwd=tmp_path, columns=200)
    assert shown.code == 0, shown.text
    assert "command not found" not in shown.text
    assert "200 evt_" in shown.text


def test_the_admin_port_that_was_asked_for_has_the_metrics(up: Up) -> None:
    assert f"http://127.0.0.1:{up.admin}/metrics" in up.said
    for path, word in (("metrics", "stripeline_deliveries_total"), ("readyz", '"ready"'), ("healthz", '"ok"')):
        with urllib.request.urlopen(f"http://127.0.0.1:{up.admin}/{path}", timeout=10) as answer:
            assert word in answer.read().decode()


def test_a_second_up_says_who_runs_already(up: Up) -> None:
    for second in (["up"], ["kafka", "run"]):
        shown = on_terminal(second, cwd=up.folder, columns=1_000)
        (line,) = shown.text.strip().splitlines()
        assert shown.code == 1
        assert re.search(rf"already running in .*, since 20\d\d-.*Z, pid {up.pid}\.", line)


@pytest.mark.long
def test_lists_keep_their_ids_at_any_width(up: Up) -> None:
    trigger(up)
    event = last_event(up)
    for columns in (40, 80, 200):
        runs, events = (
            up.run("stripeline runs list", columns=columns),
            up.run("stripeline events list", columns=columns),
        )
        assert f"{event['event']}:thank-big-spenders" in runs.text.replace("\n", ""), columns
        assert event["event"] in events.text, columns
        assert ("Not shown on a terminal" in events.text.replace("\n", " ")) is (columns < 200)
    piped = up.run(f"stripeline runs list --event {event['event']} | cat").text.replace("\n", "")
    assert f"{event['event']}:thank-big-spenders" in piped


def test_personal_data_is_shown_only_after_it_is_recorded(up: Up) -> None:
    trigger(up)
    event = last_event(up)
    assert event["data"]["receipt_email"] == event["data"]["client_secret"] == "…masked"
    show = f"stripeline events show {event['event']} --unmask"
    refused = up.run(show, columns=400)
    assert (refused.code, "--unmask needs --why" in refused.text) == (1, True)
    shown = up.run(f"{show} --why 'ticket 4711'", columns=400)
    assert json.loads(shown.text)["data"]["receipt_email"] == "ada@example.com"
    assert json.loads(shown.text)["data"]["client_secret"] == "…masked"


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("stripeline events tail --since 1h", "payment_intent.succeeded"),
        ("stripeline events tail --since 1h --json", '"type": "payment_intent.succeeded"'),
        ("stripeline runs list --follow --since 1h", ":thank-big-spenders"),
    ],
)
def test_following_ends_at_ctrl_c_with_130(up: Up, command: str, seen: str) -> None:
    trigger(up)
    shell = ("bash", "--noprofile", "--norc", "-c")
    script = f"{up.enter}\nexec {command}"
    answers = [(seen, CTRL_C)]
    shown = on_terminal([script], command=shell, answers=answers, env={"PATH": "/usr/bin:/bin"}, cwd=up.folder)
    assert (shown.code, seen in shown.text) == (130, True)
    assert "Traceback" not in shown.text


def test_a_reader_that_leaves_is_no_error(up: Up) -> None:
    trigger(up)  # what is written meets the closed pipe
    for command in ("events tail --since 1h --json", "runs list"):
        assert up.run(f"stripeline {command} | true").text.strip() == ""


SHOP = """\
workflows:
  shop-deposit:
    trigger: acme-customers
    types: [customer.created]
    where: "has(data.metadata.shop)"
    steps:
      - {id: deposit, action: stripe/create-payment-intent, input: {amount: 1500, currency: "=data.metadata.currency"}}
"""
CUSTOMER = {"name": "Ada Lovelace", "metadata": {"shop": "berlin", "currency": "EURO"}}


def scene(up: Up) -> None:
    """What the chapter meets: a workflow whose run stops, and a command id that is used twice."""
    (up.folder / "shop.yaml").write_text(SHOP)
    (up.folder / "customer.json").write_text(json.dumps(CUSTOMER))
    create = "stripeline command stripe/create-customer --connection acme --id crm-4711 --input"
    shown = up.run(
        f"set -e\nstripeline apply shop.yaml\n{create} name=Ada --wait\n{create} name=Grace\nstripeline trigger"
        f" customer.created --url http://127.0.0.1:{up.ingest}/webhooks/acme-customers --object customer.json"
    )
    assert shown.code == 0, shown.text


@pytest.mark.timeout(300)
def test_the_operators_chapter_runs_as_it_is_written(up: Up) -> None:
    chapter = (ROOT / "README.md").read_text(encoding="utf-8").partition("### Operate it\n")[2].partition("\n## ")[0]
    scene(up)
    session, found = Session(), list(steps(chapter))
    assert len(found) >= 10
    for step in found:
        if step.command == "stripeline apply shop.yaml":
            (up.folder / "shop.yaml").write_text(SHOP.replace('"=data.metadata.currency"', "eur"))
        tries = 1 if any(word in step.command for word in ("--yes", " apply ", " pause ", " resume ")) else 10
        for _ in range(tries):  # the page shows what comes a moment later
            shown = up.run(session.command(step), columns=100)
            problem = session.missing(step, shown.text)
            if problem is None:
                break
        assert problem is None, f"$ {step.command}\n{problem}\n--- shown:\n{shown.text}"
